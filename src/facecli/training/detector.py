"""`facecli train --model-type detector`: sets of boxes become the detector's folder."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from sklearn.linear_model import LogisticRegression

from facecli.core import paths
from facecli.core.arrays import Array, Tensor
from facecli.core.crops import BOX_SPAN, CELL_OUTPUTS, LANDMARK_SPAN, STRIDES, cell_centres
from facecli.core.errors import CheckpointError, DataError, InputError
from facecli.core.images import load_image
from facecli.core.paths import DETECTOR, DETECTOR_MODEL
from facecli.core.recipes import FitOptions
from facecli.data.boxes import BoxPicture
from facecli.detect.cnn import (
    CHIP_CROP,
    CnnDetector,
    CnnOptions,
    LandmarkFinder,
    ScoreCalibration,
    decode,
    padded,
    score_features,
)
from facecli.detect.registry import Detections
from facecli.models.checkpoint import KERAS_FILE, LITERT_FILE, load_detector, write_config, write_json
from facecli.models.networks import DetectorSpec, build_detector_network
from facecli.models.terms import DETECTOR_TERMS
from facecli.training.box_batches import VALUES, BoxBatches, SampleShares
from facecli.training.box_data import BoxData
from facecli.training.detector_report import (
    SAME,
    above,
    average_precision,
    detection_figures,
    match,
    ranked_hits,
)
from facecli.training.engine import compile_model, run_epochs
from facecli.training.save import save_finder, versions

log: logging.Logger = logging.getLogger(__name__)

BOX_WEIGHT, LANDMARK_WEIGHT = 2.0, 2.0
_LOWEST_SCORE = 0.02
"""Of finds that average precision is measured with."""
_SEARCHED_SCORE = 0.15
"""Of finds that are looked at closer."""
VALIDATION_PICTURES = 300
"""So many of each set are looked at after an epoch."""
PRECISION = {"score_threshold": 0.97, "cover_threshold": 0.8}
"""Each threshold is the lowest score at which validation finds are that precise. A face that is not covered
costs more than a cover on something else."""


class DetectorTrainer(keras.Model):
    """A detector's network with its losses: quality focal loss, GIoU, distances of landmarks."""

    def __init__(self, network: keras.Model, side: int) -> None:
        super().__init__(name="detector_trainer")
        self.network = network
        centres, strides = cell_centres((side, side))
        self.centres, self.strides = centres[None], strides[None, :, None]
        self.reach: Array = LANDMARK_SPAN * self.strides

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
        """The mean over the faces of a batch; every cell that is to find one weighs alike."""
        ends = np.cumsum(list(VALUES.values()))[:-1].tolist()
        positive, weight, box, landmarks, has_landmarks = ops.split(ops.cast(y, "float32"), ends, axis=-1)
        count = ops.maximum(ops.sum(positive), 1.0)
        quality = giou(self._corners(y_pred["box"]), box)
        box_loss = ops.sum(positive * (1.0 - quality)) / count
        goal = positive * ops.stop_gradient(ops.clip(quality, 0.3, 1.0))
        score_loss = ops.sum(weight * quality_focal_loss(goal, y_pred["score"])) / count
        distance = smooth_l1((landmarks - y_pred["landmarks"]) * self.reach / _side_of(box))
        known = positive * has_landmarks
        point_loss = ops.sum(known * distance) / ops.maximum(ops.sum(known), 1.0)
        return score_loss + BOX_WEIGHT * box_loss + LANDMARK_WEIGHT * point_loss

    def _corners(self, values: Tensor) -> Tensor:
        distances = ops.exp(values * BOX_SPAN) * self.strides
        return ops.concatenate(
            [self.centres - distances[..., :2], self.centres + distances[..., 2:]], axis=-1
        )


def _side_of(box: Tensor) -> Tensor:
    """Longer sides (n, cells, 1) of boxes; 1 where there is none."""
    sides = ops.maximum(box[..., 2:3] - box[..., 0:1], box[..., 3:4] - box[..., 1:2])
    return ops.where(sides > 0, sides, 1.0)


