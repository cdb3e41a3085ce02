import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.training.prepare import IN_BIN, build_targets, encode_age, encode_age_bins, encode_classes


def test_no_rows():
    targets = build_targets({"age_years": [], "gender": [], "race": []}, ("age", "gender", "race"))
    assert {head: values.shape for head, values in targets.items()} == {
        "age": (0, 118),
        "gender": (0, 2),
        "race": (0, 5),
    }


def test_a_missing_label_is_a_row_of_zeros():
    assert encode_classes(np.array([1, -1]), 2).tolist() == [[0, 1], [0, 0]]
    assert not encode_age(np.array([-1])).any()


def test_a_column_that_is_not_there_is_missing_throughout():
    targets = build_targets({"age_years": [3, 4]}, ("gender", "emotion", "face"))
    assert [values.shape for values in targets.values()] == [(2, 2), (2, 7), (2, 2)]
    assert not any(values.any() for values in targets.values())


def test_only_the_heads_that_are_asked_for():
    assert list(build_targets({"age_years": [3]}, ("age",))) == ["age"]


@given(st.integers(0, 116))
def test_age_peaks_at_the_age_and_sums_to_one(age):
    row = encode_age(np.array([age]))[0]
    assert row[:-1].sum() == pytest.approx(1, abs=1e-5)
    assert row[:-1].argmax() == age
    assert row[-1] == age


def test_a_baby_has_a_sharper_label_than_a_grown_up():
    baby, grown = encode_age(np.array([1, 50]))
    assert baby[:-1].max() > 2 * grown[:-1].max()


def test_a_bin_is_its_years_and_no_others():
    rows = encode_age_bins(np.array([-1, 3, 70]), np.array([-1, 9, 116]))
    assert not rows[0].any()
    assert rows[1, 3:10].tolist() == pytest.approx([1 / 7] * 7)
    assert rows[1, :-1].sum() == pytest.approx(1) and rows[1, -1] == IN_BIN


def test_an_open_bin_is_not_centred_on_the_oldest_who_ever_lived():
    shares = encode_age_bins(np.array([70]), np.array([116]))[0, :-1]
    assert (np.diff(shares[70:]) < 0).all() and shares[116] > 0
    assert 75 < shares @ np.arange(117) < 80
