"""A face's panel: its crop, the curve of its ages, and how probable every class is."""

import cv2
import numpy as np

from facecli.crops import crop_face
from facecli.faces import FACE_HEADS, Face, likeliest
from facecli.vision.colours import Colour
from facecli.vision.panel_ink import GROUND, QUIET, TEXT, Ink, shortened
from facecli.vision.panel_parts import LINE, Style, bar_lines, draw_age_curve, draw_bars, percent
from facecli.vision.place import Rectangle

_WIDTH, _CROP, _PAD, _HEAD = 36, 11, 1.0, 2.4
"""In letter heights."""
_CROP_MARGIN = 0.15


def draw_panel(
    image_rgb: np.ndarray,
    face: Face,
    title: str,
    colour: Colour,
    letters: int,
    uncertain_below: float = 0.0,
) -> np.ndarray:
    """Draws one panel.

    Args:
        image_rgb: (H, W, 3) uint8, the picture that the face is in.
        face: with `age_distribution` it has a curve, without it only the interval.
        title: stands first, such as the number of the face.
        colour: of the face's box.
        letters: height of the letters in pixels, 6 or more.
        uncertain_below: class labels of a smaller probability are called uncertain.

    Returns:
        (height, width, 3) uint8 RGB; all panels of one `letters` are equally wide.
    """
    unit = _Units(letters)
    height = unit(_PAD + _HEAD + _body(face) + _PAD)
    panel = np.full((height, unit(_WIDTH), 3), GROUND, np.uint8)
    ink = Ink(panel)
    ink.box(0, 0, max(3, unit(0.3)), height, colour)
    _draw_head(ink, face, title, colour, unit)
    _paste_crop(panel, image_rgb, face, unit)
    style, left = Style(letters, colour), unit(2 * _PAD + _CROP + 0.3)
    area = Rectangle(left, unit(_PAD + _HEAD), unit(_WIDTH - _PAD), unit(_PAD + _HEAD + _CROP))
    draw_age_curve(ink, area, face, style)
    top, middle = unit(_PAD + _HEAD + _CROP + _PAD), unit(_WIDTH / 2)
    columns = _columns(face)
    spans = ((unit(1.3 * _PAD), middle - unit(0.6)), (middle + unit(0.6), unit(_WIDTH - _PAD)))
    for heads, (start, end) in zip(columns, spans, strict=True):
        draw_bars(ink, Rectangle(start, top, end, height), face, heads, style, uncertain_below)
    ink.finish()
    return panel


def panel_size(face: Face, letters: int) -> tuple[int, int]:
    """(width, height) in pixels of the panel that `draw_panel` makes."""
    unit = _Units(letters)
    return unit(_WIDTH), unit(_PAD + _HEAD + _body(face) + _PAD)


class _Units:
    """Letter heights in pixels."""

    def __init__(self, letters: int) -> None:
        self.letters = letters

    def __call__(self, heights: float) -> int:
        return round(heights * self.letters)


def _columns(face: Face) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Heads on the left and on the right, in their order, so that the longer column is as short as can be."""
    heads = tuple(head for head in FACE_HEADS if face.probabilities(head))
    return min(
        ((heads[:count], heads[count:]) for count in range(len(heads), -1, -1)),
        key=lambda columns: max(bar_lines(face, one) for one in columns),
    )


def _body(face: Face) -> float:
    """Height below the title, in letter heights."""
    lines = max(bar_lines(face, heads) for heads in _columns(face))
    return _CROP + (_PAD + LINE * lines if lines else 0.0)


def _draw_head(ink: Ink, face: Face, title: str, colour: Colour, unit: _Units) -> None:
    base, size = unit(_PAD + 1.2), unit(1.25)
    ink.write(unit(1.3 * _PAD), base, title, size, colour)
    start = unit(2 * _PAD + _CROP + 0.3)
    text, quiet = _summary(face)
    width = unit(_WIDTH - _PAD) - start
    ink.write(start, base, shortened(text, size, width), size, TEXT)
    ink.write(unit(_WIDTH - _PAD), base, shortened(quiet, unit.letters, width / 2), unit.letters, QUIET, "rs")


def _summary(face: Face) -> tuple[str, str]:
    """What is written above the curve, large and small."""
    if face.rejected:
        return face.rejection(), ""
    if face.age_years is None:
        return "", ""
    low, high = face.age_interval_90 or (face.age_years, face.age_years)
    return f"{face.whole_years} years  (90 %: {low:.0f}-{high:.0f})", _band(face)


def _band(face: Face) -> str:
    """The most probable band of years; "" when none were asked for."""
    if not face.age_bands:
        return ""
    name, share = likeliest(face.age_bands)
    return f"{name}: {percent(share)}"


def _paste_crop(panel: np.ndarray, image_rgb: np.ndarray, face: Face, unit: _Units) -> None:
    side, left, top = unit(_CROP), unit(1.3 * _PAD), unit(_PAD + _HEAD)
    x_min, y_min, x_max, y_max = face.box_xyxy
    if x_max > x_min and y_max > y_min:
        crop = crop_face(image_rgb, face.box_xyxy, _CROP_MARGIN, (side, side))
        panel[top : top + side, left : left + side] = crop
    else:
        cv2.rectangle(panel, (left, top), (left + side - 1, top + side - 1), QUIET)
