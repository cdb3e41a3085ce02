"""Labels of rows as the arrays that the losses take; a missing label is a row of zeros."""

from collections.abc import Mapping, Sequence

import numpy as np

from facecli.labels import AGE_CLASSES, HEAD_CLASSES, MISSING

LABEL_COLUMNS = {"age": "age_years", "gender": "gender", "race": "race"}
"""Head -> column of the data table."""


def build_targets(labels: Mapping[str, Sequence[int]], heads: Sequence[str]) -> dict[str, np.ndarray]:
    """Encodes the label columns of a table.

    Args:
        labels: anything with the columns of LABEL_COLUMNS, -1 where a label is missing.
        heads: the heads that are trained.

    Returns:
        Head -> (n, classes) float32 one-hot rows; for age (n, classes + 1): a Gaussian over
        the years, then the age itself.
    """
    targets = {}
    for head in heads:
        values = np.asarray(labels[LABEL_COLUMNS[head]], np.int64)
        targets[head] = encode_age(values) if head == "age" else encode_classes(values, HEAD_CLASSES[head])
    return targets


def encode_classes(values: np.ndarray, classes: int) -> np.ndarray:
    """(n, classes) one-hot rows, zeros where the value is missing."""
    known = values != MISSING
    encoded = np.zeros((len(values), classes), np.float32)
    encoded[np.flatnonzero(known), values[known]] = 1.0
    return encoded


def encode_age(age_years: np.ndarray) -> np.ndarray:
    """(n, AGE_CLASSES + 1): soft label over years, and the age in the last column.

    The Gaussian (Gao et al., deep label distribution learning, TIP 2017) widens with age:
    a year decides how a baby looks and tells little at fifty. The last column keeps the age
    itself because the mean of a Gaussian that is cut at zero is not the age.
    """
    years = np.arange(AGE_CLASSES, dtype=np.float32)
    age = np.asarray(age_years, np.float32)[:, None]
    sigma = np.clip(0.6 + 0.05 * age, 0.6, 2.5)
    soft = np.exp(-0.5 * ((years - age) / sigma) ** 2)
    soft /= soft.sum(axis=1, keepdims=True)
    encoded = np.concatenate([soft, age], axis=1)
    encoded[age[:, 0] == MISSING] = 0.0
    return encoded.astype(np.float32)
