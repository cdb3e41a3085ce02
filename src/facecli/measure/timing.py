"""How long something takes: medians, because other programs run too."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Timing(NamedTuple):
    """Milliseconds: the median, and the middle half of the repetitions."""

    median_ms: float
    low_ms: float
    high_ms: float

    def to_json(self) -> dict[str, float]:
        """Rounded to microseconds."""
        return {name: round(value, 3) for name, value in self._asdict().items()}


def timing_of(seconds: Sequence[float]) -> Timing:
    """Of at least one repetition."""
    milliseconds = sorted(1000 * value for value in seconds)
    low, _, high = statistics.quantiles(milliseconds, n=4) if len(milliseconds) > 1 else milliseconds * 3
    return Timing(statistics.median(milliseconds), low, high)


def measure(
    function: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> Timing:
    """Calls it once to warm up, then `repeats` times."""
    function()
    seconds = []
    for _ in range(repeats):
        start = clock()
        function()
        seconds.append(clock() - start)
    return timing_of(seconds)
