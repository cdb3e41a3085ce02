"""Whatever a command reads stays as it is, under all its names."""

import os
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.cli import overwriting
from facecli.cli.app import main
from facecli.cli.overwriting import check_targets, files_below, lies_in, place_of
from facecli.core.errors import InputError
from facecli.core.images import save_image


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    return tmp_path


# --- the check itself -----------------------------------------------------------------------------


def test_nothing_is_written_and_nothing_read():
    check_targets({})
    check_targets({"--json": None, "--csv": ""}, [("anything", "the picture")])


def test_what_is_read_is_not_asked_for_when_no_target_is_there(here):
    def read():
        pytest.fail("asked for")
        yield

    check_targets({"--json": "new.jsonl", "--csv": "-"}, read())


def test_standard_output_is_one_place(here):
    (here / "-").write_text("a file of that name")
    check_targets({"--json": "-"}, [("./-", "the picture")])
    with pytest.raises(InputError, match="--json and --csv both write to -"):
        check_targets({"--json": "-", "--csv": "-"})


NAMES = {
    "itself": lambda folder: "a.jpg",
    "absolute": lambda folder: folder / "a.jpg",
    "another way": lambda folder: f"../{folder.name}/./a.jpg",
    "symbolic link": lambda folder: linked(folder, os.symlink),
    "hard link": lambda folder: linked(folder, os.link),
    "link to the folder": lambda folder: Path(linked(folder, os.symlink, ".", "there"), "a.jpg"),
}


def linked(folder, link, source="a.jpg", name="link.jpg"):
    link(source, folder / name)
    return name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_swapped", [False, True])
def test_a_file_is_the_same_under_all_its_names(here, name, is_swapped):
    (here / "a.jpg").write_text("a picture")
    target, read = NAMES[name](here), "a.jpg"
    if is_swapped:
        target, read = read, target
    with pytest.raises(InputError, match="is the picture itself; name another file for --json"):
        check_targets(
            {"--csv": "b.csv", "--json": target}, [("b.jpg", "other"), (read, "the picture itself")]
        )
    with pytest.raises(InputError, match="both write to"):
        check_targets({"--csv": target, "--json": read})


def test_upper_and_lower_case_are_one_file_where_the_system_says_so(here, monkeypatch):
    (here / "a.jpg").write_text("a picture")
    check_targets({"--json": "A.jpg"}, [("a.jpg", "the picture")])
    find = os.stat
    monkeypatch.setattr(overwriting.os, "stat", lambda path: find(os.fspath(path).lower()))
    monkeypatch.setattr(overwriting.os.path, "exists", lambda path: True)
    with pytest.raises(InputError, match="A.jpg is the picture"):
        check_targets({"--json": "A.jpg"}, [("a.jpg", "the picture")])


def test_two_new_files_of_one_path(here):
    with pytest.raises(InputError, match="--json and --csv both write to ./x"):
        check_targets({"--json": "x", "--csv": "./x"})
    check_targets({"--json": "x", "--csv": "y"})


def test_devices_may_be_read_and_written(here):
    check_targets({"--json": "/dev/null"}, [("/dev/zero", "the picture")])


@given(st.text(max_size=20))
def test_any_name_has_a_place(name):
    assert place_of(name) == place_of(name)
    check_targets({"--json": "/nowhere/new"}, [(name, "it")])


def test_where_a_path_lies(here):
    (here / "a" / "b").mkdir(parents=True)
    (here / "link").symlink_to("a")
    assert lies_in("a/b/x.jpg", "link") and lies_in("a", "link") and lies_in("link/b", "a")
    assert not lies_in("a", "a/b") and not lies_in("a", "nowhere")


def test_files_of_a_folder_or_the_file_itself(here):
    (here / "a").mkdir()
    (here / "a" / "x").write_text("")
    assert (
        [path.name for path in files_below(here / "a")]
        == ["x"]
        == [path.name for path in files_below(here / "a" / "x")]
    )
    assert list(files_below(here / "nowhere")) == []


# --- commands -------------------------------------------------------------------------------------


@pytest.fixture
def face(here, astronaut):
    (here / "photos").mkdir()
    save_image(here / "photos" / "a.png", astronaut[:300, 60:390])
    save_image(here / "photos" / "b.png", astronaut[:300, 60:390])
    with zipfile.ZipFile(here / "photos.zip", "w") as archive:
        archive.write("photos/a.png", "a.png")
    (here / "broken.zip").write_bytes(b"PK but no archive")
    (here / "list.txt").write_text("photos/a.png\nphotos/b.png\n")
    (here / "to_a.png").symlink_to("photos/a.png")
    os.link(here / "photos" / "b.png", here / "b.jsonl")
    return here / "photos" / "a.png"


@pytest.fixture
def refused(here, capfd):
    """Runs facecli, which must refuse in one line and leave every file as it was; gives that line."""

    def contents():
        return {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}

    def run(*arguments):
        before = contents()
        code = main(list(map(str, arguments)))
        err = capfd.readouterr().err
        assert code == 2 and len(err.splitlines()) == 1, err
        assert contents() == before
        return err

    return run


