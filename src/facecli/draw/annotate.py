"""Boxes and labels drawn on a copy of the picture, readable on light and dark: what labels say."""

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from facecli.core.attributes import MAX_AGE_YEARS
from facecli.core.faces import NAMED_HEADS, UNCERTAIN, Face
from facecli.draw.layout import (
    DARK,
    SMALLEST_TEXT,
    Colour,
    LabelBar,
    LabelHabits,
    LabelRow,
    Plate,
    Rectangle,
    build_plate,
    draw_plate,
    face_colour,
    place_labels,
    text_height,
)

_RUNNER_UP = 0.1
"""Probability from which the second class has a row of its own."""

_COVERED, _COVERED_BY_DETAILS = 0.12, 0.35
"""Share of the picture that all labels together may take before they get smaller."""
_HABIT = 1.25
"""By so much more they may take in the style of the frame before."""
_CROWD, _SHORT_PARTS = 8, 2
"""From so many faces on labels may be cut to so many parts."""

__all__ = ["annotate", "draw_note", "label_parts"]


def detail_rows(face: Face) -> list[LabelRow]:
    """Everything that is known of a face, a row each; [] when that is nothing.

    The age's bar runs from the low to the high end of its interval, on a scale from 0 to the
    oldest age; a class's is its probability. The second class of a head follows where it counts.
    """
    if face.rejected:
        return [LabelRow(face.rejection(), LabelBar(0.0, 1 - (face.face_probability or 0.0)))]
    rows = []
    if face.age_years is not None:
        low, high = face.age_interval_90 or (face.age_years, face.age_years)
        bar = LabelBar(_share(low), _share(high))
        rows.append(LabelRow(f"{face.whole_years} ({low:.0f}-{high:.0f})", bar))
    for head in NAMED_HEADS:
        rows += _head_rows(face, head)
    if face.track is not None:
        first = rows.pop(0) if rows else LabelRow("")
        rows.insert(0, first._replace(text=f"#{face.track}  {first.text}".rstrip()))
    return rows


def _head_rows(face: Face, head: str) -> list[LabelRow]:
    probabilities, label = face.probabilities(head), face.label(head)
    if not probabilities or label is None:
        return []
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])[:2]
    rows = [LabelRow(f"{head} {label}" if label == UNCERTAIN else label, LabelBar(0.0, ranked[0][1]))]
    for name, probability in ranked[1:]:
        if probability >= _RUNNER_UP:
            rows.append(LabelRow(f"{name} {100 * probability:.0f}%", LabelBar(0.0, probability, main=False)))
    return rows


def _share(years: float) -> float:
    return min(max(years / MAX_AGE_YEARS, 0.0), 1.0)


Layouts = list[list[LabelRow]]
"""The ways to write one label, the better first; none when there is nothing to write."""


def build_labels(
    faces: Sequence[Face],
    resolution_wh: tuple[int, int],
    details: bool = False,
    habits: LabelHabits | None = None,
) -> list[list[Plate]]:
    """The labels of a picture, for each face the plates to choose from; none for no label.

    In a crowd letters shrink, then details go, then all but age and gender. What `habits` says of the
    frame before is kept up as long as it nearly fits.
    """
    plates: list[list[Plate]] = []
    crowd = len(faces) >= _CROWD
    habits = habits or LabelHabits()
    styles = _styles(text_height(resolution_wh), details, crowd)
    for number, (letters, layouts_of, covered) in enumerate(styles):
        plates = [[build_plate(rows, letters, resolution_wh) for rows in layouts_of(face)] for face in faces]
        area = sum(layouts[0].width * layouts[0].height for layouts in plates if layouts)
        if number == habits.style:
            covered *= _HABIT
        if area <= covered * resolution_wh[0] * resolution_wh[1]:
            break
    habits.style = number
    return plates


