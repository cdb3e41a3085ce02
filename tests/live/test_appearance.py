"""How different two faces are."""

from dataclasses import replace

import pytest

from facecli.core.faces import Face
from facecli.live.analyzer import appearance_distance

WOMAN = Face((0, 0, 9, 9), 0.9, 30.0, (20, 42), {"male": 0.0, "female": 1.0}, {"white": 1.0, "asian": 0.0})
MAN = replace(WOMAN, age_years=70.0, gender_probabilities={"male": 1.0, "female": 0.0})


def test_nothing_known_is_no_difference():
    bare = Face((0, 0, 9, 9), 0.9)
    assert appearance_distance(bare, bare) == appearance_distance(bare, WOMAN) == 0


def test_the_same_is_at_no_distance_and_all_else_at_one():
    assert appearance_distance(WOMAN, WOMAN) == pytest.approx(0)
    assert appearance_distance(WOMAN, MAN) == appearance_distance(MAN, WOMAN) == pytest.approx(2 / 3)
    other = replace(MAN, race_probabilities={"white": 0.0, "asian": 1.0})
    assert appearance_distance(WOMAN, other) == pytest.approx(1)


def test_a_few_years_are_little():
    assert appearance_distance(WOMAN, replace(WOMAN, age_years=33.0)) == pytest.approx(0.1 / 3)
