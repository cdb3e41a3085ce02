"""Pictures that show the same photograph, and how they are split: no photograph lies on two sides.

The same are byte-identical files and near-duplicates.

Near-duplicates are found with a 64-bit difference hash (dHash: the sign of the grey steps
between neighbours of a 9x8 thumbnail) and confirmed on a 32x32 grey thumbnail: at most
HASH_BITS differing bits and a correlation of at least CORRELATION. Both bounds were set by
looking at the pairs they merge in UTKFace (other crops, colours, watermarks of one photograph);
the hash alone merges different people. A wrong merge costs little: it ties two people to one
split.

Train, validation and test are then dealt out by group, a pure function of the files and the seed: stratum by
stratum (age decade x gender x race, and emotion where there is one, of the group's first row), in an order
that only their content and the seed decide. Neither the order of the rows nor the place of the folder
matters. A published division is kept: what it tests on is the test split.

Of training rows only, and from the counts that these show, rare age decades are then heard more often, or
crowded ones less.
"""

import hashlib
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from facecli.core import paths
from facecli.core.arrays import Array
from facecli.core.attributes import MISSING, age_group_id
from facecli.core.console import with_bar
from facecli.core.errors import InputError
from facecli.core.recipes import LEFT_OUT, REBALANCINGS

HASH_BITS = 12
CORRELATION = 0.96
THUMBNAIL = 32
LABELS = ("age_years", "gender", "race")
_BLOCK = 2048
METHODS = REBALANCINGS
MAX_REPEATS = 4.0
"""A row is seen at most that often in an epoch; more would be learnt by heart."""
MAX_WEIGHT = 3.0
"""Bounds a weight before normalisation, from above and (its inverse) from below."""


@dataclass(frozen=True)
class Conflict:
    """Byte-identical files whose names disagree, and what they are now all taken for."""

    files: tuple[str, ...]
    label: str
    values: tuple[int, ...]
    resolved: int


@dataclass(frozen=True)
class Fingerprints:
    """What pictures are compared by, a row for each different file.

    Attributes:
        sha256: (n,) hex digests, sorted.
        thumbnails: (n, 32, 32) grey uint8.
        group: (n,) int64, equal for pictures that show the same photograph.
    """

    sha256: Array
    thumbnails: Array
    group: Array

    @property
    def bits(self) -> Array:
        """(n, 64) bool, the difference hashes."""
        return dhash_bits(self.thumbnails)


def fingerprints(frame: pd.DataFrame, folder: Path, cache: Path | None = None) -> Fingerprints:
    """Reads and compares the pictures of a table, once: what was found is kept on disk.

    Args:
        frame: rows with `file` and `sha256`.
        folder: what `file` is relative to.
        cache: folder of what is kept; facecli's cache folder by default.
    """
    unique, first = np.unique(frame["sha256"].to_numpy(str), return_index=True)
    key = hashlib.sha256(f"{HASH_BITS} {CORRELATION} {THUMBNAIL} {' '.join(unique)}".encode()).hexdigest()
    store = (cache or paths.cache_dir() / "groups") / f"{key[:24]}.npz"
    if store.is_file():
        with np.load(store, allow_pickle=False) as kept:
            return Fingerprints(unique, kept["thumbnails"], kept["group"])
    thumbnails = _thumbnails([folder / file for file in frame["file"].iloc[first]])
    group = _components(len(unique), near_duplicates(dhash_bits(thumbnails), thumbnails))
    with paths.replacing(store) as temporary, open(temporary, "wb") as file:
        np.savez(file, thumbnails=thumbnails, group=group)
    return Fingerprints(unique, thumbnails, group)


def shared_pictures(first: Fingerprints, second: Fingerprints) -> tuple[Array, Array]:
    """Digests of `first` and of `second`, pair by pair, that show the same photograph, (k,) each."""
    count = len(first.sha256)
    thumbnails = np.concatenate([first.thumbnails, second.thumbnails])
    pairs = near_duplicates(dhash_bits(thumbnails), thumbnails, across=count)
    return first.sha256[pairs[:, 0]], second.sha256[pairs[:, 1] - count]


