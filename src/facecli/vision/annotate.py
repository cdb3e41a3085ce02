"""Boxes and labels drawn on a copy of the picture, readable on light and dark."""

from collections.abc import Sequence

import cv2
import numpy as np

from facecli.faces import Face
from facecli.vision.bars import Row
from facecli.vision.colours import DARK, Colour, face_colour
from facecli.vision.labels import build_labels, label_parts
from facecli.vision.place import Habits, Rectangle, place
from facecli.vision.plates import build_plate, draw_plate, text_height

__all__ = ["annotate", "draw_note", "label_parts"]


def annotate(
    image_rgb: np.ndarray,
    faces: Sequence[Face],
    uncertain_below: float = 0.0,
    details: bool = False,
    keep_off: Sequence[Rectangle] = (),
    habits: Habits | None = None,
) -> np.ndarray:
    """Draws every face's box and label, in one colour for each track.

    Args:
        image_rgb: (H, W, 3) uint8; it is not changed.
        faces: may be empty.
        uncertain_below: class labels of a smaller probability read "uncertain".
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
    plates = build_labels(faces, resolution_wh, uncertain_below, details, habits)
    labelled = [face for face, layouts in zip(faces, plates, strict=True) if layouts]
    tracks = [face.track for face in faces]
    placed = place(plates, boxes, resolution_wh, keep_off, tracks, habits)
    for face, (plate, corner) in zip(labelled, placed, strict=True):
        striped = face.track is not None or details
        draw_plate(drawn, plate, corner, face_colour(face) if striped else None)
    return drawn


def draw_note(image_rgb: np.ndarray, text: str) -> None:
    """Writes a line into the upper left corner of the picture itself, such as the frame rate."""
    resolution_wh = image_rgb.shape[1], image_rgb.shape[0]
    draw_plate(image_rgb, build_plate([Row(text)], text_height(resolution_wh), resolution_wh), (0, 0))


def _draw_box(image: np.ndarray, box: Rectangle, line: int, colour: Colour) -> None:
    """A bright line within a dark one: one of both is seen on any ground."""
    corners = (box.left, box.top), (box.right - 1, box.bottom - 1)
    cv2.rectangle(image, *corners, DARK, line + 2 * max(1, line // 2), cv2.LINE_AA)
    cv2.rectangle(image, *corners, colour, line, cv2.LINE_AA)
