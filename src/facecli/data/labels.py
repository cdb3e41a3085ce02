"""What the labels of a list mean: a guess by what they are called, and what the user says.

A meaning is text such as "gender:female", "age:20-30" (years, both inside), "age:70+", "age:31", or
"glasses:yes", a class of an attribute that facecli does not know; "ignore" for a label that means nothing.
Of a whole column it is an attribute alone ("gender", "glasses") or "ignore".
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from facecli.core import paths
from facecli.core.attributes import (
    CLASS_NAMES,
    MAX_AGE_YEARS,
    MOST_CLASSES,
    PRESENCE,
    RACES,
    RACES_7,
    is_class_name,
    wrong_in_name,
)
from facecli.core.console import printable
from facecli.core.errors import InputError
from facecli.core.paths import how_to_install
from facecli.data.lists import Label, Listing

if TYPE_CHECKING:
    from types import ModuleType


IGNORE = "ignore"
_MAX_FILE = 4 << 20
SPLIT = "split"
"""What a list may say of a row besides attributes of the face: the part of the data that it belongs to."""
SPLITS = ("train", "val", "test")
_ATTRIBUTES = {
    "age": ("age", "ages", "years", "age years", "age band", "age group", "age range", "age bin"),
    "gender": ("gender", "sex", "g"),
    "race": ("race", "ethnicity", "ethnic", "ethnic group", "e"),
    "race_7": ("race 7",),
    "emotion": ("emotion", "emotions", "expression", "facial expression", "mood"),
    "face": ("face", "presence", "is face"),
    SPLIT: ("split", "subset", "partition"),
}
"""Attribute -> words that columns, and the beginnings of labels, call it by."""
_WORDS: dict[str, dict[str, str]] = {
    "gender": {
        **dict.fromkeys(("male", "man", "men", "m", "boy"), "male"),
        **dict.fromkeys(("female", "woman", "women", "f", "w", "girl"), "female"),
    },
    "race": {
        **{name: name for name in RACES},
        **dict.fromkeys(("caucasian", "european"), "white"),
        **dict.fromkeys(("african", "african american"), "black"),
        **dict.fromkeys(("south asian",), "indian"),
        **dict.fromkeys(("others",), "other"),
    },
    "race_7": {
        **{name.replace("_", " "): name for name in RACES_7 if name not in RACES},
        **dict.fromkeys(("hispanic", "latino", "latina", "latin", "latino or hispanic"), "latino_hispanic"),
        **dict.fromkeys(("middleeastern", "arab", "arabic"), "middle_eastern"),
    },
    "emotion": {
        **{name: name for name in CLASS_NAMES["emotion"]},
        **dict.fromkeys(("anger",), "angry"),
        **dict.fromkeys(("disgusted",), "disgust"),
        **dict.fromkeys(("fearful", "afraid", "scared"), "fear"),
        **dict.fromkeys(("happiness", "joy", "smiling"), "happy"),
        **dict.fromkeys(("sadness",), "sad"),
        **dict.fromkeys(("surprised",), "surprise"),
    },
    "face": {
        **dict.fromkeys(("not face", "no face", "non face", "notface", "nonface"), "not_face"),
        "face": "face",
    },
    SPLIT: {
        **dict.fromkeys(("train", "training"), "train"),
        **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
        **dict.fromkeys(("test", "testing"), "test"),
    },
}
"""Attribute -> what people write, in small letters -> its class."""
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_FEW = 10
_RECURRING = 5
"""A column of more than a few values is an attribute when each is there so often, in the mean."""
_YES, _NO = ("yes", "y", "true", "t", "1"), ("no", "n", "false", "f", "0")
_BAND = re.compile(r"(\d{1,3})\s*(?:-|_|–|—|\bto\b|\s)\s*(\d{1,3})")
_OPEN = re.compile(
    r"(\d{1,3})\s*(?:\+|plus|and (?:more|over|older|above))|(?:over|above|more than|older than) (\d{1,3})"
)
_BELOW = re.compile(r"(?:under|below|less than|younger than) (\d{1,3})")
_AGE = re.compile(r"(\d{1,3})(?:\.\d+)?")


class Meaning(NamedTuple):
    """An attribute, and its class; of an age the years. Without an attribute it means nothing."""

    attribute: str
    value: str

    def __str__(self) -> str:
        return f"{self.attribute}:{self.value}" if self.attribute else IGNORE


NOTHING = Meaning("", "")
Given = Mapping[str, str]
"""What the user says: a label ("Emotion_Happy", "sex:F"), or the name of a column, -> what it means."""


@dataclass(frozen=True)
class Reading:
    """What labels were taken for.

    Attributes:
        meanings: those that are understood, in the order of the list; NOTHING for what is ignored.
        unknown: the others.
        notes: what the user should know, a sentence each.
    """

    meanings: Mapping[Label, Meaning]
    unknown: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()


def parse_meaning(text: str) -> Meaning:
    """Raises InputError for what is no meaning."""
    text = text.strip()
    if text.lower() == IGNORE:
        return NOTHING
    attribute, mark, value = (part.strip() for part in text.partition(":"))
    name = _spelled(attribute)
    if not (mark and value and _may_be_called(name)):
        raise InputError(f"'{text}' is not a meaning; write attribute:class, as gender:female, or {IGNORE}")
    if name == "age":
        low, high = age_years(value)
        return Meaning("age", str(low) if low == high and "-" not in value else f"{low}-{high}")
    known = SPLITS if name == SPLIT else CLASS_NAMES.get(name)
    if known is None:
        return Meaning(name, value)
    if (spelled := _spelled(value)) not in known:
        raise InputError(f"'{text}': {name} is one of {', '.join(known)}")
    return Meaning(name, spelled)


def age_years(text: str) -> tuple[int, int]:
    """The youngest and the oldest age of "20-30", "70+", "over 70", "under 20", or "31": twice the same.

    Raises InputError for anything else, and for what nobody becomes.
    """
    plain = " ".join(text.lower().split())
    spaced = plain.replace("_", " ")
    if match := _BAND.fullmatch(plain):
        low, high = int(match[1]), min(int(match[2]), MAX_AGE_YEARS)
    elif match := _OPEN.fullmatch(spaced):
        low, high = int(match[1] or match[2]), MAX_AGE_YEARS
    elif match := _BELOW.fullmatch(re.sub(r"(?<=[a-z])(?=\d)", " ", spaced)):
        low, high = 0, int(match[1]) - 1
    elif match := _AGE.fullmatch(plain):
        low = high = int(match[1])
    else:
        low, high = 1, 0
    if not 0 <= low <= high <= MAX_AGE_YEARS:
        raise InputError(
            f"'{text}' is not an age; write years from 0 to {MAX_AGE_YEARS}, as 31, 20-30 or 70+"
        )
    return low, high


def parse_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """What is typed as "Age_20_30=age:20-30". Raises InputError."""
    given = {}
    for pair in pairs:
        label, mark, meaning = (part.strip() for part in pair.rpartition("="))
        if not (label and mark and meaning):
            raise InputError(f"'{pair}' does not name a label; write LABEL=MEANING, as Age_20_30=age:20-30")
        _check(meaning)
        given[label] = meaning
    return given


def load_given(path: Path) -> dict[str, str]:
    """Reads a mapping file, as `save_reading` writes it. Raises InputError."""
    yaml = _yaml()
    try:
        if path.stat().st_size > _MAX_FILE:
            raise InputError(f"{path} is not a mapping of labels: it is larger than {_MAX_FILE >> 20} MB")
        # All scalars are text: nobody shall wonder what became of "no" or 20_30.
        found = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=yaml.BaseLoader)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is not a YAML file: {reason}") from error
    if not isinstance(found, dict):
        raise InputError(
            f"{path} is not a mapping of labels; write lines such as Emotion_Happy: emotion:happy"
        )
    given = {}
    for label, meaning in found.items():
        inner = meaning.items() if isinstance(meaning, dict) else [("", meaning)]
        for value, text in inner:
            if not isinstance(text, str):
                raise InputError(f"{path}: what '{label}' means is not text; write attribute:class")
            _check(text)
            given[f"{label}:{value}" if value else str(label)] = text
    return given


def save_reading(path: Path, reading: Reading) -> None:
    """Writes what labels were taken for as YAML. Raises OutputError, InputError without PyYAML."""
    yaml = _yaml()
    found: dict[str, Any] = {}
    for label, meaning in reading.meanings.items():
        if label.column:
            found.setdefault(label.column, {})[label.value] = str(meaning)
    for column, meanings in found.items():
        if set(meanings.values()) == {IGNORE}:
            found[column] = IGNORE
    bare = {label.value: str(meaning) for label, meaning in reading.meanings.items() if not label.column}
    found = {**bare, **found}
    text = yaml.safe_dump(found, allow_unicode=True, sort_keys=False) if found else "{}\n"
    unknown = "".join(f"# not understood: {printable(str(label))}\n" for label in reading.unknown)
    with paths.replacing(path) as temporary:
        temporary.write_text(f"{unknown}{text}", encoding="utf-8")


def _yaml() -> "ModuleType":
    try:
        import yaml
    except ImportError as error:
        raise InputError(f"mapping files need PyYAML: {how_to_install('train')}") from error
    return yaml


def _check(meaning: str) -> None:
    """Raises InputError for what is neither a meaning nor an attribute for a column."""
    if ":" in meaning or meaning.strip().lower() == IGNORE:
        parse_meaning(meaning)
    elif not _may_be_called(_spelled(meaning)):
        raise InputError(
            f"'{meaning}' is not a meaning; write attribute:class, as gender:female, or {IGNORE}"
        )


def _may_be_called(name: str) -> bool:
    """Is it an attribute that facecli knows, or may it be one of the user's own?"""
    return name in _ATTRIBUTES or wrong_in_name(name) is None


