"""Batches for the detector: pictures cut, turned, put together and worn, with what every cell is to say.

Each sample is drawn anew. One affine map takes a picture to the canvas, so that a face may get any size and
tilt; half of the samples choose a face and its size first, since most faces of most sets are of one size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import keras
import numpy as np

from facecli.core.arrays import Array
from facecli.core.crops import LANDMARK_VALUES, STRIDES, box_areas, cell_centres, encode_landmarks, warp
from facecli.core.images import load_image
from facecli.data.boxes import BoxPicture
from facecli.training.box_data import mirror

FACE_SIZES = ((0, 40), (32, 96), (80, 224), (192, 1e9))
"""Longer sides in pixels of the faces that each of STRIDES answers for."""
SMALLEST = 5.0
"""A face with a shorter longer side, in pixels of the canvas, is neither to be found nor to be left out."""
FEWEST_VISIBLE = 0.4
"""Share of a face that must lie on the canvas."""
_RADIUS = 1.0
"""Cells nearer than that many strides to a face's centre are to find it."""
VALUES = {"positive": 1, "weight": 1, "box": 4, "landmarks": LANDMARK_VALUES, "has_landmarks": 1}
"""What a target says of each cell, one after the other: whether it is to find a face, whether it counts at
all, the face's xyxy and landmarks in pixels, whether these are known."""


@dataclass(frozen=True)
class SampleShares:
    """How samples are drawn.

    Attributes:
        mosaic: share of samples that are put together from four.
        chosen_face: of samples with a face, those that choose its size first.
        smallest, largest: that size, the longer side of the face in sides of the canvas; its logarithm
            is drawn evenly.
        zoom: least and most scale of the others, 1 when the picture just fits; no face is chosen so small
            that its picture would be smaller.
        tilted, any_tilt: shares that are turned by up to 45 degrees, and by any angle; the others
            by a few.
    """

    mosaic: float = 0.15
    chosen_face: float = 0.5
    smallest: float = 0.02
    largest: float = 0.95
    zoom: tuple[float, float] = (0.6, 2.5)
    tilted: float = 0.2
    any_tilt: float = 0.15


@dataclass
class Sample:
    """A picture (h, w, 3) uint8 RGB and its faces, as in `data.boxes.BoxPicture`."""

    image_rgb: Array
    xyxy: Array
    landmarks: Array
    ignored: Array


@dataclass
class PictureCache:
    """Decoded pictures, as many as fit."""

    most_bytes: int = 3 << 30
    _held: dict[Path, Array] = field(default_factory=dict)
    _bytes: int = 0

    def load(self, picture: BoxPicture) -> Array:
        """(H, W, 3) uint8 RGB. Raises ImageError."""
        image = self._held.get(picture.file)
        if image is None:
            image = load_image(picture.file)
            if self._bytes + image.nbytes <= self.most_bytes:
                self._held[picture.file] = image
                self._bytes += image.nbytes
        return image


