"""People of a video, with drawn faces and fakes that know where these are."""

from types import SimpleNamespace

import numpy as np
import pytest

from facecli.detect.registry import Detections, build_detector
from facecli.infer.analyzer import Analyzer
from facecli.live.analyzer import LiveAnalyzer
from facecli.models.litert import Predictor
from facecli.models.readout import IDENTITY, Calibration

SIDE = 60
TEXTURES = np.random.default_rng(4).integers(0, 256, (3, 6, 6))


def scene(*people, ground=30, shape=(240, 320)):
    """A picture with squares; each of people is (left, top, texture). The red channel's mean tells whose."""
    image = np.full((*shape, 3), ground, np.uint8)
    for left, top, texture in people:
        face = np.kron(TEXTURES[texture], np.ones((SIDE // 6, SIDE // 6)))
        image[top : top + SIDE, left : left + SIDE] = face[..., None]
    return image


class FakeDetector:
    """Sees what it is told to see."""

    name, every_s = "haar", 0.0

    def __init__(self):
        self.boxes, self.calls = [], 0

    def detect(self, frame_rgb):
        self.calls += 1
        boxes = [(left, top, left + SIDE, top + SIDE) for left, top in self.boxes]
        return Detections(np.array(boxes, np.int32).reshape(-1, 4), np.full(len(boxes), 0.8, np.float32))


class FakePredictor:
    """Reads a woman of 30 or what it is told."""

    image_size = (24, 24)
    checkpoint = SimpleNamespace(crop_of=lambda name: (0.0, 0.0), further={}, half_lives_s={})

    def __init__(self, calibration=IDENTITY):
        self.calibration = calibration
        self.age, self.male, self.face = 30, 0.0, 0.9
        self.calls = 0

    def predict(self, crops):
        self.calls += 1
        ages = np.zeros((len(crops), 117), np.float32)
        ages[:, self.age] = 1
        gender = np.tile(np.array([self.male, 1 - self.male], np.float32), (len(crops), 1))
        presence = np.tile(np.array([1 - self.face, self.face], np.float32), (len(crops), 1))
        return {"age": ages, "gender": gender, "face": presence}


@pytest.fixture
def fakes():
    detector, predictor = FakeDetector(), FakePredictor(Calibration(face_threshold=0.5))
    return detector, predictor, LiveAnalyzer(Analyzer(detector, predictor))


def test_an_empty_video_shows_nobody_and_asks_no_network(fakes):
    detector, predictor, live = fakes
    assert [live.analyze(scene(ground=step), step / 25) for step in range(0, 90, 9)] == [[]] * 10
    assert predictor.calls == 0


def test_people_keep_their_numbers_and_are_given_from_left_to_right(fakes):
    detector, _, live = fakes
    for step in range(20):
        detector.boxes = [(200 - step, 100), (20 + step, 80)]
        faces = live.analyze(scene((200 - step, 100, 0), (20 + step, 80, 1)), step / 25)
        assert [face.track for face in faces] == [2, 1]
    assert faces[0].age_years == 30 and faces[0].gender == "female"
    assert faces[0].box_xyxy[0] == pytest.approx(39, abs=2)


def test_a_face_is_held_while_no_detector_sees_it_and_leaves_with_its_looks(fakes):
    detector, _, live = fakes
    detector.boxes = [(100, 100)]
    live.analyze(scene((100, 100, 0)), 0.0)
    detector.boxes = []
    (held,) = live.analyze(scene((106, 100, 0), ground=36), 0.1)
    assert held.track == 1 and held.box_xyxy[0] == pytest.approx(106, abs=3)
    shown = [len(live.analyze(scene(ground=40 + step), 0.2 + step / 10)) for step in range(0, 20, 5)]
    assert shown == [1, 0, 0, 0]


def test_a_still_picture_is_not_analysed_again_for_a_while(fakes):
    detector, predictor, live = fakes
    detector.boxes = [(100, 100)]
    faces = [live.analyze(scene((100, 100, 0)), step / 25) for step in range(10)]
    assert predictor.calls == 1 and faces == [faces[0]] * 10
    assert len(live.analyze(scene((100, 100, 0)), 0.5)) == 1
    assert predictor.calls == 2


def test_a_cut_begins_anew_and_so_does_a_reset(fakes):
    detector, _, live = fakes
    detector.boxes = [(100, 100)]
    assert live.analyze(scene((100, 100, 0)), 0.0)[0].track == 1
    assert live.analyze(scene((100, 100, 0), ground=200), 0.1)[0].track == 2
    live.reset()
    assert live.analyze(scene((100, 100, 0), ground=200), 0.2)[0].track == 3


def test_another_size_of_picture_begins_anew(fakes):
    detector, _, live = fakes
    detector.boxes = [(100, 100)]
    live.analyze(scene((100, 100, 0)), 0.0)
    assert live.analyze(scene((100, 100, 0), shape=(300, 400)), 0.1)[0].track == 2


def test_somebody_else_in_the_same_place_starts_afresh(fakes):
    detector, predictor, live = fakes
    detector.boxes = [(100, 100)]
    for step in range(10):
        live.analyze(scene((100, 100, 0), ground=30 + 5 * step), step / 10)
    predictor.age, predictor.male = 70, 1.0
    (face,) = live.analyze(scene((100, 100, 1), ground=80), 1.0)
    assert (face.track, face.age_years, face.gender) == (2, 70, "male")


def test_what_the_model_takes_for_no_face_is_not_shown(fakes):
    detector, predictor, live = fakes
    detector.boxes, predictor.face = [(100, 100)], 0.1
    assert live.analyze(scene((100, 100, 0)), 0.0) == []
    predictor.face = 1.0
    for step in range(1, 20):
        faces = live.analyze(scene((100, 100, 0), ground=30 + 4 * step), step / 10)
    assert len(faces) == 1


def test_refused_boxes_are_shown_on_request():
    detector, predictor = FakeDetector(), FakePredictor(Calibration(face_threshold=0.5))
    live = LiveAnalyzer(Analyzer(detector, predictor, show_rejected=True))
    detector.boxes, predictor.face = [(100, 100)], 0.1
    (face,) = live.analyze(scene((100, 100, 0)), 0.0)
    assert face.rejected and face.age_years is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 640), (640, 1), (3, 500)])
def test_odd_pictures_show_nobody(tiny_checkpoint, shape):
    live = LiveAnalyzer(Analyzer(build_detector("haar"), Predictor(tiny_checkpoint)))
    images = [np.full((*shape, 3), level, np.uint8) for level in (0, 90, 255)]
    assert [live.analyze(image, step / 10) for step, image in enumerate(images)] == [[], [], []]


def test_a_real_face_moves_through_a_real_search(tiny_checkpoint, astronaut):
    def film():
        live = LiveAnalyzer(Analyzer(build_detector("haar"), Predictor(tiny_checkpoint)))
        return [live.analyze(np.roll(astronaut, 3 * step, axis=1), step / 25) for step in range(13)]

    first, again = film(), film()
    assert first == again
    assert [[face.track for face in faces] for faces in first] == [[1]] * 13
    assert first[-1][0].box_xyxy[0] - first[0][0].box_xyxy[0] == pytest.approx(36, abs=8)
    for faces in first:
        assert 0 <= faces[0].box_xyxy[0] and faces[0].box_xyxy[2] <= 512
        assert sum(faces[0].race_probabilities.values()) == pytest.approx(1)
