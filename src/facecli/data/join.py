"""Several data sets become one training table; the first one's splits stay what they are alone."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from facecli.labels import LABEL_COLUMNS, MISSING

log = logging.getLogger(__name__)


def join_tables(tables: Sequence[tuple[Path, pd.DataFrame]]) -> pd.DataFrame:
    """Puts grouped and split tables below each other.

    A picture that recurs byte for byte in a later table is left out there: its labels in the
    first are kept, and what one set tests on is not trained on through another. Near-duplicates
    are looked for within a set only.

    Args:
        tables: (folder, frame) of each set, frames with `file`, `sha256`, `group`, `split` and
            whatever labels they have. The first folder is what the result's files are relative to.

    Returns:
        The rows of all tables in their order, a label that a set does not have being -1. Files
        of later tables are absolute. Groups of different tables differ.
    """
    joined, seen, first_group = [], set(), 0
    for number, (folder, frame) in enumerate(tables):
        kept = frame[~frame["sha256"].isin(seen)] if number else frame
        if len(kept) < len(frame):
            log.info("%s: %d pictures are known already", folder, len(frame) - len(kept))
        kept = kept.assign(group=kept["group"] + first_group)
        if number:
            kept["file"] = [str(folder.resolve() / file) for file in kept["file"]]
        joined.append(kept)
        seen.update(frame["sha256"])
        first_group += int(frame["group"].max()) + 1 if len(frame) else 0
    return _whole_labels(pd.concat(joined, ignore_index=True))


def _whole_labels(frame: pd.DataFrame) -> pd.DataFrame:
    labels = [*LABEL_COLUMNS.values(), "age_low", "age_high"]
    known = {name: frame[name].fillna(MISSING).astype(np.int64) for name in labels if name in frame}
    return frame.assign(**known)
