"""How well a detector finds faces: shares found by size, false boxes, average precision, landmarks, misses.

A find is a box that overlaps a marked face by `SAME` or more (intersection over union); each face is found
once, by the surest of the boxes that overlap it most. Boxes on what is to be ignored count neither way, by
one rule for all detectors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facecli.core.arrays import Array
from facecli.core.attributes import GENDERS, MISSING, RACES_7
from facecli.core.crops import overlaps
from facecli.core.errors import DataError
from facecli.core.images import load_image, save_image
from facecli.core.stats import wilson_interval
from facecli.data.boxes import BoxPicture
from facecli.data.sources import open_dataset
from facecli.detect.registry import Detections, Detector
from facecli.training.box_data import BoxData, Truth

_TILE, _COLUMNS, _TILES = 240, 6, 24
_MISSED, _FALSE, _RIGHT = (255, 64, 64), (255, 176, 0), (64, 200, 64)
SAME, STRICT = 0.4, 0.5
"""Overlap of a find, and the overlap of average precision at 0.5."""
BANDS: dict[str, tuple[float, float]] = {"16-32 px": (16, 32), "32-64 px": (32, 64), "64 px on": (64, 1e9)}
"""Of the longer side of a marked face."""
LANDMARKS_FROM = 48


@dataclass(frozen=True)
class Match:
    """Finds beside what is marked.

    Attributes:
        face: (n,) for each find the face that it found, -1 for none.
        doubtful: (n,) it found none and lies on something that is ignored, or too small.
        unmarked: (n,) it is doubtful only since a teacher sees something there.
    """

    face: Array
    doubtful: Array
    unmarked: Array


def match(truth: Truth, found: Detections, same: float = SAME) -> Match:
    """Matches finds with marked faces, the surest first."""
    shared = overlaps(np.asarray(found.xyxy, float), np.asarray(truth.xyxy, float))
    face, free = np.full(len(found.scores), -1), truth.wanted.copy()
    for index in np.argsort(-found.scores, kind="stable"):
        if not free.any():
            break
        best = int(np.where(free, shared[index], -1).argmax())
        if shared[index, best] >= same:
            face[index], free[best] = best, False
    none = face < 0
    marked = none & _lies_on(found.xyxy, shared, truth, ~truth.wanted & ~truth.unmarked, same)
    unmarked = none & ~marked & _lies_on(found.xyxy, shared, truth, ~truth.wanted & truth.unmarked, same)
    return Match(face, marked | unmarked, unmarked)


def _lies_on(boxes: Array, shared: Array, truth: Truth, chosen: Array, same: float) -> Array:
    """(n,) does a box overlap one of the chosen faces, or lie mostly in one?"""
    return (shared[:, chosen].max(axis=1, initial=0) >= same) | (_covered(boxes, truth.xyxy[chosen]) > 0.5)


def _covered(boxes: Array, others: Array) -> Array:
    """The largest share of each box (n,) that lies in one of the others."""
    if not len(others) or not len(boxes):
        return np.zeros(len(boxes))
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-9), axis=-1)
    return (shared / areas[:, None]).max(axis=1)


def average_precision(truths: Sequence[Truth], founds: Sequence[Detections], same: float = STRICT) -> float:
    """Area under precision over recall, precision made monotone (PASCAL VOC 2010 on); 0.0 without faces."""
    total = sum(int(truth.wanted.sum()) for truth in truths)
    _, hits = ranked_hits(truths, founds, same)
    true = hits.cumsum()
    if not total or not len(true):
        return 0.0
    precision = np.maximum.accumulate((true / np.arange(1, len(true) + 1))[::-1])[::-1]
    steps = np.diff(np.concatenate([[0], true])) / total
    return float((precision * steps).sum())


def ranked_hits(truths: Sequence[Truth], founds: Sequence[Detections], same: float) -> tuple[Array, Array]:
    """Scores (n,) and hits (n,) bool of all finds that count, the surest first; see `match`."""
    scores: list[Array] = [np.empty(0)]
    hits: list[Array] = [np.empty(0, bool)]
    for truth, found in zip(truths, founds, strict=True):
        matched = match(truth, found, same)
        scores.append(found.scores[~matched.doubtful])
        hits.append(matched.face[~matched.doubtful] >= 0)
    score, hit = np.concatenate(scores), np.concatenate(hits)
    order = np.argsort(-score, kind="stable")
    return score[order], hit[order]


def above(found: Detections, score: float) -> Detections:
    """The finds of at least that score."""
    kept = found.scores >= score
    points = None if found.landmarks is None else found.landmarks[kept]
    return Detections(found.xyxy[kept], found.scores[kept], points)


def detection_figures(truths: Sequence[Truth], founds: Sequence[Detections]) -> dict[str, Any]:
    """All figures of a set, as they are written to `metrics.json`.

    Shares have `[share, low, high]`, a 95 % interval (Wilson); `faces` and `pictures` say of how many.
    """
    matches = [match(truth, found) for truth, found in zip(truths, founds, strict=True)]
    hit = [np.isin(np.arange(len(t.xyxy)), m.face) for t, m in zip(truths, matches, strict=True)]
    none: list[Array] = [np.empty(0)]
    sides = np.concatenate([truth.sides[truth.wanted] for truth in truths] or none)
    hits = np.concatenate([h[truth.wanted] for h, truth in zip(hit, truths, strict=True)] or none)
    true = sum(int((m.face >= 0).sum()) for m in matches)
    false = sum(int(((m.face < 0) & ~m.doubtful).sum()) for m in matches)
    unmarked = sum(int(m.unmarked.sum()) for m in matches)
    empty = [found for truth, found in zip(truths, founds, strict=True) if not len(truth.xyxy)]
    return {
        "pictures": len(truths),
        "faces": int(len(hits)),
        "found": _share(int(hits.sum()), len(hits)),
        "found_by_size": {
            name: _share(
                int(hits[(sides >= low) & (sides < high)].sum()), int(((sides >= low) & (sides < high)).sum())
            )
            for name, (low, high) in BANDS.items()
        },
        "precision": _share(true, true + false),
        "precision_raw": _share(true, true + false + unmarked),
        "false_boxes_a_picture": round((false + unmarked) / max(len(truths), 1), 4),
        "pictures_without_a_face": len(empty),
        "of_these_with_a_false_face": _share(sum(len(found.scores) > 0 for found in empty), len(empty)),
        "landmark_error": _landmark_error(truths, founds, matches),
    }


def _share(hits: int, count: int) -> list[float] | None:
    interval = wilson_interval(hits, count)
    return None if interval is None else [round(value, 4) for value in (hits / count, *interval)]


def _landmark_error(
    truths: Sequence[Truth], founds: Sequence[Detections], matches: Sequence[Match]
) -> Mapping[str, float] | None:
    """Mean distance to the marked landmarks, in distances between the eyes; of faces of LANDMARKS_FROM on."""
    errors = [np.empty(0)]
    for truth, found, matched in zip(truths, founds, matches, strict=True):
        if found.landmarks is None:
            continue
        here = np.flatnonzero(matched.face >= 0)
        faces = matched.face[here]
        points, said = truth.landmarks[faces], found.landmarks[here]
        eyes = np.linalg.norm(points[:, 1] - points[:, 0], axis=-1)
        away = np.linalg.norm(points - said, axis=-1).mean(axis=1) / np.maximum(eyes, 1e-6)
        known = np.isfinite(away) & (truth.sides[faces] >= LANDMARKS_FROM) & (eyes > 4)
        errors.append(away[known])
    values = np.concatenate(errors)
    if not len(values):
        return None
    return {
        "mean": round(float(values.mean()), 4),
        "median": round(float(np.median(values)), 4),
        "faces": len(values),
    }


@dataclass(frozen=True)
class Measured:
    """Pictures, what was to be found in them, what was found, and the figures."""

    pictures: Sequence[BoxPicture]
    truths: Sequence[Truth]
    founds: Sequence[Detections]
    figures: Mapping[str, Any]


def measure_detector(
    detector: Detector, data: BoxData, split: str, generous: Detector | None = None
) -> Measured:
    """Searches every picture of a split as `facecli run` does.

    `generous` is the same detector at a low threshold, which average precision needs.

    Raises:
        DataError: no picture falls into the split.
        ImageError: a picture cannot be decoded.
    """
    parts = {"train": data.train, "val": data.val, "test": data.test}
    pictures = [one for name, part in parts.items() if split in ("all", name) for one in part]
    if not pictures:
        raise DataError(f"no picture of {data.name} falls into the {split} split; give more or --split all")
    truths = data.truths(pictures)
    founds, all_founds = [], []
    for one in pictures:
        image = load_image(one.file)
        founds.append(detector.detect(image))
        all_founds.append(founds[-1] if generous is None else generous.detect(image))
    figures = detection_figures(truths, founds)
    figures["average_precision"] = round(average_precision(truths, all_founds), 4)
    if groups := _groups_of(pictures):
        figures["found_by_group"] = found_by_group(groups, truths, founds)
    return Measured(pictures, truths, founds, figures)


def found_by_group(
    groups: Mapping[str, Sequence[int]], truths: Sequence[Truth], founds: Sequence[Detections]
) -> dict[str, list[float]]:
    """Group -> share of its pictures in which the largest face was found, with its interval.

    `groups`: name -> positions of its pictures.
    """
    shares = {}
    for name, rows in groups.items():
        hits = sum(_largest_is_found(truths[row], founds[row]) for row in rows)
        if interval := wilson_interval(hits, len(rows)):
            shares[name] = [round(value, 4) for value in (hits / len(rows), *interval)]
    return shares


def _largest_is_found(truth: Truth, found: Detections) -> bool:
    wanted = np.where(truth.wanted, truth.sides, -1)
    return bool(len(wanted)) and int(wanted.argmax()) in match(truth, found).face


def _groups_of(pictures: Sequence[BoxPicture]) -> dict[str, list[int]]:
    """Women and men and the races of pictures that a table beside them labels; {} without such a table."""
    rows = {one.file: row for row, one in enumerate(pictures)}
    folders = {folder for one in pictures for folder in one.file.parents[:2]}
    tables = {table for folder in folders for table in folder.glob("*label*.csv")}
    groups: dict[str, list[int]] = {}
    for table in sorted(tables):
        folder, labelled = open_dataset(table)
        frame = labelled.frame
        for names, column in ((GENDERS, "gender"), (RACES_7, "race_7")):
            for file, value in zip(frame["file"], frame.get(column, ()), strict=False):
                row = rows.get((folder / file).resolve())
                if row is not None and value != MISSING:
                    groups.setdefault(names[int(value)], []).append(row)
    return groups


def draw_misses(measured: Measured, path: Path) -> None:
    """Draws the pictures with the most faces missed or made up, as one sheet. Raises OutputError."""
    worst = []
    for row, (truth, found) in enumerate(zip(measured.truths, measured.founds, strict=True)):
        matched = match(truth, found)
        missed = truth.wanted & ~np.isin(np.arange(len(truth.xyxy)), matched.face)
        false = (matched.face < 0) & ~matched.doubtful
        worst.append((int(missed.sum() + false.sum()), row, missed, false))
    worst.sort(key=lambda one: (-one[0], one[1]))
    tiles = [_tile(measured, row, missed, false) for _, row, missed, false in worst[:_TILES]]
    tiles += [np.zeros((_TILE, _TILE, 3), np.uint8)] * (-len(tiles) % _COLUMNS)
    rows = [np.concatenate(tiles[at : at + _COLUMNS], axis=1) for at in range(0, len(tiles), _COLUMNS)]
    save_image(path, np.concatenate(rows))


def _tile(measured: Measured, row: int, missed: Array, false: Array) -> Array:
    image = load_image(measured.pictures[row].file).copy()
    scale = _TILE / max(image.shape[:2])
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    truth, found = measured.truths[row], measured.founds[row]
    for boxes, colour in (
        (found.xyxy[~false], _RIGHT),
        (truth.xyxy[missed], _MISSED),
        (found.xyxy[false], _FALSE),
    ):
        for left, top, right, bottom in (np.asarray(boxes, float) * scale).round().astype(int).tolist():
            cv2.rectangle(image, (left, top), (right, bottom), colour, 1)
    tile = np.zeros((_TILE, _TILE, 3), np.uint8)
    tile[: image.shape[0], : image.shape[1]] = image[:_TILE, :_TILE]
    return tile
