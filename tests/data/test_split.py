import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.data.groups import split_digest, split_groups


def test_empty_table_stays_empty(make_frame):
    frame = split_groups(make_frame([]), 1)
    assert frame.empty and "split" in frame
    assert len(split_digest(frame)) == 64


def random_frame(make_frame, seed, count, groups):
    random = np.random.default_rng(seed)
    return make_frame(
        random.integers(0, 100, count),
        random.integers(-1, 2, count),
        random.integers(-1, 5, count),
        groups=random.integers(0, groups, count),
    )


@pytest.fixture(scope="module")
def frames():
    """random_frame without the per-test fixture, which hypothesis cannot renew."""
    import pandas as pd

    def make(ages, genders, races, groups):
        hashes = [f"{row:064x}" for row in range(len(ages))]
        columns = {"sha256": hashes, "age_years": ages, "gender": genders, "race": races, "group": groups}
        return pd.DataFrame(columns)

    return make


@given(seed=st.integers(0, 2**31), count=st.integers(1, 200), groups=st.integers(1, 150))
def test_no_group_lies_on_two_sides(frames, seed, count, groups):
    frame = split_groups(random_frame(frames, seed, count, groups), seed)
    assert frame["split"].isin({"train", "val", "test"}).all()
    assert (frame.groupby("group")["split"].nunique() == 1).all()


@given(seed=st.integers(0, 2**31), order=st.randoms(use_true_random=False))
def test_split_does_not_depend_on_the_order_of_rows_nor_on_group_numbers(frames, seed, order):
    frame = random_frame(frames, seed, 120, 90)
    positions = list(range(len(frame)))
    order.shuffle(positions)
    other = frame.iloc[positions].reset_index(drop=True)
    other["group"] = 1000 - other["group"]
    here, there = split_groups(frame, 5), split_groups(other, 5)
    assert here.set_index("sha256")["split"].to_dict() == there.set_index("sha256")["split"].to_dict()
    assert split_digest(here) == split_digest(there)


def test_another_seed_gives_another_split_and_digest(make_frame):
    frame = random_frame(make_frame, 0, 300, 300)
    assert split_digest(split_groups(frame, 1)) != split_digest(split_groups(frame, 2))
    assert split_digest(split_groups(frame, 1)) == split_digest(split_groups(frame, 1))


def test_shares_are_eighty_ten_ten_in_every_large_stratum(make_frame):
    ages = np.repeat([5, 25, 65], [400, 1000, 200])
    frame = split_groups(make_frame(ages, np.arange(1600) % 2), 3)
    shares = frame["split"].value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.8, abs=0.01)
    assert shares["val"] == pytest.approx(0.1, abs=0.005)
    by_age = frame.groupby("age_years")["split"].value_counts(normalize=True).unstack()
    assert by_age["test"].between(0.085, 0.115).all()


def test_table_of_one_group_goes_to_training(make_frame):
    frame = split_groups(make_frame([30] * 20, groups=[0] * 20), 1)
    assert set(frame["split"]) == {"train"}


def test_a_published_test_split_is_kept_and_nothing_else_is_tested_on(make_frame):
    frame = random_frame(make_frame, 0, 300, 250).assign(published_split=["train", "train", "test"] * 100)
    split = split_groups(frame, 1)
    tested = frame["group"].isin(frame["group"][frame["published_split"] == "test"])
    assert (split["split"][tested] == "test").all()
    assert set(split["split"][~tested]) == {"train", "val"}
    assert (split["split"] == "val").sum() == pytest.approx(0.1 * (~tested).sum(), abs=4)


@given(seed=st.integers(0, 2**31), data=st.data())
def test_a_published_split_is_taken_as_it_is(frames, seed, data):
    frame = frames(list(range(40)), [0, 1] * 20, [0] * 40, list(range(40)))
    published = data.draw(
        st.lists(st.sampled_from(["train", "val", "test", "", None]), min_size=40, max_size=40)
    )
    frame = split_groups(frame.assign(published_split=published), seed)
    for name in ("val", "test"):
        said = frame["published_split"] == name
        if said.any():
            assert (frame["split"][said] == name).all() and not (frame["split"][~said] == name).any()
        else:
            assert (frame["split"] == name).any() or (frame["split"] == "train").sum() < 10


def test_a_group_that_a_list_puts_into_two_splits_is_tested(frames):
    frame = frames([1, 1, 2, 2, 3], [0] * 5, [0] * 5, [0, 0, 1, 1, 2])
    frame = split_groups(frame.assign(published_split=["train", "test", "val", "train", "train"]), 1)
    assert list(frame["split"]) == ["test", "test", "val", "val", "train"]
