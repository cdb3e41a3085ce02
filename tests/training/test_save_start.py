"""Where a run starts from: one student, or the mean of several."""

import keras
import numpy as np
import pytest

from facecli.cli.app import main
from facecli.core.errors import CheckpointError
from facecli.models import networks
from facecli.models.networks import Residual, Stage, build_model
from facecli.training.save import load_embedding, load_network

HEADS = ("age", "gender", "race")


def fresh(heads=HEADS, taps=None):
    keras.utils.set_random_seed(9)
    return build_model("compact", heads, (24, 24), taps or {})


def test_no_student_there(home):
    with pytest.raises(CheckpointError, match="first"):
        load_embedding(fresh(), home / "saved_model" / "first")


def test_one_student_gives_backbone_and_heads_at_another_size(save_student):
    student = save_student("first", 1)
    network = fresh(("age", "emotion"), {"embedding": 5})
    emotion = network.get_layer("emotion").get_weights()
    load_embedding(network, student.folder)
    known = load_network(student)
    for name in ("backbone", "age"):
        for ours, theirs in zip(
            network.get_layer(name).get_weights(), known.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(network.get_layer("emotion").get_weights()[0], emotion[0])


def test_several_students_give_the_mean_of_their_weights(save_student):
    students = [save_student(name, seed) for seed, name in enumerate(("first", "second", "third"))]
    network = fresh()
    load_embedding(network, students[0].folder, [student.folder for student in students[1:]])
    networks = [load_network(student) for student in students]
    for name in ("backbone", "gender"):
        weights = [part.get_layer(name).get_weights() for part in networks]
        for ours, *theirs in zip(network.get_layer(name).get_weights(), *weights, strict=True):
            np.testing.assert_allclose(ours, np.mean(theirs, axis=0), atol=1e-6)
            assert ours.dtype == np.float32


def test_students_of_two_shapes_have_no_mean(save_student, monkeypatch):
    wider = Residual((4,), (Stage(4, 1), Stage(8, 1)), (16, 16))
    monkeypatch.setitem(networks.RESIDUAL_SPECS, "normal", wider)
    first, other = save_student("first", 1), save_student("second", 2, backbone="normal")
    with pytest.raises(CheckpointError, match="first, .*second do not all fit one backbone"):
        load_embedding(fresh(), first.folder, [other.folder])


def test_a_mean_needs_a_first_student(capsys):
    assert main(["distil", "--average", "second", "--data-path", "."]) == 2
    assert "--average needs --initial" in capsys.readouterr().err
