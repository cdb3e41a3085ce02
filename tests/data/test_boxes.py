"""Sets of pictures with boxes, in every layout that they come in."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.errors import DataError, InputError
from facecli.data.boxes import LANDMARK_NAMES, open_boxes, split_of


@pytest.fixture
def picture(tmp_path):
    """Writes a picture of 100 x 80 pixels into a folder of the set."""

    def write(name):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), np.full((80, 100, 3), 128, np.uint8))
        return file

    return write


def only(folder):
    (one,) = open_boxes(folder).pictures
    return one


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(DataError, match="no picture with boxes"):
        open_boxes(tmp_path)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such data set"):
        open_boxes(tmp_path / "gone")


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "boxes.txt").write_text("")
    with pytest.raises(InputError, match="is not a data set"):
        open_boxes(tmp_path / "boxes.txt")


def test_a_table_has_boxes_groups_and_pictures_without_a_face(tmp_path, picture):
    picture("pictures/a.png")
    picture("no_face/b.png")
    (tmp_path / "boxes.csv").write_text("file,x_min,y_min,x_max,y_max\na.png,1,2,30,40\na.png,50,2,70,40\n")
    (tmp_path / "pictures.csv").write_text("file,group\na.png,one\n../no_face/b.png,two\n")

    empty, full = open_boxes(tmp_path).pictures

    assert full.xyxy.tolist() == [[1, 2, 30, 40], [50, 2, 70, 40]]
    assert full.group == "one" and empty.group == "two"
    assert np.isnan(full.landmarks).all() and full.landmarks.shape == (2, 5, 2)
    assert empty.xyxy.shape == (0, 4) and empty.labelled


def test_a_table_may_have_landmarks(tmp_path, picture):
    picture("a.png")
    names = ",".join(f"{name}_{axis}" for name in LANDMARK_NAMES for axis in "xy")
    values = ",".join(map(str, range(10)))
    (tmp_path / "boxes.csv").write_text(f"file,x_min,y_min,x_max,y_max,{names}\na.png,1,2,30,40,{values}\n")
    assert only(tmp_path).landmarks.reshape(-1).tolist() == list(range(10))


@pytest.mark.parametrize("corners", ["5,5,5,9", "9,9,1,1", "nan,1,2,3", "inf,1,2,3", "1,2,1e9,3"])
def test_boxes_that_cannot_be_are_left_out_and_named(tmp_path, picture, corners):
    picture("a.png")
    (tmp_path / "boxes.csv").write_text(f"file,x_min,y_min,x_max,y_max\na.png,{corners}\na.png,1,2,30,40\n")

    found = open_boxes(tmp_path)

    assert found.pictures[0].xyxy.tolist() == [[1, 2, 30, 40]]
    assert "boxes.csv:2" in found.problems[0]


def test_a_corner_that_is_no_number_is_left_out_and_named(tmp_path, picture):
    picture("a.png")
    (tmp_path / "boxes.csv").write_text("file,x_min,y_min,x_max,y_max\na.png,one,2,3,4\na.png,1,2,30,40\n")
    assert open_boxes(tmp_path).problems == (f"{tmp_path / 'boxes.csv'}:2: a corner is not a number",)


def test_a_table_without_corners_is_refused(tmp_path, picture):
    picture("a.png")
    (tmp_path / "boxes.csv").write_text("file,left\na.png,1\n")
    with pytest.raises(DataError, match="no column x_min"):
        open_boxes(tmp_path)


def test_a_table_reaches_for_no_file_elsewhere(tmp_path, picture):
    picture("set/pictures/a.png")
    (tmp_path / "set" / "boxes.csv").write_text("file,x_min,y_min,x_max,y_max\n../../../etc/a.png,1,2,3,4\n")
    with pytest.raises(DataError, match="lies outside"):
        open_boxes(tmp_path / "set")


def test_pictures_that_are_not_there_are_counted(tmp_path, picture):
    picture("a.png")
    (tmp_path / "boxes.csv").write_text("file,x_min,y_min,x_max,y_max\na.png,1,2,30,40\nb.png,1,2,3,4\n")
    found = open_boxes(tmp_path)
    assert len(found.pictures) == 1
    assert "1 pictures are not there" in found.problems[0]


WIDER = """0--Parade/a.png
2
1 2 29 38 0 0 0 0 0 0
50 2 20 38 0 0 0 1 0 0
0--Parade/b.png
0
0 0 0 0 0 0 0 0 0 0
"""


def test_wider_faces_own_file(tmp_path, picture):
    picture("WIDER_train/images/0--Parade/a.png")
    picture("WIDER_train/images/0--Parade/b.png")
    (tmp_path / "wider_face_train_bbx_gt.txt").write_text(WIDER)

    full, empty = open_boxes(tmp_path).pictures

    assert full.xyxy.tolist() == [[1, 2, 30, 40], [50, 2, 70, 40]]
    assert full.ignored.tolist() == [False, True]
    assert empty.xyxy.shape == (0, 4) and empty.labelled


@pytest.mark.parametrize("lines", [2, 3])
def test_a_wider_file_that_is_cut_is_refused(tmp_path, picture, lines):
    picture("images/a.png")
    text = "\n".join(WIDER.splitlines()[:lines])
    (tmp_path / "wider_face_train_bbx_gt.txt").write_text(text)
    with pytest.raises(DataError, match="download it again"):
        open_boxes(tmp_path)


VOC = """<annotation><filename>a.png</filename><object><name>face</name>
<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object></annotation>"""


def test_voc(tmp_path, picture):
    picture("images/a.png")
    (tmp_path / "a.xml").write_text(VOC)
    assert only(tmp_path).xyxy.tolist() == [[1, 2, 30, 40]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (VOC[:60], "is not XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>' + VOC, "declares XML entities"),
    ],
)
def test_voc_that_is_damaged_or_sly_is_refused(tmp_path, picture, text, words):
    picture("images/a.png")
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(DataError, match=words):
        open_boxes(tmp_path)


def test_yolo(tmp_path, picture):
    picture("images/a.png")
    picture("images/b.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.5\n")
    (tmp_path / "README.txt").write_text("not of a picture")

    full, empty = open_boxes(tmp_path).pictures

    assert np.allclose(full.xyxy, [[40, 20, 60, 60]])
    assert empty.labelled and not len(empty.xyxy)


def test_yolo_that_is_damaged_is_refused(tmp_path, picture):
    picture("a.png")
    (tmp_path / "a.txt").write_text("0 0.5 half\n")
    with pytest.raises(DataError, match="not a class and four fractions"):
        open_boxes(tmp_path)


def test_of_pictures_alone_nobody_knows_the_faces(tmp_path, picture):
    picture("a.png")
    assert not only(tmp_path).labelled


@given(st.text(min_size=1), st.integers(0, 99))
def test_a_group_lies_in_one_split(group, seed):
    assert split_of(group, seed) == split_of(group, seed)
    assert split_of(group, seed) in ("train", "val", "test")


def test_a_tenth_is_tested_on_and_another_validated():
    splits = [split_of(str(number), 1) for number in range(5000)]
    for name in ("val", "test"):
        assert abs(splits.count(name) / 5000 - 0.1) < 0.02
