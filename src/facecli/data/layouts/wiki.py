"""WIKI faces: `wiki.mat` and its crops, https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/.

The ages come from a birth date and a year, the faces from a detector, so the usual filters
apply: one clear face, and an age that can be.
"""

from datetime import date
from pathlib import Path

import numpy as np

from facecli.core.arrays import Array
from facecli.core.attributes import MISSING
from facecli.core.errors import DataError
from facecli.data.table import Layout, Table, build_table

FILE = "wiki.mat"
MIN_FACE_SCORE = 1.0
AGES = range(1, 101)
_MATLAB_DAYS = 366
"""Matlab's day numbers start at year 0, Python's ordinals at year 1."""
_FIELDS = ("full_path", "dob", "photo_taken", "gender", "face_score", "second_face_score")


def read_wiki(mat: Path) -> Table:
    """Reads a `wiki.mat`; files are relative to its folder.

    Rows with no face, two faces, a score of at most MIN_FACE_SCORE, or an age outside AGES
    are listed in `problems`. There gender is 0 for women; NaN is a missing label.

    Raises DataError when the file is not such a table.
    """
    rows, problems = [], []
    for full_path, dob, photo_taken, gender, score, second_score in zip(*_fields(mat), strict=True):
        file = str(np.ravel(full_path)[0])
        age = age_in_years(dob, photo_taken)
        if reason := _unusable(score, second_score, age):
            problems.append((file, reason))
            continue
        female = MISSING if np.isnan(gender) else int(gender == 0)
        rows.append({"file": file, "age_years": age, "gender": female})
    return build_table(mat.parent, rows, problems, source="wiki")


def age_in_years(dob: float, photo_taken: float) -> int | None:
    """Age in the middle of the year of the picture, of one born on a Matlab day number."""
    ordinal = dob - _MATLAB_DAYS
    if not (1 <= ordinal <= date.max.toordinal() and np.isfinite(photo_taken)):
        return None
    born = date.fromordinal(int(ordinal))
    return int(photo_taken) - born.year - (born.month > 6)


def _unusable(score: float, second_score: float, age: int | None) -> str:
    if not np.isfinite(score):
        return "no face found"
    if not np.isnan(second_score):
        return "more than one face"
    if score <= MIN_FACE_SCORE:
        return f"face score not above {MIN_FACE_SCORE}"
    return "" if age in AGES else f"age not in {AGES.start}..{AGES.stop - 1}"


def _fields(mat: Path) -> list[Array]:
    # Imported here: only WIKI needs it.
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        record = loadmat(mat)[mat.stem][0, 0]
        fields = [np.ravel(record[name]) for name in _FIELDS]
    except (OSError, MatReadError, KeyError, IndexError, TypeError, ValueError, NotImplementedError) as error:
        raise DataError(f"{mat} is not the table of WIKI ({error}); download it again") from error
    return [fields[0], *(field.astype(float) for field in fields[1:])]


LAYOUT = Layout(lambda mat: (mat.parent, read_wiki(mat)), is_table=lambda name: name == FILE)
