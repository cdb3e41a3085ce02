"""Several data sets become one training table; the first one's splits stay what they are alone."""

import logging
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from facecli.data.groups import Fingerprints, shared_pictures
from facecli.labels import LABEL_COLUMNS, MISSING

log = logging.getLogger(__name__)

LEFT_OUT = "left_out"
"""Split of rows that are neither trained nor judged by."""


def join_tables(
    tables: Sequence[tuple[Path, pd.DataFrame]], prints: Sequence[Fingerprints] = ()
) -> pd.DataFrame:
    """Puts grouped and split tables below each other.

    A picture that recurs byte for byte in a later table is left out there: its labels in the
    first are kept. So that what one set tests on is not trained on through another, training rows
    that show a photograph which another set validates or tests on get the split "left_out"; every set
    keeps its own validation and test rows.

    Args:
        tables: (folder, frame) of each set, frames with `file`, `sha256`, `group`, `split` and
            whatever labels they have. The first folder is what the result's files are relative to.
        prints: fingerprints of the sets, in the same order; without them only equal files are known.

    Returns:
        The rows of all tables in their order, a label that a set does not have being -1. Files
        of later tables are absolute. Groups of different tables differ.
    """
    joined, first_group = [], 0
    seen: set[str] = set()
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
    return _untangled(whole_labels(pd.concat(joined, ignore_index=True)), prints)


def _untangled(frame: pd.DataFrame, prints: Sequence[Fingerprints]) -> pd.DataFrame:
    """Training rows whose photograph another set validates or tests on are left out."""
    judged = set(frame["sha256"][frame["split"].isin(["val", "test"])])
    out: set[str] = set()
    for one, other in combinations(prints, 2):
        for left, right in zip(*shared_pictures(one, other), strict=True):
            out.update({left} if right in judged else (), {right} if left in judged else ())
    tangled = frame["sha256"].isin(out) & (frame["split"] == "train")
    if not tangled.any():
        return frame
    log.info("%d training pictures show what another set is judged by; they are left out", tangled.sum())
    return frame.assign(split=frame["split"].where(~tangled, LEFT_OUT))


def whole_labels(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with whole numbers for labels, -1 where a set that lacks a column left a gap."""
    labels = [*LABEL_COLUMNS.values(), "age_low", "age_high"]
    known = {name: frame[name].fillna(MISSING).astype(np.int64) for name in labels if name in frame}
    return frame.assign(**known)