def quality_focal_loss(goal: Tensor, logit: Tensor, focus: float = 2.0) -> Tensor:
    """Li et al., "Generalized Focal Loss", NeurIPS 2020: a cell says how well its box lies, 0 for no face."""
    probability = ops.sigmoid(logit)
    # Binary cross-entropy with logits, which neither overflows nor needs a clip.
    entropy = ops.maximum(logit, 0.0) - logit * goal + ops.log1p(ops.exp(-ops.abs(logit)))
    return ops.abs(goal - probability) ** focus * entropy


def smooth_l1(difference: Tensor, beta: float = 0.02) -> Tensor:
    """Huber's loss, summed over the last axis, which stays; quadratic below `beta`."""
    size = ops.abs(difference)
    loss = ops.where(size < beta, 0.5 * size**2 / beta, size - 0.5 * beta)
    return ops.sum(loss, axis=-1, keepdims=True)


def giou(boxes: Tensor, others: Tensor) -> Tensor:
    """Rezatofighi et al., CVPR 2019: (n, cells, 1) in [-1, 1]; 0 or less for boxes of no size."""
    low, high = ops.maximum(boxes[..., :2], others[..., :2]), ops.minimum(boxes[..., 2:], others[..., 2:])
    shared = ops.prod(ops.maximum(high - low, 0.0), axis=-1, keepdims=True)
    both = _area(boxes) + _area(others) - shared
    around = ops.prod(
        ops.maximum(boxes[..., 2:], others[..., 2:]) - ops.minimum(boxes[..., :2], others[..., :2]),
        axis=-1,
        keepdims=True,
    )
    return shared / ops.maximum(both, 1e-6) - (around - both) / ops.maximum(around, 1e-6)


def _area(boxes: Tensor) -> Tensor:
    return ops.prod(ops.maximum(boxes[..., 2:] - boxes[..., :2], 0.0), axis=-1, keepdims=True)


class DetectorValidation(keras.callbacks.Callback):
    """After each epoch adds average precision and shares of the validation pictures to its logs."""

    def __init__(self, data: Sequence[BoxData]) -> None:
        super().__init__()
        self.data = data

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is None:
            return
        for one in self.data:
            if not one.val:
                continue
            pictures = one.val[:VALIDATION_PICTURES]
            founds = [find_with(self.model.network, picture) for picture in pictures]
            truths = one.truths(pictures)
            logs[f"val_{one.name}_average_precision"] = average_precision(truths, founds)
            shown = detection_figures(truths, [above(found, 0.5) for found in founds])
            logs[f"val_{one.name}_found"] = (shown["found"] or [0.0])[0]
            logs[f"val_{one.name}_precision"] = (shown["precision"] or [0.0])[0]
            error = shown["landmark_error"]
            logs[f"val_{one.name}_landmark_error"] = error["mean"] if error else float("nan")
        parts = [value for key, value in logs.items() if key.endswith("_average_precision")]
        logs["val_average_precision"] = float(np.mean(parts)) if parts else 0.0


def find_with(network: keras.Model, picture: BoxPicture, lowest: float = _LOWEST_SCORE) -> Detections:
    """What a network finds in a picture of its own size."""
    image = load_image(picture.file)
    seen = padded(image)
    outputs = network.predict_on_batch(seen[None])
    found = decode({name: values[0] for name, values in outputs.items()}, seen.shape[:2], lowest)
    return inside(Detections(*found), image.shape[1], image.shape[0])


def inside(found: Detections, width: int, height: int) -> Detections:
    """Boxes cut at the picture's edge; those beyond it are left out."""
    xyxy = np.clip(found.xyxy, 0, [width, height, width, height])
    kept = (xyxy[:, 2] - xyxy[:, 0] >= 1) & (xyxy[:, 3] - xyxy[:, 1] >= 1)
    points = None if found.landmarks is None else found.landmarks[kept]
    return Detections(xyxy[kept], found.scores[kept], points)


@dataclass(frozen=True)
class DetectorRequest:
    """What to train. `samples` are drawn in an epoch on a canvas of `side` pixels."""

    name: str = DETECTOR_MODEL
    side: int = 256
    samples: int = 4800
    initial: str | None = None
    command: str = ""
    spec: DetectorSpec = DetectorSpec()
    how: SampleShares = SampleShares()


