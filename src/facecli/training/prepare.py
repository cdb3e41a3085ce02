"""A data set becomes what training and evaluation need: a grouped, split table and its crops."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from facecli.crops import WHOLE_CHIP_MARGIN
from facecli.data.batches import load_crops
from facecli.data.groups import add_groups
from facecli.data.sources import open_dataset
from facecli.data.split import split_digest, split_groups

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedData:
    """A table with the columns `group` and `split`, the folder of its files, the split's digest."""

    folder: Path
    frame: pd.DataFrame
    digest: str

    def rows(self, split: str) -> np.ndarray:
        """Positions of the rows of a split ("train", "val", "test"), or of all ("all")."""
        wanted = (
            np.ones(len(self.frame), bool) if split == "all" else (self.frame["split"] == split).to_numpy()
        )
        return np.flatnonzero(wanted)

    def crops(self, image_size: tuple[int, int], margin: float = WHOLE_CHIP_MARGIN) -> np.ndarray:
        """(n, h, w, 3) uint8 RGB, a row for each row of the table."""
        return load_crops(self.frame, self.folder, image_size, margin)


def prepare_data(path: Path, seed: int, limit: int | None = None) -> PreparedData:
    """Opens a data set, groups its duplicates and splits it.

    Args:
        path: folder or archive.
        seed: decides the split, together with the files.
        limit: keep that many random rows (a quick try); the digest is then of those.

    Raises:
        DataError: nothing to use there.
    """
    folder, table = open_dataset(path)
    if table.problems:
        log.warning("%d files left out, see 'facecli data check %s'", len(table.problems), path)
    frame, conflicts = add_groups(table.frame, folder)
    if conflicts:
        log.info("%d groups of identical files disagree on a label", len(conflicts))
    if limit and limit < len(frame):
        frame = frame.sample(limit, random_state=seed).sort_index().reset_index(drop=True)
    frame = split_groups(frame, seed)
    return PreparedData(folder, frame, split_digest(frame))
