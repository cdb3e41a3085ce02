"""Heads that a model brings, in labels and panels."""

import numpy as np
import pytest

from facecli.core.faces import Face
from facecli.draw.annotate import annotate, detail_rows, label_parts
from facecli.draw.panel import draw_compared, draw_details, panel_size

PICTURE = np.full((200, 200, 3), 90, np.uint8)


def face(further, **fields):
    return Face((50, 50, 120, 130), 0.9, age_years=30.0, age_interval_90=(25, 36), further=further, **fields)


def words(face):
    return [[word.text for word in line] for line in label_parts(face)]


def test_a_label_says_it_and_whether_it_is_doubtful():
    said = {"glasses": {"no": 0.2, "yes": 0.8}}
    assert words(face(said))[-1] == ["glasses yes"]
    assert words(face(said, uncertain=("glasses",)))[-1] == ["glasses?"]
    assert words(face({})) == [["30", " (25-36)"]]
    assert any("yes" in word.text for row in detail_rows(face(said)) for word in row.words)


def test_a_panel_has_a_bar_for_each_class_and_never_more_than_a_dozen():
    few, many = ({f"class {n}": 1 / count for n in range(count)} for count in (12, 100))
    assert panel_size(face({"hair": few}), 12) == panel_size(face({"hair": many}), 12)
    assert (
        panel_size(face({"hair": few}), 12)[1] > panel_size(face({"glasses": {"no": 0.2, "yes": 0.8}}), 12)[1]
    )


@pytest.mark.parametrize("name", ["yes", "x" * 40])
@pytest.mark.parametrize("draw", [annotate, draw_details, draw_compared])
def test_it_is_drawn_whatever_classes_are_called(draw, name):
    one = face({"glasses": {"no": 0.2, name: 0.8}})
    compared = Face(one.box_xyxy, 0.9, further=one.further, by_model={"a": one, "b": face({})})
    for faces in ([one], [compared]):
        drawn = draw(PICTURE, faces)
        assert drawn.dtype == np.uint8 and not np.array_equal(drawn[:200, :200], PICTURE)