def train_detector(data: Sequence[BoxData], request: DetectorRequest, options: FitOptions) -> Path:
    """Trains, writes `saved_model/<name>/` and returns it.

    Raises:
        DataError: no picture with a face to train on.
        FacecliError: the loss is no number any more.
    """
    if options.epochs < 1:
        raise InputError("--epochs must be 1 or more")
    if not any((~one.ignored).any() for part in data for one in part.train):
        raise DataError("no picture with a face to train on; see docs/detector.md for the layouts")
    # Of pictures that nobody labelled nothing is left without a teacher.
    data = [one for one in data if one.train]
    started = time.monotonic()
    folder = paths.saved_model_dir() / request.name
    keras.utils.set_random_seed(options.seed)
    network = build_detector_network(request.spec)
    if request.initial:
        before = load_detector(paths.find_model(request.initial)).verified(KERAS_FILE)
        start_from(network, keras.models.load_model(before, compile=False))
    history = _fit(network, data, request, options, folder / "epochs")
    return save_detector(network, data, request, options, history, folder, time.monotonic() - started)


def start_from(network: keras.Model, before: keras.Model) -> None:
    """Gives each layer the weights of the layer of the same name; a network may have lost blocks meanwhile.

    Raises:
        CheckpointError: a layer has weights of other shapes, or there is none of its name.
    """
    old = {layer.name: layer.get_weights() for layer in before.layers}
    for layer in network.layers:
        shapes = [weight.shape for weight in layer.get_weights()]
        if shapes != [weight.shape for weight in old.get(layer.name, [])]:
            raise CheckpointError(f"the network to go on from has another layer {layer.name!r}")
        layer.set_weights(old.get(layer.name, []))


def drawn_shares(data: Sequence[BoxData], options: FitOptions) -> Array:
    """The share of the samples that each set gives; sets without one share what is left alike."""
    others = sum(one.name not in options.shares for one in data)
    left = (1 - sum(options.shares.get(one.name, 0.0) for one in data)) / max(others, 1)
    shares = np.array([options.shares.get(one.name, left) for one in data], float)
    if shares.sum() <= 0:
        raise InputError("--share leaves no samples for the sets that have pictures")
    return shares / shares.sum()


def _fit(
    network: keras.Model,
    data: Sequence[BoxData],
    request: DetectorRequest,
    options: FitOptions,
    folder: Path,
) -> list[dict[str, float]]:
    batches = BoxBatches(
        [one.train for one in data],
        drawn_shares(data, options),
        request.samples,
        options.batch_size,
        request.side,
        options.seed,
        request.how,
        workers=2,
    )
    model = DetectorTrainer(network, request.side)
    compile_model(model, options, len(batches))
    model.build((None, request.side, request.side, 3))
    return run_epochs(model, network, batches, DetectorValidation(data), options, folder)


def save_detector(
    network: keras.Model,
    data: Sequence[BoxData],
    request: DetectorRequest,
    options: FitOptions,
    history: Sequence[Mapping[str, float]],
    folder: Path,
    duration_s: float,
) -> Path:
    """Writes `model.keras` (float16), `model.tflite` (int8), `history.csv` and, last, `config.json`."""
    last = [f"{name}{part}" for name in CELL_OUTPUTS for part in ("_conv", "_cells", "/")]
    # The levels are put together in float, too: one scale for all scores has steps of half a logit.
    pictures = _range_pictures(data, request, options)
    exact = save_finder(network, folder, history, pictures, last, ["CONCATENATION"])
    config = {
        "name": request.name,
        "model_type": DETECTOR,
        "strides": list(STRIDES),
        "outputs": CELL_OUTPUTS,
        "spec": asdict(request.spec),
        "samples": asdict(request.how) | {"side": request.side, "an_epoch": request.samples},
        "options": asdict(options),
        "seed": options.seed,
        "sets": {one.name: len(one.train) for one in data},
        "initial": request.initial,
        "earlier_stages": _earlier_stages(request.initial),
        "parameters": int(network.count_params()),
        **choose_thresholds(data, lambda picture: find_with(exact, picture)),
        "terms": DETECTOR_TERMS.to_config(),
        "command": request.command,
        "duration_s": round(duration_s, 1),
        "versions": versions(),
    }
    write_config(folder, config, (KERAS_FILE, LITERT_FILE))
    calibrate_scores(folder, data)
    log.info("saved %s", folder)
    return folder


