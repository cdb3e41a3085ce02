"""Faces stay covered, half a second longer than they are seen."""

import dataclasses

import numpy as np
from stream_fakes import FACE

from facecli.draw.anonymize import LingeringMask

IMAGE = np.zeros((4, 4, 3), np.uint8)


def covering(shield_calls):
    return LingeringMask(lambda image_rgb, faces: shield_calls.append(list(faces)) or image_rgb + 1)


def test_without_protection_the_picture_passes():
    assert LingeringMask(None).cover(IMAGE, [FACE], 0) is IMAGE


def test_no_face_is_no_face():
    calls = []
    assert (covering(calls).cover(IMAGE, [], 0) == 1).all()
    assert calls == [[]]


def test_lost_face_stays_covered_for_half_a_second():
    calls = []
    shield = covering(calls)
    shield.cover(IMAGE, [FACE], 0)
    for time_s in (0.2, 0.5, 0.6):
        shield.cover(IMAGE, [], time_s)
    assert calls == [[FACE], [FACE], [FACE], []]


def test_a_track_is_covered_where_it_is_now_only():
    calls = []
    shield = covering(calls)
    first = dataclasses.replace(FACE, track=1)
    moved = dataclasses.replace(first, box_xyxy=(2, 2, 10, 10))
    shield.cover(IMAGE, [first], 0)
    shield.cover(IMAGE, [moved], 0.1)
    assert calls[1] == [moved]