def read_labels(listing: Listing, given: Given | None = None) -> Reading:
    """Guesses what the labels of a list mean; what the user says goes first."""
    guess = _Guess(listing, given or {})
    for column in dict.fromkeys(label.column for label in listing.labels):
        guess.look_at(column, [label for label in listing.labels if label.column == column])
    return guess.reading()


class _Guess:
    """Columns are looked at one after the other, then all labels together."""

    def __init__(self, listing: Listing, given: Given) -> None:
        self._counts, self._given = listing.counts, dict(given)
        self._used: set[str] = set()
        self._found: dict[Label, Meaning | None] = {}
        self._said: set[Label] = set()
        why = {
            **dict.fromkeys(listing.crowded, "holds more different values than labels have"),
            **dict.fromkeys(listing.strange, "holds lists or objects, no labels"),
        }
        self._notes = [_left_out(column, reason) for column, reason in why.items()]

    def look_at(self, column: str, labels: list[Label]) -> None:
        """Guesses the labels of a column; "" is none."""
        said = _spelled(self._of_column(column))
        if said == IGNORE:
            guessed: Mapping[Label, Meaning | None] = dict.fromkeys(labels, NOTHING)
        elif not column:
            guessed = _bare(labels)
        elif attribute := said or _attribute_of(column):
            guessed = self._of_attribute(attribute, labels)
        else:
            guessed = self._of_strange_column(column, labels)
        for label in labels:
            told = self._told(label)
            self._found[label] = told or guessed[label]
            if told:
                self._said.add(label)

    def _of_column(self, column: str) -> str:
        """The attribute that a whole column is said to be, IGNORE, or ""."""
        said = self._given.get(column, "") if column else ""
        if not said or ":" in said:
            return ""
        self._used.add(column)
        return said

    def _told(self, label: Label) -> Meaning | None:
        for key in (str(label), label.value):
            said = self._given.get(key, "")
            if ":" in said or said.strip().lower() == IGNORE:
                self._used.add(key)
                return parse_meaning(said)
        return None

    def _of_attribute(self, attribute: str, labels: list[Label]) -> Mapping[Label, Meaning | None]:
        if attribute in _ATTRIBUTES:
            return {label: _meant(attribute, label.value) for label in labels}
        reason = f"has {len(labels)} different values" if len(labels) > MOST_CLASSES else ""
        return self._own(attribute, labels, reason)

    def _of_strange_column(self, column: str, labels: list[Label]) -> Mapping[Label, Meaning | None]:
        """A column that is called like nothing facecli knows: by its values, or an attribute of its own."""
        words = {label: _by_words(label.value) for label in labels}
        if len(labels) == 1 or None in words.values():
            name = _spelled(column)
            rows = sum(self._counts[label] for label in labels)
            return self._own(name, labels, _no_attribute(name, [one.value for one in labels], rows))
        kinds: defaultdict[str, list[str]] = defaultdict(list)
        for label, meaning in words.items():
            if meaning is not None:
                kinds[meaning.attribute].append(label.value)
        if len(kinds) > 1:
            named = " and ".join(f"{kind} ({', '.join(values[:3])})" for kind, values in kinds.items())
            self._notes.append(f"column '{column}' holds labels of two kinds: {named}; each is taken so")
        return words

    def _own(self, name: str, labels: list[Label], reason: str) -> Mapping[Label, Meaning | None]:
        """Classes of an attribute of the user's own, unless there is a reason why it is none."""
        column = labels[0].column
        if reason:
            self._notes.append(_left_out(column, reason))
            return dict.fromkeys(labels, NOTHING)
        values = {label.value.lower() for label in labels}
        if not values <= {*_YES, *_NO}:
            return {label: Meaning(name, label.value) for label in labels}
        if len(values) > 2:
            self._notes.append(
                f"column '{column}' says yes and no in several ways: {', '.join(sorted(values))}"
            )
        return {label: Meaning(name, "yes" if label.value.lower() in _YES else "no") for label in labels}

    def reading(self) -> Reading:
        """All labels, bands of age without a common year, and races among those that they belong to."""
        for key in self._given.keys() - self._used:
            self._notes.append(f"no row is labelled '{key}', of which the mapping tells")
        found = {label: meaning for label, meaning in self._found.items() if meaning is not None}
        guessed = {label: meaning for label, meaning in found.items() if label not in self._said}
        for change in (_disjoint_bands(found, guessed), _races(found, guessed)):
            found.update(change)
        unknown = (label for label, meaning in self._found.items() if meaning is None)
        counts = self._counts
        return Reading(found, tuple(sorted(unknown, key=lambda one: -counts[one])), tuple(self._notes))


