"""The teachers of a student: what they see of each face, and what of it a student is asked for."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facecli.training.features import TAPS, facenet_features, mobilenet_features
from facecli.training.prepare import PreparedData

TEACHERS = {
    "facenet": {"embedding": 512, "block17": 896},
    "mobilenet": {"mobilenet": 1024},
}
"""Teacher -> the features that a student reproduces, and their sizes."""
LOOK_MARGINS = (-0.075, 0.0, 0.15)
"""Of the crops that FaceNet sees when labels are softened, one for each teacher of a fold: heads on one
err elsewhere than heads on another (benchmarks/facenet_margin.md)."""
_CENTRED = "embedding"
"""The one tap that is compared as it is."""


def projections(teachers: Sequence[str]) -> dict[str, int]:
    """Feature -> size of all these teachers."""
    return {tap: size for teacher in teachers for tap, size in TEACHERS[teacher].items()}


def teacher_features(
    data: PreparedData,
    rows: np.ndarray,
    teachers: Sequence[str],
    weights: Path | None = None,
    unlabelled: npt.ArrayLike = (),
) -> dict[str, np.ndarray]:
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
    rows: np.ndarray,
    teachers: Sequence[str],
    weights: Path | None = None,
    flip: bool = False,
) -> list[np.ndarray]:
    """All features of these teachers, side by side, from each crop of LOOK_MARGINS.

    MobileNet sees the whole picture each time. With `flip` all see the pictures mirrored left to right.

    Returns:
        For each look (n, d) float32, a row for each row of the table, zeros for rows not asked for.

    Raises:
        WeightsError: a teacher's weights are missing.
    """
    files, keys = _pictures(data, rows)
    same = [mobilenet_features(files, keys, flip=flip)["mobilenet"]] if "mobilenet" in teachers else []
    looks = []
    for margin in LOOK_MARGINS:
        seen = list(same)
        if "facenet" in teachers:
            found = facenet_features(files, keys, weights, flip=flip, margin=margin)
            seen += [found[tap] for tap in TAPS]
        look = np.zeros((len(data.frame), sum(values.shape[1] for values in seen)), np.float32)
        look[rows] = np.concatenate(seen, axis=1)
        looks.append(look)
    return looks


def _look(data: PreparedData, rows: np.ndarray, teacher: str, weights: Path | None) -> dict[str, np.ndarray]:
    files, keys = _pictures(data, rows)
    return facenet_features(files, keys, weights) if teacher == "facenet" else mobilenet_features(files, keys)


def _pictures(data: PreparedData, rows: np.ndarray) -> tuple[list[Path], list[str]]:
    """Files of these rows and their sha256."""
    frame = data.frame.iloc[rows]
    return [data.folder / file for file in frame["file"]], frame["sha256"].tolist()
