import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from facecli.models.inception_resnet_v1 import TAP_DIMS, TAPS
from facecli.training import soft_labels
from facecli.training.prepare import NO_AGE, encode_age, encode_classes
from facecli.training.soft_labels import are_faces, load_teacher, view_targets
from facecli.training.train import build_feature_heads, compose


def test_no_pictures():
    found = view_targets(
        {"gender": np.zeros((0, 2))}, {"gender": np.zeros((0, 2), np.float16)}, np.zeros(0, bool)
    )
    assert found["gender"].shape == (0, 2)


def sure(views, rows, classes, best=0):
    return np.tile(np.eye(classes, dtype=np.float16)[best], (views * rows, 1))


def test_a_label_and_the_teacher_share_the_word():
    found = view_targets(
        {"gender": encode_classes(np.array([1, -1]), 2)}, {"gender": sure(3, 2, 2)}, np.array([True, True]), 3
    )["gender"]
    assert found.shape == (6, 2)
    assert found[::2].tolist() == [[0.5, 0.5]] * 3
    assert found[1::2].tolist() == [[1, 0]] * 3, "without a label the teacher has it alone"


def test_what_is_no_face_has_neither_attributes_nor_features():
    answers = {"gender": sure(2, 1, 2), "embedding": np.ones((2, 4), np.float16)}
    found = view_targets({"gender": np.zeros((1, 2))}, answers, np.array([False]), 2)
    assert not found["gender"].any() and not found["embedding"].any()
    assert answers["embedding"].all(), "what lies on disk stays as it is"


def test_an_age_keeps_its_years_and_a_taught_one_has_none():
    found = view_targets(
        {"age": encode_age(np.array([31, -1]))}, {"age": sure(1, 2, 117, 60)}, np.array([True, True])
    )["age"]
    assert found[:, -1].tolist() == [31, NO_AGE]
    assert found[1, :-1].argmax() == 60 and found[0, 60] == pytest.approx(0.5, abs=1e-3)


def test_a_head_that_the_teacher_lacks_stays_as_labelled():
    labels = encode_classes(np.array([0, 1]), 2)
    found = view_targets({"face": labels}, {"gender": sure(2, 2, 2)}, np.array([False, True]), 2)
    assert found["face"].tolist() == [*labels.tolist(), *labels.tolist()]


@given(st.integers(-1, 4), st.integers(1, 3), st.integers(0, 2**31))
def test_targets_of_a_face_are_distributions(label, views, seed):
    answers = np.random.default_rng(seed).dirichlet(np.ones(5), views).astype(np.float16)
    found = view_targets(
        {"race": encode_classes(np.array([label]), 5)}, {"race": answers}, np.array([True]), views
    )
    assert found["race"].sum(axis=1) == pytest.approx(np.ones(views), abs=0.01)


def test_the_column_that_says_what_is_a_face():
    assert are_faces([0, 1, 1]).tolist() == [False, True, True]


class Saved:
    """A checkpoint, as far as a teacher needs one."""

    heads = ("age", "gender")


def test_a_teacher_on_the_genuine_trunk_gives_its_standardised_features(monkeypatch):
    image = keras.Input((8, 8, 3), dtype="uint8")
    pooled = layers.Flatten()(layers.Rescaling(1 / 255)(image))
    trunk = keras.Model(image, {tap: layers.Dense(TAP_DIMS[tap], name=tap)(pooled) for tap in TAPS})
    network = compose(trunk, build_feature_heads(sum(TAP_DIMS.values()), ("age", "gender")))
    monkeypatch.setattr(soft_labels, "load_network", lambda checkpoint: network)
    teacher = load_teacher(Saved, ("gender", "face"))
    assert set(teacher.output) == {"gender", "block17", "embedding"}
    assert not teacher.trainable_variables
    crops = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    said, taps = teacher.predict(crops, verbose=0), trunk.predict(crops, verbose=0)
    # A new normalisation divides by the square root of 1 + epsilon, nothing else.
    for tap in ("block17", "embedding"):
        np.testing.assert_allclose(said[tap], taps[tap], rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(said["gender"], network.predict(crops, verbose=0)["gender"], atol=1e-6)


def test_any_other_model_teaches_its_heads(monkeypatch):
    image = keras.Input((8, 8, 3), dtype="uint8")
    pooled = layers.Flatten()(layers.Rescaling(1 / 255)(image))
    network = keras.Model(image, {"age": layers.Dense(117, activation="softmax")(pooled)})
    Saved.heads = ("age",)
    monkeypatch.setattr(soft_labels, "load_network", lambda checkpoint: network)
    assert set(load_teacher(Saved, ("age", "gender")).output) == {"age"}
