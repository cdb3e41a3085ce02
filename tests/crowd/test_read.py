"""Files of rows: empty, cut, damaged, repeated, several."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.attributes import CLASS_NAMES
from facecli.core.errors import InputError
from facecli.core.faces import Face, FrameResult
from facecli.crowd.figures import document, figures_of
from facecli.crowd.gather import gather
from facecli.crowd.rows import Reading, read_rows
from facecli.crowd.search import AgeRange, Wanted, match_row, rank_subjects


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


@pytest.mark.parametrize("block_bytes", range(1, 9))
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_a_line_that_is_too_long_is_left_out_wherever_it_ends(monkeypatch, block_bytes, ends):
    monkeypatch.setattr("facecli.crowd.rows.MAX_LINE_BYTES", 40)
    monkeypatch.setattr("facecli.crowd.rows._BLOCK_BYTES", block_bytes)
    rows = ['{"source": "a", "faces": []}', "x" * 100, '{"source": "b", "faces": []}', "y" * 41]
    sources, reading = read(
        "-", stdin=io.BytesIO(ends.join([*rows, rows[0][:9] + " " + rows[0][9:]]).encode())
    )
    assert sources == ["a", "b", "a"] and reading.damaged_lines == 2 and reading.cut == []
    assert [text.split(":")[0][-1] for text in reading.damaged] == ["2", "4"]


def test_many_damaged_lines_are_counted_and_few_are_kept(rows_file, row):
    _, reading = read(rows_file(row("a.jpg"), *["[1]"] * 1000))
    assert reading.damaged_lines == 1000 and len(reading.damaged) == 100


def test_lines_of_other_systems_are_lines(row):
    stdin = io.BytesIO(f"{row('a.jpg')}\r{row('b.jpg')}\r".encode())
    assert read("-", stdin=stdin)[0] == ["a.jpg", "b.jpg"]


HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([10**400, -(10**400), 2**63, 1e308, -1e308, float("nan"), float("inf"), 0, 1, 0.5])
    | st.sampled_from(["\ud800", "\x1b[31m", "a\nb", "\u202e", "x" * 70_000, "", "nan"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("source", "faces", "frame", "error", "time_s", "width", "height", "model")
FACE_KEYS = (
    "box_xyxy", "detector_confidence", "track", "rejected", "age_years", "age_interval_90",
    "age_distribution",
    *(f"{head}_probabilities" for head in CLASS_NAMES),
)  # fmt: skip


@st.composite
def hostile_lines(draw):
    """A row as somebody might write it who wishes us ill, as bytes."""
    tracks = draw(st.lists(st.none() | st.integers(1, 3), max_size=3))
    sexes = {"male": 0.9, "female": 0.1}
    faces = tuple(Face((1, 2, 9, 9), 0.9, 30.0, (22, 38), sexes, track=track) for track in tracks)
    document = FrameResult("a.jpg", 100, 100, faces, draw(st.integers(0, 3))).to_json()
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=2)):
        document[key] = draw(HOSTILE)
    for face in document["faces"] if isinstance(document["faces"], list) else ():
        for key in draw(st.lists(st.sampled_from(FACE_KEYS), max_size=2)):
            if isinstance(face, dict):
                face[key] = draw(HOSTILE)
    line = json.dumps(document).encode()
    cut = draw(st.none() | st.integers(0, len(line)))
    return line[:cut] + draw(
        st.sampled_from([b"", b"\xff", b"}", b"\0", b"[" * 5000]) if cut else st.just(b"")
    )


@given(st.lists(hostile_lines(), max_size=4), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.booleans())
def test_whatever_rows_hold_each_is_counted_and_all_figures_can_be_said(lines, end, has_mark):
    good = b'{"source": "good.jpg", "faces": []}'
    data = (b"\xef\xbb\xbf" if has_mark else b"") + end.join([good, *lines, good + b" ", b""])
    reading = Reading()
    crowd = gather(read_rows(["-"], reading, io.BytesIO(data)))
    blank = sum(not line.strip() for line in lines)
    assert reading.rows + reading.damaged_lines == 2 + len(lines) - blank and not reading.cut
    figures = figures_of(crowd, {})
    json.dumps(document(figures, reading, "m"), allow_nan=False).encode()
    for wanted in (Wanted({"gender": ("male",)}), Wanted({}, AgeRange(20, 40))):
        for number, match in enumerate(rank_subjects(crowd, wanted).matches):
            json.dumps(match_row(number, match), ensure_ascii=False, allow_nan=False).encode()
