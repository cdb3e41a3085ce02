"""A frame becomes faces: none, one, two; crops by the model's config."""

import cv2
import numpy as np
import pytest

from facecli.core.attributes import EMOTIONS, GENDERS, PRESETS, RACES, RACES_7
from facecli.core.crops import CHIP_LANDMARKS, crop_face
from facecli.core.errors import CheckpointError
from facecli.detect.cnn import LandmarkFinder
from facecli.detect.none import WholePicture
from facecli.detect.registry import Detections, RefiningDetector, build_detector
from facecli.infer.analyzer import Analyzer, ComparingAnalyzer, FaceSelection, ReadoutOptions, read_out
from facecli.live.analyzer import LiveAnalyzer
from facecli.models.checkpoint import Checkpoint
from facecli.models.litert import Predictor
from facecli.models.readout import AgeThresholds, Calibration


class FixedBoxes:
    """A detector that knows the answer."""

    name = "haar"

    def __init__(self, *boxes):
        self.boxes = boxes

    def detect(self, frame_rgb):
        return Detections(
            np.array(self.boxes, np.int32).reshape(-1, 4), np.full(len(self.boxes), 0.5, np.float32)
        )


@pytest.fixture(scope="module")
def predictor(tiny_checkpoint):
    return Predictor(tiny_checkpoint)


def test_no_face_is_an_empty_list(predictor):
    assert Analyzer(build_detector("haar"), predictor).analyze(np.zeros((40, 40, 3), np.uint8)) == []


def test_two_boxes_give_two_faces_in_their_order(predictor, astronaut):
    boxes = (177, 69, 272, 164), (300, 300, 380, 400)
    faces = Analyzer(FixedBoxes(*boxes), predictor).analyze(astronaut)
    assert [face.box_xyxy for face in faces] == list(boxes)
    for face in faces:
        assert 0 <= face.age_interval_90[0] <= face.age_interval_90[1] <= 116
        assert tuple(face.gender_probabilities) == GENDERS and tuple(face.race_probabilities) == RACES
        assert sum(face.race_probabilities.values()) == pytest.approx(1, abs=1e-4)


def test_crop_is_that_of_the_models_config(predictor, astronaut):
    box = (177, 69, 272, 164)
    margin, shift_y = predictor.checkpoint.crop_of("haar")
    cut = Analyzer(FixedBoxes(box), predictor).cut(astronaut, np.array([box]))
    assert (cut[0] == crop_face(astronaut, box, margin, (32, 24), shift_y)).all()


def test_whole_picture_gives_what_the_network_gives_for_the_chip(predictor, astronaut):
    chip = astronaut[60:180, 170:290]
    face = Analyzer(WholePicture(), predictor).analyze(chip)[0]
    direct = predictor.predict(crop_face(chip, (0, 0, 120, 120), 0.0, (32, 24))[None])
    assert list(face.race_probabilities.values()) == direct["race"][0].tolist()


def test_margin_can_be_replaced(predictor, astronaut):
    box = np.array([[177, 69, 272, 164]])
    analyzer = Analyzer(FixedBoxes(), predictor, margin=0.5)
    assert (
        analyzer.cut(astronaut, box)[0] == crop_face(astronaut, box[0], 0.5, (32, 24), analyzer.shift_y)
    ).all()


def test_box_at_the_border_is_read(predictor, astronaut):
    assert len(Analyzer(FixedBoxes((0, 0, 1, 1), (480, 500, 512, 512)), predictor).analyze(astronaut)) == 2


def test_model_with_one_head_leaves_the_others_unknown(age_checkpoint, astronaut):
    face = Analyzer(FixedBoxes((0, 0, 90, 90)), Predictor(age_checkpoint)).analyze(astronaut)[0]
    assert face.age_years is not None
    assert (face.gender, face.race) == (None, None)


def test_a_model_of_seven_races_tells_them_beside_the_five(races_checkpoint, astronaut):
    face = Analyzer(FixedBoxes((0, 0, 90, 90)), Predictor(races_checkpoint)).analyze(astronaut)[0]
    assert tuple(face.race_7_probabilities) == RACES_7 and tuple(face.race_probabilities) == RACES
    asian = face.race_7_probabilities["east_asian"] + face.race_7_probabilities["southeast_asian"]
    assert face.race_probabilities["asian"] == pytest.approx(asian, abs=1e-6)
    assert face.race_7 in face.to_json()["race_7_probabilities"]


