import numpy as np
import pytest

from facecli.core.errors import DataError
from facecli.data.statistics import check_trainable

HEADS = ("age", "gender", "race")


@pytest.fixture
def good(make_frame):
    def make(count=100):
        rows = np.arange(count)
        splits = np.where(rows % 10 == 0, "val", np.where(rows % 10 == 1, "test", "train"))
        return make_frame(rows % 90, (rows // 2) % 2, (rows // 3) % 5).assign(split=splits)

    return make


@pytest.mark.parametrize("count", [0, 10, 49])
def test_too_few_pictures(good, count):
    with pytest.raises(DataError, match=f"{count} labelled pictures are too few"):
        check_trainable(good(count), HEADS)


def test_good_data_pass(good):
    check_trainable(good(), HEADS)
    check_trainable(good().drop(columns="split"), HEADS)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_empty_split_is_named(good, split):
    frame = good()
    frame["split"] = frame["split"].replace(split, "test" if split != "test" else "train")
    with pytest.raises(DataError, match=f"{split} split"):
        check_trainable(frame, HEADS)


@pytest.mark.parametrize(("column", "class_id", "name"), [("race", 3, "indian"), ("gender", 1, "female")])
def test_missing_class_is_named_unless_its_head_is_left_out(good, column, class_id, name):
    frame = good()
    frame.loc[frame[column] == class_id, column] = -1
    with pytest.raises(DataError, match=rf"{name} \(0\)"):
        check_trainable(frame, HEADS)
    check_trainable(frame, [head for head in HEADS if head != column])


def test_head_without_labels_is_named(good):
    with pytest.raises(DataError, match="label for the head 'age'; train with --heads gender,race"):
        check_trainable(good().assign(age_years=-1), HEADS)


def test_one_age_decade_is_too_little(good):
    with pytest.raises(DataError, match="one age decade"):
        check_trainable(good().assign(age_years=33), HEADS)


def test_class_that_only_the_test_split_has_counts_as_missing(good):
    frame = good()
    frame.loc[(frame["race"] == 4) & (frame["split"] == "train"), "race"] = 0
    with pytest.raises(DataError, match=r"other \(0\)"):
        check_trainable(frame, HEADS)
