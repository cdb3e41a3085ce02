import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from facecli.cli.app import main


@pytest.fixture
def chips(tmp_path):
    """chips(count): a folder of `count` different UTKFace chips of every class."""

    def write(count):
        folder = tmp_path / "chips"
        folder.mkdir(exist_ok=True)
        for row in range(count):
            coarse = np.random.default_rng(row).integers(0, 256, (6, 6, 3), np.uint8)
            name = f"{row * 7 % 90}_{row % 2}_{row % 5}_2017{row:010d}.jpg.chip.jpg"
            cv2.imwrite(str(folder / name), cv2.resize(coarse, (32, 32), interpolation=cv2.INTER_CUBIC))
        return folder

    return write


def check(*arguments):
    return main(["data", "check", *map(str, arguments)])


def test_help_imports_no_heavy_library(capsys):
    code = (
        "import sys; from facecli.cli import main; code = main(['data', 'check', '--help']);"
        "assert not {'tensorflow', 'pandas', 'cv2', 'matplotlib'} & set(sys.modules); sys.exit(code)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_missing_path_is_one_line_and_exit_2(tmp_path, capsys):
    assert check(tmp_path / "nowhere") == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1 and "nowhere" in error


def test_empty_folder_is_one_line_and_exit_2(tmp_path, capsys):
    assert check(tmp_path) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1 and "no pictures" in error


def test_counts_problems_duplicates_conflicts_and_statistics(chips, tmp_path, capsys):
    folder = chips(120)
    (folder / "holiday.jpg").write_bytes(next(folder.iterdir()).read_bytes())
    first = sorted(folder.glob("0_*"))[0]
    (folder / "80_0_0_20170109150557335.jpg").write_bytes(first.read_bytes())
    assert check(folder, "--output", tmp_path / "stats", "--verbose") == 0
    shown = capsys.readouterr().out
    assert "left out: 1 files" in shown and "holiday.jpg" in shown
    assert "1 groups of byte-identical files" in shown
    assert "age_years 0 / 80 -> 0" in shown
    assert "split digest: " in shown and "can be trained on: age, gender, race" in shown
    assert (tmp_path / "stats" / "raw" / "age.png").is_file()
    assert (tmp_path / "stats" / "adjusted" / "race.csv").is_file()


def test_statistics_go_to_facecli_home_by_default(chips, tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    assert check(chips(100)) == 0
    assert (tmp_path / "home" / "statistics" / "data_stats" / "raw" / "gender.csv").is_file()


def test_ten_pictures_are_counted_but_refused(chips, tmp_path, capsys):
    assert check(chips(10), "--output", tmp_path / "stats") == 2
    streams = capsys.readouterr()
    assert "split with seed 1" in streams.out
    assert "10 labelled pictures are too few" in streams.err


def test_64_augmented_faces(chips, tmp_path):
    pytest.importorskip("keras")
    sheet = tmp_path / "faces.png"
    arguments = ("--output", tmp_path / "stats", "--augmented", sheet, "--image-size", 32)
    assert check(chips(100), *arguments) == 0
    image = cv2.imread(str(sheet))
    assert image.shape == (8 * 34 + 2, 8 * 34 + 2, 3)
    assert len({tile.tobytes() for tile in _tiles(image)}) == 64


def _tiles(image):
    return [image[2 + 34 * r : 34 + 34 * r, 2 + 34 * c : 34 + 34 * c] for r in range(8) for c in range(8)]


def test_augmented_picture_of_unknown_format_is_refused(chips, tmp_path: Path, capsys):
    pytest.importorskip("keras")
    assert check(chips(100), "--output", tmp_path / "stats", "--augmented", tmp_path / "faces.xyz") == 1
    assert "is not a picture format" in capsys.readouterr().err


def test_negatives_become_a_data_set(chips, tmp_path, capsys):
    output = tmp_path / "not_face"
    arguments = ["data", "negatives", str(chips(60)), "--output", str(output), "--count", "20"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.strip().endswith("18 train, 2 test")
    from facecli.data.sources import open_dataset

    table = open_dataset(output)[1]
    assert len(table.frame) == 20 and (table.frame["face"] == 0).all()
    assert (table.frame["published_split"] == "test").sum() == 2
    assert main(arguments) == 1
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.fixture
def archive(chips, tmp_path, monkeypatch):
    """Chips in an archive, and a home without data."""
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    return shutil.make_archive(str(tmp_path / "faces"), "gztar", chips(4))


def test_an_archive_is_unpacked_where_training_looks_for_it(archive, tmp_path, capsys):
    assert main(["data", "get", "utkface", "--from", archive, "--accept-terms"]) == 0
    out, said = capsys.readouterr()
    assert out.strip() == str(tmp_path / "home" / "data" / "UTKFace") and "non-commercial research" in said
    assert len(list((tmp_path / "home" / "data" / "UTKFace").glob("*.jpg"))) == 4


def test_nobody_agrees_unasked(archive, monkeypatch, capsys):
    arguments = ["data", "get", "utkface", "--from", archive]
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main(arguments) == 2
    assert "--accept-terms" in capsys.readouterr().err.splitlines()[-1]
    monkeypatch.setattr("facecli.cli.data.is_terminal", lambda stream: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert main(arguments) == 1
    assert capsys.readouterr().err.splitlines()[-1].endswith("you did not agree to the terms")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main(arguments) == 0


def test_what_needs_an_account_says_where_it_is(capsys):
    assert main(["data", "get", "fairface"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "github.com/joojs/fairface" in last and "facecli data get fairface --from PATH" in last
    assert main(["data", "get", "fairface", "--from", "a", "--url", "b"]) == 2


@pytest.mark.parametrize("command", ["train", "distil", "evaluate"])
def test_without_data_it_is_said_at_once_what_to_do(command, tmp_path, monkeypatch):
    code = f"import sys; from facecli.cli.app import main; print(main(['{command}'])); print(*sys.modules)"
    environment = {**os.environ, "FACECLI_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    code, modules = done.stdout.splitlines()
    assert code == "2" and "facecli data get utkface" in done.stderr and done.stderr.count("\n") == 1
    assert {"keras", "tensorflow", "pandas"}.isdisjoint(modules.split())
