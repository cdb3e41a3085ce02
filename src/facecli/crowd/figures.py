"""A crowd as figures: how many, how old, which shares."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facecli.core.attributes import AGE_GROUPS, CLASS_NAMES, age_group
from facecli.core.faces import NAMED_HEADS
from facecli.core.stats import Z_90, median_interval, wilson_interval
from facecli.crowd.correct import Confusion, Corrected, correct_shares
from facecli.crowd.gather import Crowd
from facecli.sinks.summary import Person

_DIGITS = 4


@dataclass(frozen=True)
class Share:
    """One class of a head.

    Attributes:
        count: people whose most probable class it is.
        share: of those with such a label; None without any.
        interval_90: Wilson's, low and high; None likewise.
        corrected_share, corrected_interval_90: without the model's known confusions; None when these
            are not known.
    """

    count: int
    share: float | None = None
    interval_90: tuple[float, float] | None = None
    corrected_share: float | None = None
    corrected_interval_90: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """As docs/crowds.md says; numbers rounded."""
        return {
            "count": self.count,
            "share": _rounded(self.share),
            "interval_90": _rounded(self.interval_90),
            "corrected_share": _rounded(self.corrected_share),
            "corrected_interval_90": _rounded(self.corrected_interval_90),
        }


@dataclass(frozen=True)
class Ages:
    """How old.

    Attributes:
        count: people with an age.
        median_years, interval_90: None when there are none, or too few for an interval.
        histogram: decade -> people.
    """

    count: int
    median_years: float | None
    interval_90: tuple[float, float] | None
    histogram: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """As docs/crowds.md says; years with one digit."""
        interval = self.interval_90
        return {
            "count": self.count,
            "median_years": None if self.median_years is None else round(self.median_years, 1),
            "interval_90": None if interval is None else [round(bound, 1) for bound in interval],
            "histogram": self.histogram,
        }


@dataclass(frozen=True)
class Figures:
    """All figures of a crowd.

    Attributes:
        crowd: who.
        ages: how old.
        shares: head -> class -> its share; heads that nobody has are left out.
        confusions: head -> what its shares are corrected by.
        misfits: heads whose answers no shares explain: the model errs here in another way than known,
            and nothing is corrected.
    """

    crowd: Crowd
    ages: Ages
    shares: dict[str, dict[str, Share]]
    confusions: Mapping[str, Confusion]
    misfits: tuple[str, ...] = ()


def figures_of(crowd: Crowd, confusions: Mapping[str, Confusion]) -> Figures:
    """Counts the people of a crowd, each once.

    Args:
        crowd: may be empty.
        confusions: head -> what the model that wrote the rows takes for what.
    """
    people = [subject.person for subject in crowd.subjects]
    shares, used, misfits = {}, {}, []
    for head in NAMED_HEADS:
        labels = Counter(label for person in people if (label := person.label(head)) is not None)
        if not labels:
            continue
        said = np.array([labels[name] for name in CLASS_NAMES[head]])
        corrected = correct_shares(said, confusions[head].counts) if head in confusions else None
        if corrected is not None and not corrected.fits:
            misfits.append(head)
            corrected = None
        elif corrected is not None:
            used[head] = confusions[head]
        shares[head] = _shares(CLASS_NAMES[head], said, corrected)
    return Figures(crowd, _ages(people), shares, used, tuple(misfits))


def _ages(people: Sequence[Person]) -> Ages:
    years = [person.age_years for person in people if person.age_years is not None]
    groups = Counter(map(age_group, years))
    median, interval = median_interval(years) or (None, None)
    return Ages(len(years), median, interval, {group: groups[group] for group in AGE_GROUPS})


def _shares(names: Sequence[str], said: np.ndarray, corrected: Corrected | None) -> dict[str, Share]:
    total, found = int(said.sum()), {}
    for index, name in enumerate(names):
        right: tuple = ()
        if corrected is not None:
            right = float(corrected.share[index]), (float(corrected.low[index]), float(corrected.high[index]))
        count = int(said[index])
        found[name] = Share(count, count / total, wilson_interval(count, total, Z_90), *right)
    return found


def _rounded(value: float | Sequence[float] | None) -> float | list[float] | None:
    if value is None or isinstance(value, float):
        return None if value is None else round(value, _DIGITS)
    return [round(bound, _DIGITS) for bound in value]
