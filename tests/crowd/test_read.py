"""Files of rows: empty, cut, damaged, repeated, several."""

import io

import pytest

from facecli.core.errors import InputError
from facecli.crowd.rows import Reading, read_rows


def read(*files, stdin=None):
    reading = Reading()
    return [row.result.source for row in read_rows(files, reading, stdin)], reading


@pytest.mark.parametrize("text", ["", "\n", "  \n\n"])
def test_a_file_without_rows_is_refused(rows_file, text):
    with pytest.raises(InputError, match="no rows in .*rows.jsonl"):
        read(rows_file(text, end=""))


def test_an_empty_file_beside_a_full_one_does_not_matter(rows_file, row):
    sources, _ = read(rows_file("", name="empty.jsonl"), rows_file(row("a.jpg")))
    assert sources == ["a.jpg"]


def test_standard_input_and_windows_line_ends_and_a_byte_order_mark(row):
    stdin = io.BytesIO(b"\xef\xbb\xbf" + f"{row('a.jpg')}\r\n{row('b.jpg')}\r\n".encode())
    sources, reading = read("-", stdin=stdin)
    assert sources == ["a.jpg", "b.jpg"] and reading.damaged == []


def test_a_cut_last_line_is_left_out_and_remembered(rows_file, row):
    file = rows_file(row("a.jpg"), row("b.jpg")[:-20], end="")
    sources, reading = read(file)
    assert sources == ["a.jpg"] and reading.cut == [file] and reading.damaged == []


def test_a_last_line_cut_within_a_letter(rows_file, row, tmp_path):
    data = f"{row('a.jpg')}\n".encode() + '{"source": "ü'.encode()[:-1]
    (tmp_path / "cut.jsonl").write_bytes(data)
    assert read(str(tmp_path / "cut.jsonl"))[1].cut == [str(tmp_path / "cut.jsonl")]


def test_a_whole_last_line_without_its_end_is_a_row(rows_file, row):
    sources, reading = read(rows_file(row("a.jpg"), end=""))
    assert sources == ["a.jpg"] and reading.cut == []


def test_damaged_lines_are_left_out_and_named(rows_file, row):
    file = rows_file(row("a.jpg"), "{nonsense", '{"source": 3}', row("b.jpg"))
    sources, reading = read(file)
    assert sources == ["a.jpg", "b.jpg"] and reading.rows == 2
    assert [text.partition(": ")[0] for text in reading.damaged] == [f"{file} line 2", f"{file} line 3"]


@pytest.mark.parametrize("lines", [("source,age", "a,3"), ("{",), ('{"people": 3}',), ("\x00\x01",)])
def test_a_file_of_something_else_is_refused(rows_file, row, lines):
    with pytest.raises(InputError, match="holds no rows.*run --json"):
        read(rows_file(row("a.jpg"), name="good.jsonl"), rows_file(*lines))


def test_a_row_that_was_there_before_counts_once(rows_file, row, face):
    file = rows_file(row("a.jpg", face()), row("b.jpg", face()))
    sources, reading = read(file, file)
    assert sources == ["a.jpg", "b.jpg"] and (reading.rows, reading.repeated) == (4, 2)


def test_places_that_are_no_files(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere.jsonl", "with\0nul"):
        with pytest.raises(InputError):
            read(str(place))


def test_a_line_without_end_does_not_fill_the_memory(monkeypatch, rows_file):
    monkeypatch.setattr("facecli.crowd.rows.MAX_LINE_BYTES", 1000)
    with pytest.raises(InputError, match="line of more than"):
        read(rows_file("x" * 5000))
