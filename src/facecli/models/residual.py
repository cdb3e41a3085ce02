"""Plain residual networks (He et al. 2016) whose shape is data: stem, then stages.

Both networks that facecli ships are of this kind. They begin with two strided convolutions,
because a residual block at half resolution costs as much as all later ones together and
gave nothing that could be measured at these picture sizes.
"""

from typing import NamedTuple

import keras
from keras import layers, ops


class Stage(NamedTuple):
    """`blocks` residual blocks of two 3x3 convolutions with `width` channels."""

    width: int
    blocks: int


class Residual(NamedTuple):
    """Stem widths (each a stride-2 convolution), then stages with a stride-2 step between.

    Several `trunks` of this shape may look at the picture side by side.
    """

    stem: tuple[int, ...]
    stages: tuple[Stage, ...]
    image_size: tuple[int, int]
    trunks: int = 1


_COMPACT = Residual((32, 64), (Stage(64, 1), Stage(128, 2), Stage(256, 2)), (96, 96))
SPECS = {
    "normal": Residual((32, 48), (Stage(48, 1), Stage(96, 1), Stage(192, 1)), (80, 80)),
    "compact": _COMPACT,
    "pair": _COMPACT._replace(trunks=2),
}


def build_residual(spec: Residual, image_size: tuple[int, int] | None = None) -> keras.Model:
    """Builds the backbone.

    Args:
        spec: the shape.
        image_size: (height, width); the spec's own by default. Weights do not depend on it.

    Returns:
        A model named "backbone" from (n, h, w, 3) RGB 0..255 to (n, d) features: the last
        two stages, averaged over the picture and concatenated (age lives in the middle), those of
        the first trunk first.
    """
    image = keras.Input((*(image_size or spec.image_size), 3), dtype="uint8", name="image")
    scaled = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(image)
    prefixes = [f"trunk{index + 1}_" if index else "" for index in range(spec.trunks)]
    trunks = [_stem(scaled, spec.stem, prefix) for prefix in prefixes]
    pooled = [[] for _ in prefixes]
    for index, stage in enumerate(spec.stages):
        trunks = [
            _stage(x, stage, f"{prefix}stage{index}", index > 0)
            for x, prefix in zip(trunks, prefixes, strict=True)
        ]
        if index == len(spec.stages) - 2:
            trunks = _side_by_side(trunks, f"stage{index}_joined")
        for x, prefix, means in zip(trunks, prefixes, pooled, strict=True):
            means.append(layers.GlobalAveragePooling2D(name=f"{prefix}stage{index}_pool")(x))
    features = [mean for means in pooled for mean in means[-2:]]
    return keras.Model(image, layers.Concatenate(name="features")(features), name="backbone")


def _side_by_side(trunks: list, name: str) -> list:
    """The same maps, by way of one that all of them flow through: what Grad-CAM looks at."""
    if len(trunks) == 1:
        return trunks
    return ops.split(layers.Concatenate(name=name)(trunks), len(trunks), axis=-1)


def _stem(x, widths: tuple[int, ...], prefix: str):
    for index, width in enumerate(widths):
        x = _convolution(x, width, f"{prefix}stem{index}", strides=2)
    return x


def _stage(x, stage: Stage, name: str, down: bool):
    if down:
        x = _convolution(x, stage.width, f"{name}_down", strides=2)
    for block in range(stage.blocks):
        x = _block(x, stage.width, f"{name}_block{block}")
    return x


def _convolution(x, width: int, name: str, strides: int = 1, relu: bool = True):
    x = layers.Conv2D(width, 3, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _block(x, width: int, name: str):
    inner = _convolution(x, width, f"{name}_a")
    inner = _convolution(inner, width, f"{name}_b", relu=False)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, inner]))
