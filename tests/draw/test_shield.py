"""Faces stay covered, half a second longer than they are seen."""

import dataclasses

import numpy as np
from stream_fakes import FACE

from facecli.draw.anonymize import LingeringMask, covers_at

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


def test_nobody_seen_is_nobody_covered():
    assert covers_at(1.0, {}) == covers_at(1.0, {1.0: []}) == []


def test_a_face_that_is_found_later_was_there_before():
    found = dataclasses.replace(FACE, track=1)
    assert covers_at(0.8, {0.8: [], 1.0: [found]}) == [found]
    assert covers_at(0.4, {0.4: [], 1.0: [found]}) == []


def test_between_two_sights_a_face_has_moved_evenly():
    first = dataclasses.replace(FACE, track=1, box_xyxy=(0, 0, 10, 10))
    last = dataclasses.replace(FACE, track=1, box_xyxy=(8, 4, 18, 14))
    seen = {0.0: [first], 0.1: [], 0.2: [], 0.3: [], 0.4: [last]}
    assert [covers_at(time_s, seen)[0].box_xyxy for time_s in (0.0, 0.1, 0.2, 0.4)] == [
        (0, 0, 10, 10),
        (2, 1, 12, 11),
        (4, 2, 14, 12),
        (8, 4, 18, 14),
    ]


def test_two_people_are_two_covers_and_who_is_seen_now_is_covered_here():
    one, other = (dataclasses.replace(FACE, track=track) for track in (1, 2))
    moved = dataclasses.replace(one, box_xyxy=(5, 5, 15, 15))
    assert covers_at(0.1, {0.0: [one], 0.1: [moved, other], 0.2: [one]}) == [moved, other]
