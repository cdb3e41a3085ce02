"""`facecli train --model-type landmarks`: faces with known landmarks become the network that looks closer.

A close-up is what `core.crops` cuts around a chip. Half of the samples lie as a box says, turned by any
angle; the others nearly upright, as in the second look that a face gets. A share shows no face.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from keras import ops

from facecli.core import paths
from facecli.core.arrays import Array, Tensor
from facecli.core.crops import (
    CLOSEUP_LANDMARKS,
    CLOSEUP_MARGIN,
    CLOSEUP_OUTPUTS,
    CLOSEUP_SIDE,
    encode_points,
    fit_similarity,
    overlaps,
    warp,
)
from facecli.core.errors import DataError, InputError
from facecli.core.paths import LANDMARKS, LANDMARKS_MODEL
from facecli.core.recipes import FitOptions
from facecli.data.boxes import BoxPicture
from facecli.models.checkpoint import KERAS_FILE, LITERT_FILE, write_config
from facecli.models.networks import build_landmark_network
from facecli.models.terms import DETECTOR_TERMS
from facecli.training.box_batches import DrawnBatches, Sample, mirrored, worn
from facecli.training.box_data import BoxData, with_finds
from facecli.training.detector import drawn_shares
from facecli.training.engine import compile_model, run_epochs
from facecli.training.save import save_finder, versions

log: logging.Logger = logging.getLogger(__name__)

SMALLEST = 20
"""Pixels of the longer side of a face that is learnt from or measured on."""
_ERROR_WEIGHT, _FACE_WEIGHT = 0.02, 0.1
_RANGE_CLOSEUPS = 256
"""So many set the ranges of int8."""
_VALIDATION_SHARE = 1 / 16
"""So many close-ups are looked at after an epoch, of those that it learnt from."""


@dataclass(frozen=True)
class CloseupShares:
    """How close-ups are drawn.

    Attributes:
        upright: share that lies nearly as a chip.
        any_tilt: of the others, the share that is turned by any angle; the rest by up to 60 degrees.
        not_face: share that shows none.
        coarse: share that is shrunk to few pixels first.
        covered: share of which a part is hidden.
    """

    upright: float = 0.5
    any_tilt: float = 0.6
    not_face: float = 0.2
    coarse: float = 0.25
    covered: float = 0.15


@dataclass(frozen=True)
class KnownFace:
    """A face of a picture and its landmarks, (5, 2) pixels."""

    picture: BoxPicture
    landmarks: Array


def known_faces(pictures: Sequence[BoxPicture]) -> list[KnownFace]:
    """The faces of some pictures whose landmarks are known, but for tiny ones."""
    found = []
    for picture in pictures:
        sides = (picture.xyxy[:, 2:] - picture.xyxy[:, :2]).max(axis=1, initial=0)
        for points in picture.landmarks[~picture.ignored & (sides >= SMALLEST)]:
            if fit_similarity(points, CLOSEUP_LANDMARKS) is not None:
                found.append(KnownFace(picture, points))
    return found


class CloseupBatches(DrawnBatches):
    """Shuffled batches of (close-ups (n, side, side, 3) uint8, targets (n, 11)): landmarks, then face or not.

    Args:
        sets: the pictures of each data set.
        shares: what part of the samples each set gives; they sum to 1.
        samples, batch_size, seed: see DrawnBatches.
        how: see CloseupShares.
    """

    shares: Any
    how: CloseupShares

    def __init__(
        self,
        sets: Sequence[Sequence[BoxPicture]],
        shares: Sequence[float] | Array,
        samples: int,
        batch_size: int,
        seed: int,
        how: CloseupShares | None = None,
        workers: int = 1,
    ) -> None:
        super().__init__(samples, batch_size, seed, workers)
        self.pictures: list[list[BoxPicture]] = [list(one) for one in sets]
        self.faces: list[list[KnownFace]] = [known_faces(one) for one in sets]
        shares = np.array([share if faces else 0 for share, faces in zip(shares, self.faces, strict=True)])
        if not shares.sum():
            raise DataError("no face with known landmarks to train on; give a teacher or data with landmarks")
        self.shares, self.how = shares / shares.sum(), how or CloseupShares()

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        random = self.random_of(index)
        drawn = [self._draw(random) for _ in range(self.batch_size)]
        return np.stack([image for image, _ in drawn]), np.stack([target for _, target in drawn])

    def _draw(self, random: np.random.Generator) -> tuple[Array, Array]:
        number = int(random.choice(len(self.faces), p=self.shares))
        if random.random() < self.how.not_face:
            nothing = self._nothing(random, number)
            if nothing is not None:
                return _worn(nothing, self.how, random), np.zeros(11, np.float32)
        face = self.faces[number][random.integers(len(self.faces[number]))]
        matrix = draw_closeup(face.landmarks, self.how, random)
        image = warp(self.cache.load(face.picture), matrix, _SIZE, int(random.choice(_BORDERS)))
        points = (face.landmarks @ matrix[:, :2].T + matrix[:, 2])[None]
        sample = Sample(image, np.zeros((1, 4)), points, np.zeros(1, bool))
        if random.random() < 0.5:
            sample = mirrored(sample)
        target = np.append(encode_points(sample.landmarks), np.float32(1))
        return _worn(sample.image_rgb, self.how, random), target

    def _nothing(self, random: np.random.Generator, number: int) -> Array | None:
        """A part of a picture without a face; None where there is hardly one."""
        picture = self.pictures[number][random.integers(len(self.pictures[number]))]
        image = self.cache.load(picture)
        height, width = image.shape[:2]
        for _ in range(8):
            side = np.exp(random.uniform(np.log(16), np.log(max(min(height, width), 17))))
            left, top = (random.uniform(-side / 4, length - 3 * side / 4) for length in (width, height))
            box = np.array([[left, top, left + side, top + side]])
            if overlaps(box, np.asarray(picture.xyxy, float)).max(initial=0.0) > 0.1:
                continue
            middle, angle = (left + side / 2, top + side / 2), random.uniform(-180, 180)
            turn = np.asarray(cv2.getRotationMatrix2D(middle, angle, CLOSEUP_SIDE / side), np.float64)
            turn[:, 2] += CLOSEUP_SIDE / 2 - np.array(middle)
            return warp(image, turn, _SIZE, int(random.choice(_BORDERS)))
        return None


_SIZE = CLOSEUP_SIDE, CLOSEUP_SIDE
_BORDERS = (cv2.BORDER_REPLICATE, cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT)


def draw_closeup(landmarks: Array, how: CloseupShares, random: np.random.Generator) -> Array:
    """A random map (2, 3) from the picture to a close-up of a face."""
    matrix = fit_similarity(landmarks, CLOSEUP_LANDMARKS)
    if matrix is None:
        raise ValueError("landmarks coincide")
    if random.random() < how.upright:
        angle, shift, grown = random.normal(0, 6), random.normal(0, 0.03, 2), random.normal(0, 0.06)
    else:
        any_tilt = random.random() < how.any_tilt
        angle = random.uniform(-180, 180) if any_tilt else random.uniform(-60, 60)
        shift, grown = random.normal(0, 0.07, 2), random.normal(0.0, 0.14)
    middle = CLOSEUP_SIDE / 2, CLOSEUP_SIDE / 2
    turn = np.asarray(cv2.getRotationMatrix2D(middle, float(angle), float(np.exp(grown))), np.float64)
    turn[:, 2] += np.clip(shift, -0.2, 0.2) * CLOSEUP_SIDE
    return np.concatenate([turn[:, :2] @ matrix[:, :2], turn[:, :2] @ matrix[:, 2:] + turn[:, 2:]], axis=1)


def _worn(image: Array, how: CloseupShares, random: np.random.Generator) -> Array:
    if random.random() < how.coarse:
        side = int(np.exp(random.uniform(np.log(10), np.log(CLOSEUP_SIDE))))
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, _SIZE, interpolation=cv2.INTER_LINEAR)
    if random.random() < how.covered:
        image = image.copy()
        wide, high = (random.uniform(0.15, 0.5, 2) * CLOSEUP_SIDE).astype(int)
        left, top = random.integers(0, CLOSEUP_SIDE - wide), random.integers(0, CLOSEUP_SIDE - high)
        image[top : top + high, left : left + wide] = random.integers(0, 256, 3)
    nothing = np.empty((0, 4)), np.empty((0, 5, 2)), np.empty(0, bool)
    return worn(Sample(image, *nothing), random).image_rgb


class LandmarkTrainer(keras.Model):
    """The network with its losses: distances of landmarks, the distance that it expects, face or not."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__(name="landmark_trainer")
        self.network = network

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return self.network(inputs, training=training)

    def compute_loss(
        self,
        x: Tensor | None = None,
        y: Tensor | None = None,
        y_pred: Tensor = None,
        sample_weight: Tensor | None = None,
        training: bool = True,
    ) -> Tensor:
        """The mean over the close-ups of a batch; those without a face say nothing of landmarks."""
        y = ops.cast(y, "float32")
        face = y[:, 10]
        away = ops.reshape(y_pred["landmarks"] - y[:, :10], (-1, 5, 2)) / 2
        distance = ops.sqrt(ops.sum(ops.square(away), axis=-1) + 1e-6)
        mean = ops.mean(distance, axis=-1)
        count = ops.maximum(ops.sum(face), 1.0)
        expected = y_pred["error"][:, 0]
        # Laplace's likelihood: what is expected to be far off may be.
        likelihood = ops.stop_gradient(mean) * ops.exp(-expected) + expected
        logit = y_pred["face"][:, 0]
        entropy = ops.maximum(logit, 0.0) - logit * face + ops.log1p(ops.exp(-ops.abs(logit)))
        return ops.sum(face * (mean + _ERROR_WEIGHT * likelihood)) / count + _FACE_WEIGHT * ops.mean(entropy)


