from pathlib import Path

import pytest

from facecli.data.table import Table, join_classes, join_tables, renumbered

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


def labelled(make_frame, worn, classes):
    frame = make_frame([-1] * len(worn), [-1] * len(worn), [-1] * len(worn), groups=list(range(len(worn))))
    return Table(frame.assign(glasses=worn), classes={"glasses": classes})


def test_no_tables_have_no_attributes():
    assert join_classes([]) == ([], {})


def test_classes_of_several_sets_are_known_by_their_names(make_frame):
    tables = [
        labelled(make_frame, [0, 1, -1], ("no", "yes")),
        labelled(make_frame, [0, 1, 2, -1], ("yes", "no", "sun")),
    ]
    frames, classes = join_classes(tables)
    assert classes == {"glasses": ("no", "yes", "sun")}
    assert [frame["glasses"].tolist() for frame in frames] == [[0, 1, -1], [1, 0, 2, -1]]


def test_what_a_model_has_no_class_for_is_missing(make_frame):
    frame = labelled(make_frame, [0, 1, 2, -1, 7], ("no", "yes", "sun")).frame
    found = renumbered(
        frame, {"glasses": ("no", "yes", "sun")}, {"glasses": ("yes", "no"), "hat": ("a", "b")}
    )
    assert found["glasses"].tolist() == [1, 0, -1, -1, -1]
    assert renumbered(frame, {}, {"glasses": ("no", "yes")})["glasses"].tolist() == frame["glasses"].tolist()


def test_a_set_without_the_attribute_lacks_its_labels(make_frame):
    first = table(make_frame([3, 4], [0, 1], [1, 2], groups=[0, 1]), ["a", "b"])
    second = table(make_frame([-1, -1], [-1, -1], [-1, -1], groups=[0, 1]), ["c", "d"], glasses=[1, 0])
    joined = join_tables([(FIRST, first), (SECOND, second)], attributes=["glasses"])
    assert joined["glasses"].tolist() == [-1, -1, 1, 0] and joined["glasses"].dtype.kind == "i"
