"""Who fits best to what is searched for, and copies of the pictures that were found."""

import filecmp
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

from facecli.core.attributes import MAX_AGE_YEARS, age_group
from facecli.core.errors import ImageError, InputError, OutputError
from facecli.core.stats import Z_90
from facecli.crowd.gather import Crowd, Subject
from facecli.sinks.summary import Person

_RANGE = re.compile(r"\s*(\d{1,3})\s*(?:-\s*(\d{1,3})|(\+))?\s*", re.ASCII)
_HALF = 0.5
"""The label "30" means 29.5 to 30.5 years of the models' scale."""

_DIGITS = 4

_MOST_NAMES = 10_000


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
        raise InputError(f"'{text}' is not a range of years; give one such as 20-30, 65+ or 7")
    first = int(match[1])
    last = MAX_AGE_YEARS if match[3] else int(match[2] or match[1])
    if first > MAX_AGE_YEARS:
        raise InputError(f"the models predict ages up to {MAX_AGE_YEARS} years; '{text}' is out of range")
    if last < first:
        raise InputError(f"{first}-{last} is reversed; write {last}-{first}")
    return AgeRange(first, min(last, MAX_AGE_YEARS))


def _share_below(years: float, middle: float, low: float, high: float) -> float:
    """Of a distribution with its median at `middle` and 5 % beyond `low` and beyond `high`."""
    side = middle - low if years < middle else high - middle
    return NormalDist().cdf((years - middle) / (side / Z_90))


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
            product *= math.fsum(known.get(name, 0.0) for name in names)
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


def rank_subjects(crowd: Crowd, wanted: Wanted, at_least: float = 0.0) -> Ranking:
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
    for head in person.heads:
        name, known = person.label(head), person.probabilities(head)
        if name is not None and known is not None:
            row[head] = name
            row[f"{head}_probability"] = round(known[name], _DIGITS)
    return row


@dataclass
class Copied:
    """What became of the pictures.

    Attributes:
        copied: new files.
        there: pictures that lay in the folder already, byte for byte.
        failed: "source: reason" of each that could not be copied.
        videos: sources of tracks; a clip is not copied.
    """

    copied: list[Path] = field(default_factory=list)
    there: list[Path] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    videos: list[str] = field(default_factory=list)


def copy_pictures(subjects: Iterable[Subject], folder: Path) -> Copied:
    """Copies each picture once, under its name or the first of "name-2.jpg", ... that is free.

    What does not decode as a picture is not copied, whatever the rows say of it. Nothing is ever written
    over. A source is looked for from the current folder, then from that of the file of rows.

    Raises OutputError when the folder cannot be written.
    """
    _make(folder)
    result, seen = Copied(), set()
    for subject in subjects:
        if (subject.file, subject.source) in seen:
            continue
        seen.add((subject.file, subject.source))
        if subject.track is not None:
            result.videos.append(subject.source)
            continue
        source = _find(subject)
        if source is None:
            result.failed.append(f"{subject.source}: no such file here; run it where the rows were made")
            continue
        _copy(source, folder, result)
    return result


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot make the folder {folder}: {reason}; name another one") from error


def _find(subject: Subject) -> Path | None:
    given = Path(subject.source)
    places = [given] if subject.file == "-" else [given, Path(subject.file).parent / given]
    for place in places:
        # ValueError: a source that is no path at all (NUL bytes).
        with suppress(OSError, ValueError):
            if place.is_file():
                return place
    return None


def _copy(source: Path, folder: Path, result: Copied) -> None:
    """Whole or not at all: written beside, then moved to a name that was free."""
    with suppress(OSError):
        if source.resolve().parent == folder.resolve():
            result.there.append(source)
            return
    try:
        handle, name = tempfile.mkstemp(prefix=".copy-", dir=folder)
        os.close(handle)
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror or error}") from error
    temporary = Path(name)
    try:
        # The very bytes that were seen to be a picture.
        temporary.write_bytes(_picture(source))
        shutil.copystat(source, temporary)
        target, is_new = _claim(folder, source.name, temporary)
        if is_new:
            temporary.replace(target)
        (result.copied if is_new else result.there).append(target)
    except ImageError as error:
        result.failed.append(f"{source}: {str(error).removeprefix(f'{source} ')}")
    except OSError as error:
        result.failed.append(f"{source}: {error.strerror or error}")
    finally:
        temporary.unlink(missing_ok=True)


def _picture(source: Path) -> bytes:
    """The content of a file that decodes as a picture: rows may name any file, also one that is nobody's
    business. Raises ImageError.
    """
    from facecli.core.images import decode_image, read_bytes

    data = read_bytes(source)
    decode_image(data, str(source))
    return data


def _claim(folder: Path, name: str, content: Path) -> tuple[Path, bool]:
    """A name that is now ours, or the file that holds the same content already."""
    plain = Path(name)
    for number in range(1, _MOST_NAMES):
        target = folder / (name if number == 1 else f"{plain.stem}-{number}{plain.suffix}")
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            if target.is_file() and filecmp.cmp(target, content, shallow=False):
                return target, False
            continue
        return target, True
    raise OSError(f"{folder} holds {_MOST_NAMES:,} files of that name")
