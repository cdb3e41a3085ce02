"""A model's probabilities and age intervals learn, from the validation split, to mean what they say."""

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from facecli.core.arrays import Array
from facecli.core.attributes import MISSING, PRESENCE
from facecli.data.sources import load_crops
from facecli.models.checkpoint import Checkpoint, write_json
from facecli.models.readout import (
    LEVEL,
    AgeThresholds,
    Calibration,
    age_spread,
    expected_age,
    stored_heads,
    temper,
)
from facecli.training.evaluate import predict_batches, true_labels
from facecli.training.metrics import AGE_BANDS, age_band_id
from facecli.training.prepare import PreparedData, encode_age_bins
from facecli.training.save import load_network

FEWEST_IN_BAND = 20
"""The 95th of 100 cannot be told from the largest of fewer."""
_SCALES = np.arange(0.5, 1.5001, 0.01)

log: logging.Logger = logging.getLogger(__name__)

FEWEST_ROWS = 100
"""With fewer labelled faces a head stays as it is: chance would speak."""
REFUSED_FACES = 0.005
"""Share of true faces that the head `face` may refuse."""
UNCERTAIN_COST = 0.3
"""What "uncertain" costs, a wrong label being 1: labels that would be wrong oftener are not said."""
LOWEST_QUALITY = 0.2
"""Of a face, below which none of its labels is believed: there they are wrong two to three times as often as
of other faces (benchmarks/quality.md)."""
_TEMPERATURES = 0.2, 5.0
_SMALLEST = 1e-12


def fit_age_thresholds(true_age: Array, probabilities: Array) -> AgeThresholds | None:
    """Thresholds whose interval holds LEVEL of all true ages and about as many of every band.

    A knot for each band of true ages, at its mean age: how far, in spreads, the truth lies from
    the expectation at most, below and above, with half of the remaining share on either side.
    As the interval spans all ages that are not refused, it holds a little too many; one factor
    for all knots takes that back.

    Args:
        true_age: (n,) years, all known.
        probabilities: (n, 117).

    Returns:
        The thresholds, or None when no band has FEWEST_IN_BAND faces.
    """
    distance = (true_age - expected_age(probabilities)) / age_spread(probabilities)
    bands, knots = age_band_id(true_age), []
    for index in range(len(AGE_BANDS)):
        part = distance[bands == index]
        if len(part) >= FEWEST_IN_BAND:
            low, high = -_conformal_quantile(-part), _conformal_quantile(part)
            knots.append((true_age[bands == index].mean(), min(low, 0.0), max(high, 0.0)))
    if not knots:
        return None
    ages, low, high = np.array(knots).T
    for scale in _SCALES:
        thresholds = _rounded(ages, low * scale, high * scale)
        first, last = thresholds.interval(probabilities)
        if ((first <= true_age) & (true_age <= last)).mean() >= LEVEL:
            break
    return thresholds


def _conformal_quantile(values: Array) -> float:
    """What a further value exceeds with probability (1 - LEVEL) / 2 at most; (n,), not empty."""
    rank = int(np.ceil((len(values) + 1) * (1 + LEVEL) / 2))
    return float(np.sort(values)[min(rank, len(values)) - 1])


def _rounded(ages: Array, low: Array, high: Array) -> AgeThresholds:
    return AgeThresholds(*(tuple(values.round(3).tolist()) for values in (ages, low, high)))


def calibrate(checkpoint: Checkpoint, data: PreparedData, batch_size: int = 64) -> Checkpoint:
    """Fits the calibration of a saved model on the validation rows and writes it into `config.json`.

    The numbers are those of `model.keras`; its LiteRT copy differs by less than what they can tell.

    Returns:
        The checkpoint with `config["calibration"]`. Model files and their digests stay as they are.

    Raises:
        CheckpointError: the network is missing or damaged.
        OutputError: the folder cannot be written.
    """
    network, data = load_network(checkpoint), data.understood(checkpoint.further)
    frame = data.frame.iloc[data.rows("val")]
    crops = load_crops(frame, data.folder, checkpoint.image_size, checkpoint.crop_of("none")[0])
    predicted: dict[str, Array] = {}
    if len(frame):
        predicted = predict_batches(network.predict_on_batch, crops, batch_size, checkpoint.further)
    outputs = {head: values for head, values in predicted.items() if head in checkpoint.heads}
    config = {**checkpoint.config, "calibration": fit_calibration(frame, outputs).to_config()}
    write_json(checkpoint.folder / "config.json", config)
    return Checkpoint(checkpoint.folder, config)