def add_groups(frame: pd.DataFrame, folder: Path) -> tuple[pd.DataFrame, list[Conflict]]:
    """Adds the columns `dhash` and `group`, and settles conflicting labels.

    Args:
        frame: rows with `file`, `sha256` and labels; rows of one `photograph`, where there is such a column,
            are of one group, whatever part of it they show.
        folder: what `file` is relative to.

    Returns:
        The rows in their order, without `photograph`, and the conflicts that were found. Rule: byte-identical
        files get the (lower) median of their known ages and the most frequent known gender
        and race, the smaller class id on a tie. Near-duplicates keep their own labels.
    """
    if frame.empty:
        return frame.assign(dhash=np.zeros(0, np.uint64), group=np.zeros(0, np.int64)), []
    found = fingerprints(frame, folder)
    position = np.searchsorted(found.sha256, frame["sha256"].to_numpy(str))
    hashes = np.packbits(found.bits, axis=1).view(">u8").astype(np.uint64)[:, 0]
    group = found.group[position]
    if "photograph" in frame:
        group = _tied(group, frame["photograph"].to_numpy())
        frame = frame.drop(columns="photograph")
    return _settle(frame.assign(dhash=hashes[position], group=group))


def dhash_bits(thumbnails: Array) -> Array:
    """(n, 32, 32) grey uint8 -> (n, 64) bool: is a cell brighter than its left neighbour?"""
    small = [cv2.resize(image, (9, 8), interpolation=cv2.INTER_AREA) for image in thumbnails]
    cells = np.asarray(small, np.int16).reshape(len(thumbnails), 8, 9)
    return (cells[:, :, 1:] > cells[:, :, :-1]).reshape(len(cells), 64)


def near_duplicates(bits: Array, thumbnails: Array, across: int | None = None) -> Array:
    """(k, 2) positions, first below second, of pictures that pass both bounds.

    With `across` only pairs of which the first is one of that many, and the second is not.
    """
    signs = np.where(bits, np.float32(1), np.float32(-1))
    flat = thumbnails.reshape(len(thumbnails), THUMBNAIL * THUMBNAIL).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    found = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(signs) if across is None else across, _BLOCK):
        stop = start + _BLOCK if across is None else min(start + _BLOCK, across)
        others = start if across is None else across
        # Agreeing minus differing bits is a dot product of signs.
        close = signs[start:stop] @ signs[others:].T >= bits.shape[1] - 2 * HASH_BITS
        left, right = np.nonzero(np.triu(close, 1) if across is None else close)
        left, right = left + start, right + others
        same = np.einsum("ij,ij->i", flat[left], flat[right]) >= CORRELATION
        found.append(np.stack([left[same], right[same]], axis=1))
    return np.concatenate(found)


def _thumbnails(files: list[Path]) -> Array:
    with ThreadPoolExecutor() as pool:
        found = list(with_bar(pool.map(_thumbnail, files), "looking for duplicates", len(files)))
    return np.stack(found) if found else np.zeros((0, THUMBNAIL, THUMBNAIL), np.uint8)


def _thumbnail(path: Path) -> Array:
    """(32, 32) grey uint8; a picture that cannot be decoded gives noise of its own.

    Reduced decoding, no EXIF: a hash needs neither.
    """
    data = np.frombuffer(path.read_bytes(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_REDUCED_GRAYSCALE_4) if data.size else None
    if image is None:
        seed = np.frombuffer(path.name.encode(), np.uint8)
        return np.random.default_rng(seed).integers(0, 256, (THUMBNAIL, THUMBNAIL), np.uint8)
    return cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)


def _components(count: int, pairs: Array) -> Array:
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(links, directed=False)[1].astype(np.int64)


def _tied(group: Array, photograph: Array) -> Array:
    """(n,) groups of which those with a photograph in common are one."""
    groups, photographs = (np.unique(one, return_inverse=True)[1] for one in (group, photograph))
    links = np.stack([groups, photographs + groups.max() + 1], axis=1)
    return _components(int(links.max()) + 1, links)[groups]


