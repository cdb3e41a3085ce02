"""What a trained teacher says of augmented pictures: its student learns from the very same views.

A teacher that looks at what its student sees, many times and each time anew, teaches more than
stored answers for the untouched picture (Beyer et al., "Knowledge distillation: a good teacher
is patient and consistent", CVPR 2022). Views and answers lie on disk: a teacher is slow, and an
epoch that reads them costs what an epoch without a teacher costs.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.lib.format import open_memmap
from rich.progress import track

from facecli.console import stderr_console
from facecli.models.checkpoint import write_json
from facecli.training.augment import RandomAffine, RandomColour
from facecli.training.epochs import reseed
from facecli.training.fused_norm import fused_normalization

log = logging.getLogger(__name__)

CHUNK_ROWS = 256
VIEW = "view"
_STATE = "state.json"


class Views(NamedTuple):
    """Several views of n pictures: view 0 of each, then view 1 of each, and so on.

    Attributes:
        crops: (views x n, h, w, 3) uint8 RGB.
        answers: output of the teacher -> (views x n, d) float16.
    """

    crops: np.ndarray
    answers: Mapping[str, np.ndarray]


class ViewMaker(keras.Model):
    """Crops -> one augmented view of each, and what the teacher says of it.

    Args:
        teacher: (n, s, s, 3) uint8 RGB -> dict of outputs; it sees the middle of each crop.
        image_size: (height, width) of the views, which show the whole crop.
        seed: see `reseed`.
    """

    def __init__(self, teacher: keras.Model, image_size: tuple[int, int], seed: int = 0) -> None:
        super().__init__(name="views")
        self.teacher, self.image_size = teacher, image_size
        self.steps: list[keras.layers.Layer] = [RandomAffine(seed=seed), RandomColour(seed=seed + 1)]

    def call(self, crops, training=False):
        images = ops.cast(crops, "float32")
        for step in self.steps:
            images = step(images, training=True)
        side, whole = self.teacher.input.shape[1], crops.shape[1]
        edge = (whole - side) // 2
        seen = images[:, edge : edge + side, edge : edge + side]
        answers = self.teacher(_pixels(seen), training=False)
        view = ops.image.resize(images, self.image_size, antialias=True)
        return {
            VIEW: _pixels(view),
            **{name: ops.cast(values, "float16") for name, values in answers.items()},
        }


def build_views(maker: ViewMaker, crops: np.ndarray, count: int, seed: int, folder: Path) -> Views:
    """Makes `count` views of each crop, or takes those that an earlier run left in `folder`.

    Args:
        maker: makes them; at least as large as the teacher's pictures are its crops.
        crops: (n, s, s, 3) uint8 RGB.
        count: above 0.
        seed: together with the number of the view decides the augmentation.
        folder: of this recipe alone; an interrupted run goes on where it stopped.
    """
    asked = {"rows": len(crops), "views": count, "seed": seed, "image_size": list(maker.image_size)}
    with fused_normalization(maker.teacher):
        return _build(maker, crops, count, seed, folder, asked)


def _build(
    maker: ViewMaker, crops: np.ndarray, count: int, seed: int, folder: Path, asked: Mapping[str, object]
) -> Views:
    arrays, done = _open(maker, crops, count, folder, asked)
    starts = [(view, start) for view in range(count) for start in range(0, len(crops), CHUNK_ROWS)]
    log.info("a teacher looks at %d views of %d pictures", count, len(crops))
    for number in track(range(done, len(starts)), "views", console=stderr_console(), transient=True):
        view, start = starts[number]
        reseed(maker, seed, number)
        chunk = crops[start : start + CHUNK_ROWS]
        # Always the same shape: another one would be compiled anew.
        padded = np.concatenate([chunk, np.zeros((CHUNK_ROWS - len(chunk), *chunk.shape[1:]), np.uint8)])
        place = slice(view * len(crops) + start, view * len(crops) + start + len(chunk))
        for name, values in maker.predict_on_batch(padded).items():
            arrays[name][place] = values[: len(chunk)]
        if number % 50 == 49 or number + 1 == len(starts):
            write_json(folder / _STATE, {**asked, "done": number + 1})
    return Views(arrays.pop(VIEW), arrays)


def _open(
    maker: ViewMaker, crops: np.ndarray, count: int, folder: Path, asked: Mapping[str, object]
) -> tuple[dict[str, np.ndarray], int]:
    """The arrays on disk, and how many chunks of them hold something."""
    folder.mkdir(parents=True, exist_ok=True)
    state = json.loads((folder / _STATE).read_text("utf-8")) if (folder / _STATE).is_file() else {}
    done = state.pop("done", 0)
    if state == asked:
        return {path.stem: open_memmap(path, "r+") for path in folder.glob("*.npy")}, done
    shapes = maker.predict_on_batch(np.zeros((CHUNK_ROWS, *crops.shape[1:]), np.uint8))
    # The state goes first: it must never speak of arrays that are being made anew.
    for old in [folder / _STATE, *folder.glob("*.npy")]:
        old.unlink(missing_ok=True)
    return {
        name: open_memmap(folder / f"{name}.npy", "w+", values.dtype, (count * len(crops), *values.shape[1:]))
        for name, values in shapes.items()
    }, 0


def _pixels(images):
    return ops.cast(ops.round(ops.clip(images, 0.0, 255.0)), "uint8")
