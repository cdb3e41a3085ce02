"""Groups that can be counted by hand, and what is said about nothing."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecli.training.evaluate import FEWEST_FACES, MEASURES, SLICES, fairness_metrics, fairness_table, gaps
from facecli.training.metrics import group_report
from facecli.training.plots import LOOKS, TITLES, fairness_plot

MEASURED = ("age_mae", "bias", "gender_accuracy", "race_accuracy")


def labels(ages, gender=0, race=0):
    return pd.DataFrame({"age_years": ages, "gender": gender, "race": race})


def answers(ages, genders, races):
    return {"age": np.eye(117)[ages], "gender": np.eye(2)[genders], "race": np.eye(5)[races]}


def random_case(count, missing=True, seed=0):
    random = np.random.default_rng(seed)
    low = -1 if missing else 0
    columns = {"age_years": 90, "gender": 2, "race": 5}
    frame = pd.DataFrame({name: random.integers(low, top, count) for name, top in columns.items()})
    heads = {"age": 117, "gender": 2, "race": 5}
    return frame, {head: random.dirichlet(np.ones(top), count) for head, top in heads.items()}


def row(table, group, slice_name=None):
    found = table[(table["group"] == group) & (table["slice"] == slice_name if slice_name else True)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.mark.parametrize(
    "frame",
    [labels([]).astype(int), labels([-1] * 12, -1, -1), pd.DataFrame({"emotion": [1] * 12})],
    ids=["no rows", "no labels", "no columns"],
)
def test_nothing_known_has_no_rows_and_no_numbers(frame):
    predicted = answers(*[np.zeros(len(frame), int)] * 3)
    table = fairness_table(frame, predicted)
    assert len(table) == 0
    assert gaps(table) == {}
    assert fairness_metrics(frame, predicted) == {}


def test_a_model_without_these_heads_has_no_rows():
    assert len(fairness_table(labels([30] * 3), {"emotion": np.full((3, 7), 1 / 7)})) == 0


def test_errors_by_hand():
    frame = labels([5, 10, 75, 80, 30, 40], gender=[0, 0, 1, 1, 0, 1], race=[0, 0, 0, 1, 1, 1])
    table = fairness_table(frame, answers([7, 10, 70, 70, 30, 41], [1, 0, 1, 1, 0, 0], [0] * 6))
    children, old = row(table, "children under 13"), row(table, "people of 70 and more")
    assert (children["count"], children["age_mae"], children["bias"]) == (2, 1, 1)
    assert children["gender_accuracy"] == 0.5
    assert (old["count"], old["age_mae"], old["bias"]) == (2, 7.5, -7.5)
    assert old["race_accuracy"] == 0.5
    assert row(table, "everybody")["age_mae"] == pytest.approx(3)
    assert row(table, "female, white, 70+")["count"] == 1
    assert row(table, "female")["gender_accuracy"] == pytest.approx(2 / 3)


def test_intervals_hold_the_mean_and_are_left_out_for_a_few():
    table = fairness_table(*random_case(300))
    few = table["age_mae_count"] < 10
    assert few.any() and table[few]["age_mae_low"].isna().all()
    enough = table[~few]
    for measure in MEASURED:
        measured = enough[enough[f"{measure}_count"] >= 10]
        assert (measured[f"{measure}_low"] <= measured[measure] + 1e-9).all()
        assert (measured[measure] <= measured[f"{measure}_high"] + 1e-9).all()


def test_a_missing_label_counts_where_it_is_not_needed():
    frame = labels([30, 30, -1], gender=[0, -1, 0])
    table = fairness_table(frame, answers([32, 34, 99], [0, 0, 1], [0, 0, 0]))
    everybody, male, thirties = (row(table, name) for name in ("everybody", "male", "20-39"))
    assert (everybody["count"], everybody["age_mae_count"], everybody["age_mae"]) == (3, 2, 3)
    assert (male["count"], male["age_mae"], male["gender_accuracy"]) == (2, 2, 0.5)
    assert (thirties["count"], thirties["gender_accuracy"]) == (2, 1)


@settings(max_examples=15)
@given(st.integers(1, 60), st.integers(0, 9))
def test_every_slice_divides_the_labelled_faces(count, seed):
    table = fairness_table(*random_case(count, missing=False, seed=seed))
    for axes in (axes for axes in SLICES if "race_7" not in axes):
        part = table[table["slice"] == " x ".join(axes)]
        assert part["count"].sum() == count
        assert np.average(part["age_mae"], weights=part["count"]) == pytest.approx(table["age_mae"].iloc[0])


def test_full_groups_agree_with_the_group_report():
    frame, predicted = random_case(200)
    table = fairness_table(frame, predicted)
    part = table[table["slice"] == "gender x race x age_band"].reset_index(drop=True)
    whole = group_report(frame, predicted)
    assert list(part["group"]) == [", ".join(name) for name in whole[["gender", "race", "age_band"]].values]
    for column in ("count", "age_mae", "bias", "gender_accuracy", "race_accuracy_low"):
        np.testing.assert_allclose(part[column], whole[column])


def test_the_gap_is_between_groups_that_are_large_enough():
    ages, genders = np.repeat([30, 50, 75], [100, 100, 99]), np.zeros(299, int)
    guess = np.repeat([29, 54, 5], [100, 100, 99])
    found = gaps(fairness_table(labels(ages), answers(guess, genders, genders)))
    assert FEWEST_FACES == 100
    expected = {"gap": 3, "best": "20-39", "best_value": 1, "worst": "40-59", "worst_value": 4}
    assert found["age_mae"]["age_band"] == expected
    # A bias of -1 and one of 4 lie 5 years apart; the one nearer to zero is the better.
    assert found["bias"]["age_band"] == {**expected, "gap": 5, "best_value": -1}
    assert "gender" not in found["age_mae"]
    assert found["gender_accuracy"]["any"]["gap"] == 0


def test_the_worst_accuracy_is_the_lowest():
    genders = np.repeat([0, 1], 100)
    said = np.where(np.arange(200) < 110, 0, 1)
    found = gaps(fairness_table(labels([30] * 200, genders), answers([30] * 200, said, [0] * 200)))
    assert found["gender_accuracy"]["gender"]["worst"] == "female"
    assert found["gender_accuracy"]["gender"]["gap"] == pytest.approx(0.1)


def test_21_to_60_are_both_included():
    frame = labels([20, 21, 60, 61], gender=[0, 0, 1, 1])
    found = fairness_metrics(frame, answers([99, 22, 63, 99], [1, 0, 0, 1], [0] * 4))["age_21_60"]
    assert (found["count"], found["age_mae"], found["bias"]) == (2, 2, 2)
    assert found["gender_accuracy"] == 0.5
    low, high = found["age_mae_ci95"]
    assert 1 <= low <= 2 <= high <= 3


def test_metrics_are_strict_json():
    found = fairness_metrics(*random_case(400))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("heads", [("age", "gender", "race"), ("race",)])
@pytest.mark.parametrize("count", [1, 150])
def test_the_plot_has_a_line_a_group_and_a_panel_a_measure(heads, count):
    frame, predicted = random_case(count, missing=False)
    table = fairness_table(frame, {head: predicted[head] for head in heads})
    figure = fairness_plot(table)
    assert len(figure.axes) == (4 if len(heads) == 3 else 1)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[0] == f"everybody  ({count})"
    assert len(names) == (~table["slice"].isin(["named", "gender x race x age_band"])).sum()


def binned_case(count=300):
    """Faces of a table whose ages are bins and whose races are seven, all alike; women's bins are missed."""
    genders = np.repeat([0, 1], count // 2)
    frame = labels([-1] * count, genders, -1).assign(age_low=20, age_high=29, race_7=np.arange(count) % 7)
    predicted = {**answers(np.where(genders, 35, 25), genders, genders), "race_7": np.eye(7)[[0] * count]}
    return frame, predicted


def test_the_worst_of_a_share_is_the_lowest():
    found = gaps(fairness_table(*binned_case()))["age_in_bin"]["gender"]
    assert (found["best"], found["best_value"], found["worst_value"]) == ("male", 1, 0)


def test_bins_and_seven_races_are_drawn():
    table = fairness_table(*binned_case())
    figure = fairness_plot(table)
    assert [axis.get_title() for axis in figure.axes] == [
        TITLES[measure] for measure in ("age_in_bin", "gender_accuracy", "race_7_accuracy")
    ]
    assert any("southeast_asian" in label.get_text() for label in figure.axes[0].get_yticklabels())


def test_every_measure_has_a_title_and_every_slice_of_two_a_look():
    assert set(TITLES) == set(MEASURES)
    assert {" x ".join(axes) for axes in SLICES if len(axes) < 3} | {"all"} == set(LOOKS)
