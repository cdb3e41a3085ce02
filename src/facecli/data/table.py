"""UTKFace's file names become a table of labels.

A name reads `age_gender_race_date.jpg.chip.jpg` (https://susanqq.github.io/UTKFace/). Three
names of the public set lack the race: their rows stay, with a missing label.
"""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from facecli.images import find_images
from facecli.labels import GENDERS, MAX_AGE_YEARS, MISSING, RACES

COLUMNS = ("file", "sha256", "age_years", "gender", "race")
_STEM = re.compile(r"^(?P<labels>\d+(?:_\d+)*)_(?P<date>\d{8,})\D*$")


@dataclass(frozen=True)
class Table:
    """Labelled pictures, and what was left out with its reason.

    `frame` has the columns COLUMNS: `file` relative to the folder with forward slashes,
    whole-number labels, -1 where one is missing. Sorted by file; maybe empty.
    """

    frame: pd.DataFrame
    problems: list[tuple[str, str]] = field(default_factory=list)


def read_utkface(folder: Path) -> Table:
    """Reads every picture below a folder.

    Pictures whose names are malformed, and files that cannot be read, are listed in
    `problems`; a folder without pictures gives an empty table.
    """
    rows, problems = [], []
    files = find_images(folder)
    with ThreadPoolExecutor() as pool:
        for path, digest in zip(files, pool.map(_digest, files), strict=True):
            file = path.relative_to(folder).as_posix()
            try:
                labels = parse_utkface_name(path.name)
            except ValueError as error:
                problems.append((file, str(error)))
                continue
            if not digest:
                problems.append((file, "cannot be read"))
                continue
            rows.append((file, digest, *labels))
    return Table(pd.DataFrame(rows, columns=list(COLUMNS)), problems)


def parse_utkface_name(name: str) -> tuple[int, int, int]:
    """(age_years, gender, race) of a file name; race is -1 when the name has none.

    Raises ValueError with the reason when the name is malformed.
    """
    match = _STEM.match(name.split(".", 1)[0])
    if not match:
        raise ValueError("not of the form age_gender_race_date")
    labels = [int(label) for label in match["labels"].split("_")]
    if len(labels) == 2:
        labels.append(MISSING)
    if len(labels) != 3:
        raise ValueError(f"{len(labels)} labels instead of 3")
    age, gender, race = labels
    if not 0 <= age <= MAX_AGE_YEARS:
        raise ValueError(f"age {age} is not in 0..{MAX_AGE_YEARS}")
    if gender not in range(len(GENDERS)):
        raise ValueError(f"gender {gender} is not 0 or 1")
    if race not in (MISSING, *range(len(RACES))):
        raise ValueError(f"race {race} is not in 0..{len(RACES) - 1}")
    return age, gender, race


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
