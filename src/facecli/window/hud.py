"""What the window shows beside the faces: how fast it is, what the keys do, what was just done."""

from typing import NamedTuple

import cv2
import numpy as np

from facecli.draw.plates import (
    SMALLEST_TEXT,
    Colour,
    Plate,
    Rectangle,
    build_plate,
    draw_plate,
    plain_row,
    text_height,
    wrap_text,
)
from facecli.pipeline.stream import StreamStats
from facecli.window.controls import Controls, help_parts

_RED: Colour = (235, 40, 40)
_SIZE = 0.75
"""Height of the letters as a share of the labels'."""


class Shown(NamedTuple):
    """Everything in the window that is no face.

    Attributes:
        controls: what is switched on.
        recorded_s: length of the video that is being recorded, in seconds; None without one.
        notice: what was just done, or why it failed; "" for nothing.
    """

    controls: Controls
    recorded_s: float | None = None
    notice: str = ""


def draw_hud(image_rgb: np.ndarray, stats: StreamStats, shown: Shown) -> None:
    """Draws into the picture itself, (H, W, 3) uint8 RGB, contiguous."""
    height, width = resolution = image_rgb.shape[:2]
    letters = _letters((width, height))
    line = plain_row(stats_line(stats, shown.controls))
    draw_plate(image_rgb, build_plate((line,), letters, (width, height)), (0, 0))
    if shown.recorded_s is not None:
        _draw_recording(image_rgb, shown.recorded_s, letters)
    bottom = height
    if shown.controls.help:
        plate = _help_plate(resolution, shown.controls, shown.recorded_s is not None)
        bottom = height - plate.height
        draw_plate(image_rgb, plate, (0, bottom))
    if shown.notice:
        plate = build_plate(wrap_text(shown.notice.split(" "), letters, width, " "), letters, (width, height))
        draw_plate(image_rgb, plate, ((width - plate.width) // 2, max(bottom - plate.height - plate.pad, 0)))


def hud_areas(shape: tuple[int, int], controls: Controls, recording: bool) -> list[Rectangle]:
    """Where a picture of that height and width is written on for long: labels should not stand there."""
    height, width = shape
    letters = _letters((width, height))
    corner = build_plate((plain_row("000 fps  000 ms"),), letters, (width, height))
    areas = [Rectangle(0, 0, corner.width, corner.height)]
    if recording:
        areas.append(Rectangle(width - corner.width, 0, width, corner.height))
    if controls.help:
        areas.append(Rectangle(0, height - _help_plate(shape, controls, recording).height, width, height))
    return areas


def stats_line(stats: StreamStats, controls: Controls) -> str:
    """ "30 fps  45 ms": the drawn frames a second, and how old the labels are."""
    if controls.paused:
        return "paused"
    return f"{stats.fps:.0f} fps  {stats.latency_ms:.0f} ms"


def _help_plate(shape: tuple[int, int], controls: Controls, recording: bool) -> Plate:
    """The line of keys, as wide as the picture."""
    height, width = shape
    letters = _letters((width, height))
    rows = wrap_text(help_parts(controls, recording), letters, width)
    return build_plate(rows, letters, (width, height))._replace(width=width)


def _draw_recording(image_rgb: np.ndarray, seconds: float, letters: int) -> None:
    """A red dot and the time in the upper right corner."""
    height, width = image_rgb.shape[:2]
    minutes, rest = divmod(int(seconds), 60)
    # The dot stands where the text begins with spaces.
    text = plain_row(f"      REC {minutes}:{rest:02d}")
    plate = build_plate((text,), letters, (width, height))
    left, middle = max(width - plate.width, 0), plate.height // 2
    draw_plate(image_rgb, plate, (left, 0))
    centre = left + plate.pad + middle // 2, middle
    cv2.circle(image_rgb, centre, max(2, round(0.28 * plate.height)), _RED, cv2.FILLED, cv2.LINE_AA)


def _letters(resolution_wh: tuple[int, int]) -> int:
    return max(SMALLEST_TEXT, round(_SIZE * text_height(resolution_wh)))
