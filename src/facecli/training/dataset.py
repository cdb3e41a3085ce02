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
        extra_from: rows from this one on are extra: each epoch draws some of them anew.
        extra_share: share of an epoch that the extra rows make up, as far as there are so many;
            None: all of them, every epoch.
        views: `inputs` and `targets` hold that many views of all rows, one view of each after the
            other; each epoch sees the next one.
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
        extra_from: int | None = None,
        extra_share: float | None = None,
        views: int = 1,
    ) -> None:
        super().__init__()
        self.inputs, self.targets, self.rows = inputs, dict(targets), np.asarray(rows)
        self.weights = None if weights is None else np.asarray(weights, np.float32)
        self.seed, self.epoch = seed, first_epoch
        self.views, self._rows_a_view = views, len(inputs) // views
        extra = np.zeros(len(self.rows), bool) if extra_from is None else self.rows >= extra_from
        if extra_share is None:
            extra[:] = False
        self._own, self._extra = np.flatnonzero(~extra), np.flatnonzero(extra)
        wanted = round(len(self._own) * extra_share / (1 - extra_share)) if extra_share else 0
        self._drawn = min(wanted, len(self._extra))
        self.batch_size = min(batch_size, len(self._own) + self._drawn)
        self._shuffle()

    def __len__(self) -> int:
        return len(self.order) // self.batch_size

    def __getitem__(self, index: int):
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
        drawn = random.choice(self._extra, self._drawn, replace=False) if self._drawn else self._extra[:0]
        self.order = random.permutation(np.concatenate([self._own, drawn]))