class DrawnBatches(keras.utils.PyDataset):
    """Batches whose samples are drawn anew in each epoch, the same for the same seed, epoch and batch.

    Args:
        samples: in an epoch.
        batch_size: the last batch is dropped when it is not full.
        seed: decides everything, together with the epoch and the batch.
    """

    samples: int
    batch_size: int
    seed: int
    epoch: int

    def __init__(self, samples: int, batch_size: int, seed: int, workers: int = 1) -> None:
        super().__init__(workers=workers, use_multiprocessing=False, max_queue_size=8)
        self.samples, self.batch_size, self.seed, self.epoch = samples, batch_size, seed, 0
        self.cache: PictureCache = PictureCache()

    def __len__(self) -> int:
        return max(self.samples // self.batch_size, 1)

    def start_at(self, epoch: int) -> None:
        """Goes on with an epoch, counted from 0."""
        self.epoch = epoch

    def on_epoch_end(self) -> None:
        self.epoch += 1

    def random_of(self, index: int) -> np.random.Generator:
        """What draws the samples of a batch."""
        return np.random.default_rng([self.seed, self.epoch, index])


class BoxBatches(DrawnBatches):
    """Shuffled batches of (pictures (n, side, side, 3) uint8, targets (n, cells, values) float32).

    Args:
        sets: the pictures of each data set.
        shares: what part of the samples each set gives; they sum to 1.
        samples, batch_size, seed: see DrawnBatches.
        side: of the canvas in pixels, a multiple of the largest stride.
        how: see SampleShares.
    """

    shares: Array
    side: int
    how: SampleShares

    def __init__(
        self,
        sets: Sequence[Sequence[BoxPicture]],
        shares: Sequence[float] | Array,
        samples: int,
        batch_size: int,
        side: int,
        seed: int,
        how: SampleShares | None = None,
        workers: int = 1,
    ) -> None:
        super().__init__(samples, batch_size, seed, workers)
        self.sets: list[list[BoxPicture]] = [list(one) for one in sets]
        self.shares, self.side, self.how = np.asarray(shares, float), side, how or SampleShares()

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        random = self.random_of(index)
        samples = [self._sample(random) for _ in range(self.batch_size)]
        images = np.stack([one.image_rgb for one in samples])
        return images, np.stack([encode(one, self.side) for one in samples])

    def _sample(self, random: np.random.Generator) -> Sample:
        if random.random() < self.how.mosaic:
            half = self.side // 2
            return worn(_four([self._placed(random, half) for _ in range(4)], half), random)
        return worn(self._placed(random, self.side), random)

    def _placed(self, random: np.random.Generator, side: int) -> Sample:
        pictures = self.sets[random.choice(len(self.sets), p=self.shares)]
        picture = pictures[random.integers(len(pictures))]
        sample = Sample(self.cache.load(picture), picture.xyxy, picture.landmarks, picture.ignored)
        matrix = draw_map(sample, side, self.how, random)
        # What lies beside a picture is black, a colour or a smear: no edge shall tell of a face.
        border = random.choice([cv2.BORDER_CONSTANT, cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE])
        colour = random.integers(0, 256, 3) * (random.random() < 0.5)
        placed = moved(sample, matrix, side, int(border), tuple(map(int, colour)))
        return mirrored(placed) if random.random() < 0.5 else placed


def draw_map(sample: Sample, side: int, how: SampleShares, random: np.random.Generator) -> Array:
    """A random affine map (2, 3) from the picture to a canvas of `side` pixels."""
    height, width = sample.image_rgb.shape[:2]
    angle, whole = _angle(how, random), side / max(height, width)
    faces = np.flatnonzero(~sample.ignored)
    if len(faces) and random.random() < how.chosen_face:
        left, top, right, bottom = sample.xyxy[random.choice(faces)]
        size = side * np.exp(random.uniform(np.log(how.smallest), np.log(how.largest)))
        # Enlarged more than eight times a face is a blur that nobody has to find.
        scale = float(np.clip(size / max(right - left, bottom - top), how.zoom[0] * whole, 8.0))
        centre = (left + right) / 2, (top + bottom) / 2
        target = side / 2 + random.uniform(-0.5, 0.5, 2) * max(side - scale * (right - left), 0)
    else:
        scale = whole * np.exp(random.uniform(*np.log(how.zoom)))
        centre = random.uniform(0.2, 0.8) * width, random.uniform(0.2, 0.8) * height
        target = side / 2 + random.uniform(-0.15, 0.15, 2) * side
    middle = float(centre[0]), float(centre[1])
    matrix = np.asarray(cv2.getRotationMatrix2D(middle, angle, float(scale)), np.float64)
    shift = np.asarray(target, np.float64) - middle
    return np.concatenate([matrix[:, :2], matrix[:, 2:] + shift[:, None]], axis=1)


def _angle(how: SampleShares, random: np.random.Generator) -> float:
    drawn = random.random()
    if drawn < how.any_tilt:
        return random.uniform(-180, 180)
    if drawn < how.any_tilt + how.tilted:
        return random.uniform(-45, 45)
    return float(np.clip(random.normal(0, 6), -20, 20))


def moved(
    sample: Sample,
    matrix: Array,
    side: int,
    border: int = cv2.BORDER_CONSTANT,
    colour: tuple[int, ...] = (0, 0, 0),
) -> Sample:
    """The part of a picture that an affine map (2, 3) takes to a canvas of `side` pixels.

    A box becomes the one around the ellipse in it, turned; it is cut at the canvas. A face of which too
    little is left, or that is too small, is ignored.
    """
    canvas = warp(sample.image_rgb, matrix, (side, side), border, colour)
    xyxy = _turned(sample.xyxy, matrix)
    cut = np.clip(xyxy, 0, side)
    visible = box_areas(cut) / np.maximum(box_areas(xyxy), 1e-6)
    sides = np.maximum(*(cut[:, 2 + axis] - cut[:, axis] for axis in (0, 1))) if len(cut) else np.empty(0)
    landmarks = sample.landmarks @ matrix[:, :2].T + matrix[:, 2]
    ignored = sample.ignored | (visible < FEWEST_VISIBLE) | (sides < SMALLEST)
    there = visible > 0.02
    return Sample(canvas, cut[there], landmarks[there], ignored[there])


def _turned(xyxy: Array, matrix: Array) -> Array:
    centre = np.stack([xyxy[:, 0] + xyxy[:, 2], xyxy[:, 1] + xyxy[:, 3]], axis=1) / 2
    half = np.stack([xyxy[:, 2] - xyxy[:, 0], xyxy[:, 3] - xyxy[:, 1]], axis=1) / 2
    centre = centre @ matrix[:, :2].T + matrix[:, 2]
    half = np.sqrt((half**2) @ (matrix[:, :2] ** 2).T)
    return np.concatenate([centre - half, centre + half], axis=1)


def mirrored(sample: Sample) -> Sample:
    """The mirror image."""
    width = sample.image_rgb.shape[1]
    boxes, landmarks = mirror(sample.xyxy, sample.landmarks, width)
    return Sample(np.ascontiguousarray(sample.image_rgb[:, ::-1]), boxes, landmarks, sample.ignored)


def _four(samples: Sequence[Sample], half: int) -> Sample:
    """Four square samples of `half` pixels as one of twice as many."""
    canvas = np.empty((2 * half, 2 * half, 3), np.uint8)
    boxes, landmarks = [], []
    for number, one in enumerate(samples):
        corner = np.array([number % 2, number // 2]) * half
        canvas[corner[1] : corner[1] + half, corner[0] : corner[0] + half] = one.image_rgb
        boxes.append(one.xyxy + np.tile(corner, 2))
        landmarks.append(one.landmarks + corner)
    ignored = np.concatenate([one.ignored for one in samples])
    return Sample(canvas, np.concatenate(boxes), np.concatenate(landmarks), ignored)


def worn(sample: Sample, random: np.random.Generator) -> Sample:
    """The sample in other light, and perhaps grey, blurred, noisy or coarsely compressed."""
    image = sample.image_rgb
    if random.random() < 0.8:
        gain, offset = random.uniform(0.6, 1.5), random.uniform(-35, 35)
        tint = random.uniform(0.88, 1.12, 3)
        table = np.arange(256)[:, None] * gain * tint + offset
        image = cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8).reshape(256, 1, 3))
    if random.random() < 0.15:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if random.random() < 0.12:
        image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.5, 2.0))
    if random.random() < 0.1:
        noise = random.normal(0, random.uniform(3, 16), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if random.random() < 0.2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 75))]
        image = np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR))
    return Sample(image, sample.xyxy, sample.landmarks, sample.ignored)


