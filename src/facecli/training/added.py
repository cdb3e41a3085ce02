"""A head is added to a finished model: trained on its frozen features, all other answers unchanged.

A logistic regression on standardised features (scikit-learn), which a few hundred faces are enough for; a
larger head gives nothing more there (benchmarks/own_heads.md). Of few faces a test split says little: they
are cross-validated by groups, and the head that is kept has learnt from all of them.
"""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from facecli.core import paths
from facecli.core.arrays import Array, Tensor
from facecli.core.attributes import HEAD_CLASSES, MISSING
from facecli.core.errors import CheckpointError, DataError, InputError
from facecli.core.paths import MODEL_FOLDERS, replacing
from facecli.core.recipes import GENUINE, FitOptions, ResolvedRequest
from facecli.models.checkpoint import (
    KERAS_FILE,
    LITERT_FILE,
    Checkpoint,
    load_checkpoint,
    read_json,
    write_config,
    write_json,
)
from facecli.models.graft import LinearHead, graft_heads
from facecli.models.litert import vouch_for
from facecli.models.networks import in_precision
from facecli.models.readout import stored_heads, temper
from facecli.models.terms import Terms, learnt_terms
from facecli.training.calibrate import FEWEST_ROWS, fit_temperature, fit_uncertain_below
from facecli.training.metrics import class_metrics
from facecli.training.prepare import PreparedData
from facecli.training.save import HISTORY_FILE, earlier_stages, load_network, versions

log: logging.Logger = logging.getLogger(__name__)

FEWEST_FOR_SPLIT = 1000
"""With fewer labelled faces a head is cross-validated: a test on fewer than 100 of them says little."""
FOLDS = 5
FEWEST_OF_CLASS, FEW_OF_CLASS = 10, 30
"""Different pictures of a class: fewer are refused, and fewer are warned of."""
_STRENGTH = 0.1
"""Inverse of the regularisation, scikit-learn's `C`: the best of 0.001, 0.01, 0.1 and 1 for 200 faces as for
1,600 (benchmarks/own_heads.md)."""
_MOST_STEPS = 2000
_METRICS_FILE = "metrics.json"
ALL_ROWS = "all rows"
"""In place of the digest of a split, of a set of which every row was learnt."""


def adds_heads(plan: ResolvedRequest) -> bool:
    """Are only heads asked for that facecli does not know, on a network that can be kept as it is?"""
    return plan.backbone != GENUINE and all(head not in HEAD_CLASSES for head in plan.heads)


@dataclass(frozen=True)
class AddedHead:
    """What was learnt of a head.

    Attributes:
        linear: on the features.
        metrics: as `metrics.json` has them, and how they were measured.
        temperature, uncertain_below: None with too few labelled faces.
        is_whole: every labelled row was learnt from.
    """

    linear: LinearHead
    metrics: dict[str, Any]
    temperature: float | None
    uncertain_below: float | None
    is_whole: bool


def add_heads(data: PreparedData, plan: ResolvedRequest, options: FitOptions) -> Checkpoint:
    """Writes `saved_model/<name>/`: a copy of a model with further heads.

    The network is that of `plan.initial`, else of the model that ships under the model type. Its weights,
    and in its LiteRT file every operation, stay as they are; so do its calibration and figures.

    Raises:
        InputError: the model has such a head already.
        DataError: too few pictures of a class.
        CheckpointError: the model is missing, or built in another way.
    """
    started = time.monotonic()
    before = load_checkpoint(paths.find_model(plan.initial or MODEL_FOLDERS[plan.model_type]))
    if taken := [head for head in plan.heads if head in before.heads]:
        raise InputError(f"{before.name} has a head '{taken[0]}' already; start from a model without it")
    before.verified(LITERT_FILE)
    network = load_network(before)
    features = _features_of(network, before)
    values = keras.Model(network.input, features).predict(
        data.crops(before.image_size, before.crop_of("none")[0]), batch_size=64, verbose=0
    )
    learnt = {head: _learn(head, data, values, options.seed) for head in plan.heads}
    heads = {head: one.linear for head, one in learnt.items()}
    folder = paths.saved_model_dir() / plan.name
    _write_networks(network, features, before, heads, folder)
    config = _config(before, data, plan, learnt, round(time.monotonic() - started, 1))
    checkpoint = write_config(folder, config, (KERAS_FILE, LITERT_FILE))
    figures = {head: one.metrics for head, one in learnt.items()}
    known = {**read_json(before.folder / _METRICS_FILE), "model": plan.name}
    write_json(folder / _METRICS_FILE, {**known, **figures})
    log.info("saved %s", folder)
    return checkpoint


