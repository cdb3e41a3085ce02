"""Who was seen, all in all: one JSON document at the end of a stream."""

import json
from collections import Counter
from typing import Any, TextIO

import numpy as np

from facecli.faces import NAMED_HEADS, FrameResult
from facecli.labels import AGE_GROUPS, CLASS_NAMES, age_group
from facecli.stream.people import People
from facecli.stream.text_file import TextFile, worth_writing
from facecli.stream.wilson import wilson_interval

_DIGITS = 4


class SummarySink:
    """Counts people, not frames: each track has one age, one gender and so on.

    Somebody who leaves and comes back is a new track, and so is everybody after a cut: the number of
    people is an upper bound. The document is written at the end, also after an interruption or an
    error; only a run that fails before its first frame leaves the old file alone.
    """

    wants_drawing = False

    def __init__(self, target: str, stdout: TextIO | None = None) -> None:
        """A path, or "-" for standard output."""
        self._file = TextFile(target, stdout)
        self._people = People()
        self._source: str | None = None

    def __enter__(self) -> "SummarySink":
        """Raises OutputError when the file cannot be written."""
        self._file.__enter__()
        return self

    def __exit__(self, error_type=None, *error) -> None:
        """Raises OutputError when the document cannot be written."""
        try:
            if self._people.frames or worth_writing(error_type):
                self._people.end()
                row = summarise(self._people, self._source, complete=error_type is None)
                self._file.write(json.dumps(row, ensure_ascii=False, indent=1) + "\n")
        finally:
            self._file.__exit__(error_type, *error)

    def write(self, result: FrameResult, drawn_rgb: np.ndarray | None = None) -> None:
        """Takes the faces of an analysed frame."""
        self._source = result.source
        self._people.see(result.faces, result.time_s)


def summarise(people: People, source: str | None, complete: bool = True) -> dict[str, Any]:
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
    for head in NAMED_HEADS:
        labels = Counter(label for person in persons if (label := person.label(head)) is not None)
        row[head] = {name: _share(labels[name], labels.total()) for name in CLASS_NAMES[head]}
    row["tracks"] = [person.to_json(track) for track, person in people.by_track.items()]
    return row


def _share(hits: int, count: int) -> dict[str, Any]:
    """Of `count` people; share and interval are null when there are none."""
    interval = wilson_interval(hits, count)
    return {
        "count": hits,
        "share": None if interval is None else round(hits / count, _DIGITS),
        "interval_95": None if interval is None else [round(bound, _DIGITS) for bound in interval],
    }
