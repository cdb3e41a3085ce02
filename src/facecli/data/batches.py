"""Crops of a whole table in memory, decoded once and kept on disk as one uint8 array."""

import hashlib
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from facecli import paths
from facecli.crops import WHOLE_CHIP_MARGIN, crop_face
from facecli.images import load_image

log = logging.getLogger(__name__)

CACHE_VERSION = 1
"""Raised when the same file would give other pixels (decoding or cropping changed)."""
_PROGRESS_FROM = 500


def load_crops(
    frame: pd.DataFrame,
    folder: Path,
    image_size: tuple[int, int],
    margin: float = WHOLE_CHIP_MARGIN,
    cache: Path | None = None,
) -> np.ndarray:
    """Decodes every picture of a table as one face chip.

    Args:
        frame: rows with `file` and `sha256`.
        folder: what `file` is relative to.
        image_size: (height, width) of the crops.
        margin: see `crops.crop_face`; the box is the whole picture.
        cache: folder of the cached arrays; facecli's cache folder by default.

    Returns:
        (n, h, w, 3) uint8 RGB, a row for each row of the table; (0, h, w, 3) for none.

    Raises:
        ImageError: a picture cannot be decoded.
    """
    if frame.empty:
        return np.zeros((0, *image_size, 3), np.uint8)
    store = (cache or paths.cache_dir() / "crops") / f"{_key(frame['sha256'], image_size, margin)}.npy"
    if store.is_file():
        log.debug("crops from %s", store)
        return np.load(store, allow_pickle=False)
    crops = np.empty((len(frame), *image_size, 3), np.uint8)
    with ThreadPoolExecutor() as pool:
        files = [folder / file for file in frame["file"]]
        decoded = pool.map(lambda file: _crop(file, image_size, margin), files)
        shown = track(
            decoded,
            description="decoding",
            total=len(files),
            console=Console(stderr=True),
            transient=True,
            disable=len(files) < _PROGRESS_FROM,
        )
        for row, crop in enumerate(shown):
            crops[row] = crop
    with paths.replacing(store) as temporary, open(temporary, "wb") as file:
        np.save(file, crops, allow_pickle=False)
    return crops


def _crop(file: Path, image_size: tuple[int, int], margin: float) -> np.ndarray:
    image = load_image(file)
    height, width = image.shape[:2]
    return crop_face(image, (0, 0, width, height), margin, image_size)


def _key(hashes: Iterable[str], image_size: tuple[int, int], margin: float) -> str:
    """Digest of all that decides the pixels."""
    recipe = f"{CACHE_VERSION} {image_size[0]}x{image_size[1]} {margin:.4f} "
    return hashlib.sha256((recipe + " ".join(hashes)).encode()).hexdigest()[:24]
