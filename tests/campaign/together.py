"""Kinds whose cases are files that one command takes many of: far faster, and a fault is halved down."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from campaign.bench import Bench
from campaign.case import Tried, random_of
from campaign.child import Ended, Limits
from campaign.judge import NOISE, USUAL, Expected, faults_of

OWN_MODELS = "saved_model"
"""A folder of this name in FACECLI_HOME holds the user's own models."""
Make = Callable[[random.Random, Path], str]
"""Writes the files of a case; the path lacks its suffix. Says how it was made."""


@dataclass(frozen=True)
class FileKind:
    """A `case.Kind` of files.

    Attributes:
        make: writes a case.
        command: the words for a folder of cases.
        look: what else is wrong, given how the command ended, the folder, and the number of cases.
        place: the folder's name, perhaps OWN_MODELS.
        seconds: that a command may take, and as much again for every ten cases.
    """

    name: str
    about: str
    together: int
    make: Make
    command: Callable[[Path], list[str]]
    look: Callable[[Ended, Path, int], list[str]] = lambda ended, folder, count: []
    seconds: float = 60.0
    expected: Expected = USUAL
    place: str = "in"

    def tried(self, bench: Bench, numbers: range) -> Iterator[Tried]:
        """All in one command; where that has a fault, each half anew.

        Which file a library speaks of is not searched for.
        """
        whole = self._tried_together(bench, numbers)
        if not whole.broke or len(numbers) == 1:
            yield whole
            return
        middle = len(numbers) // 2
        parts = [*self.tried(bench, numbers[:middle]), *self.tried(bench, numbers[middle:])]
        yield from parts
        if not any(part.faults for part in parts):
            yield replace(whole, how=f"{whole.how}, bad only together")

    def _tried_together(self, bench: Bench, numbers: range) -> Tried:
        with bench.folder() as folder:
            cases = folder / self.place
            cases.mkdir()
            hows = [
                self.make(random_of(bench.seed, self.name, number), cases / f"{number:06d}")
                for number in numbers
            ]
            words = self.command(cases)
            limits = Limits(self.seconds * (1 + len(numbers) / 10))
            home = folder if self.place == OWN_MODELS else None
            ended = bench.facecli(*words, cwd=folder, limits=limits, home=home)
            faults = [*faults_of(ended, self.expected)]
            if all(fault.startswith(NOISE) for fault in faults):
                faults += self.look(ended, cases, len(numbers))
        how = hows[0] if len(hows) == 1 else f"{len(hows)} cases"
        return Tried(self.name, numbers, how, ("facecli", *words), tuple(faults))
