"""When somebody is believed, held, read and shown."""

from dataclasses import replace

import numpy as np
import pytest

from facecli.core.faces import Face
from facecli.live.analyzer import HOLD_S, SHOWN_S, Person
from facecli.live.tracking import Detection, Patch

BOX = np.array([60.0, 40, 100, 80])
NOISE = np.random.default_rng(3)
PICTURE = np.kron(NOISE.integers(0, 256, (20, 30)), np.ones((8, 8))).astype(np.uint8)
OTHER = np.kron(NOISE.integers(0, 256, (20, 30)), np.ones((8, 8))).astype(np.uint8)
WOMAN = Face((60, 40, 100, 80), 0.9, 30.0, (20, 42), {"male": 0.0, "female": 1.0})
MAN = replace(WOMAN, age_years=70.0, gender_probabilities={"male": 1.0, "female": 0.0})


def person():
    return Person(Detection(BOX, 0.9), Patch(PICTURE, BOX), 0.0, 0.0)


def test_who_is_new_is_read_at_once():
    assert person().wants_reading(0.0)


def test_nobody_is_shown_of_whom_nothing_is_known():
    assert not person().shown(0.0)


def test_a_face_is_held_while_it_looks_the_same_and_not_for_ever():
    held = person()
    moved = np.roll(PICTURE, 6, axis=1)
    assert held.hold(moved, BOX, 0.2) == pytest.approx(BOX + (6, 0, 6, 0), abs=1.5)
    assert held.seen_s == 0.2 and held.sighted_s == 0.0
    assert held.hold(OTHER, BOX, 0.3) is None
    assert held.seen_s == 0.2
    assert held.hold(moved, BOX, HOLD_S + 0.01) is None


def test_what_is_no_longer_seen_is_soon_no_longer_shown():
    known = person()
    known.read(WOMAN, 0.0)
    assert known.shown(0.0) and known.shown(SHOWN_S) and not known.shown(SHOWN_S + 0.01)


def test_labels_are_renewed_well_before_half_a_second():
    known = person()
    for step in range(10):
        known.see(Detection(BOX, 0.9), PICTURE, BOX, step / 25)
        known.read(WOMAN, step / 25)
    known.see(Detection(BOX, 0.9), PICTURE, BOX, 0.4)
    assert not known.wants_reading(0.4)
    known.see(Detection(BOX, 0.9), PICTURE, BOX, 0.5)
    assert known.wants_reading(0.5)


@pytest.mark.parametrize(
    ("picture", "face", "other"),
    [(OTHER, MAN, True), (OTHER, WOMAN, False), (PICTURE, MAN, False)],
)
def test_somebody_else_both_looks_and_reads_otherwise(picture, face, other):
    known = person()
    known.read(WOMAN, 0.0)
    known.see(Detection(BOX, 0.9), picture, BOX, 0.1)
    assert known.wants_reading(0.1)
    assert known.is_other(face) == other
