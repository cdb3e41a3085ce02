"""What models answer of a face (heads, their classes), and bands of years: one place, used by every lane.

The heads that facecli knows are records, HEADS. A model may bring further ones: its `config.json` holds their
names and classes, and whatever shows, writes or counts answers takes them from there or from the answer.

The class order is that of UTKFace's file names (https://susanqq.github.io/UTKFace/):
gender 0 male, 1 female; race 0 White, 1 Black, 2 Asian, 3 Indian, 4 Others.

Bands cover all years from 0 to the oldest, each year once: probabilities sum to 1.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from facecli.core.errors import InputError

GENDERS = ("male", "female")
RACES = ("white", "black", "asian", "indian", "other")
RACES_7 = (
    "white", "black", "latino_hispanic", "east_asian", "southeast_asian", "indian", "middle_eastern",
)  # fmt: skip
"""FairFace's seven classes (https://github.com/joojs/fairface)."""
RACE_OF_7 = ("white", "black", "other", "asian", "asian", "indian", "other")
"""What each of RACES_7 is among RACES: the probability of a race is the sum over what folds into it."""
EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""FER2013's seven classes, in alphabetical order."""
PRESENCE = ("not_face", "face")
"""Whether a crop shows a face at all."""
MAX_AGE_YEARS = 116
"""Oldest age in UTKFace; the age head is a softmax over 0..116 years."""
AGE_CLASSES = MAX_AGE_YEARS + 1


@dataclass(frozen=True)
class AttributeHead:
    """What a model answers of each face.

    Attributes:
        name: of the head, and of its key in rows (the age has keys of its own).
        classes: their names, in the order of the network's outputs; () for the age, whose are the years.
        column: of its label in a data table.
        half_life_s: time after which a frame of a video counts half as much as a new one: an expression
            passes, a person stays.
        of_faces: it says what a face is like, and not whether there is one.
        is_fine: it says once more, in more classes, what another head says: shown among details alone.
        finer: name of the head whose classes divide its own further.
        folds: for each class of the finer head the class of its own that it is part of.
    """

    name: str
    classes: tuple[str, ...] = ()
    column: str = ""
    half_life_s: float = 60.0
    of_faces: bool = True
    is_fine: bool = False
    finer: str | None = None
    folds: tuple[str, ...] = ()


HEADS = (
    AttributeHead("age", column="age_years"),
    AttributeHead("gender", GENDERS, "gender"),
    AttributeHead("race", RACES, "race", finer="race_7", folds=RACE_OF_7),
    AttributeHead("race_7", RACES_7, "race_7", is_fine=True),
    AttributeHead("emotion", EMOTIONS, "emotion", half_life_s=0.5),
    AttributeHead("face", PRESENCE, "face", half_life_s=1.0, of_faces=False),
)
"""Those that facecli knows by itself, in the order in which they are built and shown."""
FURTHER_HALF_LIFE_S = 2.0
"""`half_life_s` of a head of which nobody knows whether it passes, unless the model says otherwise."""

ClassNames = Mapping[str, Sequence[str]]
"""Head -> names of its classes, in their order."""
CLASS_NAMES = {head.name: head.classes for head in HEADS if head.classes}
FINER_HEADS = {head.name: head.finer for head in HEADS if head.finer}
"""Head -> another whose classes divide its own further."""
FOLDS = {head.name: head.folds for head in HEADS if head.folds}
"""Head -> for each class of its finer head the class of its own that it is part of."""
HEAD_CLASSES = {"age": AGE_CLASSES, **{head: len(names) for head, names in CLASS_NAMES.items()}}
"""Head name -> number of classes, in the order in which heads are built and shown."""
FACE_HEADS = tuple(head.name for head in HEADS if head.classes and head.of_faces)
"""Class heads that say what a face is like, in the order in which rows have them."""
NAMED_HEADS = tuple(head.name for head in HEADS if head.name in FACE_HEADS and not head.is_fine)
"""Those that are shown when no details are asked for, and searched for."""
UTKFACE_HEADS = ("age", "gender", "race")
"""What UTKFace has labels for: the heads that are trained when nothing else is said."""
LABEL_COLUMNS = {head.name: head.column for head in HEADS}
"""Head -> column of its label in a data table; that of a further head is called as the head."""
MISSING = -1
"""Value of a label that a row does not have; its loss and metrics are masked."""
AGE_GROUPS = (
    "0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90+",
)  # fmt: skip

