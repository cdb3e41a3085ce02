"""Networks whose shape is data, by name: plain residual ones (He et al. 2016) and inverted residuals.

Both networks that facecli ships are of this kind. They begin with two strided convolutions,
because a residual block at half resolution costs as much as all later ones together and
gave nothing that could be measured at these picture sizes.

Blocks widen with a 1x1 convolution, look around with a depthwise 3x3 one and narrow again
(Sandler et al., MobileNetV2, CVPR 2018), with squeeze-excite (Howard et al., MobileNetV3, ICCV
2019) or with PReLU and a global depthwise convolution (Chen et al., MobileFaceNets, CCBR 2018).

On a backbone stand softmax heads (`build_model`); the networks that find faces have outputs of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
from keras import layers

from facecli.core.arrays import Tensor
from facecli.core.attributes import CLASS_NAMES, FINER_HEADS, HEAD_CLASSES, ClassNames
from facecli.core.crops import CELL_OUTPUTS, CLOSEUP_OUTPUTS, CLOSEUP_SIDE
from facecli.core.errors import InputError
from facecli.models.readout import fold_matrix, stored_heads


@dataclass(frozen=True)
class Part:
    """A block of layers: name, output shape (without the batch), number of weights, where from.

    `kind` is "image", "block" or "head"; `sources` are the names of the parts it reads.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    sources: tuple[str, ...] = ()

    @property
    def shape_text(self) -> str:
        """Output shape as "height x width x channels"."""
        return " x ".join(map(str, self.shape))


class Stage(NamedTuple):
    """`blocks` residual blocks of two 3x3 convolutions with `width` channels."""

    width: int
    blocks: int


class Residual(NamedTuple):
    """Stem widths (each a stride-2 convolution), then stages with a stride-2 step between."""

    stem: tuple[int, ...]
    stages: tuple[Stage, ...]
    image_size: tuple[int, int]


RESIDUAL_SPECS = {
    "normal": Residual((32, 48), (Stage(48, 1), Stage(96, 1), Stage(192, 1)), (80, 80)),
    "compact": Residual((32, 64), (Stage(64, 1), Stage(128, 2), Stage(256, 2)), (96, 96)),
}


def build_residual(spec: Residual, image_size: tuple[int, int] | None = None) -> keras.Model:
    """Builds the backbone.

    Args:
        spec: the shape.
        image_size: (height, width); the spec's own by default. Weights do not depend on it.

    Returns:
        A model named "backbone" from (n, h, w, 3) RGB 0..255 to (n, d) features: the last
        two stages, averaged over the picture and concatenated (age lives in the middle).
    """
    image = keras.Input((*(image_size or spec.image_size), 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(image)
    for index, width in enumerate(spec.stem):
        x = _residual_convolution(x, width, f"stem{index}", strides=2)
    pooled = []
    for index, stage in enumerate(spec.stages):
        if index:
            x = _residual_convolution(x, stage.width, f"stage{index}_down", strides=2)
        for block in range(stage.blocks):
            x = _residual_block(x, stage.width, f"stage{index}_block{block}")
        pooled.append(layers.GlobalAveragePooling2D(name=f"stage{index}_pool")(x))
    features = layers.Concatenate(name="features")(pooled[-2:])
    return keras.Model(image, features, name="backbone")


def _residual_convolution(x: Tensor, width: int, name: str, strides: int = 1, relu: bool = True) -> Tensor:
    x = layers.Conv2D(width, 3, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _residual_block(x: Tensor, width: int, name: str) -> Tensor:
    inner = _residual_convolution(x, width, f"{name}_a")
    inner = _residual_convolution(inner, width, f"{name}_b", relu=False)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, inner]))


class Row(NamedTuple):
    """`blocks` inverted residuals of `width` channels, widened `expand` times inside."""

    width: int
    blocks: int
    expand: int
    strides: int


class Mobile(NamedTuple):
    """A strided stem, rows of blocks, a last 1x1 convolution; then the picture is pooled."""

    stem: int
    rows: tuple[Row, ...]
    last: int
    squeeze: bool
    prelu: bool
    global_depthwise: bool
    image_size: tuple[int, int]


MOBILE_SPECS = {
    "mobile-se": Mobile(
        32,
        (Row(16, 1, 1, 1), Row(24, 3, 4, 2), Row(40, 4, 4, 2), Row(80, 5, 4, 2), Row(120, 5, 4, 1),
         Row(208, 3, 6, 2)),
        960,
        squeeze=True,
        prelu=False,
        global_depthwise=False,
        image_size=(144, 144),
    ),
    "mobileface": Mobile(
        64,
        (Row(64, 1, 1, 1), Row(64, 4, 2, 2), Row(128, 1, 4, 2), Row(128, 5, 2, 1), Row(128, 1, 4, 2),
         Row(128, 2, 2, 1)),
        512,
        squeeze=False,
        prelu=True,
        global_depthwise=True,
        image_size=(96, 96),
    ),
}  # fmt: skip