def _left_out(column: str, reason: str) -> str:
    return f"column '{column}' {reason}: it is left out"


def _no_attribute(name: str, values: list[str], rows: int) -> str:
    """Why a column of such values, in so many rows, is no attribute; "" where it may be one."""
    if wrong := wrong_in_name(name):
        return wrong.partition(";")[0]
    if len(values) > MOST_CLASSES:
        return f"has {len(values)} different values, and an attribute has {MOST_CLASSES} classes at most"
    are_truths = {value.lower() for value in values} <= {*_YES, *_NO}
    if bad := next((value for value in values if not is_class_name(value)), None):
        return f"has the value '{printable(bad[:20])}': a class is a short text without a comma"
    if len(values) > _FEW and all(map(_NUMBER.fullmatch, values)):
        return "holds numbers, and is an attribute only where somebody says so"
    recurring = _RECURRING if len(values) > _FEW else 2
    if len(values) > 2 and rows < recurring * len(values) and not are_truths:
        return "has hardly a value that recurs, and is not an attribute"
    return f"has one value only ({values[0]}), and is not an attribute" if len(values) < 2 else ""


def _disjoint_bands(found: Mapping[Label, Meaning], guessed: Iterable[Label]) -> dict[Label, Meaning]:
    """Of 20-30 and 30-40 the first ends at 29: a year belongs to one band."""
    bands = {label: age_years(one.value) for label, one in found.items() if one.attribute == "age"}
    starts = {low for low, high in bands.values() if low < high}
    return {
        label: Meaning("age", f"{low}-{high - 1}")
        for label, (low, high) in bands.items()
        if label in guessed and high in starts and low < high - 1
    }


