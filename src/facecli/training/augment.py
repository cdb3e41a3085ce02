"""Augmentation as Keras layers, on RGB 0..255, only while training: cuts, colours, a cheap webcam.

Geometry is one affine map per picture, colour one 3x3 matrix, so that a batch costs far
less than the training step. Webcam degradation works on the first part of each batch:
batches are shuffled, so that part is a random one.
"""

import math
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from facecli.core.arrays import Array, Tensor

BLOCK = 8
LUMINANCE_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    "float32",
)
"""Quantisation table of ITU-T T.81 (JPEG), annex K, table K.1, at quality 50."""

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601 weights of red, green and blue."""
BOX_SHARE = 0.5
"""Of the pictures, that are cut as a detector would. The others are whole: in both sets those are upright."""


class WebcamDegradation(layers.Layer):
    """Degrades the first `share` of a shuffled batch of RGB 0..255 pictures."""

    share: float
    noise: float

    def __init__(self, share: float = 0.25, noise: float = 8.0, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.share, self.noise = share, noise
        self.seeds: Any = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        if not training or self.share <= 0:
            return images
        count = self._count(ops.shape(images)[0])
        chosen = self._degrade(images[:count])
        return ops.concatenate([chosen, images[count:]], axis=0)

    def _count(self, images: Tensor) -> Tensor:
        # JAX cuts at plain numbers only and knows the batch; TensorFlow may not know it yet.
        if isinstance(images, int):
            return math.ceil(self.share * images)
        return ops.cast(ops.ceil(self.share * ops.cast(images, "float32")), "int32")

    def _degrade(self, images: Tensor) -> Tensor:
        images = self._fewer_pixels(images)
        shape = ops.shape(images)
        strength = self._uniform(shape[0], 0.0, self.noise)
        images = images + strength * keras.random.normal(shape, seed=self.seeds)
        quality = self._uniform(shape[0], 25.0, 90.0)
        return ops.clip(jpeg_like(ops.clip(images, 0.0, 255.0), quality), 0.0, 255.0)

    def _fewer_pixels(self, images: Tensor) -> Tensor:
        """Mixes each picture with its half- and third-size copies, scaled up again."""
        height, width = images.shape[1:3]
        copies = [images]
        for factor in (2, 3):
            small = ops.image.resize(images, (height // factor, width // factor), antialias=True)
            copies.append(ops.image.resize(small, (height, width), interpolation="bilinear"))
        pick = self._uniform(ops.shape(images)[0], 0.0, 3.0)
        return ops.where(pick < 1, copies[0], ops.where(pick < 2, copies[1], copies[2]))

    def _uniform(self, count: Tensor, low: float, high: float) -> Tensor:
        return keras.random.uniform((count, 1, 1, 1), low, high, seed=self.seeds)


def jpeg_like(images: Tensor, quality: Tensor) -> Tensor:
    """Quantises 8x8 cosine blocks as JPEG does (luminance table, no chroma subsampling).

    Args:
        images: (n, h, w, 3) float32 0..255; sides that are no multiple of 8 are kept whole
            by repeating the edge while blocks are cut.
        quality: (n, 1, 1, 1) float32, 1..99, as libjpeg counts it.

    Returns:
        (n, h, w, 3) float32, not clipped.
    """
    height, width = images.shape[1:3]
    pad_y, pad_x = -height % BLOCK, -width % BLOCK
    padded = (
        ops.pad(images, ((0, 0), (0, pad_y), (0, pad_x), (0, 0)), mode="symmetric")
        if pad_y or pad_x
        else images
    )
    rows, columns = (height + pad_y) // BLOCK, (width + pad_x) // BLOCK
    blocks = ops.reshape(padded, (-1, rows, BLOCK, columns, BLOCK, 3))
    blocks = ops.transpose(blocks, (0, 1, 3, 5, 2, 4)) - 128.0
    scale = ops.where(quality < 50, 50.0 / quality, 2.0 - quality / 50.0)
    table = ops.maximum(ops.reshape(scale, (-1, 1, 1, 1, 1, 1)) * LUMINANCE_TABLE, 1.0)
    cosine = ops.convert_to_tensor(_cosine_matrix())
    spectrum = ops.matmul(ops.matmul(cosine, blocks), ops.transpose(cosine))
    spectrum = ops.round(spectrum / table) * table
    blocks = ops.matmul(ops.matmul(ops.transpose(cosine), spectrum), cosine) + 128.0
    blocks = ops.transpose(blocks, (0, 1, 4, 2, 5, 3))
    return ops.reshape(blocks, (-1, height + pad_y, width + pad_x, 3))[:, :height, :width]


def _cosine_matrix() -> Array:
    """Orthonormal DCT-II matrix, (8, 8)."""
    index = np.arange(BLOCK)
    matrix = np.cos((2 * index[None] + 1) * index[:, None] * np.pi / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    matrix[0] /= np.sqrt(2)
    return matrix.astype("float32")


class Cut(NamedTuple):
    """How faces of one kind of cut lie in the square, about the whole crop.

    Attributes:
        degrees: they are turned by up to that much.
        closer, wider: bounds of the logarithm of the scale; below 0 less of the crop is seen.
        shift: sideways, up and down, in sides of the square.
    """

    degrees: float
    closer: float
    wider: float
    shift: float


WHOLE_CROP = Cut(12.0, -0.2, 0.12, 0.06)
DETECTOR_BOX = Cut(18.0, -0.42, -0.1, 0.12)
"""About what boxes of Haar and YuNet do to pictures of UTKFace and FairFace (benchmarks/cuts.md): they
are tighter than whole crops, and where a face fills the picture off its middle."""


class RandomAffine(layers.Layer):
    """Left-right flip, rotation, scale and shift in one bilinear resampling; edges repeat.

    A share of the pictures is cut as a detector's box would be, the others are seen whole; `strength`
    scales all bounds.
    """

    box_share: float
    strength: float

    def __init__(
        self, box_share: float = BOX_SHARE, strength: float = 1.0, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.box_share, self.strength = box_share, strength
        self.seeds: Any = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        if not training:
            return images
        count, height, width = ops.shape(images)[0], images.shape[1], images.shape[2]
        return ops.image.affine_transform(
            images, self._transforms(count, height, width), interpolation="bilinear", fill_mode="nearest"
        )

    def _transforms(self, count: Tensor, height: int, width: int) -> Tensor:
        """(n, 8) rows a0 a1 a2 b0 b1 b2 0 0: output (x, y) reads input (a.x, b.y)."""
        cut = self._cuts(count)
        angle = self._uniform(count, 1.0) * cut.degrees * (np.pi / 180)
        middle, half = (cut.wider + cut.closer) / 2, (cut.wider - cut.closer) / 2
        zoom = ops.exp(middle + half * self._uniform(count, 1.0))
        flip = ops.where(self._uniform(count, 1.0) < 0, -1.0, 1.0)
        cos, sin = ops.cos(angle) * zoom, ops.sin(angle) * zoom
        centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
        a0, a1, b0, b1 = cos * flip, -sin, sin * flip, cos
        a2 = centre_x - a0 * centre_x - a1 * centre_y + self._uniform(count, 1.0) * cut.shift * width
        b2 = centre_y - b0 * centre_x - b1 * centre_y + self._uniform(count, 1.0) * cut.shift * height
        zero = ops.zeros_like(a0)
        return ops.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1)

    def _cuts(self, count: Tensor) -> Cut:
        """The bounds of each picture, (n,) each."""
        boxed = keras.random.uniform((count,), seed=self.seeds) < self.box_share
        pairs = zip(WHOLE_CROP, DETECTOR_BOX, strict=True)
        return Cut(*(self.strength * ops.where(boxed, box, whole) for whole, box in pairs))

    def _uniform(self, count: Tensor, bound: float) -> Tensor:
        return keras.random.uniform((count,), -bound, bound, seed=self.seeds)


class RandomColour(layers.Layer):
    """Brightness, contrast and saturation; some pictures lose all colour."""

    brightness: float
    contrast: float
    saturation: float
    grey: float

    def __init__(
        self,
        brightness: float = 0.2,
        contrast: float = 0.25,
        saturation: float = 0.4,
        grey: float = 0.1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.brightness, self.contrast = brightness, contrast
        self.saturation, self.grey = saturation, grey
        self.seeds: Any = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        if not training:
            return images
        count = ops.shape(images)[0]
        saturation = 1 + self._uniform(count, self.saturation)
        turns_grey = keras.random.uniform((count, 1, 1), seed=self.seeds) < self.grey
        saturation = ops.where(turns_grey, 0.0, saturation)
        to_grey = ops.tile(ops.reshape(ops.array(LUMA, "float32"), (1, 3, 1)), (1, 1, 3))
        matrix = saturation * ops.eye(3)[None] + (1 - saturation) * to_grey
        contrast = 1 + self._uniform(count, self.contrast)
        # Contrast turns about each picture's own mean, so that dark pictures stay dark.
        mean = ops.mean(images, axis=(1, 2, 3))[:, None, None]
        offset = mean * (1 - contrast) + 255 * self._uniform(count, self.brightness)
        pixels = ops.reshape(images, (count, -1, 3))
        coloured = ops.matmul(pixels, matrix * contrast) + offset
        return ops.clip(ops.reshape(coloured, ops.shape(images)), 0.0, 255.0)

    def _uniform(self, count: Tensor, bound: float) -> Tensor:
        return keras.random.uniform((count, 1, 1), -bound, bound, seed=self.seeds)


class RandomErasing(layers.Layer):
    """Covers a rectangle of some pictures with their mean colour (Zhong et al., AAAI 2020).

    What is covered by a hand, a mask or a hat must not decide alone.
    """

    share: float
    low: float
    high: float

    def __init__(
        self, share: float = 0.25, low: float = 0.15, high: float = 0.45, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.share, self.low, self.high = share, low, high
        self.seeds: Any = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        if not training or self.share <= 0:
            return images
        count, height, width = ops.shape(images)[0], images.shape[1], images.shape[2]
        rows = self._covered(count, height)[:, :, None, None]
        columns = self._covered(count, width)[:, None, :, None]
        chosen = self._uniform((count, 1, 1, 1), 0.0, 1.0) < self.share
        mean = ops.mean(images, axis=(1, 2), keepdims=True)
        return ops.where(chosen & rows & columns, mean, images)

    def _covered(self, count: Tensor, pixels: int) -> Tensor:
        """(n, pixels) bool: a stretch of `low` to `high` of the side, wherever it fits."""
        length = self._uniform((count, 1), self.low, self.high)
        start = self._uniform((count, 1), 0.0, 1.0) * (1 - length)
        place = (ops.arange(pixels, dtype="float32") + 0.5)[None] / pixels
        return (place >= start) & (place < start + length)

    def _uniform(self, shape: tuple[Any, ...], low: float, high: float) -> Tensor:
        return keras.random.uniform(shape, low, high, seed=self.seeds)


class Augmentation(layers.Layer):
    """All augmentation in order: geometry, colour, covered parts, webcam degradation.

    Takes (n, h, w, 3) RGB 0..255 of any dtype and gives float32 0..255 of `image_size`. Without
    `training=True` values of that size pass unchanged.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        degraded_share: float = 0.25,
        seed: int = 0,
        strength: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.image_size: tuple[int, ...] = tuple(image_size)
        self.steps: list[layers.Layer] = [
            RandomAffine(strength=strength, seed=seed),
            RandomColour(0.2 * strength, 0.25 * strength, 0.4 * strength, seed=seed + 1),
            RandomErasing(0.25 * strength, seed=seed + 3),
            WebcamDegradation(degraded_share, seed=seed + 2),
        ]

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        images = ops.cast(images, "float32")
        if tuple(images.shape[1:3]) != self.image_size:
            images = ops.image.resize(images, self.image_size, antialias=True)
        for step in self.steps:
            images = step(images, training=training)
        return images


def build_augmentation(
    image_size: tuple[int, int], degraded_share: float = 0.25, seed: int = 0, strength: float = 1.0
) -> Augmentation:
    """The augmentation of a training run for crops of `image_size` (height, width).

    `strength` scales rotation, zoom, shift and colour; mirror images, grey ones and degradation stay.
    """
    augmentation = Augmentation(image_size, degraded_share, seed, strength, name="augmentation")
    augmentation(keras.ops.zeros((1, *image_size, 3)), training=True)
    return augmentation
