"""What a frozen FaceNet trunk says of each face, computed once and kept on disk.

Rows are found by the sha256 of the picture file, so that another split, order or subset of
the same pictures reuses them. The store is written after every chunk: an interrupted run
goes on where it stopped.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from facecli import paths
from facecli.crops import crop_face
from facecli.errors import WeightsError
from facecli.images import load_image

log = logging.getLogger(__name__)

FACENET_MARGIN = -0.075
"""FaceNet was trained on tighter crops than UTKFace's chips: their central 85 %."""
CHUNK_ROWS = 1024
TAPS = ("block17", "block8", "embedding")


class FeatureStore:
    """Features by picture hash: `<cache>/features/<name>.npz`, float16."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self.path = (folder or paths.cache_dir() / "features") / f"{name}.npz"
        self.rows: dict[str, int] = {}
        self.arrays: dict[str, np.ndarray] = {}
        if self.path.is_file():
            with np.load(self.path, allow_pickle=False) as stored:
                self.rows = {key: row for row, key in enumerate(stored["sha256"].tolist())}
                self.arrays = {tap: stored[tap] for tap in stored.files if tap != "sha256"}

    def missing(self, keys: Sequence[str]) -> list[int]:
        """Positions of the keys that have no features yet; a key that recurs is named once."""
        first = {key: position for position, key in reversed(list(enumerate(keys)))}
        return sorted(position for key, position in first.items() if key not in self.rows)

    def add(self, keys: Sequence[str], features: dict[str, np.ndarray]) -> None:
        """Appends rows and writes the store."""
        for tap, values in features.items():
            values = values.astype(np.float16)
            known = self.arrays.get(tap)
            self.arrays[tap] = values if known is None else np.concatenate([known, values])
        start = len(self.rows)
        self.rows.update({key: start + row for row, key in enumerate(keys)})
        with paths.replacing(self.path) as temporary:
            np.savez(temporary, sha256=np.array(list(self.rows)), **self.arrays)

    def get(self, keys: Sequence[str], taps: Sequence[str]) -> dict[str, np.ndarray]:
        """Tap -> (n, d) float32, a row for each key."""
        rows = [self.rows[key] for key in keys]
        return {tap: self.arrays[tap][rows].astype(np.float32) for tap in taps}


def facenet_features(
    files: Sequence[Path],
    keys: Sequence[str],
    weights: Path | None = None,
    taps: Sequence[str] = TAPS,
    flip: bool = False,
    batch_size: int = 64,
) -> dict[str, np.ndarray]:
    """Pooled features of the genuine FaceNet trunk for face chips.

    Args:
        files: the pictures, each one whole chip.
        keys: their sha256, by which features are cached.
        weights: FaceNet weight file; without it the weights folder is searched.
        taps: subset of TAPS.
        flip: of the pictures mirrored left to right.

    Returns:
        Tap -> (n, d) float32, rows in the order of `files`.

    Raises:
        WeightsError: the weights are missing or damaged.
    """
    from facecli.models.facenet import load_facenet

    store = FeatureStore("facenet-vggface2" + ("-flipped" if flip else ""))
    wanted = store.missing(keys)
    if wanted:
        trunk = load_facenet(weights, TAPS)
        log.info("computing FaceNet features of %d pictures", len(wanted))
        chunks = [wanted[start : start + CHUNK_ROWS] for start in range(0, len(wanted), CHUNK_ROWS)]
        for chunk in track(chunks, description="FaceNet features", disable=len(chunks) < 2):
            crops = np.stack([_facenet_crop(files[row]) for row in chunk])
            store.add([keys[row] for row in chunk], _predict(trunk, crops, flip, batch_size))
    return store.get(keys, taps)


def _facenet_crop(file: Path) -> np.ndarray:
    image = load_image(file)
    height, width = image.shape[:2]
    return crop_face(image, (0, 0, width, height), FACENET_MARGIN, (160, 160))


def _predict(trunk: Callable, crops: np.ndarray, flip: bool, batch_size: int) -> dict[str, np.ndarray]:
    crops = crops[:, :, ::-1] if flip else crops
    features = trunk.predict(crops, batch_size=batch_size, verbose=0)
    if not all(np.isfinite(values).all() for values in features.values()):
        raise WeightsError("FaceNet gave features that are not finite: the weights are damaged")
    return features
