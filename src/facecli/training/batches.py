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
        sets: (n,) name of the data set of each input; None: all are of one.
        shares: set -> share of an epoch that its rows make up, drawn anew for each. Sets without a
            share are seen whole, once an epoch; if there is none, an epoch has as many rows as all
            sets together. A set with fewer rows than its share asks for is seen more than once.
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
        sets: np.ndarray | None = None,
        shares: Mapping[str, float] | None = None,
        views: int = 1,
    ) -> None:
        super().__init__()
        self.inputs, self.targets, self.rows = inputs, dict(targets), np.asarray(rows)
        self.weights = None if weights is None else np.asarray(weights, np.float32)
        self.seed, self.epoch = seed, first_epoch
        self.views, self._rows_a_view = views, len(inputs) // views
        of_set = np.full(len(inputs), "") if sets is None else np.asarray(sets)
        self._whole, self._drawn = _epoch_plan(of_set[self.rows], shares or {})
        count = len(self._whole) + sum(wanted for _, wanted in self._drawn)
        self.batch_size = min(batch_size, count)
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
        drawn = [_draw(positions, wanted, random) for positions, wanted in self._drawn]
        self.order = random.permutation(np.concatenate([self._whole, *drawn]))


def _epoch_plan(
    sets: np.ndarray, shares: Mapping[str, float]
) -> tuple[np.ndarray, list[tuple[np.ndarray, int]]]:
    """Positions seen whole, and (positions, how many of them an epoch draws) of each set with a share."""
    present = {name: share for name, share in shares.items() if (sets == name).any()}
    whole = np.flatnonzero(~np.isin(sets, list(present)))
    rest = 1 - sum(present.values())
    total = len(whole) / rest if len(whole) else len(sets) / sum(present.values()) if present else 0
    drawn = [(np.flatnonzero(sets == name), round(share * total)) for name, share in present.items()]
    return whole, drawn


def _draw(positions: np.ndarray, wanted: int, random: np.random.Generator) -> np.ndarray:
    """`wanted` positions, none more than once oftener than another."""
    times, rest = divmod(wanted, len(positions))
    return np.concatenate([np.tile(positions, times), random.choice(positions, rest, replace=False)])