def added_figures(checkpoint: Checkpoint, heads: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Head -> what was measured of it when it was added; {} for heads that were learnt with the network."""
    metrics = read_json(checkpoint.folder / _METRICS_FILE)
    rows = {head: metrics.get(head) for head in heads if head in checkpoint.further}
    return {head: row for head, row in rows.items() if isinstance(row, dict) and "split" in row}


def _features_of(network: keras.Model, checkpoint: Checkpoint) -> Tensor:
    """The tensor that all heads read. Raises CheckpointError when there is none."""
    names = {layer.name for layer in network.layers}
    found = {}
    for head in stored_heads(checkpoint.heads):
        first = next((name for name in (f"{head}_dropout", head) if name in names), None)
        if first is not None:
            tensor = network.get_layer(first).input
            found[id(tensor)] = tensor
    if len(found) != 1 or len(next(iter(found.values())).shape) != 2:
        raise CheckpointError(
            f"the heads of {checkpoint.name} do not share features, so no head can be added; "
            "start from a model that was trained as a whole"
        )
    return next(iter(found.values()))


def _learn(head: str, data: PreparedData, features: Array, seed: int) -> AddedHead:
    """A head from the labelled rows, measured on rows that it had not learnt."""
    frame, names = data.frame, data.classes[head]
    labels = frame[head].to_numpy(np.int64)
    known = np.flatnonzero((labels != MISSING) & frame["split"].isin(["train", "val", "test"]).to_numpy())
    groups = frame["group"].to_numpy()
    _check_classes(head, names, labels[known], groups[known])
    about: dict[str, Any] = {
        "data": ", ".join(dict.fromkeys(data.of_set[known])),
        "split_digest": data.digest,
    }
    is_whole = len(known) < FEWEST_FOR_SPLIT and not _names_tests(frame.iloc[known])
    learnt = known[is_whole | (frame["split"] != "test").to_numpy()[known]]
    unseen = _out_of_fold(features[learnt], labels[learnt], groups[learnt], len(names), seed)
    linear = _fit(features[learnt], labels[learnt], len(names))
    if is_whole:
        log.info("%s: %d faces are too few for a test of their own: cross-validated", head, len(known))
        about |= {"split": "cross-validation", "folds": FOLDS}
        judged, raw = labels[learnt], unseen
    else:
        about["split"] = "test"
        rows = np.setdiff1d(known, learnt)
        judged, raw = labels[rows], _answers(linear, features[rows])
    temperature, uncertain = _calibrated(labels[learnt], unseen)
    said = raw if temperature is None else temper(raw, temperature)
    metrics = {**about, **class_metrics(judged, said, raw, names)}
    return AddedHead(linear, metrics, temperature, uncertain, is_whole)


def _names_tests(frame: pd.DataFrame) -> bool:
    """Does the data set itself say which of these rows are for tests?"""
    return "published_split" in frame and bool((frame["published_split"] == "test").any())


def _check_classes(head: str, names: tuple[str, ...], labels: Array, groups: Array) -> None:
    """Raises DataError when a class has too few different pictures; warns of one that has few."""
    counts = {name: len(np.unique(groups[labels == number])) for number, name in enumerate(names)}
    few = {name: count for name, count in counts.items() if count < FEWEST_OF_CLASS}
    if few:
        told = ", ".join(f"{name} ({count})" for name, count in few.items())
        raise DataError(f"too few pictures of {head} {told}; give at least {FEWEST_OF_CLASS} of each class")
    for name, count in counts.items():
        if count < FEW_OF_CLASS:
            log.warning(
                "%s '%s' has %d different pictures: with fewer than %d its figures are mostly chance",
                *(head, name, count, FEW_OF_CLASS),
            )


def _out_of_fold(features: Array, labels: Array, groups: Array, classes: int, seed: int) -> Array:
    """(n, classes) what heads say of rows that they have not learnt; a group's pictures lie in one fold."""
    said = np.zeros((len(labels), classes), np.float32)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for learnt, held in folds.split(features, labels, groups):
        said[held] = _answers(_fit(features[learnt], labels[learnt], classes), features[held])
    return said


def _fit(features: Array, labels: Array, classes: int) -> LinearHead:
    """The regression as one layer: what standardises the features is part of its weights."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=_MOST_STEPS))
    model.fit(features.astype(np.float64), labels)
    scaler, regression = model[0], model[1]
    weights = np.zeros((features.shape[1], classes))
    # A class without a row in a fold is never said.
    bias = np.full(classes, -1e4)
    there = regression.classes_.astype(int)
    if len(there) == 2:
        # One line between two classes: half of it for each of them is the same softmax.
        weights[:, there] = np.stack([-regression.coef_[0] / 2, regression.coef_[0] / 2], axis=1)
        bias[there] = [-regression.intercept_[0] / 2, regression.intercept_[0] / 2]
    else:
        weights[:, there], bias[there] = regression.coef_.T, regression.intercept_
    weights /= scaler.scale_[:, None]
    bias = bias - scaler.mean_ @ weights
    # The copy that is trained further is kept in float16, the other one shall say the same.
    return LinearHead(_halved(weights), _halved(bias))


def _halved(values: Array) -> Array:
    return np.clip(values, -6e4, 6e4).astype(np.float16).astype(np.float32)


def _answers(head: LinearHead, features: Array) -> Array:
    """(n, classes) float32 probabilities."""
    logits = features.astype(np.float64) @ head.weights + head.bias
    raised = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)


def _calibrated(labels: Array, probabilities: Array) -> tuple[float | None, float | None]:
    """Temperature and confidence below which nothing is said; None for both with too few faces."""
    if len(labels) < FEWEST_ROWS or len(np.unique(labels)) < 2:
        return None, None
    temperature = round(fit_temperature(labels, probabilities), 4)
    return temperature, fit_uncertain_below(labels, temper(probabilities, temperature))


def _write_networks(
    network: keras.Model, features: Tensor, before: Checkpoint, heads: Mapping[str, LinearHead], folder: Path
) -> None:
    """`model.keras`, `model.tflite` and the history of the model that was begun with."""
    grafted = graft_heads(before.folder / LITERT_FILE, heads)
    outputs = dict(network.output)
    for name, head in heads.items():
        layer = layers.Dense(len(head.bias), activation="softmax", dtype="float32", name=name)
        outputs[name] = layer(features)
        layer.set_weights([head.weights, head.bias])
    stored = in_precision(keras.Model(network.input, outputs, name=network.name), "float16")
    history = before.folder / HISTORY_FILE
    folder.mkdir(parents=True, exist_ok=True)
    if history.is_file() and history.parent.resolve() != folder.resolve():
        with replacing(folder / HISTORY_FILE) as temporary:
            shutil.copyfile(history, temporary)
    with replacing(folder / KERAS_FILE) as temporary:
        stored.save(temporary)
    with replacing(folder / LITERT_FILE) as temporary:
        temporary.write_bytes(grafted)
    vouch_for(folder / LITERT_FILE)


def _config(
    before: Checkpoint,
    data: PreparedData,
    plan: ResolvedRequest,
    learnt: Mapping[str, AddedHead],
    duration_s: float,
) -> dict[str, Any]:
    """What the model says of itself: all that the one before it says, and what is new."""
    whole = all(one.is_whole for one in learnt.values())
    sets = dict.fromkeys(data.sets, ALL_ROWS) if whole else dict(data.sets)
    calibration = before.config.get("calibration", {"temperatures": {}})
    temperatures, uncertain = dict(calibration["temperatures"]), dict(calibration.get("uncertain_below", {}))
    for head, one in learnt.items():
        if one.temperature is not None and one.uncertain_below is not None:
            temperatures[head], uncertain[head] = one.temperature, one.uncertain_below
    return {
        **before.config,
        "name": plan.name,
        "heads": [*before.heads, *learnt],
        "labels": {**before.config["labels"], **{head: list(data.classes[head]) for head in learnt}},
        "calibration": {**calibration, "temperatures": temperatures, "uncertain_below": uncertain},
        "sets": {**before.config.get("sets", {}), **sets},
        "initial": before.name,
        "earlier_stages": earlier_stages(str(before.folder)),
        "command": plan.command,
        "duration_s": duration_s,
        "parameters": before.config.get("parameters", 0)
        + sum(one.linear.weights.size + one.linear.bias.size for one in learnt.values()),
        "terms": _terms(before, data).to_config(),
        "versions": versions(),
    }


def _terms(before: Checkpoint, data: PreparedData) -> Terms:
    """Those of the model before; with pictures of which nothing is known it is no open one any more."""
    return learnt_terms(before.config.get("model_type"), data.sets, before.config)
