"""Epochs: validation rows of each set after every one, the last kept to resume from, the best kept, or more.

`state.json` is written last and names the weight file it belongs to, so that a run killed
at any moment finds a whole epoch: at most the one under way is lost.
"""

import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from facecli.core.arrays import Array
from facecli.core.attributes import AGE_CLASSES, CLASS_NAMES, HEAD_CLASSES, MISSING, ClassNames
from facecli.core.errors import InputError
from facecli.core.paths import replacing
from facecli.core.recipes import KEEP_ALL, KEEP_BEST, FitOptions
from facecli.models.checkpoint import write_json
from facecli.models.registry import remove_epochs
from facecli.training.losses import output_loss, output_weight
from facecli.training.metrics import AgeFigures, ClassFigures, age_figures, class_figures, skewed
from facecli.training.prepare import IN_BIN


class CropBatches(keras.utils.PyDataset):
    """Shuffled batches of (crops, targets, sample weights).

    Args:
        inputs: (n, ...) array, uint8 crops or stored features.
        targets: name -> (n, ...) float32.
        rows: indices of the rows to train on; a row may recur (oversampling).
        weights: a weight for each entry of `rows`, or None.
        batch_size: the last batch of an epoch is dropped when it is not full, unless it is
            the only one.
        seed: with the epoch decides the order.
        first_epoch: the epoch to start with, counted from 0 (a resumed run).
        sets: (n,) name of the data set of each input; None: all are of one.
        shares: set -> share of an epoch that its rows make up, drawn anew for each. Sets without a
            share are seen whole, once an epoch; if there is none, an epoch has as many rows as all
            sets together. A set with fewer rows than its share asks for is seen more than once.
        views: `inputs` and `targets` hold that many views of all rows, one view of each after the
            other; each epoch sees the next one.
        seen: (len(rows),) share of the epochs that see each entry of `rows`: the others are drawn anew for
            each epoch, as many of every set and share; None: every epoch sees all.
    """

    inputs: Array
    targets: dict[str, Array]
    rows: Array
    seed: int
    epoch: int
    views: int

    def __init__(
        self,
        inputs: Array,
        targets: Mapping[str, Array],
        rows: Array,
        weights: Array | None = None,
        batch_size: int = 64,
        seed: int = 0,
        first_epoch: int = 0,
        sets: Array | None = None,
        shares: Mapping[str, float] | None = None,
        views: int = 1,
        seen: Array | None = None,
    ) -> None:
        super().__init__()
        self.inputs, self.targets, self.rows = inputs, dict(targets), np.asarray(rows)
        self.weights: Array | None = None if weights is None else np.asarray(weights, np.float32)
        self.seed, self.epoch = seed, first_epoch
        self.views, self._rows_a_view = views, len(inputs) // views
        of_set = np.full(len(inputs), "") if sets is None else np.asarray(sets)
        self._of_set, self._shares = of_set[self.rows], dict(shares or {})
        self._strata = _strata(self._of_set, seen)
        self._shuffle()
        self.batch_size: int = min(batch_size, len(self.order))

    def __len__(self) -> int:
        return len(self.order) // self.batch_size

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        picked = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        rows = self.rows[picked] + self.epoch % self.views * self._rows_a_view
        # Stored answers of teachers are float16: half the memory.
        targets = {name: values[rows].astype(np.float32, copy=False) for name, values in self.targets.items()}
        if self.weights is None:
            return self.inputs[rows], targets
        return self.inputs[rows], targets, {name: self.weights[picked] for name in targets}

    def start_at(self, epoch: int) -> None:
        """Goes on with the order of an epoch, counted from 0."""
        self.epoch = epoch
        self._shuffle()

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        random = np.random.default_rng([self.seed, self.epoch])
        seen = np.arange(len(self.rows))
        if self._strata:
            seen = np.sort(np.concatenate([_draw(*stratum, random) for stratum in self._strata]))
        whole, parts = _epoch_plan(self._of_set[seen], self._shares)
        drawn = [_draw(positions, wanted, random) for positions, wanted in parts]
        self.order: Array = seen[random.permutation(np.concatenate([whole, *drawn]))]