def build_mobile(spec: Mobile, image_size: tuple[int, int] | None = None) -> keras.Model:
    """Builds the backbone.

    Args:
        spec: the shape.
        image_size: (height, width); the spec's own by default. With a global depthwise
            convolution weights depend on it.

    Returns:
        A model named "backbone" from (n, h, w, 3) RGB 0..255 to (n, d) features: the last
        block's output and the last convolution's, pooled and concatenated.
    """
    image = keras.Input((*(image_size or spec.image_size), 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(image)
    x = _mobile_convolution(x, spec.stem, spec, "stem0", kernel=3, strides=2)
    for number, row in enumerate(spec.rows):
        for block in range(row.blocks):
            strides = row.strides if block == 0 else 1
            x = _mobile_block(x, row, strides, spec, f"stage{number}_block{block}")
    middle = layers.GlobalAveragePooling2D(name="middle_pool")(x)
    x = _mobile_convolution(x, spec.last, spec, "last", kernel=1)
    if spec.global_depthwise:
        x = layers.DepthwiseConv2D(x.shape[1:3], use_bias=False, name="last_depthwise")(x)
        x = layers.Flatten(name="last_flat")(layers.BatchNormalization(name="last_depthwise_norm")(x))
    else:
        x = layers.GlobalAveragePooling2D(name="last_pool")(x)
    return keras.Model(image, layers.Concatenate(name="features")([middle, x]), name="backbone")


def _mobile_convolution(
    x: Tensor, width: int, spec: Mobile, name: str, kernel: int, strides: int = 1
) -> Tensor:
    x = layers.Conv2D(width, kernel, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return _activation(layers.BatchNormalization(name=f"{name}_norm")(x), spec, name)


def _activation(x: Tensor, spec: Mobile, name: str) -> Tensor:
    if spec.prelu:
        return layers.PReLU(shared_axes=[1, 2], name=f"{name}_prelu")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _mobile_block(x: Tensor, row: Row, strides: int, spec: Mobile, name: str) -> Tensor:
    inner = x
    if row.expand > 1:
        inner = _mobile_convolution(inner, x.shape[-1] * row.expand, spec, f"{name}_widen", kernel=1)
    inner = layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False, name=f"{name}_look")(inner)
    inner = _activation(layers.BatchNormalization(name=f"{name}_look_norm")(inner), spec, f"{name}_look")
    if spec.squeeze:
        inner = _squeeze_excite(inner, name)
    inner = layers.Conv2D(row.width, 1, use_bias=False, name=f"{name}_narrow")(inner)
    inner = layers.BatchNormalization(name=f"{name}_narrow_norm")(inner)
    if strides == 1 and x.shape[-1] == row.width:
        inner = layers.Add(name=f"{name}_add")([x, inner])
    return inner


def _squeeze_excite(x: Tensor, name: str) -> Tensor:
    channels = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    gate = layers.Conv2D(max(channels // 16, 8), 1, activation="relu", name=f"{name}_reduce")(gate)
    gate = layers.Conv2D(channels, 1, activation="hard_sigmoid", name=f"{name}_excite")(gate)
    return layers.Multiply(name=f"{name}_gate")([x, gate])


HIDDEN_UNITS = 128
DROPOUT = 0.3

HEADED = "facecli"
"""Name of a network of heads, on a backbone or on stored features."""
BACKBONES = (*RESIDUAL_SPECS, *MOBILE_SPECS)


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
    if name in MOBILE_SPECS:
        return build_mobile(MOBILE_SPECS[name], image_size)
    if name not in RESIDUAL_SPECS:
        raise InputError(f"no backbone '{name}'; choose one of {', '.join(BACKBONES)}")
    return build_residual(RESIDUAL_SPECS[name], image_size)


def default_size(name: str) -> tuple[int, int]:
    """(height, width) of a backbone's pictures unless others are asked for."""
    if name in MOBILE_SPECS:
        return MOBILE_SPECS[name].image_size
    return RESIDUAL_SPECS[name].image_size


def build_model(
    backbone: str,
    heads: Sequence[str],
    image_size: tuple[int, int] | None = None,
    projections: Mapping[str, int] | None = None,
    classes: ClassNames = CLASS_NAMES,
) -> keras.Model:
    """A network with random weights from (n, h, w, 3) uint8 RGB to head -> probabilities.

    `projections`: name -> size of further linear outputs, see `attach_heads`, and `classes`.
    """
    return attach_heads(build_backbone(backbone, image_size), heads, projections=projections, classes=classes)


def copy_weights(source: keras.Model, target: keras.Model) -> keras.Model:
    """Copies all weights into a network of the same shape, whatever its precision or picture size."""
    target.set_weights(source.get_weights())
    return target


_RARE = -4.6
"""Logit of a face in a cell before anything was learnt: one cell of a hundred (Lin et al. 2017)."""

_CLOSEUP_WIDTHS = (16, 32, 64, 96)
"""Of the stages, each of which halves the crop."""
_RARE_ERROR = -2.3
"""Logarithm of the error that is expected before anything was learnt."""


@dataclass(frozen=True)
class DetectorSpec:
    """Shape of the network.

    Attributes:
        stem: widths of two convolutions, each of which halves the picture.
        stages: width of the residual blocks at each of `STRIDES`.
        blocks: how many of them at each.
        pyramid: width of the pyramid and of the head.
    """

    stem: tuple[int, int] = (16, 24)
    stages: tuple[int, ...] = (48, 64, 80, 64)
    blocks: tuple[int, ...] = (2, 2, 2, 1)
    pyramid: int = 48


def build_detector_network(
    spec: DetectorSpec | None = None, image_size: tuple[int | None, int | None] = (None, None)
) -> keras.Model:
    """Builds the network with random weights.

    Args:
        spec: its shape.
        image_size: (height, width), multiples of the last of `STRIDES`; None takes any.

    Returns:
        A model from (n, h, w, 3) uint8 RGB to a dict output -> (n, cells, values) float32,
        see `core.crops.CELL_OUTPUTS`; cells are ordered as `core.crops.cell_centres` has them.
    """
    spec = spec or DetectorSpec()
    image = keras.Input((*image_size, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(image)
    for index, width in enumerate(spec.stem):
        x = _convolution(x, width, f"stem{index}", strides=2)
    features = []
    for index, (width, blocks) in enumerate(zip(spec.stages, spec.blocks, strict=True)):
        x = _convolution(x, width, f"stage{index}_down", strides=2)
        for block in range(blocks):
            x = _residual(x, width, f"stage{index}_block{block}")
        features.append(x)
    levels = _pyramid(features, spec.pyramid)
    return keras.Model(image, _found_in(levels, spec.pyramid), name="detector")


def _convolution(
    x: Tensor, width: int, name: str, strides: int = 1, kernel: int = 3, relu: bool = True
) -> Tensor:
    x = layers.Conv2D(width, kernel, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=0.97, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _residual(x: Tensor, width: int, name: str) -> Tensor:
    inner = _convolution(x, width, f"{name}_a")
    inner = _convolution(inner, width, f"{name}_b", relu=False)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, inner]))


def _pyramid(features: list[Any], width: int) -> list[Any]:
    """Levels from the finest to the coarsest; each knows what the coarser ones saw (Lin et al. 2017)."""
    above, levels = None, list[Any]()
    for index in reversed(range(len(features))):
        level = _convolution(features[index], width, f"lateral{index}", kernel=1, relu=False)
        if above is not None:
            grown = layers.UpSampling2D(2, name=f"grown{index}")(above)
            level = layers.Add(name=f"merged{index}")([level, grown])
        above = layers.ReLU(name=f"pyramid{index}_relu")(level)
        levels.insert(0, _convolution(above, width, f"smooth{index}"))
    return levels


def _found_in(levels: list[Any], width: int) -> dict[str, Any]:
    shared = layers.Conv2D(width, 3, padding="same", use_bias=False, name="head_conv")
    bias = {"score": keras.initializers.Constant(_RARE)}
    found: dict[str, list[Any]] = {name: [] for name in CELL_OUTPUTS}
    last = {
        name: layers.Conv2D(
            values,
            1,
            dtype="float32",
            name=f"{name}_conv",
            activation="linear" if name == "score" else "tanh",
            bias_initializer=bias.get(name, "zeros"),
        )
        for name, values in CELL_OUTPUTS.items()
    }
    for index, level in enumerate(levels):
        # One convolution for all levels, but each has statistics of its own.
        seen = layers.BatchNormalization(momentum=0.97, name=f"head_norm{index}")(shared(level))
        seen = layers.ReLU(name=f"head_relu{index}")(seen)
        for name, values in CELL_OUTPUTS.items():
            flat = layers.Reshape((-1, values), dtype="float32", name=f"{name}_cells{index}")
            found[name].append(flat(last[name](seen)))
    return {
        name: layers.Concatenate(axis=1, dtype="float32", name=name)(parts) for name, parts in found.items()
    }


def build_landmark_network() -> keras.Model:
    """Builds the network that looks closer at a face, with random weights: where its landmarks are, how sure
    that is, whether it is one.

    Returns:
        A model from (n, CLOSEUP_SIDE, CLOSEUP_SIDE, 3) uint8 RGB to a dict output -> (n, values) float32, see
        `core.crops.CLOSEUP_OUTPUTS`.
    """
    crop = keras.Input((CLOSEUP_SIDE, CLOSEUP_SIDE, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(crop)
    for stage, width in enumerate(_CLOSEUP_WIDTHS):
        x = _convolution(x, width, f"stage{stage}_down", strides=2)
        if stage in (1, 2):
            x = _residual(x, width, f"stage{stage}")
    # Where in the crop something was seen is what is asked: no pooling.
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(96, use_bias=False, name="seen")(x)
    x = layers.ReLU(name="seen_relu")(layers.BatchNormalization(name="seen_norm")(x))
    bias = {"error": keras.initializers.Constant(_RARE_ERROR)}
    found = {
        name: layers.Dense(values, bias_initializer=bias.get(name, "zeros"), dtype="float32", name=name)(x)
        for name, values in CLOSEUP_OUTPUTS.items()
    }
    return keras.Model(crop, found, name="landmarks")
