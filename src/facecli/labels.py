"""Names and sizes of what the models predict: one place, used by every lane.

The class order is that of UTKFace's file names (https://susanqq.github.io/UTKFace/):
gender 0 male, 1 female; race 0 White, 1 Black, 2 Asian, 3 Indian, 4 Others.
"""

GENDERS = ("male", "female")
RACES = ("white", "black", "asian", "indian", "other")
RACES_7 = (
    "white", "black", "latino_hispanic", "east_asian", "southeast_asian", "indian", "middle_eastern",
)  # fmt: skip
"""FairFace's seven classes (https://github.com/joojs/fairface)."""
RACE_OF_7 = ("white", "black", "other", "asian", "asian", "indian", "other")
"""What each of RACES_7 is among RACES: the probability of a race is the sum over what folds into it."""
EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""FER2013's seven classes, in alphabetical order."""
PRESENCE = ("not_face", "face")
"""Whether a crop shows a face at all."""
MAX_AGE_YEARS = 116
"""Oldest age in UTKFace; the age head is a softmax over 0..116 years."""
AGE_CLASSES = MAX_AGE_YEARS + 1
CLASS_NAMES = {"gender": GENDERS, "race": RACES, "race_7": RACES_7, "emotion": EMOTIONS, "face": PRESENCE}
"""Head -> names of its classes; the age head's are the years."""
FINER_HEADS = {"race": "race_7"}
"""Head -> another whose classes divide its own further."""
FOLDS = {"race": RACE_OF_7}
"""Head -> for each class of its finer head the class of its own that it is part of."""
HEAD_CLASSES = {"age": AGE_CLASSES, **{head: len(names) for head, names in CLASS_NAMES.items()}}
"""Head name -> number of classes, in the order in which heads are built and shown."""
UTKFACE_HEADS = ("age", "gender", "race")
"""What UTKFace has labels for: the heads that are trained when nothing else is said."""
LABEL_COLUMNS = {"age": "age_years", **{head: head for head in CLASS_NAMES}}
"""Head -> column of its label in a data table."""
MISSING = -1
"""Value of a label that a row does not have; its loss and metrics are masked."""
AGE_GROUPS = (
    "0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90+",
)  # fmt: skip


def age_group_id(age_years: float) -> int:
    """Index into AGE_GROUPS of an age in years (decades; 90 and more are one group)."""
    return min(max(int(age_years) // 10, 0), len(AGE_GROUPS) - 1)


def age_group(age_years: float) -> str:
    """Name of the decade of an age in years, such as "20-29" or "90+"."""
    return AGE_GROUPS[age_group_id(age_years)]
