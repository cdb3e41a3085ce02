"""FairFace: `fairface_label_*.csv` beside its pictures, https://github.com/joojs/fairface.

Its ages are bins. A bin is no age, so `age_years` stays missing; the bounds lie in `age_low`
and `age_high` (both within the bin). Its seven races are `race_7`, and fold into UTKFace's five.
"""

import logging
import re
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd

from facecli.core.attributes import GENDERS, MAX_AGE_YEARS, RACE_OF_7, RACES, RACES_7
from facecli.core.errors import DataError
from facecli.data.table import Layout, Table, build_table

log: logging.Logger = logging.getLogger(__name__)

PATTERN = "fairface_label_*.csv"
_DATES = {"3-sep": "3-9", "03-sep": "3-9", "oct-19": "10-19", "19-oct": "10-19"}
"""What spreadsheets make of two of the bins, in lower case."""
_BIN = re.compile(r"(\d+)-(\d+)$")


def read_fairface(tables: list[Path]) -> Table:
    """Reads label files that lie in one folder; files are relative to it.

    Rows with an unknown bin, gender or race are listed in `problems`.

    Raises DataError when a file is not such a table.
    """
    rows, problems, dates = [], [], 0
    for path in tables:
        for file, age, gender, race in _read_csv(path).itertuples(index=False, name=None):
            bin_ = _DATES.get(age.lower(), age)
            dates += bin_ != age
            try:
                rows.append({"file": file, **_labels(bin_, gender, race)})
            except ValueError as error:
                problems.append((file, str(error)))
    if dates:
        log.warning("%s: %d ages were turned into dates by a spreadsheet; read as 3-9 and 10-19", path, dates)
    return build_table(tables[0].parent, rows, problems, source="fairface")


def age_bounds(text: str) -> tuple[int, int]:
    """(youngest, oldest) age of a bin such as "3-9" or "more than 70".

    Raises ValueError for anything else.
    """
    if text.lower() in ("more than 70", "70+"):
        return 70, MAX_AGE_YEARS
    if not (match := _BIN.match(text)) or int(match[1]) > int(match[2]):
        raise ValueError(f"unknown age bin '{text}'")
    return int(match[1]), int(match[2])


def _labels(age_bin: str, gender: str, race: str) -> dict[str, int]:
    low, high = age_bounds(age_bin)
    known_gender, known_race = gender.lower(), race.lower().replace(" ", "_")
    if known_gender not in GENDERS:
        raise ValueError(f"unknown gender '{gender}'")
    if known_race not in RACES_7:
        raise ValueError(f"unknown race '{race}'")
    race_7 = RACES_7.index(known_race)
    return {
        "gender": GENDERS.index(known_gender),
        "race": RACES.index(RACE_OF_7[race_7]),
        "race_7": race_7,
        "age_low": low,
        "age_high": high,
    }


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)[["file", "age", "gender", "race"]]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is not FairFace's label table ({error}); download it again") from error


LAYOUT = Layout(
    lambda table: (table.parent, read_fairface(sorted(table.parent.glob(PATTERN)))),
    is_table=lambda name: fnmatch(name, PATTERN),
)
