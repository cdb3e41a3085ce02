"""One training loop for every network: compile, fit, checkpoint each epoch, keep the best.

Keras spells batch normalisation out in some ten operations, each a pass over the activations in float32.
TensorFlow's fused one reads them once, in bfloat16 too: on processors with AMX a training step then takes two
thirds of its time (benchmarks/training_speed.md). The layers are swapped in place while a network is
trained, so that weights, names and saved files stay those of the plain network.
"""

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from keras import layers, ops
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from facecli.core.arrays import Array, Tensor
from facecli.core.attributes import CLASS_NAMES, ClassNames
from facecli.core.console import OUTPUT_POLICY, stderr_console
from facecli.core.errors import FacecliError, InputError
from facecli.core.recipes import FitOptions, check_head_weights
from facecli.training.epochs import CropBatches, EpochKeeper, SetValidation
from facecli.training.losses import NO_WEIGHTS, head_metric, output_loss, output_weight

log: logging.Logger = logging.getLogger(__name__)

SHOWN = (
    "loss",
    "val_loss",
    "val_age_mae",
    "val_gender_accuracy",
    "val_race_accuracy",
    "val_average_precision",
    "images_per_s",
)


class Throughput(keras.callbacks.Callback):
    """Adds `seconds` and `images_per_s` of the training part of an epoch to its logs."""

    images: int
    batches_end: float

    def __init__(self, images_per_epoch: int) -> None:
        super().__init__()
        self.images, self.batches_end = images_per_epoch, 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.started: float = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.batches_end = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["seconds"] = time.perf_counter() - self.started
            logs["images_per_s"] = self.images / max(self.batches_end - self.started, 1e-9)


