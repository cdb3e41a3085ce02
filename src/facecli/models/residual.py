"""Plain residual networks (He et al. 2016) whose shape is data: stem, then stages.

Both networks that facecli ships are of this kind. They begin with two strided convolutions,
because a residual block at half resolution costs as much as all later ones together and
gave nothing that could be measured at these picture sizes.
"""

from typing import NamedTuple

import keras
from keras import layers


class Stage(NamedTuple):
    """`blocks` residual blocks of two 3x3 convolutions with `width` channels."""

    width: int
    blocks: int


class Residual(NamedTuple):
    """Stem widths (each a stride-2 convolution), then stages with a stride-2 step between."""

    stem: tuple[int, ...]
    stages: tuple[Stage, ...]
    image_size: tuple[int, int]


SPECS = {
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
        x = _convolution(x, width, f"stem{index}", strides=2)
    pooled = []
    for index, stage in enumerate(spec.stages):
        if index:
            x = _convolution(x, stage.width, f"stage{index}_down", strides=2)
        for block in range(stage.blocks):
            x = _block(x, stage.width, f"stage{index}_block{block}")
        pooled.append(layers.GlobalAveragePooling2D(name=f"stage{index}_pool")(x))
    features = layers.Concatenate(name="features")(pooled[-2:])
    return keras.Model(image, features, name="backbone")


def _convolution(x, width: int, name: str, strides: int = 1, relu: bool = True):
    x = layers.Conv2D(width, 3, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _block(x, width: int, name: str):
    inner = _convolution(x, width, f"{name}_a")
    inner = _convolution(inner, width, f"{name}_b", relu=False)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, inner]))
