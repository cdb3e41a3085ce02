"""Lists of pictures as people write them: every format says the same, and what is broken is one line."""

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.errors import DataError
from facecli.data import lists
from facecli.data.lists import Label, is_list, read_listing

ROWS = [
    {"file": "a.jpg", "age": "31", "glasses": "yes", "box": "1,2,30,40"},
    {"file": "sub/b.jpg", "age": "", "glasses": "no", "box": ""},
    {"file": "http://example.org/c.jpg", "age": "70+", "glasses": "yes", "box": ""},
]


def said(listing):
    """What each row says: picture, box or None, labels."""
    labels = [set() for _ in listing.pictures]
    for row, number in zip(listing.rows, listing.ids, strict=True):
        labels[row].add(listing.labels[number])
    boxes = [None if np.isnan(box).any() else tuple(box.tolist()) for box in listing.boxes]
    return list(zip(listing.pictures, boxes, labels, strict=True))


def write(path, rows):
    """A list of the format that the suffix names."""
    if path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    elif path.suffix in (".jsonl", ".ndjson"):
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"])
def test_all_formats_say_the_same(tmp_path, suffix):
    listing = read_listing(write(tmp_path / f"list{suffix}", ROWS))
    assert said(listing) == [
        ("a.jpg", (1, 2, 30, 40), {("age", "31"), ("glasses", "yes")}),
        ("sub/b.jpg", None, {("glasses", "no")}),
        ("http://example.org/c.jpg", None, {("age", "70+"), ("glasses", "yes")}),
    ]
    assert listing.numbers.tolist() == [1, 2, 3] and not listing.faults
    assert listing.counts[Label("glasses", "yes")] == 2


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=12), st.integers(1, 40))
def test_whatever_is_written_json_lines_and_arrays_agree_in_pieces_of_any_size(tmp_path_factory, rows, piece):
    folder = tmp_path_factory.mktemp("lists")
    rows = [{"file": f"{number}.jpg", "kind": one, "Sort": other} for number, (one, other) in enumerate(rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lists, "_CHUNK_LETTERS", piece)
        array = read_listing(write(folder / "list.json", rows))
    lines = read_listing(write(folder / "list.jsonl", rows))
    cells = read_listing(write(folder / "list.csv", rows))
    assert said(array) == said(lines) == said(cells)
    assert [picture for picture, _, _ in said(array)] == [row["file"] for row in rows]


def test_numbers_and_truths_are_text_as_people_write_it(tmp_path):
    rows = [{"url": "a.jpg", "age": 31.0, "glasses": True, "hat": False, "beard": None, "score": 0.5}]
    assert said(read_listing(write(tmp_path / "list.json", rows)))[0][2] == {
        ("age", "31"),
        ("glasses", "yes"),
        ("hat", "no"),
        ("score", "0.5"),
    }


def test_several_labels_in_one_cell_and_a_column_without_a_name(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(",file,Labels\n0,a.jpg,Emotion_Happy; G_Female\n1,b.jpg,\n", encoding="utf-8")
    first, second = said(read_listing(path))
    assert first[2] == {("", "Emotion_Happy"), ("", "G_Female")} and second[2] == set()


@pytest.mark.parametrize(
    ("box", "read"),
    [
        ([1, 2, 30, 40], (1, 2, 30, 40)), ("[0.1, 0.2, 0.5, 0.75]", (0.1, 0.2, 0.5, 0.75)),
        ("1 2 30 40", (1, 2, 30, 40)), (None, None), ("", None), ([], None),
    ],
)  # fmt: skip
def test_boxes(tmp_path, box, read):
    listing = read_listing(write(tmp_path / "list.json", [{"file": "a.jpg", "box": box}]))
    found = said(listing)[0][1]
    assert (found is None) == (read is None) and np.allclose(found or 0, read or 0) and not listing.faults


@pytest.mark.parametrize("box", [[1, 2, 3], [30, 2, 1, 40], "a b c d", [1, 2, float("nan"), 3], 7, {"x": 1}])
def test_what_is_no_box_is_a_fault_of_its_row(tmp_path, box):
    listing = read_listing(write(tmp_path / "list.json", [{"file": "a.jpg", "box": box}]))
    assert listing.faults == {0: "the box is not x_min, y_min, x_max, y_max"}


def test_corners_in_columns_of_their_own(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(
        "file,x_min,y_min,x_max,y_max\na.jpg,1,2,30,40\nb.jpg,,,,\nc.jpg,1,,,\n", encoding="utf-8"
    )
    listing = read_listing(path)
    assert [box for _, box, _ in said(listing)] == [(1, 2, 30, 40), None, None] and list(listing.faults) == [
        2
    ]


def test_dataturks_entries_are_a_face_for_each_area(tmp_path):
    points = [{"x": 0.25, "y": 0.1}, {"x": 0.5, "y": 0.75}]
    entries = [
        {
            "content": "http://example.org/a.jpg",
            "annotation": [
                {"label": ["Emotion_Happy"], "points": points, "imageWidth": 400},
                {"label": ["Not_Face"], "points": [[10, 20], [50, 90]]},
                {"label": ["E_Hispanic"]},
            ],
            "extras": None,
        },
        {"content": "b.jpg", "annotation": [{"label": ["G_Female"]}, {"label": ["Age_20_30"]}]},
        {"content": "c.jpg", "annotation": {"labels": ["G_Male"], "note": ""}},
        {"content": "d.jpg", "annotation": None},
        {"content": "e.jpg", "annotation": [{"label": ["G_Male"], "points": "none"}, "nonsense"]},
    ]
    listing = read_listing(write(tmp_path / "list.json", entries))
    near = pytest.approx((0.25, 0.1, 0.5, 0.75))
    assert said(listing) == [
        ("http://example.org/a.jpg", near, {("", "Emotion_Happy"), ("", "E_Hispanic")}),
        ("http://example.org/a.jpg", (10, 20, 50, 90), {("", "Not_Face"), ("", "E_Hispanic")}),
        ("b.jpg", None, {("", "G_Female"), ("", "Age_20_30")}),
        ("c.jpg", None, {("", "G_Male")}),
        ("d.jpg", None, set()),
        ("e.jpg", None, {("", "G_Male")}),
    ]  # fmt: skip
    assert listing.numbers.tolist() == [1, 1, 2, 3, 4, 5] and list(listing.faults) == [5]


def test_a_column_of_many_values_and_one_of_objects_are_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(lists, "MAX_VALUES", 5)
    rows = [
        {"file": f"{n}.jpg", "id": n, "told": "a" * 61, "sex": "F", "extras": {"a": [1]}, "list": [1]}
        for n in range(9)
    ]
    listing = read_listing(write(tmp_path / "list.json", rows))
    assert set(listing.crowded) == {"id", "told"} and set(listing.strange) == {"extras", "list"}
    assert listing.labels == (("sex", "F"),) and listing.counts[listing.labels[0]] == 9


BROKEN = {
    "empty.json": ("", "is an empty list"),
    "none.json": ("[]", "is an empty list"),
    "header.csv": ("file,age\n", "is an empty list"),
    "nothing.jsonl": ("\n\n", "is an empty list"),
    "cut.json": ('[{"file": "a.jpg"}, {"file": "b.j', "ends in the middle of row 2: it is cut"),
    "open.json": ('[{"file": "a.jpg"},', "ends in the middle of row 2"),
    "cut.jsonl": ('{"file": "a.jpg"}\n{"file": "b.j', "ends in the middle of row 2"),
    "wrong.jsonl": ('{"file": "a.jpg"}\n{"file" 3}\n{"file": "c.jpg"}\n', "line 2"),
    "wrong.json": ('[{"file": "a.jpg"}, {"file" 3}, {"file": "c.jpg"}]', "row 2"),
    "text.json": ("hello", "begins with 'h'"),
    "names.json": ('["a.jpg", "b.jpg"]', "row 1 is not an object with names"),
    "numbers.json": ("[" + "9" * 5000 + "]", "is not a list: .*digits"),
    "deep.json": ("[" * 200_000, "is nested too deeply"),
    "coco.json": ('{"images": [], "annotations": []}', "no column of .* names the pictures"),
    "columns.csv": ("picture name,age\na.jpg,3\n", r"call it file or url \(its columns: picture name, age\)"),
    "cells.csv": ("file,age\na.jpg,3,4\n", "line 2 has more cells"),
    "twice.csv": ("file,age,age\na.jpg,3,4\n", "two columns of one name"),
    "quote.csv": ('file,age\n"' + "a" * 200_000 + "\n", "is not CSV"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_lists_are_one_line(tmp_path, name):
    text, reason = BROKEN[name]
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(DataError, match=reason) as caught:
        read_listing(path)
    assert name in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("file,age\nä.jpg,3\n".encode("latin-1"), "is not in UTF-8"),
        ("file,age\na.jpg,3\n".encode("utf-16"), "is in UTF-16"),
        (b"\x89PNG\r\n\x1a\n", "is not in UTF-8"),
    ],
)
def test_other_encodings_are_one_line(tmp_path, data, reason):
    path = tmp_path / "list.csv"
    path.write_bytes(data)
    with pytest.raises(DataError, match=reason):
        read_listing(path)


def test_a_mark_of_utf_8_is_no_part_of_the_first_column(tmp_path):
    for suffix, text in ((".csv", "file,age\na.jpg,3\n"), (".json", '[{"file": "a.jpg", "age": 3}]')):
        path = tmp_path / f"list{suffix}"
        path.write_text(text, encoding="utf-8-sig")
        assert said(read_listing(path)) == [("a.jpg", None, {("age", "3")})]


def test_a_file_that_is_no_parquet_is_one_line(tmp_path):
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    path = tmp_path / "list.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="is not a complete Parquet file"):
        read_listing(path)


def test_a_list_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="cannot read .*: No such file"):
        read_listing(tmp_path / "list.csv")


def test_more_rows_or_columns_than_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(lists, "MAX_ROWS", 2)
    with pytest.raises(DataError, match="more than 2 rows; cut it into several"):
        read_listing(write(tmp_path / "list.json", ROWS))
    monkeypatch.setattr(lists, "_MAX_COLUMNS", 3)
    with pytest.raises(DataError, match="more than 3 columns"):
        read_listing(write(tmp_path / "wide.json", ROWS[:1]))


def test_a_row_without_a_picture_is_a_fault_of_its_own(tmp_path):
    rows = [{"file": "a.jpg"}, {"file": ""}, {"age": 3}, {"file": "a" * 5000}]
    listing = read_listing(write(tmp_path / "list.json", rows))
    assert listing.faults == {
        1: "no picture is named",
        2: "no picture is named",
        3: "the picture's name is too long",
    }


PIECES = st.sampled_from(
    [
        b'[{"file": "a.jpg", ',
        b'"box": [1, 2, 3, 4]}',
        b"]",
        b"{",
        b'"',
        b",",
        b"\n",
        b"file,age",
        b"\0",
        b"1e999",
    ]
)


@given(
    st.lists(PIECES | st.binary(max_size=6), max_size=12),
    st.sampled_from([".json", ".jsonl", ".csv", ".parquet"]),
)
def test_whatever_lies_in_a_file_it_is_a_list_or_an_error_of_one_line(tmp_path_factory, pieces, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(b"".join(pieces))
    try:
        listing = read_listing(path)
    except DataError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert len(listing.pictures) == len(listing.boxes) == len(listing.numbers) > 0
        assert labels_are_whole(listing)


def labels_are_whole(listing):
    return len(listing.rows) == len(listing.ids) and sum(listing.counts.values()) == len(listing.ids)


def test_names_of_lists(tmp_path):
    assert all(is_list(tmp_path / name) for name in ("a.json", "A.CSV", "b.parquet", "c.jsonl"))
    assert not any(is_list(tmp_path / name) for name in ("a.txt", "json", "b.zip"))
