"""Two students become one model, by `facecli train --backbone pair`."""

import numpy as np
import pytest

from facecli import paths
from facecli.errors import CheckpointError
from facecli.recipes import FitOptions, TrainRequest
from facecli.training.prepare import prepare_data
from facecli.training.start import load_network
from facecli.training.train import train

HEADS = ("age", "gender", "race")
NONE = FitOptions(epochs=0, batch_size=32)
PAIR = TrainRequest("facenet", backbone="pair", initial="first", partner="second", command="facecli train")


@pytest.fixture
def data(faces_folder, home):
    return prepare_data(faces_folder, seed=1)


def test_a_pair_answers_for_both_and_remembers_them(data, save_student):
    students = [save_student("first", 1), save_student("second", 2)]
    checkpoint = train(data, PAIR, NONE)
    assert checkpoint.config["backbone"] == "pair" and checkpoint.config["partner"] == "second"
    assert [stage["command"] for stage in checkpoint.config["earlier_stages"]] == ["facecli distil 1"]
    assert [stage["command"] for stage in checkpoint.config["partner_stages"]] == ["facecli distil 2"]
    crops = data.crops((16, 16))[:3]
    one, other, both = (load_network(found).predict(crops, verbose=0) for found in (*students, checkpoint))
    assert set(both) == set(HEADS)
    for head in HEADS:
        mean = np.sqrt(one[head] * other[head])
        np.testing.assert_allclose(both[head], mean / mean.sum(axis=1, keepdims=True), atol=2e-3)


def test_a_pair_learns_on(data, save_student):
    save_student("first", 1), save_student("second", 2)
    pair = train(data, PAIR, NONE)
    request = TrainRequest("facenet", backbone="pair", initial="facenet_model", name="longer")
    longer = train(data, request, FitOptions(epochs=1, batch_size=32))
    before, after = (load_network(found).get_weights() for found in (pair, longer))
    assert [weights.shape for weights in before] == [weights.shape for weights in after]
    assert any(not np.allclose(a, b) for a, b in zip(before, after, strict=True))


def test_students_that_cannot_be_paired(data, save_student):
    save_student("first", 1)
    with pytest.raises(CheckpointError, match="second"):
        train(data, PAIR, NONE)
    save_student("second", 2, ("age",))
    with pytest.raises(CheckpointError, match="second has not learnt gender, race"):
        train(data, PAIR, NONE)
    save_student("second", 2, backbone="pair")
    with pytest.raises(CheckpointError, match="not two compact students"):
        train(data, PAIR, NONE)
    assert not (paths.saved_model_dir() / "facenet_model" / "config.json").exists()
