"""Search that keeps up with a video, with fakes that count."""

import numpy as np
import pytest

from facecli.detect.none import WholePicture
from facecli.detect.registry import Detections, build_detector
from facecli.live.analyzer import FrameSearch

IMAGE = np.zeros((60, 80, 3), np.uint8)


class FakeDetector:
    name = "fake"

    def __init__(self, found):
        self.found, self.calls = found, 0

    def detect(self, frame_rgb):
        self.calls += 1
        return self.found


NOBODY = Detections(np.empty((0, 4), np.int32), np.empty(0, np.float32))
SOMEBODY = Detections(np.array([[1, 2, 30, 40]], np.int32), np.array([0.75], np.float32))


def test_nobody_is_nobody():
    assert FrameSearch(FakeDetector(NOBODY)).find(IMAGE, 0.0) == []


def test_whole_frames_are_searched_every_so_often():
    detector = FakeDetector(SOMEBODY)
    search = FrameSearch(detector)
    found = [search.find(IMAGE, step / 30) for step in range(30)]
    assert 10 <= detector.calls <= 20
    (detection,) = found[0]
    assert (detection.xyxy.tolist(), detection.score) == ([1, 2, 30, 40], 0.75)
    assert detection.landmarks is None and detection.landmark_error is None
    calls = detector.calls
    search.reset()
    search.find(IMAGE, 1.0)
    assert detector.calls == calls + 1


def test_what_is_known_of_landmarks_goes_along():
    points = np.arange(10, dtype=np.float32).reshape(1, 5, 2)
    looked = SOMEBODY._replace(landmarks=points, landmark_errors=np.array([0.05], np.float32))
    (detection,) = FrameSearch(FakeDetector(looked)).find(IMAGE, 0.0)
    assert (detection.landmarks == points[0]).all() and detection.landmark_error == pytest.approx(0.05)


def test_whole_pictures_are_faces_in_every_frame():
    search = FrameSearch(WholePicture())
    for step in range(3):
        assert search.find(IMAGE, step / 100)[0].xyxy.tolist() == [0, 0, 80, 60]


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (13, 17), (2000, 3000)])
@pytest.mark.parametrize("level", [0, 255])
def test_plain_pictures_of_any_size_show_nobody(shape, level):
    search = FrameSearch(build_detector("haar", refine=False))
    assert search.find(np.full((*shape, 3), level, np.uint8), 0.0) == []


def test_haar_finds_a_real_face_live(astronaut):
    (detection,) = FrameSearch(build_detector("haar", refine=False)).find(astronaut, 0.0)
    assert detection.xyxy == pytest.approx([177, 69, 272, 164], abs=25)
