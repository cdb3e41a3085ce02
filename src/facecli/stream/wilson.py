"""How sure a share of a few people is."""

import math

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
