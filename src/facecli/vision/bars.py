"""How sure each head is, as rows of a label: words and a bar."""

from typing import NamedTuple

from facecli.faces import NAMED_HEADS, UNCERTAIN, Face
from facecli.labels import MAX_AGE_YEARS

_RUNNER_UP = 0.1
"""Probability from which the second class has a row of its own."""


class Bar(NamedTuple):
    """What a row's bar is filled with, in shares of its length; `main` rows are the brighter ones."""

    low: float
    high: float
    main: bool = True


class Row(NamedTuple):
    """One line of a label; `bar` is None where there is nothing to measure."""

    text: str
    bar: Bar | None = None


def detail_rows(face: Face, uncertain_below: float = 0.0) -> list[Row]:
    """Everything that is known of a face, a row each; [] when that is nothing.

    The age's bar runs from the low to the high end of its interval, on a scale from 0 to the
    oldest age; a class's is its probability. The second class of a head follows where it counts.
    """
    if face.rejected:
        return [Row(face.rejection(), Bar(0.0, 1 - (face.face_probability or 0.0)))]
    rows = []
    if face.age_years is not None:
        low, high = face.age_interval_90 or (face.age_years, face.age_years)
        bar = Bar(_share(low), _share(high))
        rows.append(Row(f"{face.whole_years} ({low:.0f}-{high:.0f})", bar))
    for head in NAMED_HEADS:
        rows += _head_rows(face, head, uncertain_below)
    if face.track is not None:
        first = rows.pop(0) if rows else Row("")
        rows.insert(0, first._replace(text=f"#{face.track}  {first.text}".rstrip()))
    return rows


def _head_rows(face: Face, head: str, uncertain_below: float) -> list[Row]:
    probabilities, label = face.probabilities(head), face.label(head, uncertain_below)
    if not probabilities or label is None:
        return []
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])[:2]
    rows = [Row(f"{head} {label}" if label == UNCERTAIN else label, Bar(0.0, ranked[0][1]))]
    for name, probability in ranked[1:]:
        if probability >= _RUNNER_UP:
            rows.append(Row(f"{name} {100 * probability:.0f}%", Bar(0.0, probability, main=False)))
    return rows


def _share(years: float) -> float:
    return min(max(years / MAX_AGE_YEARS, 0.0), 1.0)
