"""The median of some people's ages, and how sure it is."""

import math
from collections.abc import Sequence
from statistics import median


def median_interval(
    values: Sequence[float], level: float = 0.9
) -> tuple[float, tuple[float, float] | None] | None:
    """The median and the interval between two of the values that holds the crowd's median.

    The number of values below the true median is binomial with 1/2: no shape of the ages is supposed
    (H. A. David, H. N. Nagaraja (2003), "Order Statistics", section 7.1).

    Returns:
        The interval is None when even the smallest and the largest value hold less than `level`
        between them (fewer than five values, for 0.9). None without values.
    """
    if not values:
        return None
    ordered, count = sorted(values), len(values)
    middle = float(median(ordered))
    outside = (1 - level) / 2
    # The largest rank r (from 0) with P(Binomial(count, 1/2) <= r) <= outside.
    rank, below = -1, 0.0
    while below + (share := _binomial(count, rank + 1)) <= outside:
        below += share
        rank += 1
    if rank < 0:
        return middle, None
    return middle, (float(ordered[rank]), float(ordered[count - 1 - rank]))


def _binomial(count: int, hits: int) -> float:
    """P(Binomial(count, 1/2) = hits), also of millions."""
    choices = math.lgamma(count + 1) - math.lgamma(hits + 1) - math.lgamma(count - hits + 1)
    return math.exp(choices - count * math.log(2))
