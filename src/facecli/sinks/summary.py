"""Who was seen, all in all: what is remembered of each track, and one JSON document at the end."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from facecli.core.attributes import AGE_GROUPS, CLASS_NAMES, NAMED_HEADS, age_group
from facecli.core.faces import Face, with_further
from facecli.core.files import GrowingTextFile, worth_writing
from facecli.core.stats import wilson_interval
from facecli.sinks.base import Record

LONGEST_GAP_S = 1.0
"""Longer than that between two analysed frames nobody is said to have been in view."""

_DIGITS = 4


class _Mean:
    """Of rows of one length, a number for each column; rows of another length than the first are left out."""

    def __init__(self) -> None:
        self._sums: list[float] = []
        self._count = 0

    def add(self, row: Sequence[float] | None) -> None:
        if not row or (self._sums and len(row) != len(self._sums)):
            return
        self._sums = [a + b for a, b in zip(self._sums or [0.0] * len(row), row, strict=True)]
        self._count += 1

    @property
    def value(self) -> tuple[float, ...] | None:
        return tuple(total / self._count for total in self._sums) if self._count else None


class Person:
    """One track.

    Attributes:
        first_s, last_s: when it was seen, seconds since the source's start.
        in_view_s: how long it was seen in all.
        frames: analysed frames that show it.
    """

    last_s: float

    def __init__(self, time_s: float) -> None:
        self.first_s = self.last_s = time_s
        self.in_view_s: float = 0.0
        self.frames: int = 0
        self._ages, self._age_sum = 0, 0.0
        self._interval = _Mean()
        self._distribution = _Mean()
        self._sums: dict[str, dict[str, float]] = {}

    def see(self, face: Face, time_s: float) -> None:
        """Takes what a frame says of this person."""
        self.last_s = time_s
        self.frames += 1
        if face.age_years is not None:
            self._ages += 1
            self._age_sum += face.age_years
        self._interval.add(face.age_interval_90)
        self._distribution.add(face.age_distribution)
        for head in face.named_heads:
            if probabilities := face.probabilities(head):
                self._add(head, probabilities)

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads that say something of this person, those that facecli knows first."""
        return with_further((head for head in NAMED_HEADS if head in self._sums), self._sums)

    @property
    def age_years(self) -> float | None:
        """Mean over the frames; None when the model has no such head."""
        return self._age_sum / self._ages if self._ages else None

    @property
    def age_interval_90(self) -> tuple[float, ...] | None:
        """Low and high in years, means over the frames: frames of one face err alike."""
        return self._interval.value

    @property
    def age_distribution(self) -> tuple[float, ...] | None:
        """Probabilities of the years 0, 1, ... 116, means over the frames that have them."""
        return self._distribution.value

    def probabilities(self, head: str) -> dict[str, float] | None:
        """Class name -> mean probability over the frames; None when the model has no such head."""
        sums = self._sums.get(head)
        if not sums:
            return None
        total = sum(sums.values())
        return {name: share / total for name, share in sums.items()}

    def label(self, head: str) -> str | None:
        """The class with the largest mean probability; None when the model has no such head."""
        sums = self._sums.get(head)
        return max(sums, key=sums.__getitem__) if sums else None

    def to_json(self, track: int) -> dict[str, Any]:
        """Keys of heads that the model lacks are left out."""
        row: dict[str, Any] = {
            "track": track,
            "first_s": round(self.first_s, 3),
            "last_s": round(self.last_s, 3),
            "in_view_s": round(self.in_view_s, 3),
            "frames": self.frames,
        }
        if self.age_years is not None:
            row["age_years"] = round(self.age_years, 1)
            row["age_group"] = age_group(row["age_years"])
        row.update({head: self.label(head) for head in self.heads})
        return row

    def _add(self, head: str, probabilities: Mapping[str, float]) -> None:
        sums = self._sums.setdefault(head, dict.fromkeys(probabilities, 0.0))
        for name, probability in probabilities.items():
            sums[name] = sums.get(name, 0.0) + probability


