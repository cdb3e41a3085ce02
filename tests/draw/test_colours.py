"""One colour for each track: stable, told apart, seen on the labels' dark ground."""

from itertools import combinations

import cv2
import numpy as np
import pytest

from facecli.core.faces import Face
from facecli.draw.plates import DARK, PALETTE, PLAIN, REJECTED, face_colour


def lab(colour):
    return cv2.cvtColor(np.float32([[colour]]) / 255, cv2.COLOR_RGB2LAB)[0, 0]


def luminance(colour):
    """Relative luminance of WCAG 2.1."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in np.divide(colour, 255)]
    return float(np.dot((0.2126, 0.7152, 0.0722), linear))


def test_a_face_without_a_track_is_green_and_a_refused_one_grey():
    assert face_colour(Face((0, 0, 9, 9), 0.9)) == PLAIN == (80, 230, 120)
    assert face_colour(Face((0, 0, 9, 9), 0.9, rejected=True, track=3)) == REJECTED


def test_a_track_keeps_its_colour_and_neighbours_have_another():
    colours = [face_colour(Face((0, 0, 9, 9), 0.9, track=number)) for number in range(1, 100)]
    assert colours == [face_colour(Face((5, 5, 7, 7), 0.1, track=number)) for number in range(1, 100)]
    for start in range(90):
        assert len(set(colours[start : start + len(PALETTE)])) == min(len(PALETTE), 99 - start)


@pytest.mark.parametrize(("one", "other"), list(combinations((*PALETTE, REJECTED), 2)))
def test_colours_are_told_apart(one, other):
    assert np.linalg.norm(lab(one) - lab(other)) > 22


@pytest.mark.parametrize("colour", (*PALETTE, PLAIN, REJECTED))
def test_colours_are_seen_on_the_dark_ground(colour):
    assert (luminance(colour) + 0.05) / (luminance(DARK) + 0.05) > 4.5
