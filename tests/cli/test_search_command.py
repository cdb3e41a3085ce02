"""`facecli search` as a user meets it."""

import csv
import io
import json

import numpy as np
import pytest

from facecli.cli import app
from facecli.core.attributes import EMOTIONS
from facecli.core.faces import Face, FrameResult
from facecli.core.images import save_image


def line(source, *faces, **more):
    return json.dumps(FrameResult(source, 100, 100, faces, **more).to_json()) + "\n"


def face(female, age=30.0, happy=0.7, **more):
    emotions = {name: (1 - happy) / 6 for name in EMOTIONS} | {"happy": happy}
    genders = {"male": 1 - female, "female": female}
    return Face((1, 2, 30, 40), 0.9, age, (age - 5, age + 5), genders, emotion_probabilities=emotions, **more)


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_image(tmp_path / "a.jpg", np.zeros((8, 8, 3), np.uint8))
    text = line("a.jpg", face(0.95), face(0.2)) + line("gone.jpg", face(0.9, age=60.0))
    text += "".join(line("c.mp4", face(0.8, track=3), frame=n, time_s=n / 10) for n in range(9))
    (tmp_path / "rows.jsonl").write_text(text, encoding="utf-8")
    return "rows.jsonl"


def run(capsys, *arguments):
    code = app.main(["search", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_an_empty_file_is_code_2(tmp_path, capsys):
    (tmp_path / "empty.jsonl").touch()
    assert run(capsys, tmp_path / "empty.jsonl", "--age", "7")[:2] == (2, "")


def test_a_table_for_people(rows, capsys):
    code, out, said = run(capsys, rows, "--gender", "female")
    assert (code, said) == (0, "")
    header, *lines = out.splitlines()
    assert header.split()[:4] == ["rank", "prob", "source", "face"]
    assert [text.split()[1:3] for text in lines] == [
        ["0.950", "a.jpg"], ["0.900", "gone.jpg"], ["0.800", "c.mp4"], ["0.200", "a.jpg"],
    ]  # fmt: skip
    assert "track 3, 0.0-0.8 s" in lines[2]


def test_json_lines(rows, capsys):
    code, out, said = run(
        capsys, rows, "--gender", "female", "--age", "25-35", "--min-confidence", "0.7", "--json"
    )
    first, second = map(json.loads, out.splitlines())
    assert code == 0 and first["source"] == "a.jpg" and first["face"] == 1
    assert (second["track"], second["frames"]) == (3, 9)
    assert first["probability"] == pytest.approx(0.95 * 0.9, abs=1e-3)
    assert "no age distributions" in said


def test_csv_for_spreadsheets(rows, capsys):
    _, out, _ = run(capsys, rows, "--emotion", "happy,sad", "--top", "2", "--csv")
    found = list(csv.DictReader(io.StringIO(out)))
    assert [row["rank"] for row in found] == ["1", "2"]
    assert float(found[0]["probability"]) == pytest.approx(0.75, abs=1e-3)
    assert found[0]["race"] == "" and found[0]["x_max"] == "30"


def test_no_match_is_a_result_and_names_the_nearest(rows, capsys):
    code, out, said = run(capsys, rows, "--gender", "male", "--min-confidence", "0.99")
    assert (code, out) == (0, "")
    assert "no match among 4 people; the most probable is 0.800 (a.jpg)" in said


def test_more_matches_than_shown_are_said(rows, capsys):
    _, out, said = run(capsys, rows, "--gender", "female", "--top", "1")
    assert len(out.splitlines()) == 2 and "1 of 4 matches" in said
    assert len(run(capsys, rows, "--gender", "female", "--top", "0")[1].splitlines()) == 5


def test_copies_and_what_could_not_be_copied(rows, capsys, tmp_path):
    code, _, said = run(capsys, rows, "--gender", "female", "--copy-to", "found")
    assert code == 1
    assert [path.name for path in (tmp_path / "found").iterdir()] == ["a.jpg"]
    assert "copied 1 pictures" in said and "gone.jpg" in said and "of videos" in said


def test_attributes_that_the_rows_lack_are_said(rows, capsys):
    code, out, said = run(capsys, rows, "--race", "asian")
    assert (code, out) == (0, "") and "4 people are left out" in said


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--gender", "femal"], "did you mean 'female'"),
        (["--gender", "woman"], "did you mean 'female'"),
        (["--emotion", "hapy"], "did you mean 'happy'"),
        (["--emotion", "happy,"], "choose one of angry"),
        (["--race", "purple"], "choose one of white, black, asian, indian, other"),
        (["--age", "old"], "give one such as 20-30"),
        (["--age", "30-20"], "write 20-30"),
        (["--gender", "female", "--min-confidence", "1.5"], "--min-confidence"),
        (["--gender", "female", "--top", "-1"], "--top"),
        (["--gender", "female", "--json", "--csv"], "one of --json and --csv"),
        ([], "at least"),
    ],
)
def test_wrong_arguments_are_code_2_with_a_hint(rows, capsys, arguments, hint):
    code, out, said = run(capsys, rows, *arguments)
    assert (code, out) == (2, "") and hint in said and "Traceback" not in said


def test_names_that_a_terminal_would_obey_are_shown_harmless(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text(line("a\x1b[31m\nb.jpg", face(0.9)), encoding="utf-8")
    _, out, _ = run(capsys, "rows.jsonl", "--gender", "female")
    assert "\x1b" not in out and len(out.splitlines()) == 2


def test_json_and_csv_go_to_files_beside_the_table(rows, tmp_path, capsys):
    code, out, _ = run(capsys, rows, "--gender", "female", "--json", "found.jsonl", "--csv", "found.csv")
    assert code == 0 and out.startswith("rank") and len(out.splitlines()) == 5
    assert len((tmp_path / "found.jsonl").read_text().splitlines()) == 4
    assert len(list(csv.DictReader(io.StringIO((tmp_path / "found.csv").read_text())))) == 4


@pytest.mark.parametrize("flag", ["--json", "--csv"])
def test_nothing_is_written_over_the_rows(rows, tmp_path, capsys, flag):
    before = (tmp_path / rows).read_text()
    assert run(capsys, rows, "--age", "7", flag, rows)[:2] == (2, "")
    assert (tmp_path / rows).read_text() == before


def test_a_table_holds_no_formulas_unless_it_is_to(tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text(line('=HYPERLINK("x")', face(0.9)), encoding="utf-8")
    for more, source in (((), '\'=HYPERLINK("x")'), (("--raw-csv",), '=HYPERLINK("x")')):
        code, out, _ = run(capsys, tmp_path / "rows.jsonl", "--gender", "female", "--csv", "-", *more)
        (row,) = csv.DictReader(io.StringIO(out))
        assert (code, row["source"], row["probability"]) == (0, source, "0.9")
