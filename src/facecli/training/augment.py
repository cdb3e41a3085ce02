"""Augmentation as Keras layers, on RGB 0..255, active only while training.

Geometry is one affine map per picture, colour one 3x3 matrix, so that a batch costs far
less than the training step. Webcam degradation works on the first part of each batch:
batches are shuffled, so that part is a random one.
"""

from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from facecli.training.degrade import WebcamDegradation

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601 weights of red, green and blue."""


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
BOX_SHARE = 0.5
"""Of the pictures, that are cut as a detector would. The others are whole: in both sets those are upright."""


class RandomAffine(layers.Layer):
    """Left-right flip, rotation, scale and shift in one bilinear resampling; edges repeat.

    A share of the pictures is cut as a detector's box would be, the others are seen whole; `strength`
    scales all bounds.
    """

    def __init__(self, box_share=BOX_SHARE, strength=1.0, seed=0, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.box_share, self.strength = box_share, strength
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        if not training:
            return images
        count, height, width = ops.shape(images)[0], images.shape[1], images.shape[2]
        return ops.image.affine_transform(
            images, self._transforms(count, height, width), interpolation="bilinear", fill_mode="nearest"
        )

    def _transforms(self, count, height, width):
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

    def _cuts(self, count) -> Cut:
        """The bounds of each picture, (n,) each."""
        boxed = keras.random.uniform((count,), seed=self.seeds) < self.box_share
        pairs = zip(WHOLE_CROP, DETECTOR_BOX, strict=True)
        return Cut(*(self.strength * ops.where(boxed, box, whole) for whole, box in pairs))

    def _uniform(self, count, bound):
        return keras.random.uniform((count,), -bound, bound, seed=self.seeds)


class RandomColour(layers.Layer):
    """Brightness, contrast and saturation; some pictures lose all colour."""

    def __init__(self, brightness=0.2, contrast=0.25, saturation=0.4, grey=0.1, seed=0, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.brightness, self.contrast = brightness, contrast
        self.saturation, self.grey = saturation, grey
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
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

    def _uniform(self, count, bound):
        return keras.random.uniform((count, 1, 1), -bound, bound, seed=self.seeds)


class RandomErasing(layers.Layer):
    """Covers a rectangle of some pictures with their mean colour (Zhong et al., AAAI 2020).

    What is covered by a hand, a mask or a hat must not decide alone.
    """

    def __init__(self, share=0.25, low=0.15, high=0.45, seed=0, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.share, self.low, self.high = share, low, high
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        if not training or self.share <= 0:
            return images
        count, height, width = ops.shape(images)[0], images.shape[1], images.shape[2]
        rows = self._covered(count, height)[:, :, None, None]
        columns = self._covered(count, width)[:, None, :, None]
        chosen = self._uniform((count, 1, 1, 1), 0.0, 1.0) < self.share
        mean = ops.mean(images, axis=(1, 2), keepdims=True)
        return ops.where(chosen & rows & columns, mean, images)

    def _covered(self, count, pixels):
        """(n, pixels) bool: a stretch of `low` to `high` of the side, wherever it fits."""
        length = self._uniform((count, 1), self.low, self.high)
        start = self._uniform((count, 1), 0.0, 1.0) * (1 - length)
        place = (ops.arange(pixels, dtype="float32") + 0.5)[None] / pixels
        return (place >= start) & (place < start + length)

    def _uniform(self, shape, low, high):
        return keras.random.uniform(shape, low, high, seed=self.seeds)


class Augmentation(layers.Layer):
    """All augmentation in order: geometry, colour, covered parts, webcam degradation.

    Takes (n, h, w, 3) RGB 0..255 of any dtype and gives float32 0..255 of `image_size`. Without
    `training=True` values of that size pass unchanged.
    """

    def __init__(self, image_size, degraded_share=0.25, seed=0, strength=1.0, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.image_size = tuple(image_size)
        self.steps: list[layers.Layer] = [
            RandomAffine(strength=strength, seed=seed),
            RandomColour(0.2 * strength, 0.25 * strength, 0.4 * strength, seed=seed + 1),
            RandomErasing(0.25 * strength, seed=seed + 3),
            WebcamDegradation(degraded_share, seed=seed + 2),
        ]

    def call(self, images, training=False):
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
