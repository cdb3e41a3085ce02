"""Whatever a command reads stays as it is, under all its names."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.cli import options
from facecli.cli.app import main
from facecli.cli.options import check_existing, check_targets, files_below, lies_in, place_of
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
    monkeypatch.setattr(options.os, "stat", lambda path: find(os.fspath(path).lower()))
    monkeypatch.setattr(options.os.path, "exists", lambda path: True)
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
    from facecli.cli.run_video import plan_jobs

    (here / "0").write_text("a file of that name")
    options = dict.fromkeys(("csv_target", "summary", "output", "save_tracks", "tracks"))
    options |= {"json_target": "0", "video": ["camera:0"], "sink": (), "overwrite": True}
    assert [job.spec for job in plan_jobs(options)] == ["camera:0"]
    with pytest.raises(InputError, match="0 is the clip itself"):
        plan_jobs(options | {"video": ["0"]})


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


@pytest.mark.skipif(not os.path.exists(options.STDIN), reason="standard input has no name here")
def test_nor_rows_into_what_standard_input_comes_from(face, tmp_path):
    before = face.read_bytes()
    with open(face, "rb") as stdin:
        command = [sys.executable, "-m", "facecli", "run", "--img", "-", "--json", str(face)]
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "picture itself" in done.stderr
    assert face.read_bytes() == before


def test_what_is_not_read_is_written_over_when_that_is_asked_for(face, tiny_checkpoint, here, capfd):
    (here / "old.jsonl").write_text("old")
    command = ["run", "--img", "photos", "--model-path", str(tiny_checkpoint.folder), "--output", "drawn"]
    assert main([*command, "--json", "old.jsonl", "--overwrite"]) == 0
    assert (here / "old.jsonl").read_text().startswith('{"source"')
    assert main(command) == 0, "annotated pictures are replaced"
    assert sorted(path.name for path in (here / "drawn").iterdir()) == ["a.png", "b.png"]


ROWS_OF_PICTURES = {
    "--json": "old.jsonl",
    "--csv": "old.csv",
    "--parquet": "old.parquet",
    "--report": "old.html",
}
RESULTS_OF_A_VIDEO = {
    "--json": "old.jsonl",
    "--csv": "old.csv",
    "--summary": "old.json",
    "--save-tracks": "old.json",
    "--output": "old.mp4",
}


@pytest.mark.parametrize("flag, target", ROWS_OF_PICTURES.items())
def test_results_of_pictures_that_are_there_are_kept(face, refused, here, flag, target):
    (here / target).write_text("hours of work")
    (here / "link").symlink_to(target)
    told = refused("run", "--img", "photos", "--json", "new.jsonl", "--csv", "new.csv", flag, target)
    assert all(word in told for word in (target, flag, "--overwrite", "--resume"))


@pytest.mark.parametrize("flag, target", RESULTS_OF_A_VIDEO.items())
def test_results_of_a_video_that_are_there_are_kept(clip, refused, here, flag, target):
    (here / target).write_text("hours of work")
    told = refused("run", "--video", "clip.avi", "--no-show", flag, target)
    assert target in told and flag in told and "--overwrite" in told


def test_drawn_videos_of_a_folder_are_kept(clip, refused, here):
    (here / "clips" / "more").mkdir(parents=True)
    for name in ("a.avi", "more/b.avi"):
        shutil.copy(clip, here / "clips" / name)
        (here / "drawn" / name).parent.mkdir(parents=True, exist_ok=True)
        (here / "drawn" / name).write_text("hours of work")
    told = refused("run", "--video", "clips", "--no-show", "--output", "drawn")
    assert "drawn/a.avi and 1 more are there already" in told


def test_what_holds_nothing_is_no_result(here):
    (here / "empty").write_text("")
    os.mkfifo(here / "pipe")
    for target in ("-", "/dev/null", "/dev/stdout", "empty", "pipe", "nowhere/new", "a\0b", None):
        check_existing([("--json", target)], overwrite=False)
    (here / "full").write_text("x")
    check_existing([("--json", "full")], overwrite=True)
    with pytest.raises(InputError, match="full is there already; give --overwrite .* another name to --json"):
        check_existing([("--csv", None), ("--json", "full")], overwrite=False)


def test_going_on_and_replacing_contradict_each_other(face, refused):
    assert "give only one" in refused(
        "run", "--img", "photos", "--json", "x.jsonl", "--resume", "--overwrite"
    )


@pytest.mark.parametrize("option", ["--output", "--crops"])
def test_a_folder_of_pictures_is_not_called_like_one(face, refused, option):
    assert "name a folder" in refused("run", "--img", "photos", option, "o1.jpg")


def test_such_a_folder_can_be_had(face, tiny_checkpoint, here, capfd):
    command = ["run", "--img", "photos", "--model-path", str(tiny_checkpoint.folder)]
    assert main([*command, "--output", "o1.jpg/"]) == 0
    assert main([*command, "--output", "o1.jpg"]) == 0
    assert (here / "o1.jpg" / "a.png").is_file()


@pytest.mark.parametrize("option", ["--output", "--crops"])
def test_nor_does_a_folder_of_results_hold_links_to_what_is_read(face, refused, here, option):
    (here / "links").mkdir()
    (here / "links" / "a.png").symlink_to("../photos/a.png")
    told = refused("run", "--img", "links/a.png", "--img", "photos/b.png", option, "links")
    assert option in told


def test_thumbnails_of_tracks_are_not_put_among_pictures(clip, refused, here):
    told = refused("run", "--video", "frames", "--no-show", "--save-tracks", "frames.json")
    assert "--save-tracks writes thumbnails to frames" in told
    (here / "tracks").mkdir()
    (here / "tracks" / "1.jpg").write_text("somebody's")
    assert "--overwrite" in refused("run", "--video", "clip.avi", "--no-show", "--save-tracks", "tracks.json")


def test_a_clip_is_not_drawn_over_the_file_of_its_tracks(clip, refused, here):
    (here / "tracks.json").write_text('{"tracks": []}')
    os.link("tracks.json", "tracks.mp4")
    cover = ["--anonymize", "box", "--tracks", "tracks.json"]
    told = refused("run", "--video", "clip.avi", "--no-show", *cover, "--output", "tracks.mp4", "--overwrite")
    assert "tracks.mp4 is the file of tracks itself" in told


@pytest.mark.skipif(not os.path.exists(options.STDIN), reason="standard input has no name here")
def test_nor_into_the_clip_that_standard_input_comes_from(clip):
    before = clip.read_bytes()
    command = [sys.executable, "-m", "facecli", "run", "--video", "-", "--no-show", "--overwrite"]
    with open(clip, "rb") as stdin:
        done = subprocess.run(
            [*command, "--output", str(clip)], stdin=stdin, capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 2 and "clip itself" in done.stderr
    assert clip.read_bytes() == before