def _strata(sets: Array, seen: Array | None) -> list[tuple[Array, int]]:
    """(positions, how many of them an epoch sees) of each set and share; none where all are seen."""
    if seen is None or (np.asarray(seen) >= 1).all():
        return []
    strata = []
    for name in np.unique(sets):
        for share in np.unique(seen[sets == name]):
            positions = np.flatnonzero((sets == name) & (seen == share))
            strata.append((positions, max(round(float(share) * len(positions)), 1)))
    return strata


def _epoch_plan(sets: Array, shares: Mapping[str, float]) -> tuple[Array, list[tuple[Array, int]]]:
    """Positions seen whole, and (positions, how many of them an epoch draws) of each set with a share."""
    present = {name: share for name, share in shares.items() if (sets == name).any()}
    whole = np.flatnonzero(~np.isin(sets, list(present)))
    rest = 1 - sum(present.values())
    total = len(whole) / rest if len(whole) else len(sets) / sum(present.values()) if present else 0
    drawn = [(np.flatnonzero(sets == name), round(share * total)) for name, share in present.items()]
    return whole, drawn


def _draw(positions: Array, wanted: int, random: np.random.Generator) -> Array:
    """`wanted` positions, none more than once oftener than another."""
    times, rest = divmod(wanted, len(positions))
    return np.concatenate([np.tile(positions, times), random.choice(positions, rest, replace=False)])


log: logging.Logger = logging.getLogger(__name__)

SCORE_PARTS = {
    "val_age_mae": 0.1,
    "val_age_in_bin": -0.5,
    "val_gender_accuracy": -1.0,
    "val_race_accuracy": -1.0,
    "val_race_7_accuracy": -0.5,
    "val_emotion_accuracy": -0.5,
    "val_further_accuracy": -1.0,
    "val_average_precision": -1.0,
}
"""The validation score, smaller is better: ten years weigh as much as all of a class head. Each part is
the mean over the data sets that have such labels."""
RESUMABLE = ("batch_size", "learning_rate", "schedule", "seed", "epochs", "shares", "head_weights")


_KEPT = re.compile(r"kept-(\d+)\.weights\.h5")