def _races(found: Mapping[Label, Meaning], guessed: Iterable[Label]) -> dict[Label, Meaning]:
    """Races that five and seven classes share are of the seven, where a list has others of these alone."""
    kinds = {(one.attribute, one.value) for one in found.values()}
    if not any(kind == "race_7" for kind, _ in kinds) or kinds & {("race", "asian"), ("race", "other")}:
        return {}
    return {
        label: Meaning("race_7", found[label].value)
        for label in guessed
        if found[label].attribute == "race" and found[label].value in RACES_7
    }


def _bare(labels: list[Label]) -> dict[Label, Meaning | None]:
    """Labels that say by themselves what they are about: "Emotion_Happy", "Age_20_30", "Not_Face"."""
    found: dict[Label, Meaning | None] = {}
    parts = {}
    for label in labels:
        head, _, rest = re.sub(r"[:=\s]+", "_", label.value).partition("_")
        meaning = _by_words(label.value)
        if meaning is None and rest and (attribute := _attribute_of(head)):
            meaning = _meant(attribute, rest)
        elif meaning is None and rest:
            parts[label] = (_spelled(head), rest)
        found[label] = meaning
    kinds = Counter(head for head, _ in parts.values())
    for label, (head, rest) in parts.items():
        # One alone is a label that nobody knows; several that begin alike are an attribute.
        if 2 <= kinds[head] <= MOST_CLASSES and wrong_in_name(head) is None:
            found[label] = Meaning(head, rest.lower() if rest.lower() in (*_YES, *_NO) else rest)
    return found


