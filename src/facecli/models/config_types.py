"""What the values in a model's `config.json` must be, each by its key. Standard library only.

Files come from anywhere: whatever code reads of one was looked at here first.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

_LONGEST = 60
_MOST = 1 << 53
"""Numbers beyond it are none that facecli writes; floats do not tell them apart."""
_LARGEST_SIDE = 10_000


class Wrong(NamedTuple):
    """A value that cannot be: under which key ("detectors.haar.margin"), and what would fit.

    `wanted` is None where there is no value.
    """

    key: str
    value: Any
    wanted: str | None

    def __str__(self) -> str:
        """Such as "heads is true, not a list of names", on one line of ASCII."""
        key = _shown(self.key, quoted=False)
        if self.wanted is None:
            return f"{key} is missing"
        return f"{key} is {_shown(self.value)}, not {self.wanted}"


class Kind(Protocol):
    """Says what in a value does not fit."""

    def wrong(self, value: Any, key: str) -> Iterator[Wrong]: ...


@dataclass(frozen=True)
class One(Kind):
    """A value that fits when `fits` says so."""

    wanted: str
    fits: Callable[[Any], bool]

    def wrong(self, value: Any, key: str) -> Iterator[Wrong]:
        if not self.fits(value):
            yield Wrong(key, value, self.wanted)


@dataclass(frozen=True)
class Each(Kind):
    """A list whose items are all of a kind, or an object whose values are."""

    wanted: str
    container: type[list] | type[dict]
    kind: Kind

    def wrong(self, value: Any, key: str) -> Iterator[Wrong]:
        if not isinstance(value, self.container):
            yield Wrong(key, value, self.wanted)
            return
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from TEXT.wrong(name, f"a name in {key}") if isinstance(name, str) else ()
            yield from self.kind.wrong(item, f"{key}.{name}")


@dataclass(frozen=True)
class Maybe(Kind):
    """Null, or a value of a kind."""

    kind: Kind

    def wrong(self, value: Any, key: str) -> Iterator[Wrong]:
        if value is not None:
            yield from self.kind.wrong(value, key)


@dataclass(frozen=True)
class Fields(Kind):
    """An object with certain keys; further ones may hold anything."""

    required: Mapping[str, Kind]
    optional: Mapping[str, Kind] = field(default_factory=dict)

    def wrong(self, value: Any, key: str) -> Iterator[Wrong]:
        if not isinstance(value, dict):
            yield Wrong(key, value, "an object")
            return
        within = f"{key}." if key else ""
        for name, kind in {**self.required, **self.optional}.items():
            if name in value:
                yield from kind.wrong(value[name], f"{within}{name}")
            elif name in self.required:
                yield Wrong(f"{within}{name}", None, None)


def is_number(value: Any) -> bool:
    """An int or a float, finite and not too large to be computed with; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST


def is_count(value: Any) -> bool:
    """A whole number from 0 on."""
    return is_number(value) and isinstance(value, int) and value >= 0


def is_text(value: Any) -> bool:
    """Text that can be written as UTF-8: JSON can hold halves of characters."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_size(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(is_count(side) and 0 < side <= _LARGEST_SIDE for side in value)
    )


def _is_margin(value: Any) -> bool:
    # The crop is 1 + 2 margins as wide as the box.
    return is_number(value) and -0.5 < value <= 10


def _shown(value: Any, quoted: bool = True) -> str:
    """The value as JSON, shortened."""
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"
    text = text if quoted else text[1:-1]
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


TEXT = One("text", is_text)
_NUMBER = One("a number", is_number)
_COUNT = One("a whole number from 0 on", is_count)
_NUMBERS = Each("a list of numbers", list, _NUMBER)
_OBJECT = Fields({})
_CROP = Fields(
    {
        "margin": One("a number above -0.5, 10 at most", _is_margin),
        "shift_y": One("a number from -10 to 10", lambda value: is_number(value) and abs(value) <= 10),
    }
)
_TERMS = Fields(
    {
        "licence": TEXT,
        "may_be_used_for": TEXT,
        "sources": Each("a list of objects", list, Fields(dict.fromkeys(("name", "url", "terms"), TEXT))),
    }
)
CONFIG = Fields(
    {
        "format": _COUNT,
        "name": TEXT,
        "model_type": TEXT,
        "heads": Each("a list of names", list, TEXT),
        "labels": Each("an object of lists", dict, Each("a list of names", list, TEXT)),
        "image_size": One("[height, width]", _is_size),
        "detectors": Each("an object of crops", dict, _CROP),
        "sha256": Each("an object of digests", dict, TEXT),
    },
    {
        "backbone": TEXT,
        "seed": One("a whole number", lambda value: is_number(value) and isinstance(value, int)),
        "split_digest": TEXT,
        "command": TEXT,
        "duration_s": _NUMBER,
        "parameters": _COUNT,
        "sets": Each("an object of digests", dict, TEXT),
        "extra_data": Each("an object of digests", dict, TEXT),
        "exports": Each("an object of objects", dict, _OBJECT),
        "earlier_stages": Each("a list of objects", list, _OBJECT),
        "initial": Maybe(TEXT),
        "terms": _TERMS,
    },
)
"""All that is read of a `config.json`, but for the calibration, which can be made anew."""
_KNOTS = Fields({"level": _NUMBER, "ages": _NUMBERS, "low": _NUMBERS, "high": _NUMBERS})
CALIBRATION = Fields(
    {"temperatures": Each("an object of numbers", dict, _NUMBER)},
    {
        "face_threshold": Maybe(_NUMBER),
        "age_interval": Maybe(_KNOTS),
        "uncertain_below": Each("an object of numbers", dict, _NUMBER),
    },
)
"""What lies under the key `calibration`."""


def first_wrong(kind: Kind, value: Any, key: str = "") -> Wrong | None:
    """The first part of a value that is of another kind than it must be, None when all fits."""
    return next(kind.wrong(value, key), None)
