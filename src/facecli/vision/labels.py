"""What labels say, and how large they may be when there are many faces."""

from collections.abc import Callable, Iterator, Sequence

from facecli.faces import NAMED_HEADS, UNCERTAIN, Face
from facecli.vision.bars import Row, detail_rows
from facecli.vision.place import Habits, Plate
from facecli.vision.plates import SMALLEST_TEXT, build_plate, text_height

_COVERED, _COVERED_BY_DETAILS = 0.12, 0.35
"""Share of the picture that all labels together may take before they get smaller."""
_HABIT = 1.25
"""By so much more they may take in the style of the frame before."""
_CROWD, _SHORT_PARTS = 8, 2
"""From so many faces on labels may be cut to so many parts."""

Layouts = list[list[Row]]
"""The ways to write one label, the better first; none when there is nothing to write."""


def build_labels(
    faces: Sequence[Face],
    resolution_wh: tuple[int, int],
    uncertain_below: float = 0.0,
    details: bool = False,
    habits: Habits | None = None,
) -> list[list[Plate]]:
    """The labels of a picture, for each face the plates to choose from; none for no label.

    In a crowd letters shrink, then details go, then all but age and gender. What `habits` says of the
    frame before is kept up as long as it nearly fits.
    """
    plates: list[list[Plate]] = []
    crowd = len(faces) >= _CROWD
    habits = habits or Habits()
    styles = _styles(text_height(resolution_wh), uncertain_below, details, crowd)
    for number, (letters, layouts_of, covered) in enumerate(styles):
        plates = [[build_plate(rows, letters, resolution_wh) for rows in layouts_of(face)] for face in faces]
        area = sum(layouts[0].width * layouts[0].height for layouts in plates if layouts)
        if number == habits.style:
            covered *= _HABIT
        if area <= covered * resolution_wh[0] * resolution_wh[1]:
            break
    habits.style = number
    return plates


def label_parts(face: Face, uncertain_below: float = 0.0) -> list[str]:
    """What is known of a face in words: ["32 (26-39)", "female 98%", "race uncertain"]."""
    if face.rejected:
        return [face.rejection()]
    parts = []
    if face.age_years is not None:
        low, high = face.age_interval_90 or (face.age_years, face.age_years)
        parts.append(f"{face.whole_years} ({low:.0f}-{high:.0f})")
    if band := face.band_label(uncertain_below):
        parts.append(f"age group {band}" if band == UNCERTAIN else band)
    for head in NAMED_HEADS:
        if label := face.label(head, uncertain_below):
            parts.append(f"{head} {label}" if label == UNCERTAIN else label)
    return parts


def _styles(
    letters: int, uncertain_below: float, details: bool, crowd: bool
) -> Iterator[tuple[int, Callable[[Face], Layouts], float]]:
    """Letter height, layouts of a face, and share of the picture that they may cover; the roomiest first."""

    def detailed(face: Face) -> Layouts:
        rows = detail_rows(face, uncertain_below)
        return [rows] if rows else []

    def usual(face: Face) -> Layouts:
        return _one_or_stacked(label_parts(face, uncertain_below))

    def short(face: Face) -> Layouts:
        return _one_or_stacked(label_parts(face, uncertain_below)[:_SHORT_PARTS])

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
    return [[Row("  ".join(parts))], [Row(part) for part in parts]] if parts else []
