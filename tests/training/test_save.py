"""What lies in the folder of a saved model, and that its two files say the same."""

import numpy as np
import pandas as pd
import pytest

from facecli.core.attributes import CLASS_NAMES
from facecli.models.checkpoint import load_checkpoint, write_config
from facecli.models.terms import MODEL_TERMS, OPEN, terms_of
from facecli.training.evaluate import evaluate
from facecli.training.save import load_network

HEADS = ("race", "race_7")


@pytest.fixture
def crops():
    return np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)


def test_a_starting_point_has_no_file_to_run(save_student):
    checkpoint = save_student("student", 1)
    assert set(checkpoint.config["sha256"]) == {"model.keras"}


def test_classes_are_named_and_a_folded_head_is_not_in_the_file_that_runs(save_student, crops):
    from facecli.models.litert import Predictor

    checkpoint = save_student("races", 1, HEADS, starting_point=False)
    assert checkpoint.config["labels"] == {head: list(CLASS_NAMES[head]) for head in HEADS}
    predictor = Predictor(load_checkpoint(checkpoint.folder))
    assert set(predictor._network(image=crops)) == {"race_7"}
    assert set(predictor.predict(crops)) == set(HEADS)


def test_terms_are_written_and_follow_what_a_model_went_on_from(save_student):
    assert save_student("student", 1).config["terms"] == MODEL_TERMS["facenet"].to_config()
    sets = {"sets": {"fairface": "0"}}
    first = save_student("first", 1, model_type="open", extra=sets)
    assert first.config["terms"] == OPEN.to_config()
    for initial, is_narrow in (("first", False), ("student", True), ("gone", True)):
        on = save_student("on", 1, model_type="open", extra={**sets, "initial": initial})
        assert terms_of(on.config).is_narrow == is_narrow


def test_both_files_tell_a_race_alike_calibrated_before_it_is_folded(save_student, crops):
    from facecli.models.litert import Predictor

    saved = save_student("races", 1, HEADS, starting_point=False)
    config = {**saved.config, "calibration": {"temperatures": {"race_7": 0.2}}}
    checkpoint = write_config(saved.folder, config, ("model.keras", "model.tflite"))
    predictor, network = Predictor(checkpoint), load_network(checkpoint)
    frame = pd.DataFrame({"race": [0, 1, 2, 3, 4, -1]})
    calibration = predictor.calibration
    of_keras = evaluate(lambda some: network.predict(some, verbose=0), frame, crops, 4, calibration)
    of_litert = evaluate(predictor.predict_raw, frame, crops, 4, calibration)
    assert of_keras.heads == of_litert.heads == HEADS
    for head in HEADS:
        np.testing.assert_allclose(of_litert.predicted[head], predictor.predict(crops)[head], atol=1e-6)
        np.testing.assert_allclose(of_keras.predicted[head], of_litert.predicted[head], atol=2e-2)
    raw = network.predict(crops, verbose=0)["race"]
    assert np.abs(of_keras.predicted["race"] - raw).max() > 0.05
    assert of_keras.metrics["race_7"] == {"count": 0}
    assert of_keras.metrics["race"]["count"] == 5