@pytest.mark.parametrize("flag", ["--json", "--csv", "--parquet"])
@pytest.mark.parametrize(
    "given, target",
    [
        (["photos/a.png"], "photos/a.png"),
        (["photos/a.png"], "to_a.png"),
        (["photos"], "photos/a.png"),
        (["photos"], "to_a.png"),
        (["photos"], "b.jsonl"),
        (["photos/*.png"], "photos/b.png"),
        (["@list.txt"], "photos/b.png"),
        (["@list.txt"], "list.txt"),
        (["photos.zip"], "photos.zip"),
        (["broken.zip", "photos"], "broken.zip"),
        (["photos.zip", "none.jpg", "photos/b.png"], "b.jsonl"),
    ],
)
def test_rows_never_go_into_what_is_read(face, refused, tiny_checkpoint, flag, given, target):
    pictures = [argument for one in given for argument in ("--img", one)]
    told = refused("run", *pictures, "--model-path", tiny_checkpoint.folder, flag, target)
    assert target in told and flag in told


def test_rows_resumed_neither(face, refused):
    assert "photos/a.png" in refused("run", "--img", "photos", "--json", "photos/a.png", "--resume")


@pytest.mark.parametrize("target", ["photos/a.png", "to_a.png", "photos/"])
def test_an_annotated_picture_neither(face, refused, target):
    assert "--output" in refused("run", "--img", "photos/a.png", "--output", target)


def test_two_results_of_one_place(face, refused):
    assert "both write" in refused("run", "--img", "photos/a.png", "--output", "x.png", "--json", "x.png")
    (face.parent.parent / "x.csv").symlink_to("b.jsonl")
    assert "both write" in refused("run", "--img", "photos/a.png", "--csv", "x.csv", "--json", "b.jsonl")


@pytest.mark.parametrize("option", ["--output", "--crops"])
@pytest.mark.parametrize("folder", ["photos", "way", "."])
def test_folders_of_results_do_not_hold_what_is_read(face, refused, option, folder):
    (face.parent.parent / "way").symlink_to("photos")
    assert option in refused("run", "--img", "photos/a.png", "--img", "photos/b.png", option, folder)


def test_neither_weights_nor_models_are_written_over(face, refused, tiny_checkpoint, here):
    shutil.copytree(tiny_checkpoint.folder, here / "mine")
    (here / "yunet.onnx").write_bytes(b"weights")
    model, weights = ["--model-path", "mine"], ["--detector", "yunet", "--detector-weights", "yunet.onnx"]
    assert "model" in refused("run", "--img", "photos", *model, "--json", "mine/config.json")
    assert "weights" in refused("run", "--img", "photos", *weights, "--csv", "yunet.onnx")


@pytest.fixture
def clip(here):
    writer = cv2.VideoWriter(str(here / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(3):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    os.link(here / "clip.avi", here / "link.avi")
    (here / "frames").mkdir()
    for number in range(3):
        save_image(here / "frames" / f"{number:04d}.png", np.zeros((48, 64, 3), np.uint8))
    return here / "clip.avi"


@pytest.mark.parametrize("flag", ["--json", "--csv", "--summary", "--output"])
@pytest.mark.parametrize("target", ["clip.avi", "./clip.avi", "link.avi"])
def test_results_of_a_video_never_go_into_the_clip(clip, refused, flag, target):
    assert "clip itself" in refused("run", "--video", "clip.avi", "--no-show", flag, target)


@pytest.mark.parametrize("video", ["frames", "frames/%04d.png"])
def test_nor_into_numbered_pictures(clip, refused, video):
    told = refused("run", "--video", video, "--no-show", "--json", "frames/0001.png")
    assert "among the pictures" in told


def test_nor_into_a_clip_by_its_address(clip, refused):
    assert "clip itself" in refused("run", "--video", f"file://{clip}", "--no-show", "--json", "clip.avi")


def test_a_camera_is_no_file(here):
    from facecli.cli.run_video import check_results

    (here / "0").write_text("a file of that name")
    check_results({"video": "0", "json_target": "0", "csv_target": None, "summary": None, "output": None})


@pytest.mark.parametrize("flag, target", [("--json", "clip.avi"), ("--plot", "clip.png")])
def test_nor_do_measurements(clip, refused, flag, target, here):
    (here / "clip.png").symlink_to("clip.avi")
    assert "clip itself" in refused("benchmark", "--video", "clip.avi", flag, target)


def test_nor_a_plot_into_the_rows(here, refused):
    pytest.importorskip("matplotlib")
    (here / "rows.png").write_text("{}")
    os.link(here / "rows.png", here / "link.png")
    for target in ("rows.png", "link.png"):
        assert "rows itself" in refused("summarize", "rows.png", "--plot", target)


def test_nor_what_explains_into_the_pictures(face, refused):
    told = refused("explain", "--img", "photos", "--output", "why", "--json", "photos/b.png")
    assert "among what is read" in told


def test_nor_a_sheet_of_faces_into_the_data(face, refused):
    assert "among what is read" in refused("data", "check", "photos", "--augmented", "photos/b.png")


@pytest.mark.skipif(not os.path.exists(overwriting.STDIN), reason="standard input has no name here")
def test_nor_rows_into_what_standard_input_comes_from(face, tmp_path):
    import subprocess
    import sys

    before = face.read_bytes()
    with open(face, "rb") as stdin:
        command = [sys.executable, "-m", "facecli", "run", "--img", "-", "--json", str(face)]
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "picture itself" in done.stderr
    assert face.read_bytes() == before


def test_what_is_not_read_is_written_over(face, tiny_checkpoint, here, capfd):
    (here / "old.jsonl").write_text("old")
    model = ["--model-path", str(tiny_checkpoint.folder)]
    assert main(["run", "--img", "photos", *model, "--json", "old.jsonl", "--output", "drawn"]) == 0
    assert (here / "old.jsonl").read_text().startswith('{"source"')
    assert sorted(path.name for path in (here / "drawn").iterdir()) == ["a.png", "b.png"]
