"""What the detailed label says, and how long its bars are."""

from dataclasses import replace

import pytest

from facecli.core.faces import Face
from facecli.draw.annotate import detail_rows
from facecli.draw.plates import LabelBar

FACE = Face(
    (20, 60, 80, 120),
    0.9,
    29.0,
    (0, 58),
    {"male": 0.02, "female": 0.98},
    {"white": 0.6, "black": 0.1, "asian": 0.3},
    track=7,
)


def test_nothing_known_is_no_row():
    assert detail_rows(Face((0, 0, 9, 9), 0.9)) == []


def test_a_track_alone_is_its_number():
    (row,) = detail_rows(Face((0, 0, 9, 9), 0.9, track=2))
    assert row.text == "#2" and row.bar is None


def test_every_head_has_a_bar_and_a_second_class_that_counts():
    rows = detail_rows(FACE)
    assert [row.text for row in rows] == ["#7  29 (0-58)", "female 98%", "white 60%", "asian 30%"]
    assert rows[0].bar == LabelBar(0.0, 0.5)
    assert rows[1].bar == LabelBar(0.0, 0.98)
    assert rows[3].bar == LabelBar(0.0, 0.3, main=False)


def test_the_seven_races_are_no_rows():
    assert detail_rows(replace(FACE, race_7_probabilities={"white": 0.9, "indian": 0.1})) == detail_rows(FACE)


def test_doubtful_heads_say_so_and_keep_their_bars():
    row = detail_rows(replace(FACE, uncertain=("race",)))[2]
    assert (row.text, row.bar) == ("race?", LabelBar(0.0, 0.6))


@pytest.mark.parametrize("interval", [(-5, 300), None])
def test_ages_beyond_the_scale_stay_on_it(interval):
    (row,) = detail_rows(Face((0, 0, 9, 9), 0.9, 200.0, interval))
    assert 0 <= row.bar.low <= row.bar.high == 1


def test_a_refused_box_says_how_sure_that_is():
    face = Face((0, 0, 9, 9), 0.9, face_probability=0.25, rejected=True, track=1)
    (row,) = detail_rows(face)
    assert (row.text, row.bar) == ("#1  not a face 75%", LabelBar(0.0, 0.75))