class People:
    """All tracks of a stream, by number, in the order in which they came.

    Attributes:
        frames: analysed frames.
        untracked: faces in frames that belong to no track.
        first_s, last_s: times of the first and the last analysed frame; None before.
    """

    frames: int
    untracked: int

    def __init__(self, longest_gap_s: float = LONGEST_GAP_S) -> None:
        self._longest_gap_s = longest_gap_s
        self.by_track: dict[int, Person] = {}
        self.frames = self.untracked = 0
        self.first_s: float | None = None
        self.last_s: float | None = None
        self._present: list[Person] = []
        self._last_step_s = 0.0

    def see(self, faces: tuple[Face, ...], time_s: float) -> None:
        """Takes the faces of the next analysed frame; refused ones do not count."""
        if self.last_s is None:
            self.first_s = time_s
        else:
            self._pass(time_s - self.last_s)
        self.last_s = time_s
        self.frames += 1
        self._present = []
        for face in faces:
            if face.rejected:
                continue
            if face.track is None:
                self.untracked += 1
                continue
            person = self.by_track.setdefault(face.track, Person(time_s))
            person.see(face, time_s)
            self._present.append(person)

    def end(self) -> None:
        """The last frame lasts as long as the one before it."""
        self._pass(self._last_step_s)
        self._present = []

    def _pass(self, step_s: float) -> None:
        """Who was in the frame before was in view until the next."""
        self._last_step_s = step_s if 0 <= step_s <= self._longest_gap_s else 0.0
        for person in self._present:
            person.in_view_s += self._last_step_s


class SummarySink:
    """Counts people, not frames: each track has one age, one gender and so on.

    Somebody who leaves and comes back is a new track, and so is everybody after a cut: the number of
    people is an upper bound. The document is written at the end, also after an interruption or an
    error; only a run that fails before its first frame leaves the old file alone.
    """

    wants_image = False

    def __init__(
        self, target: str, stdout: TextIO | None = None, longest_gap_s: float = LONGEST_GAP_S
    ) -> None:
        """A path, or "-" for standard output; `longest_gap_s` is more where few frames are analysed."""
        self._file = GrowingTextFile(target, stdout)
        self._people = People(longest_gap_s)
        self._source: str | None = None

    def __enter__(self) -> "SummarySink":
        """Raises OutputError when the file cannot be written."""
        self._file.__enter__()
        return self

    def __exit__(self, error_type: type[BaseException] | None = None, *error: object) -> None:
        """Raises OutputError when the document cannot be written."""
        try:
            if self._people.frames or worth_writing(error_type):
                self._people.end()
                row = summarize_people(self._people, self._source, complete=error_type is None)
                self._file.write(json.dumps(row, ensure_ascii=False, indent=1) + "\n")
        finally:
            self._file.__exit__(error_type, *error)

    def write(self, record: Record) -> None:
        """Takes the faces of an analysed frame."""
        self._source = record.source
        self._people.see(record.result.faces, record.result.time_s)


def summarize_people(people: People, source: str | None, complete: bool = True) -> dict[str, Any]:
    """The document that docs/output.md describes.

    Args:
        people: all that were seen.
        source: as rows call it; None when there was no frame.
        complete: the run came to its own end.
    """
    persons = people.by_track.values()
    ages = Counter(age_group(person.age_years) for person in persons if person.age_years is not None)
    row: dict[str, Any] = {
        "source": source,
        "complete": complete,
        "frames": people.frames,
        "duration_s": round((people.last_s or 0.0) - (people.first_s or 0.0), 3),
        "people": len(people.by_track),
        "untracked_faces": people.untracked,
        "age_histogram": {group: ages[group] for group in AGE_GROUPS},
    }
    for head, names in {**{head: CLASS_NAMES[head] for head in NAMED_HEADS}, **classes_of(persons)}.items():
        labels = Counter(label for person in persons if (label := person.label(head)) is not None)
        row[head] = {name: share_of(labels[name], labels.total()) for name in names}
    row["tracks"] = [person.to_json(track) for track, person in people.by_track.items()]
    return row


def classes_of(persons: Iterable[Person]) -> dict[str, tuple[str, ...]]:
    """Head -> its classes, of all heads that say something of somebody, those that facecli knows first."""
    found: dict[str, dict[str, None]] = {}
    for person in persons:
        for head in person.heads:
            found.setdefault(head, {}).update(dict.fromkeys(person.probabilities(head) or ()))
    heads = with_further((head for head in NAMED_HEADS if head in found), found)
    return {head: tuple(CLASS_NAMES.get(head, found[head])) for head in heads}


def share_of(hits: int, count: int) -> dict[str, Any]:
    """One class of `count` people: how many, which share, its Wilson interval; null when there are none."""
    interval = wilson_interval(hits, count)
    return {
        "count": hits,
        "share": None if interval is None else round(hits / count, _DIGITS),
        "interval_95": None if interval is None else [round(bound, _DIGITS) for bound in interval],
    }
