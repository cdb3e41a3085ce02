"""Shares of a crowd without the model's measured habit of taking some classes for others.

What a model says of a crowd is a mixture: of everybody who is i, it calls the share C[i, j] j. When
C is known from faces with known labels, the shares p that most likely led to what it said can be
found: `p C` should be the shares of its answers, p >= 0, sum p = 1. The expectation-maximisation
algorithm finds the p of greatest likelihood (M. Saerens, P. Latinne, C. Decaestecker (2002),
"Adjusting the outputs of a classifier to new a priori probabilities", Neural Computation 14, 21-41,
here on answers instead of probabilities). For two classes it is the estimate of W. J. Rogan and
B. Gladen (1978), "Estimating prevalence from the results of a screening test", American Journal of
Epidemiology 107, 71-76, kept within 0 and 1.

It supposes that the model errs in this crowd as it did on the test faces (a shift of shares alone).
Where that is not so, often no shares at all explain the answers; that is noticed (`fits`).
"""

import csv
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facecli.core import paths
from facecli.core.arrays import Array
from facecli.core.attributes import CLASS_NAMES, NAMED_HEADS, ClassNames
from facecli.models.checkpoint import Checkpoint, read_json

log: logging.Logger = logging.getLogger(__name__)

LEVEL = 0.9
DRAWS = 1000
_SEED = 0
_RARE = 0.01
_MOST_STEPS = 3000
_SMALL = 1e-7


@dataclass(frozen=True)
class Confusion:
    """Counts of a head on labelled faces.

    Attributes:
        counts: (classes, classes) int, true classes as rows, answers as columns, in the order of `classes`.
        data: what it was measured on, for people.
        classes: names.
    """

    counts: Array
    data: str
    classes: tuple[str, ...]

    @property
    def faces(self) -> int:
        return int(self.counts.sum())


def load_confusions(checkpoint: Checkpoint) -> dict[str, Confusion]:
    """Head -> its confusion, of the heads that were measured.

    Reads `metrics.json` of the model's folder; for heads that it does not hold, the tables that
    `facecli evaluate` wrote (statistics/model_metrics/<model>).
    """
    classes = {head: CLASS_NAMES[head] for head in NAMED_HEADS} | checkpoint.further
    found = _of_metrics(checkpoint.folder / "metrics.json", classes)
    for head in set(checkpoint.heads).intersection(classes) - set(found):
        if (confusion := _of_statistics(checkpoint.name, head, classes[head])) is not None:
            found[head] = confusion
    return {head: found[head] for head in classes if head in found}


def _of_metrics(path: Path, classes: ClassNames) -> dict[str, Confusion]:
    metrics, found = read_json(path), {}
    for head, names in classes.items():
        row = metrics.get(head)
        if not isinstance(row, dict):
            continue
        counts = _checked(head, names, row.get("confusion"))
        if counts is not None:
            data = row.get("data") or f"the {metrics.get('split', 'test')} split of its data"
            found[head] = Confusion(counts, str(data), tuple(names))
    return found


def _of_statistics(model: str, head: str, names: Sequence[str]) -> Confusion | None:
    """Of the model's own data, else of the first other data that it was measured on."""
    folder = paths.statistics_dir() / "model_metrics" / Path(model).name
    name = f"{head}_confusion.csv"
    for path in [folder / name, *sorted(folder.glob(f"*/{name}"))]:
        counts = _of_csv(head, names, path)
        if counts is not None:
            of_own = path.parent == folder
            data = "the test split of its data" if of_own else path.parent.name
            return Confusion(counts, data, tuple(names))
    return None


def _of_csv(head: str, names: Sequence[str], path: Path) -> Array | None:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = {row.get("true"): row for row in csv.DictReader(file)}
    except (OSError, ValueError, csv.Error):
        return None
    if set(rows) != set(names):
        return None
    try:
        return _checked(head, names, [[int(rows[true][said]) for said in names] for true in names])
    except (KeyError, TypeError, ValueError):
        return None


def _checked(head: str, names: Sequence[str], value: Any) -> Array | None:
    """The counts as a table, or None when that is no table of this head's."""
    classes = len(names)
    if value is None:
        return None
    whole = isinstance(value, list) and all(_is_row(row, classes) for row in value)
    if not whole or len(value) != classes:
        log.warning("the confusion counts of '%s' are damaged and not used", head)
        return None
    return np.array(value, np.int64)


def _is_row(row: Any, classes: int) -> bool:
    if not isinstance(row, list) or len(row) != classes:
        return False
    return all(type(count) is int and 0 <= count < 1 << 40 for count in row)


