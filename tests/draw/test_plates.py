"""Text of any kind, and the plates that it stands on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from facecli.draw import plates
from facecli.draw.plates import (
    DARK,
    LabelBar,
    LabelRow,
    Side,
    Word,
    build_plate,
    draw_plate,
    drawable,
    plain_row,
    text_width,
    write_text,
)

RED = (250, 90, 80)


def white(height=60, width=200):
    return np.full((height, width, 3), 255, np.uint8)


def test_no_text_is_nothing_drawn():
    picture = white()
    write_text(picture, (5, 30), "", 20, DARK)
    assert (picture == 255).all() and text_width("", 20) == 0


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("M\u00fcller, Ren\u00e9", "Muller, Rene"),
        ("Stra\u00dfe \u0141\u00f3d\u017a", "Strasse Lodz"),
        ("e\u0301", "e"),
        ("\u540d\u524d.jpg", "??.jpg"),
        ("a\tb\nc", "a b c"),
        ("\ud83d \x1b[31m", "? ?[31m"),
        ("17\u201335", "17-35"),
        ("white \u00b7 happy", "white \u00b7 happy"),
    ],
)
def test_what_the_font_lacks_is_replaced(text, drawn):
    assert drawable(text) == drawn


@given(st.text(max_size=12), st.integers(1, 40), st.integers(-80, 240), st.integers(-80, 140))
def test_any_text_is_written_anywhere(text, size, x, y):
    picture = white()
    for anchor in "lmr":
        write_text(picture, (x, y), text, size, DARK, anchor)
    assert picture.shape == (60, 200, 3)


def test_anchors_are_ends_and_middle():
    for anchor, (start, end) in {"l": (100, 200), "m": (70, 130), "r": (0, 101)}.items():
        picture = white()
        write_text(picture, (100, 40), "HHH", 20, DARK, anchor)
        columns = np.nonzero((picture != 255).any(axis=(0, 2)))[0]
        assert columns[0] >= start and columns[-1] <= end


def test_without_freetype_the_other_font_is_taken(monkeypatch):
    def lacking(size):
        raise ImportError("_imagingft")

    monkeypatch.setattr(ImageFont, "load_default", lacking)
    for cached in (plates._font, plates._ink, plates.text_width, plates._drawn_as):
        cached.cache_clear()
    try:
        picture = white()
        write_text(picture, (5, 40), "26 \u540d", 22, DARK)
        assert (picture != 255).any() and text_width("26", 22) == 2 * text_width("26", 11) > 0
    finally:
        for cached in (plates._font, plates._ink, plates.text_width, plates._drawn_as):
            cached.cache_clear()


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_words_are_read_on_any_ground(ground):
    picture = np.full((60, 200, 3), ground, np.uint8)
    plate = build_plate((plain_row("26 (17-35)"),), 12, (200, 60))
    draw_plate(picture, plate, (10, 10))
    place = picture[10 : 10 + plate.height, 10 : 10 + plate.width].astype(int)
    assert place.max() > 240 and np.median(place) < 70
    outside = picture.copy()
    outside[10 : 10 + plate.height, 10 : 10 + plate.width] = ground
    assert (outside == ground).all()


@pytest.mark.parametrize("side", list(Side))
def test_the_stripe_is_on_its_side(side):
    picture = white()
    plate = build_plate((plain_row("word"),), 12, (200, 60))
    draw_plate(picture, plate, (0, 0), RED, side)
    rows, columns = np.nonzero((picture == RED).all(axis=2))
    middle = {
        Side.LEFT: columns.max() < 5,
        Side.RIGHT: columns.min() > plate.width - 6,
        Side.TOP: rows.max() < 5,
        Side.BOTTOM: rows.min() > plate.height - 6,
    }
    assert middle[side]


def test_round_corners_leave_the_picture_alone():
    picture = white()
    plate = build_plate((plain_row("word"),), 20, (200, 60))
    draw_plate(picture, plate, (0, 0))
    assert (picture[0, 0] == 255).all() and (picture[plate.height - 1, plate.width - 1] == 255).all()
    assert (picture[0, plate.width // 2] < 80).all()


def test_a_plate_that_is_remembered_is_drawn_with_the_bars_of_now():
    def filled(high):
        picture = white(60, 400)
        rows = (LabelRow((Word("happy"),), LabelBar(0.0, high)),)
        draw_plate(picture, build_plate(rows, 12, (400, 60)), (0, 0), RED)
        return (picture == RED).all(axis=2).sum()

    assert filled(0.1) < filled(0.5) < filled(1.0)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=8), st.integers(1, 60), st.integers(1, 90))
def test_plates_are_as_large_as_their_picture_at_most(lines, letters, side):
    rows = tuple(map(plain_row, lines))
    plate = build_plate(rows, letters, (side, 40))
    assert plate.width <= side and plate.height <= 40 and plate.rows == rows
    draw_plate(np.zeros((40, side, 3), np.uint8), plate, (0, 0), RED)
