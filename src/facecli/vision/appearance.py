"""Is it still the same person? What the model says of two faces, as a distance.

The shipped networks give no embedding; what they say of age, gender and race stands in for it.
"""

import numpy as np

from facecli.faces import Face

_LASTING_HEADS = "gender", "race"
_OTHER_AGE_YEARS = 30.0


def distance(one: Face, other: Face) -> float:
    """How different two faces are, in [0, 1]; 0 without a head that both know.

    The mean of the Hellinger distances of gender and race and of the difference in age, 30 years
    and more being 1.
    """
    parts = []
    for head in _LASTING_HEADS:
        ones, others = one.probabilities(head), other.probabilities(head)
        if ones and others:
            shared = sum(np.sqrt(max(ones[name] * others.get(name, 0.0), 0.0)) for name in ones)
            parts.append(float(np.sqrt(max(1 - shared, 0.0))))
    if one.age_years is not None and other.age_years is not None:
        parts.append(min(abs(one.age_years - other.age_years) / _OTHER_AGE_YEARS, 1.0))
    return sum(parts) / len(parts) if parts else 0.0
