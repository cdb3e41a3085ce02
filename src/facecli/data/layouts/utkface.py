"""UTKFace: the file names carry the labels, https://susanqq.github.io/UTKFace/.

A name reads `age_gender_race_date.jpg.chip.jpg`. Three names of the public set lack the race: their rows
stay, with a missing label.
"""

import re
from pathlib import Path

from facecli.core.attributes import GENDERS, MAX_AGE_YEARS, MISSING, RACES
from facecli.core.images import find_images
from facecli.data.table import Layout, Table, build_table

_STEM = re.compile(r"^(?P<labels>\d+(?:_\d+)*)_(?P<date>\d{8,})\D*$")


def read_utkface(folder: Path) -> Table:
    """Reads every picture below a folder; malformed names are listed in `problems`.

    A folder without pictures gives an empty table.
    """
    rows, problems = [], []
    for path in find_images(folder):
        file = path.relative_to(folder).as_posix()
        try:
            rows.append({"file": file, **parse_utkface_name(path.name)})
        except ValueError as error:
            problems.append((file, str(error)))
    return build_table(folder, rows, problems, source="utkface")


def parse_utkface_name(name: str) -> dict[str, int]:
    """Labels `age_years`, `gender`, `race` of a file name; race is -1 when the name has none.

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
    return {"age_years": age, "gender": gender, "race": race}


LAYOUT = Layout(lambda folder: (folder, read_utkface(folder)), find=lambda folder: folder)