_BAND = re.compile(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})|(\+))?\s*", re.ASCII)
_REMEDY = "give bands such as 0-24,25-49,50+"


def label_column(head: str) -> str:
    """Column of a head's label in a data table."""
    return LABEL_COLUMNS.get(head, head)


_HEAD_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", re.ASCII)
_LONGEST_HEAD, _LONGEST_CLASS = 30, 40
MOST_CLASSES = 100
"""Of a further head: with more a column is no attribute but a number, or a name."""
RESERVED = frozenset(
    """
    source frame time_s track face faces width height error model models facecli truncated box box_xyxy
    x_min y_min x_max y_max head head_xyxy heads heads_xyxy thumb crop index number known detector
    landmarks pose roll_degrees yaw_degrees pitch_degrees quality rejected uncertain years label age_years
    age_low age_high age_group age_band age_bands age_distribution age_bins age_histogram age_interval_90
    picture pictures files file rows repeated_rows damaged_lines cut_lines frames video videos
    rows_with_error rejected_faces untracked_faces people person tracks correction not_explained notes
    complete duration_s rank probability first_s last_s in_view_s count split splits split_digest
    published_split runtime data set sets sha256 group stratum image features backbone loss epoch further
    seconds constructor prototype class class_name confidence id tags detector_confidence
    dhash photograph all none
    """.split()
)
"""What rows, tables, summaries, figures and networks call something else: no head is called so."""


def wrong_in_head(name: str, classes: Sequence[str]) -> str | None:
    """What does not fit in a further head, in words behind "the head 'NAME'"; None when all fits.

    For its name see `wrong_in_name`. It has 2 to MOST_CLASSES classes of different names, each a short line
    without a comma.
    """
    return wrong_in_name(name) or _wrong_in_classes(classes)


def wrong_in_name(name: str) -> str | None:
    """Why a further head cannot be called so, in words behind "the head 'NAME'"; None when it can.

    A name is of small letters, digits and single underscores, and nothing else is called so.
    """
    if name in HEAD_CLASSES:
        return "is one that facecli knows already; give the column another name"
    if not _HEAD_NAME.fullmatch(name) or len(name) > _LONGEST_HEAD:
        return f"is no name: take small letters, digits and _, {_LONGEST_HEAD} at most"
    if name in RESERVED or name.endswith(("_probability", "_probabilities")):
        return "has a name that rows or tables have another use for; give the column another name"
    return None


def _wrong_in_classes(classes: Sequence[str]) -> str | None:
    if len(classes) < 2:
        return f"has {f'the class {classes[0]!r} alone' if classes else 'no classes'}; it needs two at least"
    if len(classes) > MOST_CLASSES:
        return f"has {len(classes):,} classes, more than {MOST_CLASSES}: a column of numbers or names is none"
    if len(set(classes)) < len(classes):
        return "has two classes of one name"
    bad = next((name for name in classes if not is_class_name(name)), None)
    if bad is not None:
        return f"has a class {bad[:_LONGEST_CLASS]!r}: take a short text without a comma, and not 'uncertain'"
    return None


def is_class_name(name: str) -> bool:
    """May a class of a further head be called so?"""
    plain = name.isprintable() and name == name.strip() and "," not in name
    return plain and 0 < len(name) <= _LONGEST_CLASS and name not in ("uncertain", "probability", "__proto__")


