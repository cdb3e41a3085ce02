"""Boxes and labels drawn on a copy of the picture, readable on light and dark."""

from collections.abc import Sequence

import cv2
import numpy as np

from facecli.faces import Face
from facecli.vision.place import Plate, Rectangle, place

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 21
"""Height in pixels of a capital letter of the font at scale 1."""
_LIGHT, _DARK, _LINE = (255, 255, 255), (20, 20, 20), (80, 230, 120)
_TEXT_SHARE = 1 / 55
_SMALLEST_TEXT, _LARGEST_TEXT = 8, 60


def annotate(image_rgb: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """Draws every face's box and label.

    Args:
        image_rgb: (H, W, 3) uint8; it is not changed.
        faces: may be empty.

    Returns:
        (H, W, 3) uint8 RGB, a copy.
    """
    drawn = np.ascontiguousarray(image_rgb).copy()
    height, width = drawn.shape[:2]
    boxes = [Rectangle(*(int(value) for value in face.box_xyxy)) for face in faces]
    text_height = _text_height(width, height)
    for box in boxes:
        _draw_box(drawn, box, max(1, round(text_height / 6)))
    labels = [[_plate(lines, text_height, width) for lines in _layouts(face)] for face in faces]
    for plate, corner in place(labels, boxes, (width, height)):
        _draw_plate(drawn, plate, corner)
    return drawn


def label_parts(face: Face) -> list[str]:
    """What is known of a face in words: ["32 (26-39)", "female 98%", "white 91%"]."""
    parts = []
    if face.age_years is not None:
        low, high = face.age_interval_90 or (face.age_years, face.age_years)
        parts.append(f"{face.age_years:.0f} ({low:.0f}-{high:.0f})")
    for probabilities, name in (
        (face.gender_probabilities, face.gender),
        (face.race_probabilities, face.race),
    ):
        if probabilities and name:
            parts.append(f"{name} {100 * probabilities[name]:.0f}%")
    return parts


def draw_note(image_rgb: np.ndarray, text: str) -> None:
    """Writes a line into the upper left corner of the picture itself, such as the frame rate."""
    height, width = image_rgb.shape[:2]
    _draw_plate(image_rgb, _plate([text], _text_height(width, height), width), (0, 0))


def _layouts(face: Face) -> list[list[str]]:
    """Lines of the label: all in one, or one below the other."""
    parts = label_parts(face)
    return [["  ".join(parts)], parts] if parts else []


def _text_height(width: int, height: int) -> int:
    return int(np.clip(round(min(width, height * 1.5) * _TEXT_SHARE), _SMALLEST_TEXT, _LARGEST_TEXT))


def _plate(lines: list[str], text_height: int, width: int) -> Plate:
    """The label's size; its letters shrink when it would be wider than the picture."""
    scale = text_height / _FONT_HEIGHT
    widest = max(cv2.getTextSize(line, _FONT, scale, _stroke(scale))[0][0] for line in lines)
    if widest > width - 4:
        scale *= max(width - 4, 1) / widest
        widest = max(width - 4, 1)
    pad = max(2, round(scale * _FONT_HEIGHT * 0.4))
    step = max(3, round(scale * _FONT_HEIGHT * 1.6))
    return Plate(tuple(lines), scale, pad, step, min(widest + 2 * pad, width), len(lines) * step + pad)


def _stroke(scale: float) -> int:
    return max(1, round(scale * 1.6))


def _draw_box(image: np.ndarray, box: Rectangle, line: int) -> None:
    """A bright line within a dark one: one of both is seen on any ground."""
    corners = (box.left, box.top), (box.right - 1, box.bottom - 1)
    cv2.rectangle(image, *corners, _DARK, line + 2 * max(1, line // 2), cv2.LINE_AA)
    cv2.rectangle(image, *corners, _LINE, line, cv2.LINE_AA)


def _draw_plate(image: np.ndarray, plate: Plate, corner: tuple[int, int]) -> None:
    left, top = corner
    cv2.rectangle(image, corner, (left + plate.width - 1, top + plate.height - 1), _DARK, cv2.FILLED)
    for number, line in enumerate(plate.lines, start=1):
        origin = left + plate.pad, top + number * plate.step - round(plate.step * 0.15)
        cv2.putText(image, line, origin, _FONT, plate.scale, _LIGHT, _stroke(plate.scale), cv2.LINE_AA)