def encode(sample: Sample, side: int) -> Array:
    """What every cell of a square picture is to say: (cells, values) float32, see VALUES."""
    centres, strides = cell_centres((side, side))
    target = {name: np.zeros((len(centres), values), np.float32) for name, values in VALUES.items()}
    target["weight"][:] = 1
    for box in sample.xyxy[sample.ignored]:
        target["weight"][_inside(centres, box)] = 0
    faces = np.flatnonzero(~sample.ignored)
    # Of two faces that claim a cell the smaller one has it.
    for index in faces[np.argsort(-box_areas(sample.xyxy[faces]), kind="stable")]:
        box, points = sample.xyxy[index], sample.landmarks[index]
        cells = _cells_of(box, centres, strides)
        target["positive"][cells] = target["weight"][cells] = 1
        target["box"][cells] = box
        known = bool(np.isfinite(points).all())
        target["has_landmarks"][cells] = known
        if known:
            around = np.broadcast_to(points, (len(cells), *points.shape))
            target["landmarks"][cells] = encode_landmarks(around, centres[cells], strides[cells])
    return np.concatenate(list(target.values()), axis=1)


def _inside(centres: Array, box: Array) -> Array:
    return np.all((centres >= box[:2]) & (centres < box[2:]), axis=1)


def _cells_of(box: Array, centres: Array, strides: Array) -> Array:
    """Cells that are to find a face: those nearest to its centre at each level for its size."""
    middle, longest = (box[:2] + box[2:]) / 2, max(box[2] - box[0], box[3] - box[1])
    found = []
    for stride, (least, most) in zip(STRIDES, FACE_SIZES, strict=True):
        if not least <= longest < most:
            continue
        here = np.flatnonzero(strides == stride)
        away = np.abs(centres[here] - middle).max(axis=1)
        near = here[(away < _RADIUS * stride) & _inside(centres[here], box)]
        found.append(near if len(near) else here[[int(away.argmin())]])
    return np.concatenate(found)
