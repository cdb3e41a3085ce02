"""Heads whose probabilities are sums of those of a finer head: `race` of `race_7`. NumPy only.

A model with both learns and stores the finer one alone. The coarse one is folded from it wherever it is
asked for, after calibration, too, so that the two never contradict each other.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from facecli.labels import CLASS_NAMES, FINER_HEADS, FOLDS


def stored_heads(heads: Sequence[str]) -> tuple[str, ...]:
    """Those that a network must give itself: without what is folded from another of them."""
    return tuple(head for head in heads if FINER_HEADS.get(head) not in heads)


def fold_matrix(head: str) -> np.ndarray:
    """(finer classes, classes) float32 zeros and ones: probabilities of the finer head times it are `head`'s.

    Args:
        head: a key of `labels.FINER_HEADS`.
    """
    return np.array([[name == one for one in CLASS_NAMES[head]] for name in FOLDS[head]], np.float32)


def folded(outputs: Mapping[str, np.ndarray], heads: Sequence[str]) -> dict[str, np.ndarray]:
    """The `heads` in their order, those that have a finer one among them as its sums.

    Args:
        outputs: head -> (n, classes) probabilities of `stored_heads(heads)` at least; what they say of
            a folded head is passed over.
        heads: names.

    Returns:
        Head -> (n, classes) of the type of the finer head's.
    """
    stored = stored_heads(heads)
    return {head: outputs[head] if head in stored else _fold(head, outputs) for head in heads}


def _fold(head: str, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    finer = outputs[FINER_HEADS[head]]
    return finer @ fold_matrix(head).astype(finer.dtype)
