"""How well a model tells faces from what is none, at the threshold that `run` uses."""

import numpy as np

from facecli.labels import PRESENCE
from facecli.training.metrics import class_metrics

FACE = PRESENCE.index("face")


def presence_metrics(
    labels: np.ndarray, probabilities: np.ndarray, raw: np.ndarray, threshold: float | None
) -> dict:
    """What `class_metrics` knows, and the shares that are refused.

    Args:
        labels: (n,) indices into `labels.PRESENCE`, -1 where missing.
        probabilities, raw: (n, 2), after and before calibration.
        threshold: what is less likely a face is refused; None refuses nothing.

    Returns:
        With known labels also faces_refused and not_faces_refused, in [0, 1]; None without any.
    """
    metrics = class_metrics(labels, probabilities, raw)
    if not metrics["count"]:
        return metrics
    refused = probabilities[:, FACE] < (0.0 if threshold is None else threshold)
    for name, known in (("faces_refused", labels == FACE), ("not_faces_refused", labels == 1 - FACE)):
        metrics[name] = float(refused[known].mean()) if known.any() else None
    return metrics
