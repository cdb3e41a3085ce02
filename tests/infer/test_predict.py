"""Batches, and refusal of every model that is not what its config says."""

import json
import shutil

import numpy as np
import pytest

from facecli.core.attributes import CLASS_NAMES, HEAD_CLASSES
from facecli.core.errors import CheckpointError
from facecli.models.checkpoint import load_checkpoint, write_config
from facecli.models.litert import Predictor
from facecli.models.readout import temper


@pytest.fixture(scope="module")
def predictor(tiny_checkpoint):
    return Predictor(tiny_checkpoint)


@pytest.fixture
def copy(tiny_checkpoint, tmp_path):
    """A model folder that a test may damage."""
    return shutil.copytree(tiny_checkpoint.folder, tmp_path / "copy")


def crops(count):
    return np.random.default_rng(0).integers(0, 256, (count, 32, 24, 3), np.uint8)


def reseal(folder, **changes):
    """Changes the config and makes its digests right again."""
    config = json.loads((folder / "config.json").read_text())
    return write_config(folder, {**config, **changes}, ("model.tflite",))


def test_no_crops_give_empty_probabilities(predictor):
    assert {head: p.shape for head, p in predictor.predict(crops(0)).items()} == {
        head: (0, HEAD_CLASSES[head]) for head in ("age", "gender", "race")
    }


@pytest.mark.parametrize("count", [1, 2, 7, 1])
def test_each_row_sums_to_1(predictor, count):
    for head, probabilities in predictor.predict(crops(count)).items():
        assert probabilities.shape == (count, HEAD_CLASSES[head])
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_a_batch_gives_what_single_calls_give(predictor):
    batch = predictor.predict(crops(5))
    for index, crop in enumerate(crops(5)):
        for head, probabilities in predictor.predict(crop[None]).items():
            np.testing.assert_allclose(probabilities[0], batch[head][index], atol=1e-5)


def test_results_are_not_overwritten_by_the_next_call(predictor):
    first = predictor.predict(crops(2))
    kept = {head: p.copy() for head, p in first.items()}
    predictor.predict(255 - crops(2))
    for head, probabilities in first.items():
        assert (probabilities == kept[head]).all()


def test_views_are_taken_too(predictor):
    predictor.predict(crops(4)[::2, :, ::-1])


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 24, 32, 3), np.uint8),
        np.zeros((1, 32, 24, 3), np.float32),
        np.zeros((32, 24, 3), np.uint8),
    ],
)
def test_crops_of_another_shape_or_type_are_refused(predictor, wrong):
    with pytest.raises(ValueError, match="crops are"):
        predictor.predict(wrong)


def test_one_head_is_enough(age_checkpoint):
    assert set(Predictor(age_checkpoint, num_threads=1).predict(crops(1))) == {"age"}


def test_changed_file_is_refused(copy):
    with open(copy / "model.tflite", "ab") as file:
        file.write(b"x")
    with pytest.raises(CheckpointError, match="sha256 differs"):
        Predictor(load_checkpoint(copy))


def test_missing_file_is_refused(copy):
    (copy / "model.tflite").unlink()
    with pytest.raises(CheckpointError, match="model.tflite is missing"):
        Predictor(load_checkpoint(copy))


@pytest.mark.parametrize("content", [b"", b"hello" * 50, b"\x1c\x00\x00\x00TFL3" + b"\x00" * 64])
def test_rubbish_with_a_right_digest_is_refused(copy, content):
    (copy / "model.tflite").write_bytes(content)
    with pytest.raises(CheckpointError, match="model.tflite is not a LiteRT model"):
        Predictor(reseal(copy))


def test_cut_model_with_a_right_digest_is_refused(copy):
    path = copy / "model.tflite"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CheckpointError, match="model.tflite"):
        Predictor(reseal(copy))


def test_other_input_size_is_refused(copy):
    with pytest.raises(CheckpointError, match=r"takes \[-1, 32, 24, 3\].*\[-1, 112, 112, 3\]"):
        Predictor(reseal(copy, image_size=[112, 112]))


def test_head_that_the_network_lacks_is_refused(age_checkpoint, tmp_path):
    folder = shutil.copytree(age_checkpoint.folder, tmp_path / "copy")
    labels = {**age_checkpoint.config["labels"], "gender": list(CLASS_NAMES["gender"])}
    with pytest.raises(CheckpointError, match="lacks the heads.*gender"):
        Predictor(reseal(folder, heads=["age", "gender"], labels=labels))


@pytest.mark.parametrize("labels", [None, {}, {"gender": ["female", "male"]}])
def test_classes_of_other_names_or_order_are_refused(copy, tiny_checkpoint, labels):
    known = tiny_checkpoint.config["labels"]
    with pytest.raises(CheckpointError, match="classes of"):
        Predictor(reseal(copy, labels={**known, **labels} if labels else labels))


def test_temperatures_of_the_config_are_applied(copy, predictor):
    calibrated = Predictor(reseal(copy, calibration={"temperatures": {"race": 2.5}}))
    raw, found = predictor.predict(crops(3)), calibrated.predict(crops(3))
    np.testing.assert_allclose(found["race"], temper(raw["race"], 2.5), atol=1e-6)
    for head, probabilities in calibrated.predict_raw(crops(3)).items():
        np.testing.assert_allclose(probabilities, raw[head], atol=1e-6)
    np.testing.assert_allclose(found["age"], raw["age"], atol=1e-6)
    assert calibrated.predict(crops(0))["race"].shape == (0, 5)


def assert_folded(outputs):
    """The five races are the sums of the seven."""
    white, black, latino, east, southeast, indian, middle = outputs["race_7"].T
    folded = np.stack([white, black, east + southeast, indian, latino + middle], axis=1)
    np.testing.assert_allclose(outputs["race"], folded, atol=1e-6)


@pytest.mark.parametrize("whole", [False, True])
def test_a_race_is_the_sum_of_seven_whether_the_file_holds_it_or_not(make_checkpoint, tmp_path, whole):
    heads = ("age", "race", "race_7")
    calibration = {"temperatures": {"race_7": 2.0, "race": 0.3}}
    checkpoint = make_checkpoint(tmp_path / "races", heads, whole, calibration=calibration)
    predictor = Predictor(checkpoint)
    assert predictor.predict(crops(0))["race"].shape == (0, 5)
    raw, found = predictor.predict_raw(crops(3)), predictor.predict(crops(3))
    assert tuple(raw) == tuple(found) == heads
    np.testing.assert_allclose(found["race_7"], temper(raw["race_7"], 2.0), atol=1e-6)
    assert_folded(raw)
    assert_folded(found)


def test_a_file_without_the_seven_is_refused(copy, tiny_checkpoint):
    labels = {**tiny_checkpoint.config["labels"], "race_7": list(CLASS_NAMES["race_7"])}
    with pytest.raises(CheckpointError, match="lacks the heads.*race_7"):
        Predictor(reseal(copy, heads=["age", "race", "race_7"], labels=labels))


def test_damaged_calibration_is_refused(copy):
    with pytest.raises(CheckpointError, match="calibration is damaged"):
        Predictor(reseal(copy, calibration={"temperatures": {"race": -1}}))


def test_loading_says_nothing_on_stderr(tiny_checkpoint, capfd):
    Predictor(tiny_checkpoint).predict(crops(3))
    assert capfd.readouterr().err == ""
