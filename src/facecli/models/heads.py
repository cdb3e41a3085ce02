"""What stands on a backbone: a dict of softmax heads, keyed by the names in `labels`."""

from collections.abc import Mapping, Sequence

import keras
from keras import layers

from facecli.labels import FINER_HEADS, HEAD_CLASSES
from facecli.models.folds import fold_matrix, stored_heads

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
    (`folds`): labels of either teach both, and the two never contradict each other.

    Returns:
        A model with the backbone's input and a dict head -> probabilities (n, classes) and
        projection -> (n, size), float32 whatever the precision of the backbone.
    """
    features = backbone(backbone.input)
    learnt = stored_heads(heads)
    outputs = {head: _head(features, head, dropout, hidden) for head in learnt}
    outputs |= {head: _folded(outputs[FINER_HEADS[head]], head) for head in heads if head not in learnt}
    for name, size in (projections or {}).items():
        outputs[name] = layers.Dense(size, dtype="float32", name=name)(features)
    return keras.Model(backbone.input, outputs, name="facecli")


def _folded(finer, head: str):
    # A layer with weights that do not learn: it is saved, loaded and exported like any other.
    fold = layers.Dense(HEAD_CLASSES[head], use_bias=False, trainable=False, dtype="float32", name=head)
    probabilities = fold(finer)
    fold.set_weights([fold_matrix(head)])
    return probabilities


def _head(features, name: str, dropout: float, hidden: int):
    x = layers.Dropout(dropout, name=f"{name}_dropout")(features)
    x = layers.Dense(hidden, activation="relu", name=f"{name}_hidden")(x)
    return layers.Dense(HEAD_CLASSES[name], activation="softmax", dtype="float32", name=name)(x)