def _attribute_of(name: str) -> str:
    plain = _spelled(name).replace("_", " ")
    return next((attribute for attribute, words in _ATTRIBUTES.items() if plain in words), "")


def _meant(attribute: str, value: str) -> Meaning | None:
    """What a value means that is known to be of an attribute."""
    if attribute == "age":
        return _age(value)
    plain = _spelled(value).replace("_", " ")
    if attribute == "face" and plain in (*_YES, *_NO):
        return Meaning("face", PRESENCE[plain in _YES])
    if attribute == "race_7" and plain.replace(" ", "_") in RACES_7:
        return Meaning("race_7", plain.replace(" ", "_"))
    for name in (attribute, *(["race_7"] if attribute == "race" else [])):
        if plain in _WORDS[name]:
            return Meaning(name, _WORDS[name][plain])
    # "Emotion_Not_Face".
    return Meaning("face", "not_face") if _WORDS["face"].get(plain) == "not_face" else None


def _by_words(value: str) -> Meaning | None:
    """What a value means of which nothing is known: never by one letter, a number, or a colour."""
    plain = _spelled(value).replace("_", " ")
    if len(plain) > 1 and plain not in ("white", "black", "other", "others"):
        for attribute, words in _WORDS.items():
            # "train" and "test" say something else where no column is called so.
            if plain in words and attribute != SPLIT:
                return Meaning(attribute, words[plain])
    return _age(value) if _BAND.fullmatch(value) else None


def _age(value: str) -> Meaning | None:
    try:
        low, high = age_years(value)
    except InputError:
        return None
    is_band = low != high or not _AGE.fullmatch(value.strip())
    return Meaning("age", f"{low}-{high}" if is_band else str(low))


def _spelled(name: str) -> str:
    """As names of attributes are spelled: small letters, digits, underscores."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^0-9a-z]+", "_", apart.lower()).strip("_")