def typical_age_error(checkpoint: Checkpoint) -> float | None:
    """Mean absolute error of the age in years, as measured; None when it was not."""
    age = read_json(checkpoint.folder / "metrics.json").get("age")
    error = age.get("mae") if isinstance(age, dict) else None
    return float(error) if isinstance(error, int | float) and not isinstance(error, bool) else None


class Corrected(NamedTuple):
    """What the answers of a model tell of a crowd.

    Attributes:
        share: (classes,) the estimate.
        low, high: (classes,) the interval that holds LEVEL of the draws.
        fits: are answers that fit so badly to be expected in one of a hundred crowds, at least?
    """

    share: Array
    low: Array
    high: Array
    fits: bool


def correct_shares(said: Array, confusion: Array, draws: int = DRAWS) -> Corrected | None:
    """The crowd's shares, from how often the model said each class.

    The interval is a Bayesian bootstrap (D. B. Rubin (1981), Annals of Statistics 9, 130-134) over both
    the crowd and the test faces: answers and each row of the confusion counts are drawn from Dirichlet
    distributions around what was counted. Each class adds 1 / classes (W. Perks (1947)), so that a few
    people who are all alike do not look like certainty.

    Args:
        said: (classes,) how many people were called so.
        confusion: (classes, classes) counts of labelled faces, true classes as rows, answers as columns.
        draws: of the bootstrap.

    Returns:
        None when there is nobody, or when the test faces lack one of the classes.
    """
    said, confusion = np.asarray(said, np.float64), np.asarray(confusion, np.float64)
    if said.sum() == 0 or confusion.sum(axis=1).min() == 0:
        return None
    random = np.random.default_rng(_SEED)
    added = 1 / len(said)
    answers = random.dirichlet(said + added, draws)
    called = np.stack([random.dirichlet(row + added, draws) for row in confusion], axis=1)
    known = confusion / confusion.sum(axis=1, keepdims=True)
    (share,) = most_likely(said[None] / said.sum(), known[None])
    low, high = np.quantile(most_likely(answers, called), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    fits = _fits(said, called, random)
    return Corrected(share, np.minimum(low, share), np.maximum(high, share), fits)


def _fits(said: Array, called: Array, random: np.random.Generator) -> bool:
    """Compares the misfit of the answers with that of crowds in which all is as supposed.

    Args:
        said: (classes,) counts of the answers.
        called: (n, classes, classes) draws of the share of all that are i that is called j.
        random: draws the crowds.
    """
    # The mean of the draws: an answer that was never given on the test faces is rare, not impossible.
    known = called.mean(axis=0, keepdims=True)
    count = int(said.sum())
    share = most_likely(said[None] / count, known)
    expected = np.einsum("i,nij->nj", share[0], called)
    crowds = np.stack([random.multinomial(count, shares / shares.sum()) for shares in expected])
    known_here = np.broadcast_to(known, called.shape)
    elsewhere = _misfit(crowds, most_likely(crowds / count, known_here), known_here)
    (here,) = _misfit(said[None], share, known)
    return bool((elsewhere >= here - _SMALL).mean() >= _RARE)


def _misfit(said: Array, share: Array, called: Array) -> Array:
    """(n,) likelihood ratio statistic of the counts (n, classes) against what the shares lead to."""
    expected = said.sum(axis=1, keepdims=True) * np.einsum("ni,nij->nj", share, called)
    ratio = np.divide(said, expected, out=np.ones_like(expected), where=said > 0)
    return 2 * (said * np.log(ratio)).sum(axis=1)


def most_likely(answers: Array, called: Array) -> Array:
    """Shares that explain the answers best, by expectation-maximisation from equal shares.

    Args:
        answers: (n, classes) shares of the model's answers.
        called: (n, classes, classes): of all that are i the share that is called j.

    Returns:
        (n, classes), rows sum to 1; equal shares where nobody is ever called what was answered.
    """
    shares = np.full(answers.shape, 1 / answers.shape[1])
    for _ in range(_MOST_STEPS):
        mixture = np.einsum("ni,nij->nj", shares, called)
        ratio = np.divide(answers, mixture, out=np.zeros_like(answers), where=mixture > 0)
        better = shares * np.einsum("nij,nj->ni", called, ratio)
        explained = better.sum(axis=1, keepdims=True)
        better = np.divide(better, explained, out=shares.copy(), where=explained > 0)
        moved = np.abs(better - shares).max()
        shares = better
        if moved < _SMALL:
            break
    return shares
