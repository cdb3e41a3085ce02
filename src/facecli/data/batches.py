"""Crops of a whole table in memory, decoded once and kept on disk as one uint8 array."""

import hashlib
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from facecli.core import paths
from facecli.core.console import with_bar
from facecli.core.crops import WHOLE_CHIP_MARGIN, crop_face, tighter_crop
from facecli.core.images import load_image
from facecli.data.sources import crop_of

log = logging.getLogger(__name__)

CACHE_VERSION = 2
"""Raised when the same file would give other pixels (decoding or cropping changed)."""


def load_crops(
    frame: pd.DataFrame,
    folder: Path,
    image_size: tuple[int, int],
    margin: float = WHOLE_CHIP_MARGIN,
    cache: Path | None = None,
) -> np.ndarray:
    """Decodes every picture of a table as one face chip.

    Args:
        frame: rows with `file`, `sha256` and `source`; pictures are cut by the `crop` of its layout, so
            that the face lies as in UTKFace's.
        folder: what `file` is relative to.
        image_size: (height, width) of the crops.
        margin: see `core.crops.crop_face`; the box is the whole picture.
        cache: folder of the cached arrays; facecli's cache folder by default.

    Returns:
        (n, h, w, 3) uint8 RGB, a row for each row of the table; (0, h, w, 3) for none.

    Raises:
        ImageError: a picture cannot be decoded.
    """
    if frame.empty:
        return np.zeros((0, *image_size, 3), np.uint8)
    cut_of = {source: tighter_crop(crop_of(source), margin) for source in frame["source"].unique()}
    cuts = [cut_of[source] for source in frame["source"]]
    store = (cache or paths.cache_dir() / "crops") / f"{_key(frame['sha256'], image_size, cuts)}.npy"
    if store.is_file():
        log.debug("crops from %s", store)
        return np.load(store, allow_pickle=False)
    crops = np.empty((len(frame), *image_size, 3), np.uint8)
    with ThreadPoolExecutor() as pool:
        files = [folder / file for file in frame["file"]]
        decoded = pool.map(lambda file, cut: _crop(file, image_size, *cut), files, cuts)
        for row, crop in enumerate(with_bar(decoded, "decoding", len(files))):
            crops[row] = crop
    with paths.replacing(store) as temporary, open(temporary, "wb") as file:
        np.save(file, crops, allow_pickle=False)
    return crops


def _crop(file: Path, image_size: tuple[int, int], margin: float, shift_y: float) -> np.ndarray:
    image = load_image(file)
    height, width = image.shape[:2]
    return crop_face(image, (0, 0, width, height), margin, image_size, shift_y)


def _key(hashes: Iterable[str], image_size: tuple[int, int], cuts: Iterable[tuple[float, float]]) -> str:
    """Digest of all that decides the pixels."""
    recipe = f"{CACHE_VERSION} {image_size[0]}x{image_size[1]} "
    pictures = (
        f"{key} {margin:.4f} {shift_y:.4f}" for key, (margin, shift_y) in zip(hashes, cuts, strict=True)
    )
    return hashlib.sha256((recipe + " ".join(pictures)).encode()).hexdigest()[:24]
