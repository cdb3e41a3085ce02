"""How sure a share or a median of a few people is."""

import math
from collections.abc import Sequence
from statistics import median

Z_95 = 1.959964
"""The normal distribution has 95 % between minus and plus this."""
Z_90 = 1.644854
"""Likewise 90 %."""


def wilson_interval(hits: int, count: int, z: float = Z_95) -> tuple[float, float] | None:
    """The score interval of a share, which stays inside 0 to 1 and holds for few trials, too.

    E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22, 209-212.

    Args:
        hits: from 0 to `count`.
        count: trials; people here.
        z: quantile of the normal distribution.

    Returns:
        Low and high in [0, 1], with the share between them; None without trials.
    """
    if count == 0:
        return None
    share = hits / count
    centre = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    # Rounding would put the bound at 0 of 3 or 5 of 5 a hair on the wrong side of the share.
    return max(0.0, min(share, (centre - spread) / scale)), min(1.0, max(share, (centre + spread) / scale))


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
