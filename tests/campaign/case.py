"""What is tried and what came of it."""

import abc
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from campaign.bench import Bench
from campaign.judge import NOISE

Outcome = tuple[str, Iterable[str], Iterable[str]]
"""How a case was made, the words of its command without the first, and what was wrong."""


@dataclass(frozen=True)
class Tried:
    """One case, or several in one command where only all together show a fault.

    Attributes:
        kind: name of the kind.
        numbers: of the cases.
        how: how the input was made.
        command: what was run, as words.
        faults: what was wrong, each on one line; () when all was as documented.
    """

    kind: str
    numbers: range
    how: str
    command: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def broke(self) -> bool:
        """Was there a fault of facecli, and not only a library that spoke?"""
        return not all(fault.startswith(NOISE) for fault in self.faults)

    @property
    def name(self) -> str:
        """As `--case` takes it: "pictures:17", or "pictures:0-199"."""
        first, last = self.numbers[0], self.numbers[-1]
        return f"{self.kind}:{first}" if first == last else f"{self.kind}:{first}-{last}"


class Kind(Protocol):
    """Makes cases of one kind and tries them."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str:
        """What is tried, for the table."""
        ...

    @property
    def together(self) -> int:
        """How many cases are best tried in one go."""
        ...

    def tried(self, bench: Bench, numbers: range) -> Iterator[Tried]:
        """Tries the cases of these numbers."""
        ...


def random_of(seed: int, kind: str, number: int) -> random.Random:
    """The only source of chance of a case."""
    return random.Random(f"{seed}/{kind}/{number}")


def parse_name(text: str) -> tuple[str, range]:
    """The kind and numbers of "pictures:17" or "pictures:0-199". Raises ValueError."""
    kind, _, numbers = text.partition(":")
    first, _, last = numbers.partition("-")
    return kind, range(int(first), int(last or first) + 1)


class OneByOne(abc.ABC):
    """A kind whose cases have a folder and a command each."""

    name: str
    about: str
    together: int

    @abc.abstractmethod
    def outcome(self, rng: random.Random, bench: Bench, folder: Path) -> Outcome:
        """Makes a case in an empty folder and tries it."""

    def tried(self, bench: Bench, numbers: range) -> Iterator[Tried]:
        """See `Kind.tried`."""
        for number in numbers:
            rng = random_of(bench.seed, self.name, number)
            with bench.folder() as folder:
                how, words, faults = self.outcome(rng, bench, folder)
            command, told = ("facecli", *words), tuple(dict.fromkeys(faults))
            yield Tried(self.name, range(number, number + 1), how, command, told)