def _settle(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Conflict]]:
    frame, conflicts = frame.copy(), []
    for _, same in frame[frame.duplicated("sha256", keep=False)].groupby("sha256"):
        for label in LABELS:
            known = sorted(value for value in same[label] if value != MISSING)
            if not known:
                continue
            resolved = known[(len(known) - 1) // 2] if label == "age_years" else max(known, key=known.count)
            if known[0] != known[-1]:
                values = tuple(int(value) for value in same[label])
                conflicts.append(Conflict(tuple(same["file"]), label, values, int(resolved)))
            frame.loc[same.index, label] = resolved
    return frame, conflicts


SHARES = {"test": 0.1, "val": 0.1}
"""Share of each split but "train", which takes the rest."""


def split_groups(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Adds the column `split` ("train", "val" or "test").

    Args:
        frame: rows with `sha256`, `group`, `age_years`, `gender`, `race`, maybe `emotion` and
            `published_split` ("train", "val" or "test"; anything else for none).
        seed: another seed deals out the groups otherwise.

    Returns:
        The rows in their order. A group lies in one split: in "test" if one of its rows was published so,
        else in "val" if one was. Where no row was published as "test", or as "val", a share of the other
        groups is dealt out for it. An empty table stays empty.
    """
    if frame.empty:
        return frame.assign(split=pd.Series(dtype=str))
    names: dict[Hashable, str] = {}
    if "published_split" in frame:
        for name in reversed(SHARES):
            names |= dict.fromkeys(frame["group"][frame["published_split"] == name], name)
    groups = _groups(frame[~frame["group"].isin(names)], seed)
    debt = {name: 0.0 for name in SHARES if name not in names.values()}
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
        owed = max(debt, key=debt.__getitem__, default="train")
        name = owed if debt.get(owed, 0) >= size / 2 else "train"
        if name != "train":
            debt[name] -= size
        names[group] = name
    return names


@dataclass(frozen=True)
class Balanced:
    """What an epoch sees of a table.

    Attributes:
        rows: (m,) int64 positions in the table, sorted, each at least once.
        weights: (m,) float32, what a row counts for; their mean is 1.
        seen: (m,) float32 in (0, 1], the share of the epochs that see a row; which ones these are is drawn
            anew for each epoch.
    """

    rows: Array
    weights: Array
    seen: Array


def rebalance(frame_train: pd.DataFrame, method: str, seed: int, left_out: float = LEFT_OUT) -> Balanced:
    """What an epoch sees of the training rows.

    `none`: every row once. `oversample`: the rows of decades with fewer rows than the mean
    decade are repeated up to that mean, at most MAX_REPEATS times; which rows get the odd
    repeat is drawn. `undersample`: of decades with more rows than the mean decade a share is left out,
    drawn anew for each epoch; none of them becomes smaller than that mean. `weights`: every row once,
    weighted by the inverse square root of its decade's count, bounded by MAX_WEIGHT, with mean 1. Rows
    without an age are neither repeated nor left out nor reweighted against the mean decade.

    Args:
        frame_train: the training rows, with `age_years`.
        method: one of METHODS.
        seed: of the draw.
        left_out: `undersample`: the share of the rows of a crowded decade, in [0, 1).

    Returns:
        See Balanced; its arrays are empty for an empty table.

    Raises:
        InputError: an unknown method, or a share that is none.
    """
    if method not in METHODS:
        raise InputError(f"unknown rebalancing '{method}'; choose one of {', '.join(METHODS)}")
    if not 0 <= left_out < 1:
        raise InputError(f"a share of {left_out} cannot be left out; give a number from 0 to below 1")
    decades = age_decades(frame_train["age_years"])
    rows = _oversampled(decades, seed) if method == "oversample" else np.arange(len(decades))
    weights = _weights(decades) if method == "weights" else np.ones(len(rows))
    seen = 1 - _left_out(decades, left_out) if method == "undersample" else np.ones(len(rows))
    return Balanced(rows, weights.astype(np.float32), seen.astype(np.float32))


def age_decades(age_years: pd.Series) -> Array:
    """(n,) int64 indices into AGE_GROUPS, -1 where the age is missing."""
    groups = [MISSING if age == MISSING else age_group_id(age) for age in age_years]
    return np.asarray(groups, np.int64).reshape(-1)


def _counts(decades: Array) -> tuple[dict[int, int], float]:
    """Rows of each decade that has any, and their mean (1 when no age is known)."""
    present, counts = np.unique(decades[decades != MISSING], return_counts=True)
    return dict(zip(present.tolist(), counts.tolist(), strict=True)), float(counts.mean()) if len(
        counts
    ) else 1.0


def _oversampled(decades: Array, seed: int) -> Array:
    counts, mean = _counts(decades)
    random = np.random.default_rng(seed)
    repeats = np.ones(len(decades), np.int64)
    for decade, count in counts.items():
        rows = np.flatnonzero(decades == decade)
        whole, extra = divmod(round(min(max(mean / count, 1.0), MAX_REPEATS) * count), count)
        repeats[rows] = whole
        repeats[random.choice(rows, extra, replace=False)] += 1
    return np.repeat(np.arange(len(decades)), repeats)


def _left_out(decades: Array, most: float) -> Array:
    """(n,) share of the epochs that miss a row."""
    counts, mean = _counts(decades)
    shares = np.zeros(len(decades))
    for decade, count in counts.items():
        shares[decades == decade] = np.clip(1 - mean / count, 0.0, most)
    return shares


def _weights(decades: Array) -> Array:
    counts, mean = _counts(decades)
    weights = np.ones(len(decades))
    for decade, count in counts.items():
        weights[decades == decade] = np.clip(np.sqrt(mean / count), 1 / MAX_WEIGHT, MAX_WEIGHT)
    return weights / weights.mean() if len(weights) else weights
