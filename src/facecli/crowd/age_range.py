"""A range of years that is searched for, and how probable it is that somebody's age lies in it."""

import math
import re
from statistics import NormalDist
from typing import NamedTuple

from facecli.errors import InputError
from facecli.labels import MAX_AGE_YEARS
from facecli.stream.people import Person
from facecli.stream.wilson import Z_90

_RANGE = re.compile(r"\s*(\d{1,3})\s*(?:-\s*(\d{1,3})|(\+))?\s*", re.ASCII)
_HALF = 0.5
"""The label "30" means 29.5 to 30.5 years of the models' scale."""


class AgeRange(NamedTuple):
    """Whole years from `first` to `last`, both inside."""

    first: int
    last: int

    def probability(self, person: Person) -> float | None:
        """In [0, 1]; None when nothing is known of the person's age.

        Summed from the age distribution where the rows have one. Else the age is taken for normal on
        either side of `age_years`, each side as wide as its end of the 90 % interval says.
        """
        if (distribution := person.age_distribution) is not None:
            return math.fsum(distribution[self.first : self.last + 1])
        years, interval = person.age_years, person.age_interval_90
        if years is None or interval is None:
            return None
        low, high = min(interval[0], years) - _HALF, max(interval[1], years) + _HALF
        # The ends of the scale hold all beyond them.
        below = 0.0 if self.first == 0 else _share_below(self.first - _HALF, years, low, high)
        above = 1.0 if self.last >= MAX_AGE_YEARS else _share_below(self.last + _HALF, years, low, high)
        return above - below


def parse_age_range(text: str) -> AgeRange:
    """A range such as "20-30", "65+" or "7". Raises InputError for anything else."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise InputError(f"'{text}' is no range of years; give one such as 20-30, 65+ or 7")
    first = int(match[1])
    last = MAX_AGE_YEARS if match[3] else int(match[2] or match[1])
    if first > MAX_AGE_YEARS:
        raise InputError(f"the models know no age above {MAX_AGE_YEARS} years; '{text}' is out of range")
    if last < first:
        raise InputError(f"{first}-{last} runs backwards; write {last}-{first}")
    return AgeRange(first, min(last, MAX_AGE_YEARS))


def _share_below(years: float, middle: float, low: float, high: float) -> float:
    """Of a distribution with its median at `middle` and 5 % beyond `low` and beyond `high`."""
    side = middle - low if years < middle else high - middle
    return NormalDist().cdf((years - middle) / (side / Z_90))
