"""Models by name: a model type and a backbone become a network with a dict of softmax heads."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers

from facecli.core.arrays import Tensor
from facecli.core.attributes import CLASS_NAMES, FINER_HEADS, HEAD_CLASSES, ClassNames
from facecli.core.errors import InputError
from facecli.models import networks
from facecli.models.readout import fold_matrix, stored_heads

HIDDEN_UNITS = 128
DROPOUT = 0.3

HEADED = "facecli"
"""Name of a network of heads, on a backbone or on stored features."""
BACKBONES = (*networks.RESIDUAL_SPECS, *networks.MOBILE_SPECS)


def attach_heads(
    backbone: keras.Model,
    heads: Sequence[str],
    dropout: float = DROPOUT,
    projections: Mapping[str, int] | None = None,
    hidden: int = HIDDEN_UNITS,
    classes: ClassNames = CLASS_NAMES,
) -> keras.Model:
    """Puts heads on a backbone.

    Args:
        backbone: model from an image (or from stored features) to (n, d) features.
        heads: "age", and names from `classes`.
        dropout: share of features dropped while training.
        projections: name -> size of further linear outputs (what a student reproduces of
            its teacher's features).
        hidden: units of the layer between features and each head.
        classes: head -> names of its classes.

    With `race` and `race_7` among the heads, a race is the sum of those of the seven that fold into it
    (`folds`): labels of either teach both, and the two never contradict each other.

    Returns:
        A model with the backbone's input and a dict head -> probabilities (n, classes) and
        projection -> (n, size), float32 whatever the precision of the backbone.
    """
    features = backbone(backbone.input)
    learnt = stored_heads(heads)
    sizes = HEAD_CLASSES | {head: len(names) for head, names in classes.items()}
    outputs = {head: _head(features, head, sizes[head], dropout, hidden) for head in learnt}
    outputs |= {head: _folded(outputs[FINER_HEADS[head]], head) for head in heads if head not in learnt}
    for name, size in (projections or {}).items():
        outputs[name] = layers.Dense(size, dtype="float32", name=name)(features)
    return keras.Model(backbone.input, outputs, name=HEADED)


def _folded(finer: Tensor, head: str) -> Tensor:
    # A layer with weights that do not learn: it is saved, loaded and exported like any other.
    fold = layers.Dense(HEAD_CLASSES[head], use_bias=False, trainable=False, dtype="float32", name=head)
    probabilities = fold(finer)
    fold.set_weights([fold_matrix(head)])
    return probabilities


def _head(features: Tensor, name: str, size: int, dropout: float, hidden: int) -> Tensor:
    x = layers.Dropout(dropout, name=f"{name}_dropout")(features)
    x = layers.Dense(hidden, activation="relu", name=f"{name}_hidden")(x)
    return layers.Dense(size, activation="softmax", dtype="float32", name=name)(x)


def in_precision(network: keras.Model, dtype: str) -> keras.Model:
    """A copy of a network whose layers hold and compute in `dtype`, with the same weights."""
    copy = keras.Model.from_config(_with_policy(network.get_config(), dtype))
    copy.set_weights(network.get_weights())
    return copy


def _with_policy(value: Any, dtype: str) -> Any:
    """A serialised configuration with every layer's policy replaced; inputs stay uint8."""
    if isinstance(value, dict):
        if value.get("class_name") == "DTypePolicy":
            return {**value, "config": {"name": dtype}}
        return {key: _with_policy(inner, dtype) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_with_policy(inner, dtype) for inner in value)
    return value


def build_backbone(name: str, image_size: tuple[int, int] | None = None) -> keras.Model:
    """A backbone with random weights; see BACKBONES for the names.

    Raises InputError for an unknown name.
    """
    if name in networks.MOBILE_SPECS:
        return networks.build_mobile(networks.MOBILE_SPECS[name], image_size)
    if name not in networks.RESIDUAL_SPECS:
        raise InputError(f"no backbone '{name}'; choose one of {', '.join(BACKBONES)}")
    return networks.build_residual(networks.RESIDUAL_SPECS[name], image_size)


def default_size(name: str) -> tuple[int, int]:
    """(height, width) of a backbone's pictures unless others are asked for."""
    if name in networks.MOBILE_SPECS:
        return networks.MOBILE_SPECS[name].image_size
    return networks.RESIDUAL_SPECS[name].image_size


def build_model(
    backbone: str,
    heads: Sequence[str],
    image_size: tuple[int, int] | None = None,
    projections: Mapping[str, int] | None = None,
    classes: ClassNames = CLASS_NAMES,
) -> keras.Model:
    """A network with random weights from (n, h, w, 3) uint8 RGB to head -> probabilities.

    `projections`: name -> size of further linear outputs, see `models.build.attach_heads`, and `classes`.
    """
    return attach_heads(build_backbone(backbone, image_size), heads, projections=projections, classes=classes)


def copy_weights(source: keras.Model, target: keras.Model) -> keras.Model:
    """Copies all weights into a network of the same shape, whatever its precision or picture size."""
    target.set_weights(source.get_weights())
    return target