class ProgressBar(keras.callbacks.Callback):
    """A bar for each epoch and one line when it ends, on stderr."""

    steps: int
    epochs: int

    def __init__(self, steps: int, epochs: int) -> None:
        super().__init__()
        self.steps, self.epochs = steps, epochs
        self.console: Console = stderr_console()
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[loss]}"))
        self.progress: Progress = Progress(
            *columns, TimeRemainingColumn(), console=self.console, transient=True
        )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.progress.start()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.task: TaskID = self.progress.add_task(
            f"epoch {epoch + 1}/{self.epochs}", total=self.steps, loss=""
        )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch % 10 == 0 or batch + 1 == self.steps:
            self.progress.update(self.task, completed=batch + 1, loss=f"loss {logs['loss']:.3f}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.progress.remove_task(self.task)
        shown = "  ".join(f"{key} {logs[key]:.3f}" for key in SHOWN if key in (logs or {}))
        said = f"epoch {epoch + 1}/{self.epochs}  {shown}"
        if OUTPUT_POLICY.log_json:
            log.info(said)
        else:
            self.console.print(said, highlight=False, soft_wrap=True)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.progress.stop()


@dataclass(frozen=True)
class Rows:
    """What is fed: inputs (n, ...), targets by output name, and the rows that are trained on.

    `sets` names the data set of each input; there may be several views of each row, see
    `training.epochs.CropBatches`. `seen` is the share of the epochs that see each entry of `rows`; None: all.
    `classes` are those of all heads that there may be.
    """

    inputs: Array
    targets: Mapping[str, Array]
    rows: Array
    weights: Array | None = None
    sets: Array | None = None
    views: int = 1
    seen: Array | None = None
    classes: ClassNames = field(default_factory=lambda: CLASS_NAMES)


class AugmentedModel(keras.Model):
    """A network behind an augmentation that is active while training only."""

    network: Any
    augmentation: Any | None

    def __init__(self, network: keras.Model, augmentation: keras.layers.Layer | None) -> None:
        super().__init__(name="augmented")
        self.network, self.augmentation = network, augmentation
        self.feature_weight: float = 1.0
        self.head_weights = NO_WEIGHTS

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if self.augmentation is not None:
            inputs = self.augmentation(inputs, training=training)
        return self.network(inputs, training=training)


def fit(
    network: keras.Model,
    train: Rows,
    val: Rows,
    options: FitOptions,
    folder: Path,
    augmentation: keras.layers.Layer | None = None,
) -> list[dict[str, float]]:
    """Trains a network and leaves it with the weights of its best epoch.

    Args:
        network: dict of outputs; the age and those that `train.classes` names are heads, all others
            are pulled towards a teacher's features.
        train, val: the rows; `val` decides which epoch is best and when to stop.
        options: see FitOptions.
        folder: where the epochs are kept, so that a killed run resumes.
        augmentation: layer for the inputs, or None.

    Returns:
        The history, a dict a epoch.

    Raises:
        FacecliError: the loss is no number any more.
        InputError: no epochs, or a weight of a head that is not among the outputs.
    """
    check_head_weights(options.head_weights, list(network.output))
    if options.epochs < 1:
        raise InputError("--epochs must be 1 or more")
    model = AugmentedModel(network, augmentation)
    model.feature_weight, model.head_weights = options.feature_weight, dict(options.head_weights)
    batches = _batches(train, options)
    _compile(model, list(network.output), options, len(batches), {"age", *train.classes})
    model.build(train.inputs[:1].shape)
    validation = SetValidation(
        val.inputs[val.rows], _rows_of(val), _sets_of(val), options.batch_size, val.classes
    )
    return run_epochs(model, network, batches, validation, options, folder)


class EpochBatches(Protocol):
    """A `keras.utils.PyDataset` that can go on with any epoch."""

    batch_size: int

    def __len__(self) -> int: ...
    def start_at(self, epoch: int) -> None: ...


def run_epochs(
    model: keras.Model,
    network: keras.Model,
    batches: EpochBatches,
    validation: keras.callbacks.Callback,
    options: FitOptions,
    folder: Path,
) -> list[dict[str, float]]:
    """Trains a compiled model epoch by epoch, from the start or where a killed run ended.

    Args:
        model: what is trained; its attribute `network` is what is kept of it.
        network: that network, which ends with the weights of the best epoch.
        batches: of an epoch.
        validation: adds to an epoch's logs what decides which is best, see `epochs.validation_score`.
        options: see FitOptions.
        folder: where the epochs are kept.

    Returns:
        The history, a dict a epoch.

    Raises:
        FacecliError: the loss is no number any more.
        InputError: the killed run had other options.
    """
    keeper = EpochKeeper(folder, options)
    first_epoch = keeper.resume(model) if options.resume else keeper.start()
    batches.start_at(first_epoch)
    callbacks = [Throughput(len(batches) * batches.batch_size), validation, keeper]
    callbacks.append(keras.callbacks.TerminateOnNaN())
    callbacks.append(ProgressBar(len(batches), options.epochs))
    if options.tensorboard:
        callbacks.append(keras.callbacks.TensorBoard(str(folder / "tensorboard")))
    if first_epoch < options.epochs and not keeper.exhausted:
        with fused_normalization(network):
            model.fit(
                batches,
                epochs=options.epochs,
                initial_epoch=first_epoch,
                callbacks=callbacks,
                shuffle=False,
                verbose=0,
            )
    if keeper.diverged_in is not None:
        kept = f"epochs before it are in {folder}" if keeper.history else "no epoch ended before it"
        raise FacecliError(
            f"the loss became NaN or infinite in epoch {keeper.diverged_in}: nothing is exported, {kept}; "
            f"try a lower --learning-rate than {options.learning_rate:g}"
        )
    keeper.load_best(network)
    return keeper.history


def _batches(train: Rows, options: FitOptions) -> CropBatches:
    return CropBatches(
        train.inputs,
        train.targets,
        train.rows,
        train.weights,
        options.batch_size,
        options.seed,
        sets=train.sets,
        shares=dict(options.shares),
        views=train.views,
        seen=train.seen,
    )


def _rows_of(val: Rows) -> dict[str, Array]:
    return {name: values[val.rows] for name, values in val.targets.items()}


def _sets_of(val: Rows) -> Array:
    return np.full(len(val.rows), "") if val.sets is None else np.asarray(val.sets)[val.rows]


def _compile(
    model: keras.Model, outputs: list[str], options: FitOptions, steps: int, heads: Collection[str]
) -> None:
    losses = {name: output_loss(name, heads) for name in outputs}
    weights = {
        name: output_weight(name, options.feature_weight, options.head_weights, heads) for name in outputs
    }
    metrics = {head: [head_metric(head)] for head in outputs if head in heads}
    compile_model(model, options, steps, loss=losses, loss_weights=weights, metrics=metrics)


def compile_model(model: keras.Model, options: FitOptions, steps: int, **told: Any) -> None:
    """Compiles with AdamW and the schedule of the options; `told` are further arguments of `compile`.

    `steps`: of an epoch.
    """
    optimizer = keras.optimizers.AdamW(
        _schedule(options, steps), weight_decay=options.weight_decay, clipnorm=5.0
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    # XLA has no projective transform on TensorFlow and is not faster on a CPU.
    jit = False if keras.backend.backend() == "tensorflow" else "auto"
    model.compile(optimizer, jit_compile=jit, **told)


def _schedule(options: FitOptions, steps: int) -> Any:
    warmup = round(options.warmup_epochs * steps)
    total = max(options.epochs * steps - warmup, 1)
    if options.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            options.learning_rate / 20,
            total,
            alpha=0.01,
            warmup_target=options.learning_rate,
            warmup_steps=warmup,
        )
    if options.schedule == "constant":
        return options.learning_rate
    raise FacecliError(f"no schedule '{options.schedule}'; choose cosine or constant")


class _FusedNormalization(layers.BatchNormalization):
    """Takes (n, h, w, c) only; `fused_normalization` picks such layers."""

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        from tensorflow.compat.v1.nn import fused_batch_norm

        if not (training and self.trainable):
            statistics = {"mean": ops.cast(self.moving_mean, "float32")}
            statistics["variance"] = ops.cast(self.moving_variance, "float32")
            return fused_batch_norm(inputs, *self._affine(), **statistics, **self._options(False))[0]
        normed, mean, variance = fused_batch_norm(inputs, *self._affine(), **self._options(True))
        count = ops.cast(ops.size(inputs) // ops.shape(inputs)[-1], "float32")
        # TensorFlow gives the unbiased variance, Keras keeps the biased one.
        self._follow(self.moving_mean, mean)
        self._follow(self.moving_variance, variance * (count - 1) / count)
        return normed

    def _affine(self) -> tuple[Tensor, Tensor]:
        ones = ops.ones(self.moving_mean.shape, "float32")
        gamma = ops.cast(self.gamma, "float32") if self.scale else ones
        beta = ops.cast(self.beta, "float32") if self.center else ops.zeros_like(ones)
        return gamma, beta

    def _options(self, training: bool) -> dict[str, object]:
        return {"epsilon": self.epsilon, "is_training": training}

    def _follow(self, moving: Tensor, value: Tensor) -> None:
        value = ops.stop_gradient(ops.cast(value, moving.dtype))
        moving.assign(moving * self.momentum + value * (1 - self.momentum))


# Keras names the weights in its files after the class.
_FusedNormalization.__name__ = layers.BatchNormalization.__name__


@contextmanager
def fused_normalization(model: keras.Model) -> Iterator[None]:
    """Within the block the normalisations of pictures are fused ones; on other backends nothing changes.

    Functions that were compiled before keep the plain ones.
    """
    swapped = []
    if keras.backend.backend() == "tensorflow":
        swapped = [layer for layer in model._flatten_layers() if _can_be_fused(layer)]
    for layer in swapped:
        layer.__class__ = _FusedNormalization
    try:
        yield
    finally:
        for layer in swapped:
            layer.__class__ = layers.BatchNormalization


def _can_be_fused(layer: keras.layers.Layer) -> bool:
    # float16 statistics would need a float16 operation, which TensorFlow lacks on a CPU.
    return (
        type(layer) is layers.BatchNormalization
        and layer.axis == -1
        and layer.built
        and layer.input_spec.ndim == 4
        and layer.compute_dtype in ("float32", "bfloat16")
    )