class LandmarkValidation(keras.callbacks.Callback):
    """After each epoch adds the error on close-ups of validation pictures to its logs."""

    closeups: Array
    targets: Array

    def __init__(self, closeups: Array, targets: Array) -> None:
        super().__init__()
        self.closeups, self.targets = closeups, targets

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is None:
            return
        logs |= measure_closeups(self.model.network, self.closeups, self.targets)


def measure_closeups(network: keras.Model, closeups: Array, targets: Array) -> dict[str, float]:
    """Mean distance of landmarks in sides of the close-up (lower is better), and accuracy of face or not."""
    outputs = network.predict(closeups, batch_size=256, verbose=0)
    face = targets[:, 10] > 0
    away = (outputs["landmarks"] - targets[:, :10]).reshape(-1, 5, 2)[face] / 2
    mean = np.linalg.norm(away, axis=-1).mean(axis=-1)
    right = (outputs["face"][:, 0] > 0) == face
    return {"val_loss": float(mean.mean()), "val_face_accuracy": float(right.mean())}


@dataclass(frozen=True)
class LandmarkRequest:
    """What to train. `samples` close-ups are drawn in an epoch."""

    name: str = LANDMARKS_MODEL
    samples: int = 24_000
    command: str = ""
    how: CloseupShares = CloseupShares()


