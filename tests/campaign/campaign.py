"""The campaign: kinds take turns until the time is over."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from campaign.bench import Bench
from campaign.case import Kind, Tried


@dataclass
class Tally:
    """What came of one kind.

    Attributes:
        cases: how many were tried.
        seconds: that they took.
        finds: those with faults.
    """

    kind: Kind
    share: int
    cases: int = 0
    seconds: float = 0.0
    finds: list[Tried] = field(default_factory=list)

    @property
    def broken(self) -> int:
        """How many cases had a fault of facecli's."""
        return sum(find.broke for find in self.finds)


def run_campaign(
    bench: Bench, kinds: Sequence[tuple[Kind, int]], seconds: float, told: Callable[[Tried], None]
) -> list[Tally]:
    """Tries cases from number 0 on, of each kind by its share of the time.

    Args:
        bench: where, and with which seed.
        kinds: each with its share.
        seconds: the last go begins before they are over.
        told: called with each find.
    """
    tallies = [Tally(kind, share) for kind, share in kinds]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        tally = min(tallies, key=lambda tally: tally.seconds / tally.share)
        _take_turn(bench, tally, told)
    return tallies


def _take_turn(bench: Bench, tally: Tally, told: Callable[[Tried], None]) -> None:
    began = time.monotonic()
    numbers = range(tally.cases, tally.cases + tally.kind.together)
    for tried in tally.kind.tried(bench, numbers):
        if tried.faults:
            tally.finds.append(tried)
            told(tried)
    tally.cases += len(numbers)
    tally.seconds += time.monotonic() - began
