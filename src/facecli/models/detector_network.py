"""The networks that find faces, and the landmarks of each: plain narrow convolutions.

The detector has a feature pyramid and one head for all its levels. Anchor-free (Tian et al., FCOS,
ICCV 2019): every cell of every level says whether it lies on a face, how far away the four sides of the box
are, and where five landmarks lie. Plain convolutions were measured faster in int8 than depthwise ones at
these widths.
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from facecli.core.crops import CLOSEUP_OUTPUTS, CLOSEUP_SIDE
from facecli.core.grid import OUTPUTS

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
        see `core.grid.OUTPUTS`; cells are ordered as `core.grid.cell_centres` has them.
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
    return keras.Model(image, _head(levels, spec.pyramid), name="detector")


def _convolution(x, width: int, name: str, strides: int = 1, kernel: int = 3, relu: bool = True):
    x = layers.Conv2D(width, kernel, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=0.97, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _residual(x, width: int, name: str):
    inner = _convolution(x, width, f"{name}_a")
    inner = _convolution(inner, width, f"{name}_b", relu=False)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, inner]))


def _pyramid(features: list, width: int) -> list:
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


def _head(levels: list, width: int) -> dict:
    shared = layers.Conv2D(width, 3, padding="same", use_bias=False, name="head_conv")
    bias = {"score": keras.initializers.Constant(_RARE)}
    found: dict[str, list] = {name: [] for name in OUTPUTS}
    last = {
        name: layers.Conv2D(
            values,
            1,
            dtype="float32",
            name=f"{name}_conv",
            activation="linear" if name == "score" else "tanh",
            bias_initializer=bias.get(name, "zeros"),
        )
        for name, values in OUTPUTS.items()
    }
    for index, level in enumerate(levels):
        # One convolution for all levels, but each has statistics of its own.
        seen = layers.BatchNormalization(momentum=0.97, name=f"head_norm{index}")(shared(level))
        seen = layers.ReLU(name=f"head_relu{index}")(seen)
        for name, values in OUTPUTS.items():
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
