"""The drawn scene: its faces are found, and it is always the same."""

import numpy as np
import pytest

from facecli.core.paths import find_cascade
from facecli.detect.haar import HaarDetector
from facecli.measure.stages import MOST_FACES, RESOLUTIONS, draw_face, iter_scene


@pytest.fixture(scope="module")
def haar():
    return HaarDetector(find_cascade())


def test_no_face_and_no_frame(haar):
    assert list(iter_scene((64, 48), 0, 0)) == []
    (empty,) = iter_scene((640, 480), 0, 1)
    assert empty.shape == (480, 640, 3) and empty.dtype == np.uint8
    assert len(haar.detect(empty)[0]) == 0


@pytest.mark.parametrize("resolution_wh", RESOLUTIONS.values())
@pytest.mark.parametrize("faces", [1, 4, MOST_FACES])
def test_every_drawn_face_is_found(haar, resolution_wh, faces):
    frames = list(iter_scene(resolution_wh, faces, 1))
    assert frames[0].shape == (resolution_wh[1], resolution_wh[0], 3)
    assert len(haar.detect(frames[0])[0]) == faces


def test_frames_differ_and_come_again():
    first, again = (list(iter_scene((640, 480), 2, 12)) for _ in range(2))
    assert all((one == other).all() for one, other in zip(first, again, strict=True))
    assert (first[0] != first[11]).any()


@pytest.mark.parametrize("side", [1, 8, 60])
def test_faces_of_any_size_are_drawn(side):
    assert draw_face(side).shape == (side, side, 3)
