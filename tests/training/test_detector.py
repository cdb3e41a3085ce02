"""The detector learns, is saved, and finds what it has learnt: white squares on black."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from facecli.core.crops import CELL_OUTPUTS, cell_centres, overlaps
from facecli.core.errors import CheckpointError, DataError, FacecliError, InputError
from facecli.core.recipes import FitOptions
from facecli.data.boxes import BoxPicture
from facecli.detect.cnn import CnnDetector, CnnOptions, decode
from facecli.models.checkpoint import load_detector
from facecli.models.networks import DetectorSpec, build_detector_network
from facecli.training import detector
from facecli.training.box_batches import SampleShares
from facecli.training.box_data import BoxData
from facecli.training.detector import (
    DetectorRequest,
    calibrate_scores,
    choose_thresholds,
    drawn_shares,
    giou,
    quality_focal_loss,
    start_from,
    train_detector,
)

TINY = DetectorSpec(stem=(8, 8), stages=(16, 16, 16, 16), blocks=(1, 1, 0, 0), pyramid=16)
REFINEMENT = {
    "search_threshold": 0.2,
    "weights": [1, 1, -1],
    "bias": 0,
    "score_threshold": 0.5,
    "cover_threshold": 0.1,
}
HOW = SampleShares(mosaic=0.0, any_tilt=0.0, tilted=0.0, smallest=0.2, largest=0.5)


def test_any_picture_size_gives_a_row_for_every_cell():
    network = build_detector_network(TINY)
    for size in ((64, 64), (128, 192)):
        said = network(np.zeros((2, *size, 3), np.uint8), training=False)
        cells = len(cell_centres(size)[0])
        assert {name: tuple(one.shape) for name, one in said.items()} == {
            name: (2, cells, values) for name, values in CELL_OUTPUTS.items()
        }


def test_before_it_has_learnt_faces_are_rare():
    said = build_detector_network(TINY)(np.zeros((1, 64, 64, 3), np.uint8), training=False)
    assert 1 / (1 + np.exp(-float(np.max(said["score"])))) < 0.05


def test_giou_is_1_for_the_same_box_and_negative_for_distant_ones():
    one = np.array([[[0.0, 0, 10, 10]]], "float32")
    assert float(giou(one, one)[0, 0, 0]) == pytest.approx(1.0)
    assert float(giou(one, one + 100)[0, 0, 0]) < 0
    assert np.isfinite(float(giou(one * 0, one * 0)[0, 0, 0]))


@pytest.mark.parametrize("logit", [-80.0, -3.0, 0.0, 3.0, 80.0])
def test_a_score_costs_nothing_where_it_is_right(logit):
    probability = 1 / (1 + np.exp(-logit))
    cost = quality_focal_loss(np.float32(probability), np.float32(logit))
    assert float(cost) == pytest.approx(0.0, abs=1e-5)
    assert np.isfinite(float(quality_focal_loss(np.float32(1.0), np.float32(logit))))


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """Pictures with one white square each, split into two parts."""
    folder, random = tmp_path_factory.mktemp("squares"), np.random.default_rng(0)

    def draw(number):
        image = random.integers(0, 60, (128, 128, 3)).astype(np.uint8)
        side = int(random.integers(24, 60))
        left, top = random.integers(0, 128 - side, 2)
        image[top : top + side, left : left + side] = 230
        file = folder / f"{number}.png"
        cv2.imwrite(str(file), image)
        box = np.array([[left, top, left + side, top + side]], np.float32)
        inside = np.array([[0.3, 0.3], [0.7, 0.3], [0.5, 0.5], [0.3, 0.7], [0.7, 0.7]], np.float32)
        return BoxPicture(file, box, (box[:, None, :2] + inside * side), np.zeros(1, bool), str(number))

    pictures = [draw(number) for number in range(24)]
    return BoxData("squares", pictures[:16], pictures[16:], [], {})


@pytest.fixture(scope="module")
def trained(squares, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACECLI_HOME", str(home))
        request = DetectorRequest("squares", 128, 320, command="facecli train", spec=TINY, how=HOW)
        options = FitOptions(epochs=8, batch_size=8, learning_rate=5e-3, warmup_epochs=0.2, seed=3)
        yield train_detector([squares], request, options)


@pytest.mark.train
def test_it_finds_what_it_has_learnt_with_landmarks(trained, squares):
    detector = CnnDetector(CnnOptions(trained, score_threshold=0.1, threads=1))
    shared, off = [], []
    for picture in squares.val:
        image = cv2.imread(str(picture.file))[..., ::-1]
        found = detector.detect(np.ascontiguousarray(image))
        best = int(found.scores.argmax()) if len(found.scores) else None
        shared.append(0.0 if best is None else float(overlaps(found.xyxy[[best]], picture.xyxy)[0, 0]))
        if best is not None:
            off.append(np.abs(found.landmarks[best] - picture.landmarks[0]).mean())
    assert np.median(shared) > 0.5
    assert np.median(off) < 8


@pytest.mark.train
def test_its_folder_tells_how_it_was_made(trained, squares):
    config = load_detector(trained).config
    assert config["sets"] == {"squares": 16}
    assert config["command"] == "facecli train"
    assert 0 < config["score_threshold"] < 1
    assert len((trained / "history.csv").read_text().splitlines()) == 9


@pytest.mark.train
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (40, 3), (700, 1300)])
def test_pictures_of_any_size_give_boxes_inside(trained, size):
    detector = CnnDetector(CnnOptions(trained, score_threshold=0.02, threads=1))
    found = detector.detect(np.random.default_rng(1).integers(0, 256, (*size, 3)).astype(np.uint8))
    assert found.xyxy.dtype == np.int32 and found.landmarks.shape == (len(found.xyxy), 5, 2)
    assert (found.xyxy >= 0).all() and (found.xyxy <= [size[1], size[0]] * 2).all()
    assert (found.xyxy[:, 2:] > found.xyxy[:, :2]).all()


@pytest.mark.train
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score_threshold": 2}, "score_threshold is 2, not a number between 0 and 1"),
        ({"refinement": {"bias": 0}}, "refinement.search_threshold"),
        ({"refinement": REFINEMENT | {"weights": [1, 2]}}, "refinement.weights is .*, not three numbers"),
        ({"refinement": REFINEMENT | {"bias": None}}, "refinement.bias is null"),
        ({"model_type": "facenet"}, "is of no face detector"),
        ({"format": 99}, "update facecli"),
        ({"sha256": {"model.tflite": "0" * 64}}, "sha256 differs"),
        ({"sha256": {}}, "is missing"),
    ],
)
def test_a_damaged_folder_is_refused_by_name(trained, tmp_path, change, words):
    config = json.loads((trained / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    (tmp_path / "model.tflite").write_bytes((trained / "model.tflite").read_bytes())
    with pytest.raises(CheckpointError, match=words):
        CnnDetector(CnnOptions(tmp_path))


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read"):
        CnnDetector(CnnOptions(tmp_path / "gone"))


@pytest.mark.train
def test_a_network_of_another_kind_is_refused(trained, tmp_path, tiny_checkpoint):
    other = (tiny_checkpoint.folder / "model.tflite").read_bytes()
    config = json.loads((trained / "config.json").read_text())
    import hashlib

    config["sha256"] = {"model.tflite": hashlib.sha256(other).hexdigest()}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.tflite").write_bytes(other)
    with pytest.raises(CheckpointError, match="face detector"):
        CnnDetector(CnnOptions(tmp_path))


def test_nothing_to_learn_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    with pytest.raises(DataError, match="no picture with a face"):
        train_detector([BoxData("none", [], [], [], {})], DetectorRequest(), FitOptions(epochs=1))


@pytest.mark.train
def test_a_loss_that_is_no_number_stops_with_a_word(squares, tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    request = DetectorRequest("wild", 128, 32, spec=TINY, how=HOW)
    with pytest.raises(FacecliError, match="NaN or infinite"):
        train_detector([squares], request, FitOptions(epochs=2, batch_size=8, learning_rate=1e30))
    assert not (tmp_path / "saved_model" / "wild" / "config.json").exists()


def test_no_cell_above_the_threshold_is_no_face():
    cells = len(cell_centres((64, 64))[0])
    silent = {name: np.full((cells, values), -9.0, np.float32) for name, values in CELL_OUTPUTS.items()}
    xyxy, scores, landmarks = decode(silent, (64, 64), 0.5)
    assert xyxy.shape == (0, 4) and scores.shape == (0,) and landmarks.shape == (0, 5, 2)


def test_cells_of_one_face_give_one_box():
    centres, strides = cell_centres((64, 64))
    box = np.array([16.0, 16, 48, 48], np.float32)
    from facecli.core.crops import encode_boxes

    here = ((centres > 20) & (centres < 44)).all(axis=1) & (strides == 8)
    said = {name: np.zeros((len(centres), values), np.float32) for name, values in CELL_OUTPUTS.items()}
    said["score"][:] = np.where(here, 2.0, -9.0)[:, None]
    said["box"][here] = encode_boxes(np.tile(box, (here.sum(), 1)), centres[here], strides[here])
    xyxy, scores, _ = decode(said, (64, 64), 0.5)
    assert len(scores) == 1 and np.allclose(xyxy[0], box, atol=0.1)


def test_thresholds_are_the_lowest_that_are_precise_enough(squares):
    from facecli.detect.registry import Detections

    def find(picture):
        wrong = np.array([[0, 0, 5, 5]], np.float32)
        return Detections(np.concatenate([picture.xyxy, wrong]), np.array([0.8, 0.3], np.float32))

    chosen = choose_thresholds([squares], find)
    assert chosen["score_threshold"] == chosen["cover_threshold"] == pytest.approx(0.8, abs=1e-3)


def test_a_set_without_training_pictures_is_left_out_and_shares_staydrawn_shares(squares):
    other, empty = replace(squares, name="other"), replace(squares, name="empty", train=[])
    assert drawn_shares([squares, other], FitOptions()).tolist() == [0.5, 0.5]
    assert drawn_shares([squares, other], FitOptions(shares={"other": 0.0})).tolist() == [1.0, 0.0]
    assert drawn_shares([squares], FitOptions(shares={"squares": 0.8, "empty": 0.2})).tolist() == [1.0]
    with pytest.raises(DataError, match="no picture with a face"):
        train_detector([empty], DetectorRequest(), FitOptions(epochs=1))
    with pytest.raises(InputError, match="--epochs must be 1"):
        train_detector([squares], DetectorRequest(), FitOptions(epochs=0))


def test_a_closer_look_tells_how_probable_a_face_is(trained, squares):
    fitted = load_detector(trained).config["refinement"]
    assert len(fitted["weights"]) == 3 and 0 < fitted["cover_threshold"] <= fitted["score_threshold"] < 1
    image = cv2.imread(str(squares.val[0].file))[..., ::-1].copy()
    plain, refined = (
        CnnDetector(CnnOptions(trained, score_threshold=0.02, threads=1, refine=refine)).detect(image)
        for refine in (False, True)
    )
    assert plain.landmark_errors is None and len(refined.landmark_errors) == len(refined.scores)
    assert {tuple(box) for box in refined.xyxy.tolist()} <= {tuple(box) for box in plain.xyxy.tolist()}
    assert ((refined.scores >= 0.02) & (refined.scores <= 1)).all()


def test_without_the_network_of_landmarks_scores_are_those_of_the_search(trained, squares, monkeypatch):
    monkeypatch.setattr(detector, "LandmarkFinder", missing)
    assert calibrate_scores(trained, [squares]) is None
    assert calibrate_scores(trained, [BoxData("none", [], [], [], {})]) is None


def missing():
    raise CheckpointError("no model 'face_landmarks'")


def test_a_network_goes_on_only_from_one_with_all_its_layers():
    small, large = (build_detector_network(DetectorSpec((4, 4), (4,) * 4, (n,) * 4, 4)) for n in (0, 1))
    start_from(small, large)
    ones, others = (one.get_layer("head_conv").get_weights()[0] for one in (small, large))
    assert (ones == others).all()
    with pytest.raises(CheckpointError, match="another layer"):
        start_from(large, small)
