"""Faces for panels."""

import numpy as np

from facecli.core.attributes import RACES_7
from facecli.core.faces import Face

YEARS = np.arange(117)
CURVE = np.exp(-0.5 * ((YEARS - 40) / 6) ** 2)
DISTRIBUTION = tuple((CURVE / CURVE.sum()).tolist())
GENDER = {"male": 0.25, "female": 0.75}
RACE = {"white": 0.6, "black": 0.1, "asian": 0.1, "indian": 0.1, "other": 0.1}
EMOTION = dict.fromkeys(("angry", "disgust", "fear", "happy", "neutral", "sad"), 0.05) | {"surprise": 0.7}
RACE_7 = dict(zip(RACES_7, (0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1), strict=True))
FULL = Face((20, 30, 80, 90), 0.9, 40.0, (30, 50), GENDER, RACE, EMOTION, age_distribution=DISTRIBUTION)
BARE = Face((20, 30, 80, 90), 0.9)