def test_detector_that_the_model_does_not_know_is_refused(predictor):
    stranger = FixedBoxes()
    stranger.name = "retinaface"
    with pytest.raises(CheckpointError, match="retinaface"):
        Analyzer(stranger, predictor)


@pytest.fixture(scope="module")
def suspicious(emotion_checkpoint):
    """A predictor that takes nothing for a face."""
    config = {**emotion_checkpoint.config, "calibration": {"temperatures": {}, "face_threshold": 1.0}}
    return Predictor(Checkpoint(emotion_checkpoint.folder, config))


def test_what_is_no_face_is_left_out_or_marked(suspicious, astronaut):
    boxes = FixedBoxes((0, 0, 90, 90), (177, 69, 272, 164))
    assert Analyzer(boxes, suspicious).analyze(astronaut) == []
    marked = Analyzer(boxes, suspicious, show_rejected=True).analyze(astronaut)
    assert [face.box_xyxy for face in marked] == list(boxes.boxes)
    for face in marked:
        assert face.rejected and 0 <= face.face_probability < 1
        assert (face.age_years, face.gender, face.emotion) == (None, None, None)


def test_a_face_by_the_users_own_word_is_believed(suspicious, astronaut):
    (face,) = Analyzer(WholePicture(), suspicious).analyze(astronaut)
    assert not face.rejected and face.emotion


def test_without_a_threshold_nothing_is_refused(emotion_checkpoint, astronaut):
    (face,) = Analyzer(FixedBoxes((0, 0, 90, 90)), Predictor(emotion_checkpoint)).analyze(astronaut)
    assert not face.rejected and face.face_probability is not None


def test_read_out_of_nothing():
    assert read_out(np.empty((0, 4), np.int32), np.empty(0), {"age": np.empty((0, 117))}) == []


BOX = np.array([[0, 0, 9, 9]], np.int32), np.ones(1, np.float32)


def test_emotion_is_read_out_when_the_model_has_it():
    (face,) = read_out(*BOX, {"emotion": np.eye(7)[[3]], "face": np.eye(2)[[1]]})
    assert face.emotion == "happy" and tuple(face.emotion_probabilities) == EMOTIONS
    assert (face.gender, face.age_years) == (None, None)


def test_age_interval_is_that_of_the_calibration():
    calibration = Calibration(age=AgeThresholds((30.0,), (-10.0,), (20.0,)))
    (face,) = read_out(*BOX, {"age": np.eye(117)[[30]]}, calibration)
    assert (face.age_years, face.age_interval_90) == (30, (25, 40))
    assert read_out(*BOX, {"age": np.eye(117)[[30]]})[0].age_interval_90 == (30, 30)


class BoxesByWidth:
    """As many boxes as the picture is wide in units of 100 pixels."""

    name = "haar"

    def detect(self, frame_rgb):
        count = frame_rgb.shape[1] // 100
        boxes = [(100 * i, 0, 100 * i + 90, 90) for i in range(count)]
        return Detections(np.array(boxes, np.int32).reshape(-1, 4), np.full(count, 0.5, np.float32))


def test_pictures_read_together_give_what_each_gives_alone(predictor, astronaut):
    analyzer = Analyzer(BoxesByWidth(), predictor)
    pictures = [astronaut[:, :width] for width in (50, 300, 90, 120, 512)]
    together = analyzer.read([analyzer.find(picture) for picture in pictures])
    assert [len(faces) for faces in together] == [0, 3, 0, 1, 5]
    for faces, picture in zip(together, pictures, strict=True):
        for face, alone in zip(faces, analyzer.analyze(picture), strict=True):
            assert (face.box_xyxy, face.gender) == (alone.box_xyxy, alone.gender)
            assert face.age_years == pytest.approx(alone.age_years, abs=1e-3)


def test_nothing_to_read_is_nothing(predictor):
    assert Analyzer(FixedBoxes(), predictor).read([]) == []


def test_distribution_and_bands_are_there_when_they_are_wanted(predictor, astronaut):
    box = FixedBoxes((177, 69, 272, 164))
    (plain,) = Analyzer(box, predictor).analyze(astronaut)
    assert (plain.age_distribution, plain.age_bands) == (None, None)
    reading = ReadoutOptions(distribution=True, groups=PRESETS["decades"])
    (face,) = Analyzer(box, predictor, reading=reading).analyze(astronaut)
    assert sum(face.age_distribution) == pytest.approx(1) and len(face.age_distribution) == 117
    assert np.dot(face.age_distribution, range(117)) == pytest.approx(face.age_years, abs=1e-4)
    assert sum(face.age_bands.values()) == pytest.approx(1)
    assert face.age_bands["20-29"] == pytest.approx(sum(face.age_distribution[20:30]))


