"""Bytes, numbers and JSON values made wrong, each with a word on how."""

import copy
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

Mutated = tuple[bytes, str]
_EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def flipped(rng: random.Random, data: bytes) -> Mutated:
    """Some bits the other way round."""
    changed = bytearray(data)
    count = rng.choice((1, 1, 2, 5, 20, 100))
    for _ in range(count):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed), f"{count} bits flipped"


def cut(rng: random.Random, data: bytes) -> Mutated:
    """The end missing."""
    place = rng.randrange(len(data) + 1) if rng.random() < 0.8 else max(0, len(data) - rng.randrange(1, 9))
    return data[:place], f"cut at {place}"


def overwritten(rng: random.Random, data: bytes) -> Mutated:
    """A stretch of zeros, ones or chance."""
    start = rng.randrange(len(data))
    count = min(len(data) - start, rng.choice((1, 4, 16, 300, 4000)))
    fill = rng.choice((bytes(count), b"\xff" * count, rng.randbytes(count)))
    return data[:start] + fill + data[start + count :], f"{count} bytes overwritten at {start}"


def removed(rng: random.Random, data: bytes) -> Mutated:
    """A stretch missing in the middle."""
    start = rng.randrange(len(data))
    count = rng.choice((1, 2, 7, 100, 3000))
    return data[:start] + data[start + count :], f"{count} bytes taken out at {start}"


def doubled(rng: random.Random, data: bytes) -> Mutated:
    """A stretch twice, or many times."""
    start = rng.randrange(len(data))
    count, times = rng.choice((4, 64, 1000)), rng.choice((2, 2, 3, 50))
    part = data[start : start + count]
    return data[:start] + part * times + data[start + count :], f"{len(part)} bytes {times} times at {start}"


def renumbered(rng: random.Random, data: bytes) -> Mutated:
    """A number near the beginning, where headers lie, made extreme."""
    size = rng.choice((1, 2, 2, 4, 4))
    start = rng.randrange(max(1, min(len(data), rng.choice((40, 200, 800))) - size))
    order = rng.choice("<>")
    value = rng.choice(_EXTREMES) & (256**size - 1)
    packed = struct.pack(order + {1: "B", 2: "H", 4: "I"}[size], value)
    return data[:start] + packed + data[start + size :], f"{value:#x} in {size} bytes at {start}"


def appended(rng: random.Random, data: bytes) -> Mutated:
    """Something behind the end."""
    count = rng.choice((1, 100, 5000))
    return data + rng.randbytes(count), f"{count} bytes appended"


def spliced(rng: random.Random, data: bytes, other: bytes) -> Mutated:
    """The beginning of one and the end of the other."""
    place, other_place = rng.randrange(len(data) + 1), rng.randrange(len(other) + 1)
    return data[:place] + other[other_place:], f"joined at {place} with another from {other_place}"


BYTE_MUTATIONS: tuple[Callable[[random.Random, bytes], Mutated], ...] = (
    flipped, cut, overwritten, removed, doubled, renumbered, appended,
)  # fmt: skip


def mutated(rng: random.Random, data: bytes, others: Sequence[bytes] = ()) -> Mutated:
    """One to three of the above, one after the other."""
    words = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not data:
            break
        if others and rng.random() < 0.1:
            data, how = spliced(rng, data, rng.choice(others))
        else:
            data, how = rng.choice(BYTE_MUTATIONS)(rng, data)
        words.append(how)
    return data, ", ".join(words)


# ---------------------------------------------------------------- JSON


def _deep(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


STRANGE: tuple[Callable[[], Any], ...] = (
    lambda: None, lambda: True, lambda: 0, lambda: -1, lambda: 1, lambda: 0.5, lambda: -1e308, lambda: 1e308,
    lambda: 10**400, lambda: -(10**400), lambda: 2**63, lambda: float("nan"), lambda: float("inf"),
    lambda: "", lambda: "x", lambda: "x" * 100_000, lambda: "\ud800", lambda: "a\nb\x00\x1b[31m",
    lambda: "../..",
    lambda: [], lambda: {}, lambda: [[]], lambda: [None], lambda: {"": None}, lambda: _deep(50),
    lambda: [0] * 10_000, lambda: {"x": {"y": []}}, lambda: [1, 2], lambda: ["a", "b"], lambda: [1e999, 3],
)  # fmt: skip
"""Values that are of some other kind, size or sign than any reader hopes for."""


def mutated_json(rng: random.Random, value: Any) -> tuple[Any, str]:
    """A copy of a JSON value in which one to three parts are strange, missing or doubled."""
    changed, words = copy.deepcopy(value), []
    for _ in range(rng.choice((1, 1, 2, 3))):
        words.append(_mutate_part(rng, changed))
    return changed, ", ".join(words)


def _mutate_part(rng: random.Random, value: Any) -> str:
    path: list[str] = []
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return "nothing"
        key = rng.choice(keys)
        path.append(str(key))
        if isinstance(value[key], dict | list) and value[key] and rng.random() < 0.75:
            value = value[key]
            continue
        return f"{'.'.join(path)} {_changed_at(rng, value, key)}"


def _changed_at(rng: random.Random, value: Any, key: Any) -> str:
    if rng.random() < 0.15:
        del value[key]
        return "missing"
    number = rng.randrange(len(STRANGE))
    value[key] = STRANGE[number]()
    return f"= {repr(value[key])[:40]}"
