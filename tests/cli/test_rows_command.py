"""`facecli rows upgrade` as a user meets it."""

import io
import json
import sys

import pytest

from facecli.cli import app

FACE = (
    '{"box_xyxy": [1, 2, 30, 40], "detector_confidence": 0.9, "age_years": 30.0, "age_interval_90": [20, 40],'
    ' "age_group": "30-39", "gender": "male", "gender_probabilities": {"male": 0.9, "female": 0.1}}'
)


def old_row(source, faces=FACE):
    """As the first version wrote it: without a model."""
    return (
        f'{{"source": "{source}", "frame": 0, "time_s": 0.0, "width": 64, "height": 64, "faces": [{faces}], '
        '"error": null}\n'
    )


@pytest.fixture
def upgrade(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.jsonl").write_text(old_row("a.jpg") + old_row("b.jpg"), encoding="utf-8")

    def run(*arguments):
        code = app.main(["rows", "upgrade", *arguments])
        return code, *capsys.readouterr()

    return run


def written(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_nothing_is_one_line_and_no_file(upgrade, tmp_path):
    (tmp_path / "empty.jsonl").touch()
    for name in ("empty.jsonl", "gone.jsonl"):
        code, out, said = upgrade(name, "--output", "new.jsonl")
        assert (code, out) == (2, "") and said.startswith("Error: ") and len(said.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.jsonl", "old.jsonl"]


def test_old_rows_are_written_with_todays_keys(upgrade, tmp_path):
    code, out, said = upgrade("old.jsonl", "--output", "new.jsonl", "--model", "facenet")
    assert (code, out, said) == (0, "", "2 rows\nwrote new.jsonl\n")
    found = written(tmp_path / "new.jsonl")
    assert [(row["source"], row["model"]) for row in found] == [
        ("a.jpg", "facenet_model"),
        ("b.jpg", "facenet_model"),
    ]
    assert list(found[0])[-2:] == ["error", "model"]


def test_what_it_writes_is_what_other_commands_read(upgrade, tmp_path, capsys):
    upgrade("old.jsonl", "--output", "new.jsonl", "--model", "normal_model")
    assert app.main(["summarize", "new.jsonl"]) == 0
    assert "normal_model is known to confuse" in capsys.readouterr().out
    assert app.main(["search", "new.jsonl", "--gender", "male"]) == 0
    assert "a.jpg" in capsys.readouterr().out


def test_rows_of_several_files_and_of_standard_input_each_once(upgrade, tmp_path, monkeypatch):
    class Bytes:
        buffer = io.BytesIO((old_row("c.jpg") + old_row("a.jpg")).encode())

    monkeypatch.setattr(sys, "stdin", Bytes())
    code, out, said = upgrade("old.jsonl", "-", "--output", "-")
    assert code == 0 and [json.loads(line)["source"] for line in out.splitlines()] == [
        "a.jpg",
        "b.jpg",
        "c.jpg",
    ]
    assert said == "3 rows; 1 stood there twice\n"


def test_what_is_no_row_is_left_out_named_and_a_failure(upgrade, tmp_path):
    (tmp_path / "bad.jsonl").write_text(
        old_row("a.jpg") + "nonsense\n" + old_row("b.jpg")[:40], encoding="utf-8"
    )
    code, _, said = upgrade("bad.jsonl", "--output", "new.jsonl")
    assert code == 1 and [row["source"] for row in written(tmp_path / "new.jsonl")] == ["a.jpg"]
    assert "bad.jsonl line 2: not JSON" in said and "is incomplete and left out" in said
    assert said.splitlines()[-1].startswith("Error: 1 line is not a row")


@pytest.mark.parametrize("output", ["old.jsonl", "./old.jsonl"])
def test_what_is_read_is_never_written_over(upgrade, tmp_path, output):
    before = (tmp_path / "old.jsonl").read_bytes()
    code, _, said = upgrade("old.jsonl", "--output", output, "--overwrite")
    assert code == 2 and "is the file of rows itself" in said
    assert (tmp_path / "old.jsonl").read_bytes() == before


def test_what_is_there_stays_without_overwrite_and_when_reading_fails(upgrade, tmp_path):
    (tmp_path / "new.jsonl").write_text("mine\n", encoding="utf-8")
    (tmp_path / "bad.jsonl").write_text("nonsense\n", encoding="utf-8")
    code, _, said = upgrade("old.jsonl", "--output", "new.jsonl")
    assert code == 2 and "--overwrite" in said
    assert upgrade("bad.jsonl", "--output", "new.jsonl", "--overwrite")[0] == 2
    assert (tmp_path / "new.jsonl").read_text(encoding="utf-8") == "mine\n"
    assert upgrade("old.jsonl", "--output", "new.jsonl", "--overwrite")[0] == 0
    assert len(written(tmp_path / "new.jsonl")) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl", "new.jsonl", "old.jsonl"]


def test_a_folder_that_is_not_there_is_one_line(upgrade, tmp_path):
    (tmp_path / "file").touch()
    code, _, said = upgrade("old.jsonl", "--output", "file/new.jsonl")
    assert code == 1 and said.startswith("Error: cannot write file/new.jsonl") and len(said.splitlines()) == 1