def train_landmarks(data: Sequence[BoxData], request: LandmarkRequest, options: FitOptions) -> Path:
    """Trains, writes `saved_model/<name>/` and returns it.

    Raises:
        DataError: no face with known landmarks.
        FacecliError: the loss is no number any more.
    """
    if options.epochs < 1:
        raise InputError("--epochs must be 1 or more")
    started = time.monotonic()
    folder = paths.saved_model_dir() / request.name
    keras.utils.set_random_seed(options.seed)
    shares = drawn_shares(data, options)
    batches = CloseupBatches(
        [one.train for one in data], shares, request.samples, options.batch_size, options.seed,
        request.how, workers=2,
    )  # fmt: skip
    network = build_landmark_network()
    model = LandmarkTrainer(network)
    compile_model(model, options, len(batches))
    model.build((None, CLOSEUP_SIDE, CLOSEUP_SIDE, 3))
    validation = LandmarkValidation(*_validation(data, shares, request))
    history = run_epochs(model, network, batches, validation, options, folder / "epochs")
    duration_s = time.monotonic() - started
    sets = [one.train for one in data]
    seen = CloseupBatches(sets, shares, _RANGE_CLOSEUPS, _RANGE_CLOSEUPS, options.seed, request.how)[0][0]
    save_finder(network, folder, history, seen, [f"{name}/" for name in CLOSEUP_OUTPUTS])
    config = {
        "name": request.name,
        "model_type": LANDMARKS,
        "outputs": CLOSEUP_OUTPUTS,
        "samples": asdict(request.how) | {"an_epoch": request.samples},
        "closeup": {"side": CLOSEUP_SIDE, "margin": CLOSEUP_MARGIN},
        "options": asdict(options),
        "seed": options.seed,
        "faces": [len(faces) for faces in batches.faces],
        "parameters": int(network.count_params()),
        "terms": DETECTOR_TERMS.to_config(),
        "command": request.command,
        "duration_s": round(duration_s, 1),
        "versions": versions(),
    }
    write_config(folder, config, (KERAS_FILE, LITERT_FILE))
    log.info("saved %s", folder)
    return folder


def _validation(data: Sequence[BoxData], shares: Array, request: LandmarkRequest) -> tuple[Array, Array]:
    pictures = [[_taught(one, picture) for picture in one.val] for one in data]
    count = max(round(request.samples * _VALIDATION_SHARE), 1)
    return CloseupBatches(pictures, shares, count, count, 0, request.how)[0]


def _taught(data: BoxData, picture: BoxPicture) -> BoxPicture:
    finds = data.finds.get(picture.file)
    return picture if finds is None else with_finds(picture, finds)
