"""Words of bars."""

from panel_faces import BARE, FULL

from facecli.draw.panel import bar_lines


def test_no_head_needs_no_line():
    assert bar_lines(BARE, ("gender", "race")) == 0
    assert bar_lines(FULL, ()) == 0


def test_a_line_for_the_heading_and_each_class():
    assert bar_lines(FULL, ("gender",)) == 3
    assert 3 + 6 < bar_lines(FULL, ("gender", "race")) < 3 + 6 + 1
