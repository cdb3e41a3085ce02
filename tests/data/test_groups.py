import cv2
import numpy as np
import pytest

from facecli.data import groups
from facecli.data.groups import add_groups, dhash_bits, fingerprints, near_duplicates, shared_pictures
from facecli.data.layouts.utkface import read_utkface


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """A cache of the test's own."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(groups.paths, "cache_dir", lambda: cache)


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


def test_pictures_are_read_and_compared_once(utkface, monkeypatch):
    folder = utkface(12)
    first, _ = grouped(folder)

    def read_again(files):
        raise AssertionError("pictures were read again")

    monkeypatch.setattr(groups, "_thumbnails", read_again)
    again, _ = grouped(folder)
    assert again.equals(first)
    with pytest.raises(AssertionError, match="read again"):
        add_groups(first.iloc[:5], folder)


def test_photographs_that_two_sets_share(tmp_path, utkface, write_picture):
    one = utkface(6)
    other = tmp_path / "other"
    write_picture(other / "5_0_0_20170000000000.png", seed=2)
    write_picture(other / "5_0_0_20170000000001.png", seed=99)
    prints = [fingerprints(read_utkface(folder).frame, folder) for folder in (one, other)]
    left, right = shared_pictures(*prints)
    # The same picture as JPEG and as PNG: other bytes, one photograph.
    assert len(left) == len(right) == 1
    named = dict(zip(*(read_utkface(other).frame[key] for key in ("sha256", "file")), strict=True))
    assert named[right[0]].startswith("5_0_0_20170000000000")
    empty = fingerprints(read_utkface(one).frame.iloc[:0], one)
    assert all(len(found) == 0 for found in shared_pictures(prints[0], empty))


def test_rows_of_one_photograph_are_of_one_group_with_all_that_is_tied_to_them(
    tmp_path, write_picture, make_frame
):
    for row in range(5):
        write_picture(tmp_path / f"{row}.jpg", row)
    frame = make_frame([20, 30, 40, 50, 60]).drop(columns="group")
    assert add_groups(frame, tmp_path)[0]["group"].nunique() == 5
    hashes = [f"{row:064x}" for row in (0, 0, 1, 2, 3)]
    tied, _ = add_groups(frame.assign(sha256=hashes, photograph=[7, 8, 8, 9, 9]), tmp_path)
    first, second = tied["group"][0], tied["group"][3]
    assert tied["group"].tolist() == [first, first, first, second, second] and first != second
    assert "photograph" not in tied