class SetValidation(keras.callbacks.Callback):
    """After each epoch adds what the validation rows say to its logs.

    `val_SET_gender_accuracy` and the like for each set when there are several, and `val_gender_accuracy`,
    the mean over the sets that have such labels, which chooses the epoch. `val_loss` is over all rows.
    """

    inputs: Array
    targets: Mapping[str, Array]
    sets: Array
    batch_size: int

    def __init__(
        self,
        inputs: Array,
        targets: Mapping[str, Array],
        sets: Array,
        batch_size: int,
        classes: ClassNames = CLASS_NAMES,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.inputs, self.targets, self.sets, self.batch_size = inputs, targets, sets, batch_size
        self.figures: dict[str, dict[str, ClassFigures | AgeFigures]] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is None or not len(self.inputs):
            return
        predicted = self.model.network.predict(self.inputs, batch_size=self.batch_size, verbose=0)
        self.figures = {
            name: encoded_figures(self._part(self.targets, name), self._part(predicted, name), self.classes)
            for name in dict.fromkeys(self.sets.tolist())
        }
        logs.update(epoch_logs(self.figures))
        further = [f"val_{head}_accuracy" for head in self.classes if head not in HEAD_CLASSES]
        if known := [logs[key] for key in further if key in logs]:
            logs["val_further_accuracy"] = float(np.mean(known))
        logs["val_loss"] = self._loss(predicted)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        for name, figures in self.figures.items():
            for sentence in skewed(figures, name or "validation"):
                log.warning("%s", sentence)

    def _part(self, values: Mapping[str, Array], name: str) -> dict[str, Array]:
        rows = self.sets == name
        return {output: array[rows] for output, array in values.items()}

    def _loss(self, predicted: Mapping[str, Array]) -> float:
        weight, heads, asked = self.model.feature_weight, {"age", *self.classes}, self.model.head_weights
        parts = [
            output_weight(name, weight, asked, heads)
            * float(output_loss(name, heads)(np.asarray(self.targets[name], np.float32), values))
            for name, values in predicted.items()
        ]
        return sum(parts)


def encoded_figures(
    targets: Mapping[str, Array],
    predicted: Mapping[str, Array],
    classes: ClassNames = CLASS_NAMES,
) -> dict[str, ClassFigures | AgeFigures]:
    """Head -> figures of labels as `targets.build_targets` encodes them; heads without a label have none."""
    found: dict[str, ClassFigures | AgeFigures] = {}
    for head in ("age", *classes):
        if head not in targets or head not in predicted:
            continue
        encoded = targets[head]
        row: ClassFigures | AgeFigures | None
        if head == "age":
            row = age_figures(*_decoded_ages(encoded), predicted[head])
        else:
            labels = np.where(encoded.any(axis=1), encoded.argmax(axis=1), MISSING)
            row = class_figures(classes[head], labels, predicted[head])
        if row is not None:
            found[head] = row
    return found


def _decoded_ages(encoded: Array) -> tuple[Array, Array, Array]:
    shares, last = encoded[:, :AGE_CLASSES], encoded[:, -1]
    exact, binned = shares.any(axis=1) & (last >= 0), last == IN_BIN
    low = (shares > 0).argmax(axis=1)
    high = AGE_CLASSES - 1 - (shares > 0)[:, ::-1].argmax(axis=1)
    return np.where(exact, last, MISSING), np.where(binned, low, MISSING), np.where(binned, high, MISSING)


def epoch_logs(figures: Mapping[str, Mapping[str, ClassFigures | AgeFigures]]) -> dict[str, float]:
    """Flat numbers of an epoch: those of each set, if there are several, and their means."""
    found = {name: _numbers(rows) for name, rows in figures.items()}
    logs: dict[str, float] = {}
    means: dict[str, list[float]] = {}
    for name, numbers in found.items():
        for key, value in numbers.items():
            means.setdefault(key, []).append(value)
            if len(found) > 1:
                logs[f"val_{name}_{key}"] = value
    return logs | {f"val_{key}": float(np.mean(values)) for key, values in means.items()}


def _numbers(rows: Mapping[str, ClassFigures | AgeFigures]) -> dict[str, float]:
    numbers = {}
    for head, row in rows.items():
        if isinstance(row, AgeFigures):
            known = {"age_mae": row.mae, "age_in_bin": row.in_bin, "age_outside": row.outside}
            numbers.update({key: value for key, value in known.items() if value is not None})
        else:
            numbers[f"{head}_accuracy"] = row.accuracy
            if head == "gender":
                numbers.update({f"gender_{name}": share for name, share in row.by_class.items()})
    return numbers


def kept_weights(folder: Path) -> dict[int, Path]:
    """Epoch -> file of its weights, of those that a run keeps beside the best one; by number."""
    files = ((_KEPT.fullmatch(file.name), file) for file in folder.glob("kept-*.weights.h5"))
    return dict(sorted((int(match[1]), file) for match, file in files if match))


def kept_at_most(keep: str) -> float:
    """How many epochs `FitOptions.keep_epochs` keeps, the best among them."""
    if keep in (KEEP_BEST, KEEP_ALL):
        return 1 if keep == KEEP_BEST else math.inf
    return int(keep)


def best_first(history: Sequence[Mapping[str, float]]) -> list[int]:
    """The epochs of a history, counted from 1, by validation score; the earlier one of two alike first."""
    return sorted(range(1, len(history) + 1), key=lambda epoch: validation_score(history[epoch - 1]))


class EpochKeeper(keras.callbacks.Callback):
    """Saves every epoch, remembers the best by validation score, stops when it stays away.

    The weights of further epochs that are kept lie beside, without those of the optimizer.
    """

    folder: Path
    options: FitOptions

    def __init__(self, folder: Path, options: FitOptions) -> None:
        super().__init__()
        self.folder, self.options = Path(folder), options
        self.history: list[dict[str, float]] = []
        self.diverged_in: int | None = None
        """The epoch in which the loss became no number."""

    @property
    def _state(self) -> Path:
        return self.folder / "state.json"

    @property
    def exhausted(self) -> bool:
        """True when no epoch was better for `patience` epochs."""
        return bool(self.history) and len(self.history) - 1 - self._best() >= self.options.patience

    def start(self) -> int:
        """Forgets what an earlier run left, and the epochs that it kept. Returns the first epoch, 0."""
        for old in [self._state, *self.folder.glob("*.weights.h5")]:
            old.unlink(missing_ok=True)
        remove_epochs(self.folder.parent)
        return 0

    def resume(self, model: keras.Model) -> int:
        """Loads the last whole epoch, if there is one, and returns the epoch to go on with.

        Raises InputError when that run had other options.
        """
        if not self._state.is_file():
            return self.start()
        state = json.loads(self._state.read_text(encoding="utf-8"))
        now = asdict(self.options)
        # Runs of earlier releases have no word of what nobody could choose then.
        changed = [key for key in RESUMABLE if (state["options"].get(key) or None) != (now.get(key) or None)]
        if changed:
            raise InputError(
                f"cannot resume {self.folder}: {', '.join(changed)} changed; keep them or drop --resume"
            )
        # An optimizer without variables would silently skip its saved state.
        model.optimizer.build(model.trainable_variables)
        model.load_weights(self.folder / state["weights"])
        self.history = state["history"]
        log.info("resuming after epoch %d of %d", len(self.history), self.options.epochs)
        return len(self.history)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        reseed(self.model, self.options.seed, epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            # Neither saved nor judged: what was learnt before stays the best and the last epoch.
            self.diverged_in = epoch + 1
            self.model.stop_training = True
            return
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in (logs or {}).items()}}
        row["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.history.append(row)
        name = f"epoch-{epoch + 1:03d}.weights.h5"
        self._save(self.model, name)
        if self._best() == len(self.history) - 1:
            self._save(self.model.network, "best.weights.h5")
        stay = self._kept()
        if epoch + 1 in stay:
            self._save(self.model.network, f"kept-{epoch + 1:03d}.weights.h5")
        state = {"weights": name, "options": asdict(self.options), "history": self.history}
        write_json(self._state, state)
        for old in self.folder.glob("epoch-*.weights.h5"):
            if old.name != name:
                old.unlink(missing_ok=True)
        for number, file in kept_weights(self.folder).items():
            if number not in stay:
                file.unlink(missing_ok=True)
        if self.exhausted:
            log.info("stopping: no better epoch in %d", self.options.patience)
            self.model.stop_training = True

    def load_best(self, network: keras.Model) -> None:
        """Gives a network the weights of the best epoch (nothing if none ended)."""
        best = self.folder / "best.weights.h5"
        if best.is_file():
            network.load_weights(best)

    def _save(self, model: keras.Model, name: str) -> None:
        with replacing(self.folder / name) as temporary:
            # Keras insists on the ending; `replacing` keeps only the last suffix.
            whole = temporary.with_suffix(".weights.h5")
            model.save_weights(whole)
            whole.replace(temporary)

    def _best(self) -> int:
        return best_first(self.history)[0] - 1

    def _kept(self) -> set[int]:
        """Epochs, counted from 1, that stay beside the best; none when that is the only one."""
        most = kept_at_most(self.options.keep_epochs)
        best = best_first(self.history)
        return set() if most < 2 else set(best[: int(min(most, len(best)))])


def reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Sets every random layer to a state that only the seed and the epoch decide.

    Weight files do not hold these states: without this a resumed run would repeat the
    augmentations of the first epoch.
    """
    generators = [
        value
        for layer in model._flatten_layers()
        for value in vars(layer).values()
        if isinstance(value, keras.random.SeedGenerator)
    ]
    for index, generator in enumerate(generators):
        generator.state.assign(np.array([seed * 1009 + index, epoch], "uint32"))


def validation_score(row: Mapping[str, float]) -> float:
    """One number for an epoch, smaller is better; the loss when there is no head."""
    parts = [weight * row[key] for key, weight in SCORE_PARTS.items() if key in row]
    return sum(parts) if parts else row.get("val_loss", row.get("loss", float("inf")))
