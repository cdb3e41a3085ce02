"""What looks closer at a face: how close-ups are drawn, and that it learns where landmarks lie."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecli.core.crops import (
    CHIP_LANDMARKS,
    CLOSEUP_LANDMARKS,
    CLOSEUP_SIDE,
    decode_error,
    decode_points,
    encode_points,
)
from facecli.core.errors import CheckpointError, DataError, InputError
from facecli.core.recipes import FitOptions
from facecli.data.boxes import BoxPicture
from facecli.detect.cnn import LandmarkFinder
from facecli.detect.registry import Detections, RefiningDetector
from facecli.models.checkpoint import load_checkpoint, load_finder
from facecli.training.box_data import BoxData
from facecli.training.landmarks import (
    CloseupBatches,
    CloseupShares,
    LandmarkRequest,
    draw_closeup,
    known_faces,
    train_landmarks,
)

pytestmark = pytest.mark.train

PLAIN = CloseupShares(upright=1.0, not_face=0.0, coarse=0.0, covered=0.0)
OPTIONS = FitOptions(epochs=6, batch_size=16, learning_rate=4e-3, warmup_epochs=0.2, patience=100)


def draw(file, random, angle=0.0):
    """A bright square with dark spots where landmarks are, turned; returns its picture."""
    image = random.integers(0, 50, (160, 160, 3)).astype(np.uint8)
    face = np.full((64, 64, 3), 220, np.uint8)
    for (x, y), grey in zip(CHIP_LANDMARKS * 64, (0, 40, 80, 120, 120), strict=True):
        cv2.circle(face, (round(x), round(y)), 5, (grey, grey, 255 - grey), -1)
    left, top = random.integers(30, 66, 2)
    image[top : top + 64, left : left + 64] = face
    turn = cv2.getRotationMatrix2D((float(left + 32), float(top + 32)), angle, 1)
    cv2.imwrite(str(file), cv2.warpAffine(image, turn, (160, 160)))
    points = (CHIP_LANDMARKS * 64 + (left, top)) @ turn[:, :2].T + turn[:, 2]
    box = np.array([[left, top, left + 64, top + 64]], np.float32)
    return BoxPicture(file, box, points[None].astype(np.float32), np.zeros(1, bool), str(file))


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    pictures = [draw(folder / f"{number}.png", random) for number in range(24)]
    return BoxData("squares", pictures[:16], pictures[16:], [], {})


@pytest.fixture(scope="module")
def trained(squares, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACECLI_HOME", str(home))
        request = LandmarkRequest(samples=640, how=replace(PLAIN, not_face=0.2), command="facecli train")
        return train_landmarks([squares], request, OPTIONS)


def test_faces_without_landmarks_tiny_or_ignored_ones_teach_nothing(squares):
    (picture,) = squares.train[:1]
    assert known_faces([]) == []
    assert len(known_faces([picture])) == 1
    for other in (
        replace(picture, landmarks=np.full((1, 5, 2), np.nan, np.float32)),
        replace(picture, landmarks=np.zeros((1, 5, 2), np.float32)),
        replace(picture, ignored=np.ones(1, bool)),
        replace(picture, xyxy=np.array([[0, 0, 12, 12]], np.float32)),
        replace(picture, xyxy=np.empty((0, 4)), landmarks=np.empty((0, 5, 2)), ignored=np.empty(0, bool)),
    ):
        assert known_faces([other]) == []
    with pytest.raises(DataError, match="no face with known landmarks"):
        CloseupBatches([[other]], [1.0], 8, 8, 0)


@given(st.integers(0, 10_000), st.floats(0, 360), st.floats(0.3, 4))
@settings(max_examples=40)
def test_an_upright_closeup_is_upright_whatever_way_the_face_lies(seed, degrees, size):
    angle = np.deg2rad(degrees)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))]) * size
    points = CHIP_LANDMARKS @ turn.T * 90 + 40
    matrix = draw_closeup(points, PLAIN, np.random.default_rng(seed))
    seen = points @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(seen - CLOSEUP_LANDMARKS).max() < 0.45 * CLOSEUP_SIDE
    eyes = seen[1] - seen[0]
    assert abs(np.rad2deg(np.arctan2(eyes[1], eyes[0]))) < 35


def test_the_same_seed_draws_the_same_and_targets_say_where_landmarks_lie(squares):
    batches = [CloseupBatches([squares.train], [1.0], 32, 16, 3, PLAIN) for _ in range(2)]
    (one, said), (other, again) = (batch[1] for batch in batches)
    assert one.shape == (16, CLOSEUP_SIDE, CLOSEUP_SIDE, 3) and one.dtype == np.uint8
    assert (one == other).all() and (said == again).all()
    assert said.shape == (16, 11) and (said[:, 10] == 1).all()
    assert np.abs(decode_points(said[:, :10]) - CLOSEUP_LANDMARKS).max() < 0.45 * CLOSEUP_SIDE


def test_numbers_and_points_are_each_others_way_back():
    points = np.random.default_rng(0).uniform(-10, 80, (3, 5, 2))
    assert decode_points(encode_points(points)) == pytest.approx(points, abs=1e-3)
    assert decode_points(np.empty((0, 10))).shape == (0, 5, 2)
    eyes = np.linalg.norm(CLOSEUP_LANDMARKS[1] - CLOSEUP_LANDMARKS[0])
    assert decode_error(np.log([[eyes / CLOSEUP_SIDE]])) == pytest.approx([1.0])


def test_it_learns_where_landmarks_lie(trained, squares, tmp_path):
    config = load_finder(trained).config
    assert (config["model_type"], config["faces"], config["command"]) == ("landmarks", [16], "facecli train")
    finder = LandmarkFinder(str(trained))
    picture = draw(tmp_path / "new.png", np.random.default_rng(77))
    image = cv2.imread(str(picture.file))[..., ::-1].copy()
    found = finder.find(image, picture.xyxy.astype(np.int32), (0.0, 0.0))
    eyes = np.linalg.norm(picture.landmarks[0, 1] - picture.landmarks[0, 0])
    away = np.linalg.norm(found.landmarks[0] - picture.landmarks[0], axis=-1).mean() / eyes
    assert away < 0.25 and 0 < found.errors[0] < 1 and found.faces[0] > 0.5


def test_no_box_is_no_landmark(trained):
    found = LandmarkFinder(str(trained)).find(np.zeros((9, 9, 3), np.uint8), np.empty((0, 4)), (0.0, 0.0))
    assert found.landmarks.shape == (0, 5, 2) and found.errors.shape == found.faces.shape == (0,)


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (0, 0, 9, 1), (3, 3, 9, 9)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 800), (9, 9)])
def test_any_box_of_any_picture_can_be_looked_at(trained, shape, box):
    detector = FakeDetector(box)
    looked = RefiningDetector(detector, LandmarkFinder(str(trained)), (0.0, 0.1))
    found = looked.detect(np.zeros((*shape, 3), np.uint8))
    assert np.isfinite(found.landmarks).all() and found.landmarks.shape == (1, 5, 2)
    assert (looked.name, looked.every_s) == ("fake", 0.2)
    (inside,) = found.xyxy.tolist()
    assert inside[2] <= shape[1] and inside[3] <= shape[0]


class FakeDetector:
    name, every_s = "fake", 0.2

    def __init__(self, box):
        self.box = box

    def detect(self, frame_rgb):
        return Detections(np.array([self.box], np.int32), np.ones(1, np.float32))


def test_a_folder_of_landmarks_is_no_model_and_no_detector(trained, tmp_path):
    with pytest.raises(CheckpointError, match="predicts no attributes"):
        load_checkpoint(trained)
    (tmp_path / "config.json").write_text('{"model_type": "detector"}')
    with pytest.raises(CheckpointError, match="no network that finds landmarks"):
        load_finder(tmp_path, "landmarks")


def test_a_changed_file_is_refused(trained, tmp_path):
    for file in trained.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.tflite").write_bytes(b"no network")
    with pytest.raises(CheckpointError, match="sha256 differs"):
        LandmarkFinder(str(tmp_path))


def test_nothing_is_trained_in_no_epochs(squares):
    with pytest.raises(InputError, match="--epochs must be 1"):
        train_landmarks([squares], LandmarkRequest(), replace(OPTIONS, epochs=0))