def fit_calibration(frame: pd.DataFrame, predicted: Mapping[str, Array]) -> Calibration:
    """Temperatures, thresholds and age interval that fit labelled rows which were not trained on.

    Every data set counts alike, however many rows it has. A head that is folded from a finer one has no
    temperature, but a confidence below which it is uncertain. Of an age that is known as a bin one of its
    years is drawn: an interval holds as much of a bin as it would of people of all its ages.

    Args:
        frame: n rows with the heads' columns (`core.attributes.LABEL_COLUMNS`), -1 where missing, and maybe
            `set`, `age_low` and `age_high`.
        predicted: head -> (n, classes) probabilities as the model gives them.

    Returns:
        The calibration; heads with fewer than FEWEST_ROWS labels, or one class alone, are not in it.
    """
    heads = [head for head in predicted if head not in ("age", "face")]
    temperatures = {}
    for head in stored_heads(heads):
        if (shown := _labelled(frame, head, predicted[head])) is not None:
            temperatures[head] = round(fit_temperature(*shown), 4)
            log.info("%s: temperature %.3f", head, temperatures[head])
    uncertain = {}
    tempered = Calibration(temperatures).apply({head: np.asarray(predicted[head]) for head in heads})
    for head, probabilities in tempered.items():
        if (shown := _labelled(frame, head, probabilities)) is not None:
            uncertain[head] = fit_uncertain_below(*shown)
            log.info("%s: uncertain below %.2f", head, uncertain[head])
        else:
            log.info("%s: too few labelled faces to calibrate", head)
    ages = _labelled(frame, "age", predicted["age"]) if "age" in predicted else None
    thresholds = None if ages is None else fit_age_thresholds(*ages)
    face = _face_threshold(frame, np.asarray(predicted["face"])) if "face" in predicted else None
    return Calibration(temperatures, thresholds, face, uncertain, LOWEST_QUALITY)


def _labelled(frame: pd.DataFrame, head: str, probabilities: Array) -> tuple[Array, Array] | None:
    """Labels and probabilities of the rows that a head is fitted on, every set alike; None: too few."""
    labels = drawn_ages(frame) if head == "age" else true_labels(frame, head)
    known = np.flatnonzero(labels != MISSING)
    if len(known) < FEWEST_ROWS or len(np.unique(labels[known])) < 2:
        return None
    rows = known[balanced_rows(_sets(frame)[known])]
    return labels[rows], np.asarray(probabilities)[rows]


def _sets(frame: pd.DataFrame) -> Array:
    return frame["set"].to_numpy(str) if "set" in frame else np.full(len(frame), "")


def drawn_ages(frame: pd.DataFrame) -> Array:
    """(n,) years, -1 where nothing is known; of a bin one of its years, as likely as `prepare` says."""
    ages = frame["age_years"].to_numpy(np.int64).copy()
    if "age_low" not in frame:
        return ages
    binned = np.flatnonzero((ages == MISSING) & (frame["age_low"] != MISSING).to_numpy())
    bounds = (frame[column].to_numpy(np.int64)[binned] for column in ("age_low", "age_high"))
    shares = encode_age_bins(*bounds)[:, :-1].astype(np.float64)
    draws = np.random.default_rng(0).random((len(binned), 1))
    ages[binned] = (np.cumsum(shares, axis=1) < draws * shares.sum(axis=1, keepdims=True)).sum(axis=1)
    return ages


def balanced_rows(sets: Array) -> Array:
    """Positions in which every set has as many rows as the largest one, rows recurring evenly."""
    parts = [np.flatnonzero(sets == name) for name in np.unique(sets)]
    most = max(map(len, parts), default=0)
    return np.concatenate([np.resize(part, most) for part in parts]) if parts else np.zeros(0, np.int64)


def fit_uncertain_below(true_class: Array, probabilities: Array) -> float:
    """Confidence below which it is better to say "uncertain" than a label.

    The one at which the faces cost least when a wrong label costs 1 and "uncertain" UNCERTAIN_COST:
    of labels just above it, that share is wrong (Chow, "On optimum recognition error and reject
    tradeoff", 1970).

    Args:
        true_class: (n,) class ids, all known.
        probabilities: (n, classes), calibrated.

    Returns:
        A number in [0, 1], a multiple of 0.01.
    """
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != true_class
    thresholds = np.arange(0, 101) / 100
    costs = [
        (wrong & (confidence >= at)).sum() + UNCERTAIN_COST * (confidence < at).sum() for at in thresholds
    ]
    return float(thresholds[int(np.argmin(costs))])


def _face_threshold(frame: pd.DataFrame, probabilities: Array) -> float | None:
    """The lowest of any set: no kind of picture is refused oftener than another."""
    labels, sets = true_labels(frame, "face"), _sets(frame)
    parts = [(labels != MISSING) & (sets == name) for name in np.unique(sets)]
    found = [fit_face_threshold(labels[part], probabilities[part]) for part in parts]
    return min((threshold for threshold in found if threshold is not None), default=None)


def fit_face_threshold(labels: Array, probabilities: Array) -> float | None:
    """Probability below which a face is none: even odds, or less, so that few faces are refused.

    Args:
        labels: (n,) indices into `core.attributes.PRESENCE`.
        probabilities: (n, 2).

    Returns:
        A number in [0, 0.5], or None with fewer than FEWEST_ROWS faces.
    """
    face = PRESENCE.index("face")
    of_faces = np.sort(probabilities[labels == face, face])
    if len(of_faces) < FEWEST_ROWS:
        return None
    return float(np.floor(1e6 * min(0.5, of_faces[int(REFUSED_FACES * len(of_faces))])) / 1e6)


def fit_temperature(true_class: Array, probabilities: Array) -> float:
    """Temperature with the smallest negative log-likelihood of (n,) classes, (n, classes) given."""
    rows = np.arange(len(true_class))

    def loss(log_temperature: float) -> float:
        tempered = temper(probabilities.astype(np.float64), np.exp(log_temperature))
        return float(-np.log(np.maximum(tempered[rows, true_class], _SMALLEST)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=np.log(_TEMPERATURES), method="bounded").x))
