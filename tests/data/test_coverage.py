import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.data.statistics import MIN_CLASS_SHARE, class_counts, find_gaps, forget_one_sided, knowing_sets


def table(**sets):
    """Rows of sets: name -> list of genders, all of the training split."""
    rows = [
        {"set": name, "gender": gender, "age_years": -1, "split": "train"}
        for name, genders in sets.items()
        for gender in genders
    ]
    return pd.DataFrame(rows, columns=["set", "gender", "age_years", "split"])


def test_without_rows_or_labels_nothing_is_missing():
    empty = table()
    assert class_counts(empty, "gender") == {} and find_gaps(empty, ("gender",)) == []
    assert class_counts(table(a=[-1, -1]), "gender") == {} and class_counts(table(a=[0]), "emotion") == {}
    assert find_gaps(table(a=[0, 1], b=[-1]), ("gender", "age", "emotion")) == []


def test_a_set_of_men_does_not_teach_gender(caplog):
    caplog.set_level("WARNING", logger="facecli")
    frame = table(both=[0, 1] * 10, men=[0] * 30)
    found, (gap,) = forget_one_sided(frame, ("gender",))
    assert (gap.set_name, gap.head, gap.classes, gap.labels) == ("men", "gender", ("female",), 30)
    assert (found["gender"][found["set"] == "men"] == -1).all()
    assert (found["gender"][found["set"] == "both"] >= 0).all()
    assert (frame["gender"] >= 0).all(), "the table that was given is not changed"
    assert (
        "men" in caplog.text and "'female'" in caplog.text and "--allow-one-sided men:gender" in caplog.text
    )
    assert knowing_sets(found, "gender") == ["both"]


def test_what_is_tested_on_keeps_its_labels():
    frame = table(both=[0, 1] * 10, men=[0] * 30)
    frame["split"] = np.where(np.arange(50) % 2, "val", "train")
    found, _ = forget_one_sided(frame, ("gender",))
    assert (found["gender"][found["split"] == "val"] >= 0).all()


def test_an_option_lets_it(caplog):
    caplog.set_level("WARNING", logger="facecli")
    frame = table(both=[0, 1] * 10, men=[0] * 30)
    found, (gap,) = forget_one_sided(frame, ("gender",), ["men:gender"])
    assert gap.allowed and found.equals(frame)
    assert "teaches it all the same" in caplog.text


def test_one_set_alone_has_no_other_kind_of_picture():
    assert find_gaps(table(men=[0] * 30), ("gender",)) == []
    assert find_gaps(table(men=[0] * 30, unlabelled=[-1] * 9), ("gender",)) == []


def test_heads_that_are_not_trained_are_not_judged():
    assert find_gaps(table(both=[0, 1], men=[0] * 30), ("race",)) == []


def test_faces_and_what_is_none_come_from_sets_of_their_own():
    frame = table(faces=[0, 1], none=[-1, -1]).assign(face=[1, 1, 0, 0])
    assert find_gaps(frame, ("gender", "face")) == []


@given(st.integers(0, 40), st.integers(1, 400))
def test_the_share_that_makes_a_class(women, men):
    gaps = find_gaps(table(both=[0, 1], asked=[1] * women + [0] * men), ("gender",))
    lacks = {name for gap in gaps for name in gap.classes if gap.set_name == "asked"}
    assert ("female" in lacks) == (women < MIN_CLASS_SHARE * (women + men))


def test_a_bin_is_a_known_age():
    frame = table(bins=[0], none=[1]).assign(age_low=[20, -1])
    assert knowing_sets(frame, "age") == ["bins"] and knowing_sets(frame, "race") == []


@pytest.mark.parametrize("ruled", [True, False])
def test_the_rule_saves_the_women_of_the_other_kind_of_picture(ruled, tmp_path):
    """Two kinds of pictures, one shown with men only: what a network makes of women of that kind."""
    keras = pytest.importorskip("keras")
    from facecli.core.recipes import FitOptions
    from facecli.training.engine import Rows, fit
    from facecli.training.epochs import encoded_figures
    from facecli.training.prepare import build_targets

    random = np.random.default_rng(0)
    count = 1200
    kind = np.repeat([0, 1], count // 2)
    gender = random.integers(0, 2, count)
    val = np.arange(count) % 4 == 0
    gender[(kind == 1) & ~val] = 0
    # What shows of the gender is noisy; of the kind of picture it is not.
    seen = np.stack([gender + random.normal(0, 0.35, count), kind, np.ones(count)], axis=1)
    frame = pd.DataFrame(
        {
            "set": np.where(kind, "men", "both"),
            "gender": gender,
            "age_years": -1,
            "split": np.where(val, "val", "train"),
        }
    )
    taught, _ = forget_one_sided(frame, ("gender",), () if ruled else ["men:gender"])
    keras.utils.set_random_seed(1)
    inputs = keras.Input((3,))
    network = keras.Model(
        inputs,
        {"gender": keras.layers.Dense(2, "softmax", kernel_initializer="zeros", name="gender")(inputs)},
    )
    sets, targets = frame["set"].to_numpy(str), build_targets(taught, ("gender",))
    rows = (Rows(seen.astype("float32"), targets, np.flatnonzero(part), sets=sets) for part in (~val, val))
    fit(network, *rows, FitOptions(epochs=12, batch_size=32, learning_rate=0.05), tmp_path)
    other = val & (kind == 1)
    predicted = network.predict(seen[other].astype("float32"), verbose=0)
    figures = encoded_figures({"gender": build_targets(frame, ("gender",))["gender"][other]}, predicted)
    assert (figures["gender"].by_class["female"] > 0.85) == ruled
    assert (abs(figures["gender"].worst_skew[1]) < 0.06) == ruled
