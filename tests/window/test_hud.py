"""The corner, the help line, the red mark and notices: inside the picture at any size."""

import numpy as np
import pytest

from facecli.core.faces import Face
from facecli.draw.plates import build_plate, plain_row, wrap_text
from facecli.pipeline.playback import mirrored
from facecli.pipeline.stream import StreamStats
from facecli.window.screen import Controls, Shown, draw_hud, hud_areas, stats_line

STATS = StreamStats(29.7, 43.2, 12.0, False)


def drawn(shape, shown):
    picture = np.full((*shape, 3), 128, np.uint8)
    draw_hud(picture, STATS, shown)
    return picture


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (48, 64), (480, 640), (2160, 3840)])
def test_any_picture_size_is_drawn_on(shape):
    full = Shown(Controls(), 61.0, "saved facecli-20240131-142305.png")
    assert drawn(shape, full).shape == (*shape, 3)


def test_corner_tells_rate_and_latency_or_that_it_is_paused():
    assert stats_line(STATS, Controls()) == "30 fps  43 ms"
    assert stats_line(STATS, Controls(paused=True)) == "paused"


def test_without_help_notice_and_recording_only_the_corner_is_drawn():
    changed = (drawn((480, 640), Shown(Controls(help=False))) != 128).any(axis=2)
    assert changed[:40, :200].any() and not changed[60:].any() and not changed[:, 320:].any()


def test_help_line_stands_at_the_bottom_over_the_whole_width():
    changed = (drawn((480, 640), Shown(Controls())) != 128).any(axis=2)
    assert changed[-3].all() and not changed[100:400].any()


def test_red_mark_while_recording():
    def red(picture):
        return (picture[..., 0] > 200) & (picture[..., 1] < 90)

    assert red(drawn((480, 640), Shown(Controls(), 3.0)))[:40, 400:].any()
    assert not red(drawn((480, 640), Shown(Controls()))).any()


def test_notices_stand_above_the_help_line():
    picture = drawn((480, 640), Shown(Controls(), None, "saved x.png"))
    changed = (picture != 128).any(axis=2)
    assert changed[-60:-20, 300:340].any()


@pytest.mark.parametrize("controls", [Controls(), Controls(help=False)])
@pytest.mark.parametrize("recorded_s", [None, 5.0])
def test_labels_are_told_where_texts_stand(controls, recorded_s):
    shape = 480, 640
    changed = (drawn(shape, Shown(controls, recorded_s)) != 128).any(axis=2)
    for left, top, right, bottom in hud_areas(shape, controls, recorded_s is not None):
        assert changed[top:bottom, left:right].any()
        changed[top:bottom, left:right] = False
    assert not changed[100:].any()


def test_lines_are_broken_where_the_picture_ends():
    parts = ["q quit", "p pause", "s snapshot"]
    assert wrap_text([], 10, 100) == ()
    assert wrap_text(parts, 10, 10_000) == (plain_row("q quit  p pause  s snapshot"),)
    rows = wrap_text(parts, 10, 120)
    assert 1 < len(rows) <= 3 and build_plate(rows[:1], 10, (10_000, 99)).width <= 120


def test_the_mirror_swaps_boxes_with_the_picture_and_back():
    picture = np.arange(5 * 8 * 3, dtype=np.uint8).reshape(5, 8, 3)
    picture.setflags(write=False)
    face = Face((1, 2, 4, 5), 0.9, track=1)
    flipped, (moved,) = mirrored(picture, [face])
    assert (flipped[2:5, 4:7] == picture[2:5, 1:4][:, ::-1]).all()
    assert moved.box_xyxy == (4, 2, 7, 5) and moved.track == 1
    again, faces = mirrored(flipped, [moved])
    assert (again == picture).all() and faces == [face]
    assert mirrored(picture, [])[1] == []
