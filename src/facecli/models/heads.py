"""What stands on a backbone: a dict of softmax heads, keyed by the names in `labels`."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import layers

from facecli.labels import HEAD_CLASSES, RACE_OF_7, RACES

HIDDEN_UNITS = 128
DROPOUT = 0.3


def attach_heads(
    backbone: keras.Model,
    heads: Sequence[str],
    dropout: float = DROPOUT,
    projections: Mapping[str, int] | None = None,
    hidden: int = HIDDEN_UNITS,
) -> keras.Model:
    """Puts heads on a backbone.

    Args:
        backbone: model from an image (or from stored features) to (n, d) features.
        heads: names from `labels.HEAD_CLASSES`.
        dropout: share of features dropped while training.
        projections: name -> size of further linear outputs (what a student reproduces of
            its teacher's features).
        hidden: units of the layer between features and each head.

    With `race` and `race_7` among the heads, a race is the sum of those of the seven that fold into it
    (`labels.RACE_OF_7`): labels of either teach both, and the two never contradict each other.

    Returns:
        A model with the backbone's input and a dict head -> probabilities (n, classes) and
        projection -> (n, size), float32 whatever the precision of the backbone.
    """
    features = backbone(backbone.input)
    learnt = [head for head in heads if head != "race" or "race_7" not in heads]
    outputs = {head: _head(features, head, dropout, hidden) for head in learnt}
    if len(learnt) < len(heads):
        outputs["race"] = _folded_race(outputs["race_7"])
    for name, size in (projections or {}).items():
        outputs[name] = layers.Dense(size, dtype="float32", name=name)(features)
    return keras.Model(backbone.input, outputs, name="facecli")


def fold_matrix() -> np.ndarray:
    """(7, 5) float32: probabilities of RACES_7 times it are those of RACES."""
    return np.array([[name == race for race in RACES] for name in RACE_OF_7], np.float32)


def _folded_race(race_7):
    # A layer with weights that do not learn: it is saved, loaded and exported like any other.
    fold = layers.Dense(len(RACES), use_bias=False, trainable=False, dtype="float32", name="race")
    race = fold(race_7)
    fold.set_weights([fold_matrix()])
    return race


def _head(features, name: str, dropout: float, hidden: int):
    x = layers.Dropout(dropout, name=f"{name}_dropout")(features)
    x = layers.Dense(hidden, activation="relu", name=f"{name}_hidden")(x)
    return layers.Dense(HEAD_CLASSES[name], activation="softmax", dtype="float32", name=name)(x)
