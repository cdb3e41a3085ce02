"""Who fits best to what is searched for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from facecli.crowd.age_range import AgeRange
from facecli.crowd.gather import Crowd, Subject
from facecli.faces import NAMED_HEADS
from facecli.labels import age_group

_DIGITS = 4


@dataclass(frozen=True)
class Wanted:
    """What a face is to be like.

    Attributes:
        classes: head -> names, of which any will do.
        age: years; None for any.
    """

    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    age: AgeRange | None = None

    def probability(self, subject: Subject) -> float | None:
        """That all of it is true, as if a face's attributes had nothing to do with each other.

        None when the rows do not know one of them.
        """
        product = 1.0
        for head, names in self.classes.items():
            known = subject.person.probabilities(head)
            if known is None:
                return None
            product *= math.fsum(known[name] for name in names)
        if self.age is not None:
            share = self.age.probability(subject.person)
            if share is None:
                return None
            product *= share
        return min(product, 1.0)


class Match(NamedTuple):
    """A person and the probability that it is one that is searched for."""

    subject: Subject
    probability: float


@dataclass(frozen=True)
class Ranking:
    """All that are probable enough, the most probable first.

    Attributes:
        matches: of equals those first that came first.
        best_below: the most probable that was left out; None when there is none.
        unknown: people whose rows lack one of the attributes.
        by_interval: people whose age is judged by its interval alone.
    """

    matches: list[Match]
    best_below: Match | None
    unknown: int
    by_interval: int


def rank(crowd: Crowd, wanted: Wanted, at_least: float = 0.0) -> Ranking:
    """Everybody of the crowd, by the probability of all that is wanted together.

    Args:
        crowd: may be empty.
        wanted: attributes.
        at_least: smallest probability of a match; who fits not at all never is one.
    """
    judged = [
        Match(subject, share)
        for subject in crowd.subjects
        if (share := wanted.probability(subject)) is not None
    ]
    judged.sort(key=lambda match: -match.probability)
    matches = [match for match in judged if match.probability >= at_least and match.probability > 0]
    rest = judged[len(matches) :]
    by_interval = sum(match.subject.person.age_distribution is None for match in judged) if wanted.age else 0
    return Ranking(matches, rest[0] if rest else None, len(crowd.subjects) - len(judged), by_interval)


def match_row(number: int, match: Match) -> dict[str, Any]:
    """A match as docs/crowds.md describes it; what the rows do not know is left out."""
    subject, person = match.subject, match.subject.person
    row: dict[str, Any] = {
        "rank": number,
        "probability": round(match.probability, _DIGITS),
        "source": subject.source,
        "rows": subject.file,
    }
    if subject.track is None:
        row["face"] = subject.face
    else:
        seen = {"first_s": person.first_s, "last_s": person.last_s, "time_s": subject.time_s}
        row |= {"track": subject.track, **{key: round(value, 3) for key, value in seen.items()}}
        row["frames"] = person.frames
    row["box_xyxy"] = list(subject.box_xyxy)
    if person.age_years is not None:
        row["age_years"] = round(person.age_years, 1)
        if person.age_interval_90 is not None:
            row["age_interval_90"] = [round(bound) for bound in person.age_interval_90]
        row["age_group"] = age_group(row["age_years"])
    for head in NAMED_HEADS:
        if known := person.probabilities(head):
            row[head] = person.label(head)
            row[f"{head}_probability"] = round(known[row[head]], _DIGITS)
    return row
