"""Detection that keeps up, on a real face and with fakes."""

import numpy as np
import pytest

from facecli.core.crops import overlaps
from facecli.detect.none import WholePicture
from facecli.detect.registry import Detections, build_detector
from facecli.live.detector import HaarSearch, Spaced, build_live_detector, distinct
from facecli.live.frames import Detection, ExpectedFace, FrameSignature, PreparedFrame

FACE = np.array([177.0, 69, 272, 164])


class FakeDetector:
    name = "yunet"

    def __init__(self):
        self.calls = 0

    def detect(self, frame_rgb):
        self.calls += 1
        return Detections(np.array([[1, 2, 30, 40]], np.int32), np.array([0.75], np.float32))


def look(image):
    return PreparedFrame(image, FrameSignature(image))


@pytest.fixture(scope="module")
def haar():
    return HaarSearch()


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (13, 17), (240, 320), (2000, 3000)])
@pytest.mark.parametrize("level", [0, 255])
def test_plain_pictures_of_any_size_show_nobody(haar, shape, level):
    haar.reset()
    plain = look(np.full((*shape, 3), level, np.uint8))
    assert [haar.find(plain, step / 10, []) for step in range(4)] == [[], [], [], []]


def test_a_new_face_is_seen_at_once_and_a_known_one_in_every_frame(haar, astronaut):
    haar.reset()
    (new,) = haar.find(look(astronaut), 0.0, [])
    assert new.sure and new.pose == 0
    for step in range(1, 6):
        found = haar.find(look(astronaut), step / 25, [ExpectedFace(FACE + 8, 0)])
        assert len(found) == 1
        assert overlaps(found[0].xyxy[None], FACE[None])[0, 0] > 0.5


def test_who_is_there_for_certain_is_not_searched(haar, astronaut):
    haar.reset()
    haar.find(look(astronaut), 0.0, [])
    haar.find(look(astronaut), 0.01, [])
    haar.find(look(astronaut), 0.02, [])
    haar.find(look(astronaut), 0.03, [])
    assert haar.find(look(astronaut), 0.04, [ExpectedFace(FACE, 0, seen=True)]) == []


def test_a_face_that_went_is_not_found(haar, astronaut):
    haar.reset()
    assert haar.find(look(np.zeros_like(astronaut)), 0.0, [ExpectedFace(FACE, 0)]) == []


def test_a_quick_detector_sees_whole_frames_every_so_often(astronaut):
    detector = FakeDetector()
    spaced = build_live_detector(detector)
    assert isinstance(spaced, Spaced)
    found = [spaced.find(look(astronaut), step / 30, []) for step in range(30)]
    assert 10 <= detector.calls <= 20
    (detection,) = found[0]
    assert detection.xyxy.tolist() == [1, 2, 30, 40] and detection.score == 0.75 and detection.sure
    calls = detector.calls
    spaced.reset()
    spaced.find(look(astronaut), 1.0, [])
    assert detector.calls == calls + 1


def test_whole_pictures_are_faces_in_every_frame(astronaut):
    whole = build_live_detector(WholePicture())
    for step in range(3):
        assert whole.find(look(astronaut), step / 100, [])[0].xyxy.tolist() == [0, 0, 512, 512]


def test_haar_is_searched_in_its_own_way():
    assert isinstance(build_live_detector(build_detector("haar")), HaarSearch)


def test_each_face_is_given_once():
    assert distinct([]) == []
    one, same, other = (Detection(FACE + shift, 0.5) for shift in (0, 10, 90))
    assert distinct([one, same, other]) == [one, other]
