"""A trained model as a teacher: what it puts out, and how its answers become targets."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import keras
import numpy as np
import numpy.typing as npt

from facecli.labels import HEAD_CLASSES, PRESENCE
from facecli.models.checkpoint import Checkpoint
from facecli.models.inception_resnet_v1 import TAP_DIMS, TAPS
from facecli.models.precision import in_precision
from facecli.training.soft_labels import SOFT_SHARE
from facecli.training.start import load_network
from facecli.training.targets import NO_AGE

LEARNT_TAPS = ("block17", "embedding")
"""Of a FaceNet's taps, those that a student reproduces."""


def load_teacher(checkpoint: Checkpoint, heads: Sequence[str]) -> keras.Model:
    """The network of a model folder with the outputs that a student learns from.

    Args:
        checkpoint: any model; of one on the genuine trunk the features are learnt, too.
        heads: those that the student has; the teacher may lack some.

    Returns:
        A model, not trainable, to a dict: heads -> probabilities, feature -> (n, d).

    Raises:
        CheckpointError: it is missing or damaged.
    """
    network = in_precision(load_network(checkpoint), keras.config.dtype_policy().name)
    outputs = {head: network.output[head] for head in heads if head in checkpoint.heads}
    names = {layer.name for layer in network.layers}
    if "taps" in names:
        features = _standardise(network)(network.get_layer("taps").output)
        starts = dict(zip(TAPS, accumulate((TAP_DIMS[tap] for tap in TAPS), initial=0), strict=False))
        outputs |= {tap: features[:, starts[tap] : starts[tap] + TAP_DIMS[tap]] for tap in LEARNT_TAPS}
    teacher = keras.Model(network.input, outputs, name="teacher")
    teacher.trainable = False
    return teacher


def view_targets(
    labels: Mapping[str, np.ndarray],
    answers: Mapping[str, np.ndarray],
    faces: np.ndarray,
    views: int = 1,
) -> dict[str, np.ndarray]:
    """Targets of views: the labels, mixed with what a teacher says of each view.

    A face without a label has the teacher's word alone, what is no face has no label but that.

    Args:
        labels: head -> (n, d) encoded labels, see `targets.build_targets`, perhaps softened.
        answers: output of the teacher -> (views x n, d).
        faces: (n,) bool.
        views: of each picture.

    Returns:
        The heads of `labels` and the teacher's features -> (views x n, d) float16.
    """
    faces = np.tile(faces, views)[:, None]
    targets = {name: values * faces for name, values in answers.items() if name not in HEAD_CLASSES}
    for head, encoded in labels.items():
        encoded = np.tile(encoded.astype(np.float16), (views, 1))
        targets[head] = _mixed(encoded, answers[head], faces) if head in answers else encoded
    return targets


def _mixed(labels: np.ndarray, probabilities: np.ndarray, faces: np.ndarray) -> np.ndarray:
    classes = probabilities.shape[1]
    known = labels[:, :classes].sum(axis=1, keepdims=True) > 0
    share = np.where(known, np.float16(SOFT_SHARE), np.float16(1)) * faces
    mixed = labels.copy()
    mixed[:, :classes] = (1 - share) * labels[:, :classes] + share * probabilities
    if labels.shape[1] > classes:
        mixed[(~known & faces)[:, 0], -1] = NO_AGE
    return mixed


def are_faces(presence: npt.ArrayLike) -> np.ndarray:
    """(n,) bool of a table's column `face`."""
    return np.asarray(presence) == PRESENCE.index("face")


def _standardise(network: keras.Model) -> keras.Model:
    """The part of the heads that standardises the features of the trunk."""
    parts = [layer for layer in network.layers if isinstance(layer, keras.Model)]
    return next(
        part.get_layer("standardised")
        for part in parts
        if any(layer.name == "standardised" for layer in part.layers)
    )
