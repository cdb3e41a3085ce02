"""The teachers of a student: what frozen networks see of each face, computed once and kept on disk.

Rows are found by the sha256 of the picture file, so that another split, order or subset of
the same pictures reuses them. The store is written after some chunks and at the end, however
that comes: an interrupted run goes on where it stopped.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facecli.core import paths
from facecli.core.arrays import Array
from facecli.core.console import with_bar
from facecli.core.crops import WHOLE_CHIP_MARGIN, crop_face
from facecli.core.errors import WeightsError
from facecli.core.images import load_image
from facecli.training.engine import fused_normalization
from facecli.training.prepare import PreparedData

log: logging.Logger = logging.getLogger(__name__)

CHUNK_ROWS = 1024
CHUNKS_A_WRITE = 8
"""The store is written whole: after each chunk that would cost more than the chunk."""
TAPS = ("block17", "block8", "embedding")
Predict = Callable[[Array], dict[str, Array]]
"""(n, h, w, 3) uint8 RGB -> tap -> (n, d)."""

TEACHERS = {
    "facenet": {"embedding": 512, "block17": 896},
    "mobilenet": {"mobilenet": 1024},
}
"""Teacher -> the features that a student reproduces, and their sizes."""
LOOK_MARGINS = (0.0, -0.075, 0.15)
"""Of the crops that FaceNet sees when labels are softened, one for each teacher of a fold: heads on one
err elsewhere than heads on another (benchmarks/facenet_margin.md). The first is what a student's features
are compared with, and so is had already."""
_CENTRED = "embedding"
"""The one tap that is compared as it is."""


class FeatureStore:
    """Features by picture hash: `<cache>/features/<name>.npz`, float16."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self.path: Path = (folder or paths.cache_dir() / "features") / f"{name}.npz"
        self.rows: dict[str, int] = {}
        self.arrays: dict[str, Array] = {}
        if self.path.is_file():
            with np.load(self.path, allow_pickle=False) as stored:
                self.rows = {key: row for row, key in enumerate(stored["sha256"].tolist())}
                self.arrays = {tap: stored[tap] for tap in stored.files if tap != "sha256"}

    def missing(self, keys: Sequence[str]) -> list[int]:
        """Positions of the keys that have no features yet; a key that recurs is named once."""
        first = {key: position for position, key in reversed(list(enumerate(keys)))}
        return sorted(position for key, position in first.items() if key not in self.rows)

    def add(self, keys: Sequence[str], features: dict[str, Array]) -> None:
        """Appends rows and writes the store, whole."""
        for tap, values in features.items():
            values = values.astype(np.float16)
            known = self.arrays.get(tap)
            self.arrays[tap] = values if known is None else np.concatenate([known, values])
        start = len(self.rows)
        self.rows.update({key: start + row for row, key in enumerate(keys)})
        with paths.replacing(self.path) as temporary:
            # The stub takes every keyword for `allow_pickle`.
            np.savez(temporary, sha256=np.array(list(self.rows)), **self.arrays)  # type: ignore[arg-type]

    def get(self, keys: Sequence[str]) -> dict[str, Array]:
        """Tap -> (n, d) float32, a row for each key."""
        rows = [self.rows[key] for key in keys]
        return {tap: values[rows].astype(np.float32) for tap, values in self.arrays.items()}


def facenet_features(
    files: Sequence[Path],
    keys: Sequence[str],
    weights: Path | None = None,
    taps: Sequence[str] = TAPS,
    flip: bool = False,
    margin: float = WHOLE_CHIP_MARGIN,
    batch_size: int = 64,
) -> dict[str, Array]:
    """Pooled features of the genuine FaceNet trunk for face chips.

    Args:
        files: the pictures, each one whole chip.
        keys: their sha256, by which features are cached.
        weights: FaceNet weight file; without it the weights folder is searched.
        taps: subset of TAPS.
        flip: of the pictures mirrored left to right.
        margin: of the crop, in sides of the chip; what lies outside repeats the edge.

    Returns:
        Tap -> (n, d) float32, rows in the order of `files`.

    Raises:
        WeightsError: the weights are missing or damaged.
    """
    from facecli.models.pretrained import load_facenet

    def load() -> Predict:
        trunk = load_facenet(weights, TAPS)

        def predict(crops: Array) -> dict[str, Array]:
            with fused_normalization(trunk):
                return trunk.predict(crops, batch_size=batch_size, verbose=0)

        return predict

    name = f"facenet-vggface2-margin{margin:g}" + ("-flipped" if flip else "")
    found = _features(name, load, files, keys, margin, (160, 160), flip)
    return {tap: found[tap] for tap in taps}


def mobilenet_features(
    files: Sequence[Path],
    keys: Sequence[str],
    weights: Path | None = None,
    flip: bool = False,
    batch_size: int = 32,
) -> dict[str, Array]:
    """{"mobilenet": (n, 1024) float32}: pooled features of the MobileNet teacher.

    Arguments and errors are those of `facenet_features`.
    """
    from facecli.models.pretrained import IMAGE_SIZE, load_mobilenet

    def load() -> Predict:
        network = load_mobilenet(weights)

        def predict(crops: Array) -> dict[str, Array]:
            starts = range(0, len(crops), batch_size)
            parts = [network(crops[start : start + batch_size])["mobilenet"] for start in starts]
            return {"mobilenet": np.concatenate(parts)}

        return predict

    name = "mobilenet-vggface2" + ("-flipped" if flip else "")
    return _features(name, load, files, keys, WHOLE_CHIP_MARGIN, IMAGE_SIZE, flip)


