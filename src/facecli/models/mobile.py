"""Inverted residual networks whose shape is data: what the plain residual student is held against.

Blocks widen with a 1x1 convolution, look around with a depthwise 3x3 one and narrow again
(Sandler et al., MobileNetV2, CVPR 2018), with squeeze-excite (Howard et al., MobileNetV3, ICCV
2019) or with PReLU and a global depthwise convolution (Chen et al., MobileFaceNets, CCBR 2018).
"""

from typing import NamedTuple

import keras
from keras import layers


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


SPECS = {
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
    x = _convolution(x, spec.stem, spec, "stem0", kernel=3, strides=2)
    for number, row in enumerate(spec.rows):
        for block in range(row.blocks):
            strides = row.strides if block == 0 else 1
            x = _block(x, row, strides, spec, f"stage{number}_block{block}")
    middle = layers.GlobalAveragePooling2D(name="middle_pool")(x)
    x = _convolution(x, spec.last, spec, "last", kernel=1)
    if spec.global_depthwise:
        x = layers.DepthwiseConv2D(x.shape[1:3], use_bias=False, name="last_depthwise")(x)
        x = layers.Flatten(name="last_flat")(layers.BatchNormalization(name="last_depthwise_norm")(x))
    else:
        x = layers.GlobalAveragePooling2D(name="last_pool")(x)
    return keras.Model(image, layers.Concatenate(name="features")([middle, x]), name="backbone")


def _convolution(x, width: int, spec: Mobile, name: str, kernel: int, strides: int = 1):
    x = layers.Conv2D(width, kernel, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return _activation(layers.BatchNormalization(name=f"{name}_norm")(x), spec, name)


def _activation(x, spec: Mobile, name: str):
    if spec.prelu:
        return layers.PReLU(shared_axes=[1, 2], name=f"{name}_prelu")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _block(x, row: Row, strides: int, spec: Mobile, name: str):
    inner = x
    if row.expand > 1:
        inner = _convolution(inner, x.shape[-1] * row.expand, spec, f"{name}_widen", kernel=1)
    inner = layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False, name=f"{name}_look")(inner)
    inner = _activation(layers.BatchNormalization(name=f"{name}_look_norm")(inner), spec, f"{name}_look")
    if spec.squeeze:
        inner = _squeeze_excite(inner, name)
    inner = layers.Conv2D(row.width, 1, use_bias=False, name=f"{name}_narrow")(inner)
    inner = layers.BatchNormalization(name=f"{name}_narrow_norm")(inner)
    if strides == 1 and x.shape[-1] == row.width:
        inner = layers.Add(name=f"{name}_add")([x, inner])
    return inner


def _squeeze_excite(x, name: str):
    channels = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    gate = layers.Conv2D(max(channels // 16, 8), 1, activation="relu", name=f"{name}_reduce")(gate)
    gate = layers.Conv2D(channels, 1, activation="hard_sigmoid", name=f"{name}_excite")(gate)
    return layers.Multiply(name=f"{name}_gate")([x, gate])
