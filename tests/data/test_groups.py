import cv2
import numpy as np

from facecli.data.groups import add_groups, dhash_bits, near_duplicates
from facecli.data.table import read_utkface


def grouped(folder):
    return add_groups(read_utkface(folder).frame, folder)


def test_empty_table_stays_empty(tmp_path):
    frame, conflicts = grouped(tmp_path)
    assert frame.empty and {"dhash", "group"} <= set(frame.columns)
    assert conflicts == []


def test_no_pictures_have_no_near_duplicates():
    thumbnails = np.zeros((0, 32, 32), np.uint8)
    assert near_duplicates(dhash_bits(thumbnails), thumbnails).shape == (0, 2)


def test_different_pictures_lie_in_different_groups(utkface):
    frame, conflicts = grouped(utkface(30))
    assert frame["group"].nunique() == 30
    assert conflicts == []


def test_identical_files_share_a_group_and_conflicts_are_settled(tmp_path, write_picture):
    labels = ("20_0_0", "30_1_3", "50_1_3", "60_1")
    for row, label in enumerate(labels):
        write_picture(tmp_path / f"{label}_2017011221350090{row}.jpg", seed=1)
    write_picture(tmp_path / "70_0_1_20170112213500909.jpg", seed=2)
    frame, conflicts = grouped(tmp_path)
    same = frame[frame["sha256"] == frame["sha256"].iloc[0]]
    assert same["group"].nunique() == 1 and frame["group"].nunique() == 2
    # The lower median of 20, 30, 50, 60; the most frequent gender and known race.
    assert set(zip(same["age_years"], same["gender"], same["race"], strict=True)) == {(30, 1, 3)}
    assert {conflict.label for conflict in conflicts} == {"age_years", "gender", "race"}
    assert next(c for c in conflicts if c.label == "age_years").values == (20, 30, 50, 60)
    assert frame["age_years"].iloc[-1] == 70


def test_missing_label_is_no_conflict_and_is_filled(tmp_path, write_picture):
    write_picture(tmp_path / "39_1_20170116174525125.jpg", 1)
    write_picture(tmp_path / "39_1_2_20170116174525126.jpg", 1)
    frame, conflicts = grouped(tmp_path)
    assert frame["race"].tolist() == [2, 2]
    assert conflicts == []


def test_recompressed_and_brightened_picture_joins_its_group(tmp_path, write_picture):
    path = write_picture(tmp_path / "20_0_0_20170112213500901.jpg", 1, side=200)
    write_picture(tmp_path / "20_0_0_20170112213500903.jpg", 2, side=200)
    changed = np.clip(cv2.imread(str(path)).astype(int) + 12, 0, 255).astype(np.uint8)
    copy = tmp_path / "44_0_0_20170112213500902.jpg"
    cv2.imwrite(str(copy), changed, [cv2.IMWRITE_JPEG_QUALITY, 60])
    frame, conflicts = grouped(tmp_path)
    group = frame.set_index("file")["group"]
    assert group[path.name] == group[copy.name]
    assert group.nunique() == 2
    assert conflicts == []
    assert frame["age_years"].tolist() == [20, 20, 44]


def test_mirrored_picture_is_another(tmp_path, write_picture):
    path = write_picture(tmp_path / "20_0_0_20170112213500901.jpg", 1, side=200)
    cv2.imwrite(str(tmp_path / "20_0_0_20170112213500902.jpg"), cv2.imread(str(path))[:, ::-1])
    assert grouped(tmp_path)[0]["group"].nunique() == 2