def _features(
    name: str,
    load: Callable[[], Predict],
    files: Sequence[Path],
    keys: Sequence[str],
    margin: float,
    image_size: tuple[int, int],
    flip: bool = False,
) -> dict[str, Array]:
    """Features out of the store `name`; what is missing there is computed by what `load` gives."""
    store = FeatureStore(name)
    wanted = store.missing(keys)
    if wanted:
        predict = load()
        log.info("computing %s features of %d pictures", name, len(wanted))
        chunks = [wanted[start : start + CHUNK_ROWS] for start in range(0, len(wanted), CHUNK_ROWS)]
        pictures = _prefetched(chunks, lambda row: _crop(files[row], margin, image_size))
        shown = with_bar(pictures, name, len(chunks))
        with _written_together(store) as add:
            for chunk, crops in zip(chunks, shown, strict=True):
                features = predict(crops[:, :, ::-1] if flip else crops)
                if not all(np.isfinite(values).all() for values in features.values()):
                    raise WeightsError(f"{name} gave features that are not finite: the weights are damaged")
                add([keys[row] for row in chunk], features)
    return store.get(keys)


@contextmanager
def _written_together(
    store: FeatureStore,
) -> Iterator[Callable[[list[str], dict[str, Array]], None]]:
    """Yields what takes keys and features of chunks; also those before an error or Ctrl-C are written."""
    held: list[tuple[list[str], dict[str, Array]]] = []

    def write() -> None:
        if held:
            keys = [key for chunk, _ in held for key in chunk]
            taps = held[0][1]
            store.add(keys, {tap: np.concatenate([features[tap] for _, features in held]) for tap in taps})
            held.clear()

    def add(keys: list[str], features: dict[str, Array]) -> None:
        held.append((keys, features))
        if len(held) == CHUNKS_A_WRITE:
            write()

    try:
        yield add
    finally:
        write()


def _prefetched(chunks: Sequence[Sequence[int]], load: Callable[[int], Array]) -> Iterator[Array]:
    """The pictures of each chunk, stacked; those of the next one are decoded while one is looked at."""

    def stacked(chunk: Sequence[int]) -> Array:
        return np.stack([load(row) for row in chunk])

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(stacked, chunks[0])
        for following in [*chunks[1:], None]:
            crops = coming.result()
            if following is not None:
                coming = pool.submit(stacked, following)
            yield crops


def _crop(file: Path, margin: float, image_size: tuple[int, int]) -> Array:
    image = load_image(file)
    height, width = image.shape[:2]
    return crop_face(image, (0, 0, width, height), margin, image_size)


def projections(teachers: Sequence[str]) -> dict[str, int]:
    """Feature -> size of all these teachers."""
    return {tap: size for teacher in teachers for tap, size in TEACHERS[teacher].items()}


def teacher_features(
    data: PreparedData,
    rows: Array,
    teachers: Sequence[str],
    weights: Path | None = None,
    unlabelled: npt.ArrayLike = (),
) -> dict[str, Array]:
    """Feature -> (n, d) float32 with a row for each row of the table, zeros for rows not asked for.

    Features but the embedding are standardised over the training rows: they are not centred,
    and the cosine of two faces would be near 1 whatever they look like.

    Args:
        data: the table and its pictures.
        rows: training and validation rows that the teachers look at.
        teachers: keys of TEACHERS.
        weights: FaceNet weight file, else the weights folder is searched.
        unlabelled: further rows, which features are not standardised by.

    Raises:
        WeightsError: a teacher's weights are missing.
    """
    targets = {}
    seen = np.concatenate([rows, np.asarray(unlabelled, rows.dtype)])
    learnt = (data.frame["split"].iloc[rows] == "train").to_numpy()
    for teacher in teachers:
        for tap, values in _look(data, seen, teacher, weights).items():
            if tap != _CENTRED:
                known = values[: len(rows)][learnt]
                values = (values - known.mean(axis=0)) / (known.std(axis=0) + 1e-6)
            targets[tap] = np.zeros((len(data.frame), values.shape[1]), np.float32)
            targets[tap][seen] = values
    return targets


def teacher_looks(
    data: PreparedData,
    rows: Array,
    teachers: Sequence[str],
    weights: Path | None = None,
    flip: bool = False,
    looks: int = len(LOOK_MARGINS),
) -> list[Array]:
    """All features of these teachers, side by side, from each of the first `looks` crops of LOOK_MARGINS.

    MobileNet sees the whole picture each time. With `flip` all see the pictures mirrored left to right.

    Returns:
        For each look (n, d) float32, a row for each row of the table, zeros for rows not asked for.

    Raises:
        WeightsError: a teacher's weights are missing.
    """
    files, keys = _pictures(data, rows)
    same = [mobilenet_features(files, keys, flip=flip)["mobilenet"]] if "mobilenet" in teachers else []
    looked = []
    for margin in LOOK_MARGINS[:looks]:
        seen = list(same)
        if "facenet" in teachers:
            found = facenet_features(files, keys, weights, flip=flip, margin=margin)
            seen += [found[tap] for tap in TAPS]
        look = np.zeros((len(data.frame), sum(values.shape[1] for values in seen)), np.float32)
        look[rows] = np.concatenate(seen, axis=1)
        looked.append(look)
    return looked


def _look(data: PreparedData, rows: Array, teacher: str, weights: Path | None) -> dict[str, Array]:
    files, keys = _pictures(data, rows)
    return facenet_features(files, keys, weights) if teacher == "facenet" else mobilenet_features(files, keys)


def _pictures(data: PreparedData, rows: Array) -> tuple[list[Path], list[str]]:
    """Files of these rows and their sha256."""
    frame = data.frame.iloc[rows]
    return [data.folder / file for file in frame["file"]], frame["sha256"].tolist()