def calibrate_scores(folder: Path, data: Sequence[BoxData]) -> ScoreCalibration | None:
    """Fits what a closer look says of finds in validation pictures, as `run` sees them.

    Returns:
        What was fitted and is now in `config.json`; None, and nothing is written, without the network of
        landmarks, or when all finds or none are faces.
    """
    try:
        finder = LandmarkFinder()
    except CheckpointError as error:
        log.warning("scores are those of the search alone: %s", error)
        return None
    search = CnnDetector(CnnOptions(folder, score_threshold=_SEARCHED_SCORE, refine=False))
    looks = [_looks(one, search, finder) for one in data if one.val]
    features = np.concatenate([seen for seen, _ in looks] or [np.empty((0, 3))])
    hit = np.concatenate([right for _, right in looks] or [np.empty(0, bool)])
    if not 0 < hit.sum() < len(hit):
        return None
    model = LogisticRegression().fit(features, hit)
    fitted = ScoreCalibration(
        _SEARCHED_SCORE,
        tuple(model.coef_[0].round(4).tolist()),
        round(float(model.intercept_[0]), 4),
        **_strictest(_precise_enough(model.predict_proba(seen)[:, 1], right) for seen, right in looks),
    )
    checkpoint = load_detector(folder)
    write_json(folder / "config.json", {**checkpoint.config, "refinement": asdict(fitted)})
    return fitted


def _looks(data: BoxData, search: CnnDetector, finder: LandmarkFinder) -> tuple[Array, Array]:
    """Features (n, 3) of all finds that count in a set's validation pictures, and whether each is a face."""
    features: list[Array] = [np.empty((0, 3))]
    hits: list[Array] = [np.empty(0, bool)]
    for picture, truth in zip(data.val, data.truths(data.val), strict=True):
        image = load_image(picture.file)
        found = search.detect(image)
        matched = match(truth, found)
        look = finder.find(image, found.xyxy, CHIP_CROP, found.landmarks)
        features.append(score_features(found.scores, look)[~matched.doubtful])
        hits.append(matched.face[~matched.doubtful] >= 0)
    return np.concatenate(features), np.concatenate(hits)


def _earlier_stages(initial: str | None) -> list[dict[str, object]]:
    """What made the network that a run goes on from, the first stage first."""
    if not initial:
        return []
    config = load_detector(paths.find_model(initial)).config
    kept = {
        key: config[key] for key in ("command", "options", "samples", "spec", "duration_s") if key in config
    }
    return [*config.get("earlier_stages", ()), kept]


def _range_pictures(
    data: Sequence[BoxData], request: DetectorRequest, options: FitOptions, count: int = 256
) -> Array:
    """(n, side, side, 3) uint8 samples whose activations set the ranges of int8."""
    # Neither worn nor turned by any angle: what is searched most.
    how = replace(request.how, mosaic=0.1, any_tilt=0.02)
    batches = BoxBatches(
        [one.train for one in data], np.full(len(data), 1 / len(data)), count, count, request.side, 0, how
    )
    return batches[0][0]


def choose_thresholds(data: Sequence[BoxData], find: Callable[[BoxPicture], Detections]) -> dict[str, float]:
    """The lowest scores at which finds in the validation pictures of every set are precise enough.

    See PRECISION. A set of single faces is easily precise: it must not decide for one of crowds.
    """
    ranked = (
        ranked_hits(one.truths(one.val), [find(picture) for picture in one.val], SAME)
        for one in data
        if one.val
    )
    return _strictest(_precise_enough(scores, hit) for scores, hit in ranked)


def _strictest(thresholds: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Of the thresholds that sets ask for the highest; 0.5 where there is none."""
    asked = list(thresholds)
    return {name: max((one[name] for one in asked), default=0.5) for name in PRECISION}


def _precise_enough(scores: Array, hit: Array) -> dict[str, float]:
    """The thresholds of PRECISION for finds of scores (n,), in any order, that are faces or not."""
    order = np.argsort(-scores, kind="stable")
    precision = hit[order].cumsum() / np.arange(1, len(order) + 1)
    return {name: _lowest(scores[order], precision, wanted) for name, wanted in PRECISION.items()}


def _lowest(scores: Array, precision: Array, wanted: float) -> float:
    # A threshold lets all finds of its score through.
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True)) if len(scores) else np.empty(0, np.intp)
    enough = last[precision[last] >= wanted]
    chosen = float(scores[enough[-1]]) if len(enough) else 0.5
    return round(float(np.clip(chosen, 0.05, 0.95)), 3)
