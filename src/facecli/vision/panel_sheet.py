"""The annotated picture with a panel for each face beside or below it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from facecli.faces import Face
from facecli.vision.bars import Row
from facecli.vision.colours import DARK, face_colour
from facecli.vision.panel import draw_panel, panel_size
from facecli.vision.panel_ink import GROUND
from facecli.vision.plates import build_plate, draw_plate, text_height

_SMALLEST = 12
"""Letters of a panel in pixels: smaller ones are not read."""
_LARGEST = 40
_AREA = 1.2
"""Panels may take so many times the picture's area before their letters get smaller."""
_GAP = 0.5
"""Between panels, in letter heights."""


class Grid(NamedTuple):
    """Where panels go: right of the picture or below it, in so many columns."""

    right: bool
    columns: int
    width: int
    height: int


def draw_details(image_rgb: np.ndarray, faces: Sequence[Face], uncertain_below: float = 0.0) -> np.ndarray:
    """Numbers the boxes in a copy of the picture and adds everything that is known of each face.

    Args:
        image_rgb: (H, W, 3) uint8; it is not changed.
        faces: may be empty; compared ones (`by_model`) have a panel for each model, side by side.
        uncertain_below: class labels of a smaller probability are called uncertain.

    Returns:
        (H or more, W or more, 3) uint8 RGB. The picture keeps its place in the upper left corner,
        and its size.
    """
    height, width = image_rgb.shape[:2]
    drawn = np.ascontiguousarray(image_rgb).copy()
    # The number of a face gives it the colour that a track of that number has.
    numbered = [replace(face, track=index + 1) for index, face in enumerate(faces)]
    for face in numbered:
        _draw_box(drawn, face)
    if not numbered:
        return drawn
    letters = _letters(numbered, (width, height))
    block_width, block_height = _block_size(numbered, letters)
    grid = _best_grid(len(numbered), (width, height), (block_width, block_height))
    sheet = np.full((grid.height, grid.width, 3), GROUND, np.uint8)
    sheet[:height, :width] = drawn
    left, top = (width, 0) if grid.right else (0, height)
    for index, face in enumerate(numbered):
        row, column = divmod(index, grid.columns)
        block = _draw_block(image_rgb, face, letters, uncertain_below)
        x, y = left + column * block_width, top + row * block_height
        sheet[y : y + block.shape[0], x : x + block.shape[1]] = block
    return sheet


def _draw_box(image: np.ndarray, face: Face) -> None:
    """A box in the face's colour, its number in the corner."""
    resolution_wh = image.shape[1], image.shape[0]
    letters = text_height(resolution_wh)
    line = max(1, round(letters / 6))
    x_min, y_min, x_max, y_max = (int(value) for value in face.box_xyxy)
    corners = (x_min, y_min), (x_max - 1, y_max - 1)
    cv2.rectangle(image, *corners, DARK, line + 2 * max(1, line // 2), cv2.LINE_AA)
    cv2.rectangle(image, *corners, face_colour(face), line, cv2.LINE_AA)
    plate = build_plate([Row(str(face.track))], letters, resolution_wh)
    x = max(0, min(x_min, resolution_wh[0] - plate.width))
    draw_plate(image, plate, (x, max(0, y_min - plate.height)), face_colour(face))


def _said(face: Face) -> list[tuple[str, Face]]:
    """Title and content of each panel of a face."""
    if face.by_model is None:
        return [(str(face.track), face)]
    return [
        (f"{face.track}  {name}", replace(said, track=face.track)) for name, said in face.by_model.items()
    ]


def _letters(faces: Sequence[Face], resolution_wh: tuple[int, int]) -> int:
    """The largest letters that leave the panels in proportion to the picture."""
    largest = min(max(text_height(resolution_wh), _SMALLEST), _LARGEST)
    for letters in range(largest, _SMALLEST, -1):
        block_width, block_height = _block_size(faces, letters)
        if len(faces) * block_width * block_height <= _AREA * resolution_wh[0] * resolution_wh[1]:
            return letters
    return _SMALLEST


def _block_size(faces: Sequence[Face], letters: int) -> tuple[int, int]:
    """Width and height in pixels that every face gets, gaps included."""
    gap = max(1, round(_GAP * letters))
    sizes = [[panel_size(said, letters) for _, said in _said(face)] for face in faces]
    width = max(sum(width + gap for width, _ in panels) for panels in sizes)
    return width, max(height for panels in sizes for _, height in panels) + gap


def _best_grid(count: int, resolution_wh: tuple[int, int], block_wh: tuple[int, int]) -> Grid:
    """The arrangement with the least area; to the right when equal."""
    width, height = resolution_wh
    grids = []
    for columns in range(1, count + 1):
        across, down = columns * block_wh[0], math.ceil(count / columns) * block_wh[1]
        grids.append(Grid(True, columns, width + across, max(height, down)))
        grids.append(Grid(False, columns, max(width, across), height + down))
    return min(grids, key=lambda grid: grid.width * grid.height)


def _draw_block(image_rgb: np.ndarray, face: Face, letters: int, uncertain_below: float) -> np.ndarray:
    """The panels of a face side by side, on a ground of their own."""
    gap = max(1, round(_GAP * letters))
    panels = [
        draw_panel(image_rgb, said, title, face_colour(face), letters, uncertain_below)
        for title, said in _said(face)
    ]
    height = max(panel.shape[0] for panel in panels)
    block = np.full((height + gap, sum(panel.shape[1] + gap for panel in panels), 3), GROUND, np.uint8)
    left = gap
    for panel in panels:
        block[gap : gap + panel.shape[0], left : left + panel.shape[1]] = panel
        left += panel.shape[1] + gap
    return block
