import cv2
import numpy as np
import pandas as pd
import pytest

from facecli.core.errors import OutputError
from facecli.data.statistics import contact_sheet, distributions, save_data_stats

FILES = {"age.csv", "age_group.csv", "gender.csv", "race.csv", "age.png", "gender.png", "race.png"}


def test_empty_table_has_no_shares(make_frame):
    found = distributions(make_frame([]))
    assert {name: distribution.counts.sum() for name, distribution in found.items()} == {
        "age": 0, "age_group": 0, "gender": 0, "race": 0,
    }  # fmt: skip
    assert found["gender"].table()["share"].tolist() == [0, 0, ""]


def test_counts_shares_and_missing_labels(make_frame):
    found = distributions(make_frame([1, 1, 95, -1], [0, 1, 1, -1], [4, -1, -1, -1]))
    assert found["age"].counts[[1, 95]].tolist() == [2, 1]
    assert found["age_group"].counts[[0, 9]].tolist() == [2, 1]
    assert found["race"].missing == 3
    table = found["gender"].table()
    assert table["class"].tolist() == ["male", "female", "missing"]
    assert table["count"].tolist() == [1, 2, 1]
    assert table["share"].tolist()[:2] == [0.3333, 0.6667]


def test_weights_count_instead_of_rows(make_frame):
    found = distributions(make_frame([1, 50], [0, 1]), np.array([0.5, 1.5]))
    assert found["gender"].counts.tolist() == [0.5, 1.5]


@pytest.mark.parametrize("method", ["none", "oversample", "weights"])
def test_raw_and_adjusted_tables_and_pictures(make_frame, tmp_path, method):
    ages = np.repeat([25, 75], [90, 10])
    frame = make_frame(ages).assign(split=["train", "test"] * 50)
    assert save_data_stats(frame, method, 0, tmp_path) == tmp_path
    for part in ("raw", "training", "adjusted"):
        assert {path.name for path in (tmp_path / part).iterdir()} == FILES
        assert cv2.imread(str(tmp_path / part / "race.png")).std() > 5
    raw = pd.read_csv(tmp_path / "raw" / "age_group.csv", index_col="class")["share"]
    training = pd.read_csv(tmp_path / "training" / "age_group.csv", index_col="class")
    assert training["count"].sum() == 50
    adjusted = pd.read_csv(tmp_path / "adjusted" / "age_group.csv", index_col="class")["share"]
    assert raw["70-79"] == 0.1
    assert adjusted["70-79"] == 0.1 if method == "none" else adjusted["70-79"] > 0.15


def test_a_table_with_seven_races_has_their_distribution_too(make_frame, tmp_path):
    frame = make_frame([25] * 7).assign(race_7=[0, 1, 2, 3, 4, 5, -1], split="train")
    save_data_stats(frame, "none", 0, tmp_path)
    assert {path.name for path in (tmp_path / "raw").iterdir()} == FILES | {"race_7.csv", "race_7.png"}
    assert pd.read_csv(tmp_path / "raw" / "race_7.csv")["count"].tolist() == [1, 1, 1, 1, 1, 1, 0, 1]


def test_table_without_any_label_is_drawn_too(make_frame, tmp_path):
    frame = make_frame([-1, -1], [-1, -1], [-1, -1]).assign(split="train")
    save_data_stats(frame, "weights", 0, tmp_path)
    assert {path.name for path in (tmp_path / "raw").iterdir()} == FILES


def test_folder_that_cannot_be_written_is_named(make_frame, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot write"):
        save_data_stats(make_frame([1]).assign(split="train"), "none", 0, tmp_path / "file")


def test_contact_sheet_places_pictures_row_by_row():
    images = np.zeros((5, 4, 6, 3), np.float32) + np.arange(5).reshape(5, 1, 1, 1) * 60.4 - 1
    sheet = contact_sheet(images, columns=3, gap=1)
    assert sheet.shape == (2 * 5 + 1, 3 * 7 + 1, 3) and sheet.dtype == np.uint8
    assert sheet[1, 1, 0] == 0 and sheet[1, 8, 0] == 59 and sheet[6, 1, 0] == 180
    assert (sheet[6:10, 15:] == 255).all() and (sheet[0] == 255).all()
