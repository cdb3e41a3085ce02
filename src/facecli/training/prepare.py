"""A data set becomes what training and evaluation need: a grouped, split table and its crops."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from facecli.crops import WHOLE_CHIP_MARGIN
from facecli.data.batches import load_crops
from facecli.data.groups import add_groups
from facecli.data.join import join_tables
from facecli.data.sources import open_dataset
from facecli.data.split import split_digest, split_groups
from facecli.labels import PRESENCE

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedData:
    """A table with the columns `group` and `split`, and the folder of its files.

    `digest` is of the first data set's split, which has the first `first_rows` rows (None: all);
    `extra` holds name -> split digest of all others.
    """

    folder: Path
    frame: pd.DataFrame
    digest: str
    extra: Mapping[str, str] = field(default_factory=dict)
    first_rows: int | None = None

    def first(self) -> "PreparedData":
        """The first data set alone: what models are measured on."""
        return replace(self, frame=self.frame.iloc[: self.first_rows], extra={})

    def rows(self, split: str) -> np.ndarray:
        """Positions of the rows of a split ("train", "val", "test"), or of all ("all")."""
        wanted = (
            np.ones(len(self.frame), bool) if split == "all" else (self.frame["split"] == split).to_numpy()
        )
        return np.flatnonzero(wanted)

    def crops(self, image_size: tuple[int, int], margin: float = WHOLE_CHIP_MARGIN) -> np.ndarray:
        """(n, h, w, 3) uint8 RGB, a row for each row of the table."""
        return load_crops(self.frame, self.folder, image_size, margin)


def prepare_data(path: Path, seed: int, limit: int | None = None, extra: Sequence[Path] = ()) -> PreparedData:
    """Opens data sets, groups their duplicates and splits them.

    Args:
        path: folder or archive of the set that models are measured on.
        seed: decides the splits, together with the files.
        limit: keep that many random rows of each set (a quick try); digests are then of those.
        extra: further sets of any known layout to learn from; what they have no labels for is
            missing. They leave the split of the first set as it is.

    Raises:
        DataError: nothing to use there.
    """
    tables = [_prepare_one(place, seed, limit) for place in (path, *extra)]
    digests = [split_digest(frame) for _, frame in tables]
    names = [folder.name for folder, _ in tables]
    frame = join_tables(tables)
    others = dict(zip(names[1:], digests[1:], strict=True))
    return PreparedData(tables[0][0], frame, digests[0], others, len(tables[0][1]))


def _prepare_one(path: Path, seed: int, limit: int | None) -> tuple[Path, pd.DataFrame]:
    folder, table = open_dataset(path)
    if table.problems:
        log.warning("%d files left out, see 'facecli data check %s'", len(table.problems), path)
    # Every known data set is of faces, but for the one that says it is not.
    frame = table.frame if "face" in table.frame else table.frame.assign(face=PRESENCE.index("face"))
    frame, conflicts = add_groups(frame, folder)
    if conflicts:
        log.info("%d groups of identical files disagree on a label", len(conflicts))
    if limit and limit < len(frame):
        frame = frame.sample(limit, random_state=seed).sort_index().reset_index(drop=True)
    return folder, split_groups(frame, seed)
