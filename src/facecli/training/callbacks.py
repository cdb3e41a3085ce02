"""What a person sees while training: a bar on stderr, pictures per second in the history."""

import logging
import time

import keras
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from facecli.console import MANNERS, stderr_console

log = logging.getLogger(__name__)

SHOWN = ("loss", "val_loss", "val_age_mae", "val_gender_accuracy", "val_race_accuracy", "images_per_s")


class Throughput(keras.callbacks.Callback):
    """Adds `seconds` and `images_per_s` of the training part of an epoch to its logs."""

    def __init__(self, images_per_epoch: int) -> None:
        super().__init__()
        self.images, self.batches_end = images_per_epoch, 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.batches_end = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["seconds"] = time.perf_counter() - self.started
            logs["images_per_s"] = self.images / max(self.batches_end - self.started, 1e-9)


class ProgressBar(keras.callbacks.Callback):
    """A bar for each epoch and one line when it ends, on stderr."""

    def __init__(self, steps: int, epochs: int) -> None:
        super().__init__()
        self.steps, self.epochs = steps, epochs
        self.console = stderr_console()
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[loss]}"))
        self.progress = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True)

    def on_train_begin(self, logs=None):
        self.progress.start()

    def on_epoch_begin(self, epoch, logs=None):
        self.task = self.progress.add_task(f"epoch {epoch + 1}/{self.epochs}", total=self.steps, loss="")

    def on_train_batch_end(self, batch, logs=None):
        if batch % 10 == 0 or batch + 1 == self.steps:
            self.progress.update(self.task, completed=batch + 1, loss=f"loss {logs['loss']:.3f}")

    def on_epoch_end(self, epoch, logs=None):
        self.progress.remove_task(self.task)
        shown = "  ".join(f"{key} {logs[key]:.3f}" for key in SHOWN if key in (logs or {}))
        said = f"epoch {epoch + 1}/{self.epochs}  {shown}"
        if MANNERS.log_json:
            log.info(said)
        else:
            self.console.print(said, highlight=False, soft_wrap=True)

    def on_train_end(self, logs=None):
        self.progress.stop()