def label_parts(face: Face) -> list[str]:
    """What is known of a face in words: ["32 (26-39)", "female 98%", "race uncertain"]."""
    if face.rejected:
        return [face.rejection()]
    parts = []
    if face.age_years is not None:
        low, high = face.age_interval_90 or (face.age_years, face.age_years)
        parts.append(f"{face.whole_years} ({low:.0f}-{high:.0f})")
    if band := face.band_label():
        parts.append(f"age group {band}" if band == UNCERTAIN else band)
    for head in NAMED_HEADS:
        if label := face.label(head):
            parts.append(f"{head} {label}" if label == UNCERTAIN else label)
    return parts


def _styles(
    letters: int, details: bool, crowd: bool
) -> Iterator[tuple[int, Callable[[Face], Layouts], float]]:
    """Letter height, layouts of a face, and share of the picture that they may cover; the roomiest first."""

    def detailed(face: Face) -> Layouts:
        rows = detail_rows(face)
        return [rows] if rows else []

    def usual(face: Face) -> Layouts:
        return _one_or_stacked(label_parts(face))

    def short(face: Face) -> Layouts:
        return _one_or_stacked(label_parts(face)[:_SHORT_PARTS])

    smaller = max(SMALLEST_TEXT, round(0.7 * letters))
    if details:
        yield letters, detailed, _COVERED_BY_DETAILS
        yield smaller, detailed, _COVERED_BY_DETAILS
    yield letters, usual, _COVERED
    yield smaller, usual, _COVERED
    yield SMALLEST_TEXT, usual, _COVERED
    if crowd:
        yield SMALLEST_TEXT, short, _COVERED


def _one_or_stacked(parts: list[str]) -> Layouts:
    return [[LabelRow("  ".join(parts))], [LabelRow(part) for part in parts]] if parts else []


def annotate(
    image_rgb: np.ndarray,
    faces: Sequence[Face],
    details: bool = False,
    keep_off: Sequence[Rectangle] = (),
    habits: LabelHabits | None = None,
) -> np.ndarray:
    """Draws every face's box and label, in one colour for each track.

    Args:
        image_rgb: (H, W, 3) uint8; it is not changed.
        faces: may be empty.
        details: labels tell how sure each head is, with bars and second classes.
        keep_off: where other texts will stand: labels avoid it if they can.
        habits: of a video's labels, the same object for every frame: they stay where they were.

    Returns:
        (H, W, 3) uint8 RGB, a copy.
    """
    drawn = np.ascontiguousarray(image_rgb).copy()
    resolution_wh = drawn.shape[1], drawn.shape[0]
    letters = text_height(resolution_wh)
    # In the order of tracks labels find their places alike from frame to frame.
    faces = sorted(faces, key=lambda face: face.track or 0)
    boxes = [Rectangle(*(int(value) for value in face.box_xyxy)) for face in faces]
    for box, face in zip(boxes, faces, strict=True):
        _draw_box(drawn, box, max(1, round(letters / 6)), face_colour(face))
    plates = build_labels(faces, resolution_wh, details, habits)
    labelled = [face for face, layouts in zip(faces, plates, strict=True) if layouts]
    tracks = [face.track for face in faces]
    placed = place_labels(plates, boxes, resolution_wh, keep_off, tracks, habits)
    for face, (plate, corner) in zip(labelled, placed, strict=True):
        striped = face.track is not None or details
        draw_plate(drawn, plate, corner, face_colour(face) if striped else None)
    return drawn


def draw_note(image_rgb: np.ndarray, text: str) -> None:
    """Writes a line into the upper left corner of the picture itself, such as the frame rate."""
    resolution_wh = image_rgb.shape[1], image_rgb.shape[0]
    draw_plate(image_rgb, build_plate([LabelRow(text)], text_height(resolution_wh), resolution_wh), (0, 0))


def _draw_box(image: np.ndarray, box: Rectangle, line: int, colour: Colour) -> None:
    """A bright line within a dark one: one of both is seen on any ground."""
    corners = (box.left, box.top), (box.right - 1, box.bottom - 1)
    cv2.rectangle(image, *corners, DARK, line + 2 * max(1, line // 2), cv2.LINE_AA)
    cv2.rectangle(image, *corners, colour, line, cv2.LINE_AA)
