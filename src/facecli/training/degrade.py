"""What a cheap webcam does to a face: few pixels, blur, noise, blocks of JPEG."""

import math

import keras
import numpy as np
from keras import layers, ops

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


class WebcamDegradation(layers.Layer):
    """Degrades the first `share` of a shuffled batch of RGB 0..255 pictures."""

    def __init__(self, share=0.25, noise=8.0, seed=0, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.share, self.noise = share, noise
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        if not training or self.share <= 0:
            return images
        count = self._count(ops.shape(images)[0])
        chosen = self._degrade(images[:count])
        return ops.concatenate([chosen, images[count:]], axis=0)

    def _count(self, images):
        # JAX cuts at plain numbers only and knows the batch; TensorFlow may not know it yet.
        if isinstance(images, int):
            return math.ceil(self.share * images)
        return ops.cast(ops.ceil(self.share * ops.cast(images, "float32")), "int32")

    def _degrade(self, images):
        images = self._fewer_pixels(images)
        shape = ops.shape(images)
        strength = self._uniform(shape[0], 0.0, self.noise)
        images = images + strength * keras.random.normal(shape, seed=self.seeds)
        quality = self._uniform(shape[0], 25.0, 90.0)
        return ops.clip(jpeg_like(ops.clip(images, 0.0, 255.0), quality), 0.0, 255.0)

    def _fewer_pixels(self, images):
        """Mixes each picture with its half- and third-size copies, scaled up again."""
        height, width = images.shape[1:3]
        copies = [images]
        for factor in (2, 3):
            small = ops.image.resize(images, (height // factor, width // factor), antialias=True)
            copies.append(ops.image.resize(small, (height, width), interpolation="bilinear"))
        pick = self._uniform(ops.shape(images)[0], 0.0, 3.0)
        return ops.where(pick < 1, copies[0], ops.where(pick < 2, copies[1], copies[2]))

    def _uniform(self, count, low, high):
        return keras.random.uniform((count, 1, 1, 1), low, high, seed=self.seeds)


def jpeg_like(images, quality):
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


def _cosine_matrix() -> np.ndarray:
    """Orthonormal DCT-II matrix, (8, 8)."""
    index = np.arange(BLOCK)
    matrix = np.cos((2 * index[None] + 1) * index[:, None] * np.pi / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    matrix[0] /= np.sqrt(2)
    return matrix.astype("float32")
