"""Inception-ResNet-v1 as FaceNet uses it (Szegedy et al. 2016; David Sandberg's facenet).

The network is written as data: convolutions in branches, branches in blocks, blocks in a
row. Layer names are those of the public Keras port, so that published arrays load by name.
Batch normalisation has no gamma, as in the original.
"""

from collections.abc import Sequence
from typing import NamedTuple

import keras

from facecli.core.arrays import Tensor

IMAGE_SIZE = (160, 160)
EMBEDDING_DIM = 512
TAPS = ("block17", "block8", "embedding")
TAP_DIMS = {"block17": 896, "block8": 1792, "embedding": EMBEDDING_DIM}


class Conv(NamedTuple):
    """Convolution, batch normalisation, ReLU."""

    name: str
    filters: int
    kernel: tuple[int, int]
    strides: int = 1
    padding: str = "same"


class Residual(NamedTuple):
    """`repeats` blocks x + scale * up(concat(branches(x))); ReLU after, unless `relu` is off."""

    name: str
    first: int
    repeats: int
    scale: float
    branches: tuple[tuple[Conv, ...], ...]
    relu: bool = True


class Reduction(NamedTuple):
    """Branches that halve the picture, concatenated with a max pool of it."""

    name: str
    branches: tuple[tuple[Conv, ...], ...]


STEM_BEFORE_POOL = (
    Conv("Conv2d_1a_3x3", 32, (3, 3), 2, "valid"),
    Conv("Conv2d_2a_3x3", 32, (3, 3), 1, "valid"),
    Conv("Conv2d_2b_3x3", 64, (3, 3)),
)
STEM_AFTER_POOL = (
    Conv("Conv2d_3b_1x1", 80, (1, 1), 1, "valid"),
    Conv("Conv2d_4a_3x3", 192, (3, 3), 1, "valid"),
    Conv("Conv2d_4b_3x3", 256, (3, 3), 2, "valid"),
)
STEM = (*STEM_BEFORE_POOL, *STEM_AFTER_POOL)
_BLOCK35 = (
    (Conv("Branch_0_Conv2d_1x1", 32, (1, 1)),),
    (Conv("Branch_1_Conv2d_0a_1x1", 32, (1, 1)), Conv("Branch_1_Conv2d_0b_3x3", 32, (3, 3))),
    (
        Conv("Branch_2_Conv2d_0a_1x1", 32, (1, 1)),
        Conv("Branch_2_Conv2d_0b_3x3", 32, (3, 3)),
        Conv("Branch_2_Conv2d_0c_3x3", 32, (3, 3)),
    ),
)
_MIXED_6A = (
    (Conv("Branch_0_Conv2d_1a_3x3", 384, (3, 3), 2, "valid"),),
    (
        Conv("Branch_1_Conv2d_0a_1x1", 192, (1, 1)),
        Conv("Branch_1_Conv2d_0b_3x3", 192, (3, 3)),
        Conv("Branch_1_Conv2d_1a_3x3", 256, (3, 3), 2, "valid"),
    ),
)
_BLOCK17 = (
    (Conv("Branch_0_Conv2d_1x1", 128, (1, 1)),),
    (
        Conv("Branch_1_Conv2d_0a_1x1", 128, (1, 1)),
        Conv("Branch_1_Conv2d_0b_1x7", 128, (1, 7)),
        Conv("Branch_1_Conv2d_0c_7x1", 128, (7, 1)),
    ),
)
_MIXED_7A = (
    (
        Conv("Branch_0_Conv2d_0a_1x1", 256, (1, 1)),
        Conv("Branch_0_Conv2d_1a_3x3", 384, (3, 3), 2, "valid"),
    ),
    (
        Conv("Branch_1_Conv2d_0a_1x1", 256, (1, 1)),
        Conv("Branch_1_Conv2d_1a_3x3", 256, (3, 3), 2, "valid"),
    ),
    (
        Conv("Branch_2_Conv2d_0a_1x1", 256, (1, 1)),
        Conv("Branch_2_Conv2d_0b_3x3", 256, (3, 3)),
        Conv("Branch_2_Conv2d_1a_3x3", 256, (3, 3), 2, "valid"),
    ),
)
_BLOCK8 = (
    (Conv("Branch_0_Conv2d_1x1", 192, (1, 1)),),
    (
        Conv("Branch_1_Conv2d_0a_1x1", 192, (1, 1)),
        Conv("Branch_1_Conv2d_0b_1x3", 192, (1, 3)),
        Conv("Branch_1_Conv2d_0c_3x1", 192, (3, 1)),
    ),
)
UP_TO_BLOCK17 = (
    Residual("Block35", 1, 5, 0.17, _BLOCK35),
    Reduction("Mixed_6a", _MIXED_6A),
    Residual("Block17", 1, 10, 0.10, _BLOCK17),
)
AFTER_BLOCK17 = (
    Reduction("Mixed_7a", _MIXED_7A),
    Residual("Block8", 1, 5, 0.20, _BLOCK8),
    Residual("Block8", 6, 1, 1.0, _BLOCK8, relu=False),
)