def test_what_is_wanted_of_the_age_of_a_model_without_is_nothing():
    reading = ReadoutOptions(distribution=True, groups=PRESETS["life"])
    (face,) = read_out(*BOX, {"emotion": np.eye(7)[[3]]}, reading=reading)
    assert (face.age_distribution, face.age_bands) == (None, None)


class Landmarks:
    """Finds a face of 100 x 100 in the middle, with the landmarks of a chip, turned."""

    name = "haar"

    def __init__(self, degrees):
        self.degrees = degrees

    def detect(self, frame_rgb):
        middle = np.array(frame_rgb.shape[1::-1]) / 2
        angle = np.radians(self.degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        points = ((CHIP_LANDMARKS - 0.5) * 100) @ turn.T + middle
        box = np.array([[*(middle - 50), *(middle + 50)]], np.int32)
        return Detections(box, np.ones(1, np.float32), points[None].astype(np.float32))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_turned_face_is_cut_as_the_upright_one(predictor, turns):
    noise = np.random.default_rng(4).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    picture = cv2.GaussianBlur(noise, (9, 9), 0)
    upright = Analyzer(Landmarks(0), predictor).find(picture).crops[0]
    turned = np.ascontiguousarray(np.rot90(picture, -turns))
    cut = Analyzer(Landmarks(90 * turns), predictor).find(turned).crops[0]
    assert np.abs(cut.astype(int) - upright).mean() < 1.0


def test_rows_tell_landmarks_and_the_heads_turn(predictor, astronaut):
    (face,) = Analyzer(Landmarks(30), predictor).analyze(astronaut)
    assert len(face.landmarks) == 5
    assert face.pose.roll == pytest.approx(30, abs=1)


def test_with_a_margin_of_the_users_own_the_box_is_cut(predictor, astronaut):
    by_box = Analyzer(Landmarks(90), predictor, margin=0.1)
    plain = Analyzer(Landmarks(0), predictor, margin=0.1)
    assert (by_box.find(astronaut).crops[0] == plain.find(astronaut).crops[0]).all()


def test_landmarks_that_are_not_known_leave_the_box(predictor, astronaut):
    analyzer = Analyzer(Landmarks(0), predictor)
    box = np.array([[100, 100, 200, 200]], np.int32)
    unknown = np.full((1, 5, 2), np.nan, np.float32)
    assert (analyzer.cut(astronaut, box, unknown) == analyzer.cut(astronaut, box)).all()


SIZES = [(0, 0, 20, 30), (40, 0, 100, 60), (120, 0, 130, 10), (200, 0, 290, 90)]


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (FaceSelection(), [0, 1, 2, 3]),
        (FaceSelection(min_side=30), [0, 1, 3]),
        (FaceSelection(largest=2), [1, 3]),
        (FaceSelection(min_side=31, largest=5), [1, 3]),
        (FaceSelection(min_side=500), []),
    ],
)
def test_faces_are_selected_by_size_in_their_order(predictor, astronaut, selection, wanted):
    analyzer = Analyzer(FixedBoxes(*SIZES), predictor, selection=selection)
    assert [face.box_xyxy for face in analyzer.analyze(astronaut)] == [SIZES[row] for row in wanted]


def test_of_no_faces_none_is_selected():
    assert FaceSelection(largest=3).of([]) == []


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 0, 0),
        (0, 0, -2147483648, 5),
        (-50, -50, -10, -10),
        (1000, 1000, 1200, 1200),
        (-2147483648, -2147483648, 2147483647, 2147483647),
    ],
)
@pytest.mark.parametrize("refined", [False, True])
def test_no_box_of_a_detector_can_make_a_crop_fail(predictor, astronaut, box, refined):
    detector = FixedBoxes(box)
    if refined:
        detector = RefiningDetector(detector, LandmarkFinder(), (0.0, 0.0))
    analyzer = Analyzer(detector, predictor, show_rejected=True)
    (face,) = analyzer.analyze(astronaut)
    x_min, y_min, x_max, y_max = face.box_xyxy
    assert 0 <= x_min < x_max <= 512 and 0 <= y_min < y_max <= 512
    assert ComparingAnalyzer({"a": analyzer, "b": analyzer}).analyze(astronaut)[0].box_xyxy == face.box_xyxy
    assert len(LiveAnalyzer(analyzer).analyze(astronaut, 0.0)) == 1
