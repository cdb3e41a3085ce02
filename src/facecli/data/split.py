"""Train, validation and test by group: a pure function of the files and the seed.

Groups are dealt out stratum by stratum (age decade x gender x race, and emotion where there
is one, of the group's first row), in an order that only their content and the seed decide.
Neither the order of the rows nor the place of the folder matters. A published division is
kept: what it tests on is the test split.
"""

import hashlib
from collections.abc import Hashable

import pandas as pd

from facecli.core.attributes import MISSING, age_group_id

SHARES = {"test": 0.1, "val": 0.1}
"""Share of each split but "train", which takes the rest."""


def split_groups(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Adds the column `split` ("train", "val" or "test").

    Args:
        frame: rows with `sha256`, `group`, `age_years`, `gender`, `race`, maybe `emotion` and
            `published_split` ("train" or "test").
        seed: another seed deals out the groups otherwise.

    Returns:
        The rows in their order. A group lies in one split. An empty table stays empty.
    """
    if frame.empty:
        return frame.assign(split=pd.Series(dtype=str))
    published = frame["published_split"].eq("test") if "published_split" in frame else None
    tested = set() if published is None else set(frame["group"][published])
    groups = _groups(frame[~frame["group"].isin(tested)], seed)
    names = dict.fromkeys(tested, "test")
    debt = {name: 0.0 for name in SHARES if name != "test" or not tested}
    for _, stratum in groups.groupby("stratum", sort=True):
        names.update(_deal(stratum, debt))
    return frame.assign(split=frame["group"].map(names))


def split_digest(frame: pd.DataFrame) -> str:
    """Hex sha256 over the sorted (picture, split) pairs: equal digests, equal splits."""
    pairs = sorted(set(zip(frame["sha256"], frame["split"], strict=True)))
    return hashlib.sha256("\n".join(f"{key} {name}" for key, name in pairs).encode()).hexdigest()


def _groups(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A row a group, in dealing order: key (smallest hash), size, stratum."""
    ordered = frame.sort_values("sha256", kind="stable")
    first = ordered.groupby("group", sort=False).first()
    groups = pd.DataFrame({"key": first["sha256"], "size": ordered.groupby("group", sort=False).size()})
    decades = [MISSING if age == MISSING else age_group_id(age) for age in first["age_years"]]
    columns = [decades, *(first[name] for name in ("gender", "race", "emotion") if name in first)]
    groups["stratum"] = ["-".join(map(str, labels)) for labels in zip(*columns, strict=True)]
    draws = [hashlib.sha256(f"{seed} {key}".encode()).hexdigest() for key in groups["key"]]
    return groups.assign(draw=draws).sort_values("draw")


def _deal(stratum: pd.DataFrame, debt: dict[str, float]) -> dict[Hashable, str]:
    """Group -> split. What a small stratum cannot give is owed by the next (`debt`, in rows)."""
    for name in debt:
        debt[name] += SHARES[name] * stratum["size"].sum()
    names = {}
    for group, size in stratum["size"].items():
        owed = max(debt, key=debt.__getitem__)
        name = owed if debt[owed] >= size / 2 else "train"
        if name != "train":
            debt[name] -= size
        names[group] = name
    return names
