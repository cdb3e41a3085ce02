"""`facecli summarize` as a user meets it."""

import io
import json
import sys

import pytest

from facecli.cli import app
from facecli.core.faces import Face, FrameResult


def line(source, *faces, **more):
    return json.dumps(FrameResult(source, 100, 100, faces, **more).to_json()) + "\n"


def face(gender="female", age=30.0, **more):
    probabilities = {"male": 0.1, "female": 0.9} if gender == "female" else {"male": 0.8, "female": 0.2}
    return Face((1, 2, 30, 40), 0.9, age, (age - 5, age + 5), gender_probabilities=probabilities, **more)


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    pictures = "".join(line(f"{n}.jpg", face(age=20.0 + n)) for n in range(8))
    video = "".join(line("c.mp4", face("male", track=1), frame=n, time_s=n / 25) for n in range(50))
    path.write_text(pictures + line("bad.jpg", error="broken") + video, encoding="utf-8")
    return path


def run(capsys, *arguments):
    code = app.main(["summarize", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_an_empty_file_is_one_line_and_code_2(tmp_path, capsys):
    (tmp_path / "empty.jsonl").touch()
    code, out, said = run(capsys, tmp_path / "empty.jsonl")
    assert (code, out) == (2, "") and said.startswith("Error: no rows in") and len(said.splitlines()) == 1


def test_tables_for_people(rows, capsys):
    code, out, said = run(capsys, rows)
    assert (code, said) == (0, "")
    assert out.startswith(
        "9 people in 8 pictures and 50 frames of 1 video; not counted: 1 picture with an error"
    )
    assert "age: median 24.0 years" in out and "female" in out and "corrected" in out
    assert "facenet_model is known to confuse" in out


def test_a_document_for_programs(rows, capsys):
    code, out, _ = run(capsys, rows, "--json")
    found = json.loads(out)
    assert (code, found["people"], found["tracks"], found["rows_with_error"]) == (0, 9, 1, 1)
    assert found["gender"]["female"]["count"] == 8
    low, high = found["gender"]["female"]["corrected_interval_90"]
    assert 0 <= low <= found["gender"]["female"]["corrected_share"] <= high <= 1
    assert "race" not in found


def test_a_cut_last_line_is_said_and_no_failure(rows, capsys):
    rows.write_text(rows.read_text(encoding="utf-8")[:-30], encoding="utf-8")
    code, out, said = run(capsys, rows)
    assert code == 0 and "is incomplete and left out" in said and "9 people" in out


def test_damaged_lines_are_said_and_code_1(rows, capsys):
    with rows.open("a", encoding="utf-8") as file:
        file.write("".join("oops\n" for _ in range(5)))
    code, out, said = run(capsys, rows)
    assert code == 1 and "9 people" in out
    assert said.count("Warning: ") == 4 and "2 more lines" in said and "5 lines are not rows" in said


def test_standard_input(rows, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(rows.read_bytes())))
    assert run(capsys, "-")[1].startswith("9 people")


def test_a_plot(rows, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    code, _, said = run(capsys, rows, "--plot", tmp_path / "out.png")
    assert (code, said) == (0, f"wrote {tmp_path / 'out.png'}\n")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nowhere.jsonl"],
        ["."],
        ["ROWS", "--plot", "out.txt"],
        ["ROWS", "--plot", "ROWS"],
        ["ROWS", "--nope"],
    ],
)
def test_wrong_arguments_are_code_2(rows, capsys, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = rows.read_bytes()
    code, out, said = run(capsys, *(str(rows) if one == "ROWS" else one for one in arguments))
    assert (code, out) == (2, "") and said and "Traceback" not in said
    assert rows.read_bytes() == before


def test_a_model_that_is_not_there(rows, capsys):
    code, _, said = run(capsys, rows, "--model-path", "/nowhere")
    assert code == 1 and "no model" in said


def test_rows_name_the_model_that_corrects_them(tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(line(f"{n}.jpg", face(), model="open_model") for n in range(8)))
    code, out, said = run(capsys, path)
    assert (code, said) == (0, "") and "open_model is known to confuse" in out
    code, out, _ = run(capsys, path, "--model-type", "facenet", "--json")
    found = json.loads(out)
    assert code == 0 and found["models"] == {"open_model": 8}
    assert found["correction"]["gender"]["model"] == "facenet_model"
    assert any("written by open_model (8 rows), not by facenet_model" in note for note in found["notes"])


@pytest.mark.parametrize("models", [("gone",), ("facenet_model", "open_model")])
def test_rows_of_a_model_that_is_not_here_or_of_several_are_not_corrected(tmp_path, capsys, models):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(line(f"{n}.jpg", face(), model=models[n % len(models)]) for n in range(8)))
    code, out, _ = run(capsys, path, "--json")
    found = json.loads(out)
    assert code == 0 and found["correction"] == {} and found["people"] == 8
    assert any("as the model" in note and models[0] in note for note in found["notes"])


def test_json_goes_to_a_file_beside_the_tables(rows, tmp_path, capsys):
    code, out, _ = run(capsys, rows, "--json", tmp_path / "new" / "figures.json")
    assert code == 0 and out.startswith("9 people")
    assert json.loads((tmp_path / "new" / "figures.json").read_text())["people"] == 9


def test_json_is_not_written_over_the_rows(rows, capsys):
    before = rows.read_text()
    code, out, said = run(capsys, rows, "--json", rows)
    assert (code, out, said.count("\n")) == (2, "", 1) and rows.read_text() == before
    # Without another argument the file of rows is taken for that of the result.
    assert run(capsys, "--json", rows)[0] == 2 and rows.read_text() == before


@pytest.mark.parametrize("name", ["../secret", "/etc", "~", "a/b", "", ".", ".."])
def test_the_model_that_rows_name_is_a_name_and_no_path(name, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("facecli.core.paths.find_model", lambda given: pytest.fail(f"looked for {given}"))
    (tmp_path / "rows.jsonl").write_text(line("a.jpg", face(), model=name), encoding="utf-8")
    code, out, _ = run(capsys, tmp_path / "rows.jsonl")
    assert code == 0 and "1 person" in out