def age_group_id(age_years: float) -> int:
    """Index into AGE_GROUPS of an age in years (decades; 90 and more are one group)."""
    return min(max(int(age_years) // 10, 0), len(AGE_GROUPS) - 1)


def age_group(age_years: float) -> str:
    """Name of the decade of an age in years, such as "20-29" or "90+"."""
    return AGE_GROUPS[age_group_id(age_years)]


class Band(NamedTuple):
    """Whole years from `first` to `last`, both inside, and what people read."""

    name: str
    first: int
    last: int


@dataclass(frozen=True)
class AgeGroups:
    """Bands in the order of their years, without gap or overlap, from 0 to MAX_AGE_YEARS."""

    bands: tuple[Band, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(band.name for band in self.bands)

    def probabilities(self, distribution: Sequence[float]) -> dict[str, float]:
        """Name -> probability of each band.

        Args:
            distribution: probabilities of the years 0, 1, ..., MAX_AGE_YEARS; they sum to 1.
        """
        return {name: float(sum(distribution[first : last + 1])) for name, first, last in self.bands}

    def name_of(self, age_years: float) -> str:
        """The band that an age in years, 0 or more, lies in; all beyond the oldest are in the last."""
        return next((band.name for band in self.bands if age_years < band.last + 1), self.bands[-1].name)


def _of_starts(names_and_starts: Mapping[str, int]) -> AgeGroups:
    starts = [*names_and_starts.values(), MAX_AGE_YEARS + 1]
    return AgeGroups(
        tuple(Band(name, starts[i], starts[i + 1] - 1) for i, name in enumerate(names_and_starts))
    )


PRESETS = {
    "decades": _of_starts({name: 10 * index for index, name in enumerate(AGE_GROUPS)}),
    "life": _of_starts(
        {"baby": 0, "child": 3, "teenager": 13, "young adult": 20, "middle age": 40, "senior": 60}
    ),
    # Adience leaves years out between its eight bands: they count for the nearer band, the middle
    # one for the younger (Eidinger, Enbar, Hassner, "Age and Gender Estimation of Unfiltered
    # Faces", 2014, table 1).
    "adience": _of_starts(
        {
            "0-2": 0,
            "4-6": 4,
            "8-13": 8,
            "15-20": 15,
            "25-32": 23,
            "38-43": 36,
            "48-53": 46,
            "60+": 57,
        }
    ),
    # Kärkkäinen, Joo, "FairFace", 2021, section 3.
    "fairface": _of_starts(
        {
            "0-2": 0,
            "3-9": 3,
            "10-19": 10,
            "20-29": 20,
            "30-39": 30,
            "40-49": 40,
            "50-59": 50,
            "60-69": 60,
            "70+": 70,
        }
    ),
}
"""What --age-groups knows by name."""


def parse_age_groups(spec: str) -> AgeGroups:
    """Bands by the name of a preset, or a list such as "0-24,25-49,50-74,75-99".

    The last band may be open ("50+"). Years before the first and after the last band become
    bands of their own ("0-17", "100+"), so that nobody is counted among others.

    Raises InputError: no such name, not numbers, reversed, overlapping, with gaps, or too old.
    """
    name = spec.strip().lower()
    if name in PRESETS:
        return PRESETS[name]
    if not any(letter.isdigit() for letter in spec):
        raise InputError(f"unknown age groups '{spec}': name {', '.join(PRESETS)}, or {_REMEDY}")
    given = [_band(part, spec) for part in spec.split(",")]
    for before, band in zip(given, given[1:], strict=False):
        _check_neighbours(before, band, spec)
    bands = [*_before(given[0]), *given, *_after(given[-1])]
    return AgeGroups(tuple(bands))


def _band(text: str, spec: str) -> Band:
    match = _BAND.fullmatch(text)
    if match is None:
        raise InputError(f"age groups '{spec}': '{text.strip()}' is not a band of whole years; {_REMEDY}")
    first, last = int(match[1]), MAX_AGE_YEARS if match[3] else int(match[2] or match[1])
    if first > MAX_AGE_YEARS:
        raise InputError(f"age groups '{spec}': the models predict ages up to {MAX_AGE_YEARS} years")
    if last < first:
        raise InputError(f"age groups '{spec}': {first}-{last} is reversed; write {last}-{first}")
    return Band("".join(text.split()), first, min(last, MAX_AGE_YEARS))


def _check_neighbours(before: Band, band: Band, spec: str) -> None:
    if band.first <= before.first:
        raise InputError(f"age groups '{spec}': {before.name} and {band.name} are not in order of age")
    if band.first <= before.last:
        raise InputError(f"age groups '{spec}': {before.name} and {band.name} overlap")
    if band.first > before.last + 1:
        missing = _years(before.last + 1, band.first - 1)
        raise InputError(
            f"age groups '{spec}': no band contains {missing}, between {before.name} and {band.name}"
        )


def _before(first: Band) -> list[Band]:
    return [Band(_years(0, first.first - 1), 0, first.first - 1)] if first.first else []


def _after(last: Band) -> list[Band]:
    beyond = last.last + 1
    return [Band(f"{beyond}+", beyond, MAX_AGE_YEARS)] if beyond <= MAX_AGE_YEARS else []


def _years(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
