"""Batches for `fit`: crops that lie in memory, in an order that is a function of seed and epoch."""

from collections.abc import Mapping

import keras
import numpy as np


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
    """

    def __init__(
        self,
        inputs: np.ndarray,
        targets: Mapping[str, np.ndarray],
        rows: np.ndarray,
        weights: np.ndarray | None = None,
        batch_size: int = 64,
        seed: int = 0,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.inputs, self.targets, self.rows = inputs, dict(targets), np.asarray(rows)
        self.weights = None if weights is None else np.asarray(weights, np.float32)
        self.batch_size, self.seed, self.epoch = min(batch_size, len(self.rows)), seed, first_epoch
        self._shuffle()

    def __len__(self) -> int:
        return len(self.rows) // self.batch_size

    def __getitem__(self, index: int):
        picked = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        rows = self.rows[picked]
        targets = {name: values[rows] for name, values in self.targets.items()}
        if self.weights is None:
            return self.inputs[rows], targets
        return self.inputs[rows], targets, {name: self.weights[picked] for name in targets}

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        self.order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.rows))
