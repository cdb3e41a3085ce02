"""Epochs on disk: the last one to resume from, the best one to keep, and the history.

`state.json` is written last and names the weight file it belongs to, so that a run killed
at any moment finds a whole epoch: at most the one under way is lost.
"""

import json
import logging
import math
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from facecli.errors import InputError
from facecli.models.checkpoint import write_json
from facecli.paths import replacing

log = logging.getLogger(__name__)

SCORE_PARTS = {
    "val_age_mae": 0.1,
    "val_age_in_bin": -0.5,
    "val_gender_accuracy": -1.0,
    "val_race_accuracy": -1.0,
    "val_race_7_accuracy": -0.5,
    "val_emotion_accuracy": -0.5,
}
"""The validation score, smaller is better: ten years weigh as much as all of a class head. Each part is
the mean over the data sets that have such labels."""
RESUMABLE = ("batch_size", "learning_rate", "schedule", "seed", "epochs", "shares")


class EpochKeeper(keras.callbacks.Callback):
    """Saves every epoch, remembers the best by validation score, stops when it stays away."""

    def __init__(self, folder: Path, options) -> None:
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
        """Forgets what an earlier run left. Returns the first epoch, 0."""
        for old in [self._state, *self.folder.glob("*.weights.h5")]:
            old.unlink(missing_ok=True)
        return 0

    def resume(self, model: keras.Model) -> int:
        """Loads the last whole epoch, if there is one, and returns the epoch to go on with.

        Raises InputError when that run had other options.
        """
        if not self._state.is_file():
            return self.start()
        state = json.loads(self._state.read_text(encoding="utf-8"))
        now = asdict(self.options)
        changed = [key for key in RESUMABLE if state["options"].get(key) != now.get(key)]
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

    def on_epoch_begin(self, epoch, logs=None):
        reseed(self.model, self.options.seed, epoch)

    def on_epoch_end(self, epoch, logs=None):
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
        state = {"weights": name, "options": asdict(self.options), "history": self.history}
        write_json(self._state, state)
        for old in self.folder.glob("epoch-*.weights.h5"):
            if old.name != name:
                old.unlink(missing_ok=True)
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
        return min(range(len(self.history)), key=lambda index: validation_score(self.history[index]))


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


def validation_score(row: dict[str, float]) -> float:
    """One number for an epoch, smaller is better; the loss when there is no head."""
    parts = [weight * row[key] for key, weight in SCORE_PARTS.items() if key in row]
    return sum(parts) if parts else row.get("val_loss", row.get("loss", float("inf")))
