"""Heads are hidden wholly and for good; nothing else is touched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.faces import Face
from facecli.draw.anonymize import METHODS, anonymize, head_box

HEIGHT, WIDTH = 90, 120
NOISE = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
squares = st.tuples(st.integers(-20, WIDTH), st.integers(-20, HEIGHT), st.integers(1, 100))


def faces_of(drawn):
    return [Face((left, top, left + side, top + side), 0.9) for left, top, side in drawn]


def inside(faces, shape=(HEIGHT, WIDTH)):
    """(H, W) bool: which pixels lie in a head."""
    mask = np.zeros(shape, bool)
    for face in faces:
        left, top, right, bottom = head_box(face.box_xyxy, shape[::-1])
        mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize("method", METHODS)
def test_without_faces_the_copy_equals_the_picture(method):
    hidden = anonymize(NOISE, [], method)
    assert (hidden == NOISE).all() and hidden is not NOISE


def test_unknown_method_is_refused():
    with pytest.raises(ValueError, match="no method 'fog'"):
        anonymize(NOISE, [], "fog")


@pytest.mark.parametrize("method", METHODS)
@given(drawn=st.lists(squares, max_size=4))
def test_pixels_outside_the_heads_are_untouched_and_the_picture_itself_too(method, drawn):
    picture, faces = NOISE.copy(), faces_of(drawn)
    hidden = anonymize(picture, faces, method)
    assert (picture == NOISE).all()
    outside = ~inside(faces)
    assert (hidden[outside] == NOISE[outside]).all()


@pytest.mark.parametrize("method", METHODS)
@given(drawn=st.lists(squares, min_size=1, max_size=4))
def test_no_block_of_the_picture_survives_inside_a_head(method, drawn):
    """Noise has no two equal blocks: a 2 x 2 block that is still there is an original one."""
    faces = faces_of(drawn)
    kept = (anonymize(NOISE, faces, method) == NOISE).all(axis=2) & inside(faces)
    assert not (kept[:-1, :-1] & kept[1:, :-1] & kept[:-1, 1:] & kept[1:, 1:]).any()


@pytest.mark.parametrize("method", ["blur", "pixelate"])
@pytest.mark.parametrize("side", [4, 10, 30, 100, 400])
def test_strength_grows_with_the_face(method, side):
    """Whatever the size, a head is no more than 6 x 6 numbers a channel: fine detail is gone."""
    size = 3 * side
    noise = np.random.default_rng(2).integers(0, 256, (size, size, 3), np.uint8)
    face = Face((side, side, 2 * side, 2 * side), 0.9)
    left, top, right, bottom = head_box(face.box_xyxy, (size, size))
    head = anonymize(noise, [face], method)[top:bottom, left:right].astype(float)
    colours = np.unique(head.reshape(-1, 3), axis=0)
    assert method == "blur" or len(colours) <= 36
    assert head.std() < 0.5 * noise.std()


@pytest.mark.parametrize("method", METHODS)
def test_heads_that_differ_only_within_the_averages_become_the_same(method):
    """48 x 48 pixels are 6 x 6 averages of 8 x 8: turning each about leaves the averages alone."""
    one = NOISE[:48, :48]
    cells = one.reshape(6, 8, 6, 8, 3)
    other = cells[:, ::-1, :, ::-1].reshape(48, 48, 3)
    whole = [Face((0, 0, 48, 48), 0.9)]
    assert (one != other).any()
    assert (anonymize(one, whole, method) == anonymize(other, whole, method)).all()


def test_whole_head_is_covered_more_above_than_below():
    head = head_box((100, 100, 200, 200), (1000, 1000))
    assert head.left < 80 and head.right > 220 and head.top < 50 and 200 < head.bottom <= 240


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "box", [(-50, -50, -10, -10), (500, 500, 600, 600), (0, 0, 120, 90), (119, 89, 120, 90)]
)
def test_boxes_at_and_beyond_the_border(method, box):
    assert anonymize(NOISE, [Face(box, 0.9)], method).shape == NOISE.shape


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1)])
def test_any_picture_size(method, shape):
    height, width = shape
    picture = np.zeros((*shape, 3), np.uint8)
    assert anonymize(picture, [Face((0, 0, width, height), 0.9)], method).shape == (*shape, 3)


def test_read_only_and_flipped_pictures_are_copied():
    picture = NOISE[:, ::-1]
    picture.setflags(write=False)
    assert (anonymize(picture, faces_of([(20, 20, 40)]), "box") == 64).any()


def test_refused_boxes_are_hidden_too():
    face = Face((20, 20, 60, 60), 0.9, face_probability=0.1, rejected=True)
    assert (anonymize(NOISE, [face], "box")[20:60, 20:60] == 64).all()
