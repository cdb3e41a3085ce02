"""Words and shapes."""

import numpy as np
import pytest

from facecli.draw.panel import TEXT, PanelInk
from facecli.draw.plates import shorten_text


def blank():
    return np.zeros((40, 200, 3), np.uint8)


def test_nothing_drawn_is_nothing_changed():
    panel = blank()
    PanelInk(panel).finish()
    assert not panel.any()


def test_words_are_written_at_the_end_only():
    panel = blank()
    ink = PanelInk(panel)
    ink.write(2, 30, "face", 20)
    assert not panel.any()
    ink.finish()
    assert (panel == TEXT).all(axis=2).any()
    ink.finish()


def test_box_covers_its_pixels_and_no_others():
    panel = blank()
    PanelInk(panel).box(10, 5, 20, 15, (1, 2, 3))
    assert (panel[5:15, 10:20] == (1, 2, 3)).all() and panel.any(axis=2).sum() == 100
    PanelInk(panel := blank()).box(10, 5, 10.2, 15, (1, 2, 3))
    assert not panel.any()


@pytest.mark.parametrize("text", ["", "a", "a long name of a model" * 9, "名前" * 50])
def test_shortened_text_fits(text):
    short = shorten_text(text, 14, 120)
    assert short == text or (short.endswith("...") and len(short) < len(text))
    assert len(short) < 40