def build_inception_resnet_v1(taps: Sequence[str] = ("embedding",)) -> keras.Model:
    """Builds the trunk with random weights.

    Args:
        taps: which features to put out: "block17" (896, the last Block17 averaged over the
            picture), "block8" (1792, the last block averaged), "embedding" (512, length 1).

    Returns:
        A model from (n, 160, 160, 3) uint8 RGB to a dict tap -> (n, d) float32. The scaling
        (x - 127.5) / 128 is inside. Layers that no tap needs are not part of the model.

    Raises:
        ValueError: no tap, or an unknown one.
    """
    if not taps or not set(taps) <= set(TAPS):
        raise ValueError(f"taps must be one or more of {', '.join(TAPS)}, not {list(taps)}")
    image = keras.Input((*IMAGE_SIZE, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 128, offset=-127.5 / 128, name="scale")(image)
    x = _chain(x, STEM_BEFORE_POOL)
    x = keras.layers.MaxPooling2D(3, strides=2, name="MaxPool_3a_3x3")(x)
    x = _chain(x, STEM_AFTER_POOL)
    x = _blocks(x, UP_TO_BLOCK17)
    features = {"block17": keras.layers.GlobalAveragePooling2D(name="block17", dtype="float32")(x)}
    x = _blocks(x, AFTER_BLOCK17)
    features["block8"] = keras.layers.GlobalAveragePooling2D(name="block8", dtype="float32")(x)
    features["embedding"] = _embedding(features["block8"])
    return keras.Model(image, {tap: features[tap] for tap in taps}, name="inception_resnet_v1")


def _embedding(pooled: Tensor) -> Tensor:
    x = keras.layers.Dropout(0.2, name="Dropout")(pooled)
    x = keras.layers.Dense(EMBEDDING_DIM, use_bias=False, name="Bottleneck")(x)
    x = _normalize(x, "Bottleneck_BatchNorm")
    return keras.layers.UnitNormalization(name="embedding", dtype="float32")(x)


def _blocks(x: Tensor, blocks: Sequence[Residual | Reduction]) -> Tensor:
    for block in blocks:
        if isinstance(block, Reduction):
            x = _reduction(x, block)
            continue
        for index in range(block.first, block.first + block.repeats):
            x = _residual(x, block, f"{block.name}_{index}")
    return x


def _residual(x: Tensor, block: Residual, name: str) -> Tensor:
    branches = [_chain(x, convs, f"{name}_") for convs in block.branches]
    up = keras.layers.Concatenate(name=f"{name}_Concatenate")(branches)
    up = keras.layers.Conv2D(x.shape[-1], 1, name=f"{name}_Conv2d_1x1")(up)
    up = keras.layers.Rescaling(block.scale, name=f"{name}_ScaleSum")(up)
    x = keras.layers.Add(name=f"{name}_Add")([x, up])
    return keras.layers.ReLU(name=f"{name}_Activation")(x) if block.relu else x


def _reduction(x: Tensor, block: Reduction) -> Tensor:
    branches = [_chain(x, convs, f"{block.name}_") for convs in block.branches]
    pool = keras.layers.MaxPooling2D(3, strides=2, name=f"{block.name}_MaxPool")(x)
    return keras.layers.Concatenate(name=block.name)([*branches, pool])


def _chain(x: Tensor, convs: Sequence[Conv], prefix: str = "") -> Tensor:
    for conv in convs:
        name = prefix + conv.name
        x = keras.layers.Conv2D(
            conv.filters, conv.kernel, conv.strides, conv.padding, use_bias=False, name=name
        )(x)
        x = _normalize(x, f"{name}_BatchNorm")
        x = keras.layers.ReLU(name=f"{name}_Activation")(x)
    return x


def _normalize(x: Tensor, name: str) -> Tensor:
    return keras.layers.BatchNormalization(momentum=0.995, epsilon=0.001, scale=False, name=name)(x)
