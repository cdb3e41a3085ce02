"""Right bands of years."""

import numpy as np
import pytest

from facecli.training.metrics import BAND_SETS, band_metrics, band_table


def certain(*ages):
    return np.eye(117)[list(ages)]


def test_no_band_has_a_name_twice_and_all_years_are_covered():
    for groups in BAND_SETS.values():
        assert len(set(groups.names)) == len(groups.names)
        assert (groups.bands[0].first, groups.bands[-1].last) == (0, 116)


def test_table_of_nothing_has_its_columns():
    table = band_table({})
    assert table.empty and list(table.columns[:3]) == ["bands", "band", "count"]


def test_known_answers_are_counted():
    true = np.array([24, 25, 60, 101])
    found = band_metrics(true, certain(0, 24, 74, 75))["quarter_centuries"]
    assert found["accuracy"] == 0.5 and found["count"] == 4
    assert found["off_by_one"] == 1.0 and found["confidence"] == 1.0
    assert found["by_band"] == {
        "0-24": {"count": 1, "recall": 1.0},
        "25-49": {"count": 1, "recall": 0.0},
        "50-74": {"count": 1, "recall": 1.0},
        "100+": {"count": 1, "recall": 0.0},
    }


def test_the_band_is_the_most_probable_one_not_that_of_the_mean():
    distribution = np.zeros((1, 117))
    distribution[0, 10], distribution[0, 90] = 0.6, 0.4
    found = band_metrics(np.array([12]), distribution)["below_20_to_above_50"]
    assert found["accuracy"] == 1.0 and found["confidence"] == pytest.approx(0.6)


def test_bands_of_the_challenge_end_below_the_round_years():
    ages = np.array([19, 20, 29, 30, 49, 50])
    found = band_metrics(ages, certain(*ages))["below_20_to_above_50"]
    assert {band: part["count"] for band, part in found["by_band"].items()} == {
        "0-19": 1, "20-29": 2, "30-39": 1, "40-49": 1, "50+": 1,
    }  # fmt: skip


def test_interval_holds_the_accuracy_of_many_faces():
    random = np.random.default_rng(0)
    true = random.integers(0, 100, 500)
    for row in band_metrics(true, certain(*random.permutation(true))).values():
        low, high = row["accuracy_ci95"]
        assert low <= row["accuracy"] <= high and row["off_by_one"] >= row["accuracy"]


def test_table_has_a_row_for_every_set_and_band():
    table = band_table(band_metrics(np.array([5, 70]), certain(5, 20)))
    assert set(table["bands"]) == set(BAND_SETS)
    assert (table["band"] == "all").sum() == len(BAND_SETS)
    assert table.loc[(table["bands"] == "life") & (table["band"] == "child"), "accuracy"].item() == 1.0
