from pathlib import Path

import numpy as np
import pytest

from facecli.data.table import join_tables

FIRST, SECOND = Path("/data/first"), Path("/data/second")


def table(frame, hashes, **columns):
    return frame.assign(sha256=hashes, split="train", file=[f"{key}.png" for key in hashes], **columns)


def test_one_table_stays_as_it_is(make_frame):
    frame = table(make_frame([3, 4], [0, 1], [1, 2], groups=[0, 1]), ["a", "b"])
    assert join_tables([(FIRST, frame)]).equals(frame)


def test_an_empty_table_adds_nothing(make_frame):
    frame = table(make_frame([3, 4], [0, 1], [1, 2], groups=[0, 1]), ["a", "b"])
    empty = table(make_frame([]), []).assign(group=[])
    assert join_tables([(FIRST, frame), (SECOND, empty)])["sha256"].tolist() == ["a", "b"]
    assert join_tables([(FIRST, empty), (SECOND, frame)])["file"].tolist() == [
        "/data/second/a.png",
        "/data/second/b.png",
    ]


@pytest.fixture
def joined(make_frame):
    first = table(make_frame([3, 4], [0, 1], [1, 2], groups=[0, 1]), ["a", "b"])
    second = table(make_frame([-1, -1], [-1, -1], [-1, -1], groups=[0, 1]), ["b", "c"], emotion=[2, 5])
    return join_tables([(FIRST, first), (SECOND, second)])


def test_a_known_picture_keeps_its_first_place(joined):
    assert joined["sha256"].tolist() == ["a", "b", "c"]
    assert joined["age_years"].tolist() == [3, 4, -1]


def test_groups_of_two_sets_differ(joined):
    assert joined["group"].nunique() == 3


def test_labels_that_a_set_lacks_are_missing_whole_numbers(joined):
    assert joined["emotion"].tolist() == [-1, -1, 5]
    assert joined["emotion"].dtype.kind == "i"


def test_files_are_found_from_the_first_folder(joined):
    assert [str(FIRST / file) for file in joined["file"]] == [
        "/data/first/a.png",
        "/data/first/b.png",
        "/data/second/c.png",
    ]


def test_attributes_that_one_set_lacks_stay_whole_numbers_and_other_numbers_stay_as_they_are(make_frame):
    mine = make_frame([20, 30]).assign(split="train", glasses=[0, 1], score=[0.5, 0.25])
    other = make_frame([40], hashes=["f" * 64]).assign(split="train")
    joined = join_tables([(Path("a"), mine), (Path("b"), other)])
    assert joined["glasses"].tolist() == [0, 1, -1] and joined["glasses"].dtype == np.int64
    assert joined["score"].isna().tolist() == [False, False, True]
