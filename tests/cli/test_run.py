"""`facecli run` from its arguments to files, streams and exit codes."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from facecli.cli.app import main
from facecli.cli.run_setup import closing_all
from facecli.core.attributes import EMOTIONS
from facecli.core.errors import OutputError
from facecli.core.images import load_image, save_image
from facecli.models.checkpoint import write_json

SHARED = Path(__file__).resolve().parents[3] / "shared"
CLASSES = {"gender": ["male", "female"], "race": ["white", "black", "asian", "indian", "other"]}


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)


@pytest.fixture
def run(tiny_checkpoint, capfd):
    """Runs `facecli run` with the tiny model: (exit code, stdout, stderr)."""

    def run(*arguments):
        code = main(["run", "--model-path", str(tiny_checkpoint.folder), *map(str, arguments)])
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def face(tmp_path, astronaut):
    path = tmp_path / "photos" / "face ü.png"
    save_image(path, astronaut)
    return path


@pytest.fixture(scope="session")
def huge_png(tmp_path_factory):
    """30,000 x 30,000 pixels in a few kilobytes."""
    path = tmp_path_factory.mktemp("huge") / "huge.png"
    Image.new("1", (30_000, 30_000)).save(path)
    return path


@pytest.fixture
def folder(face, huge_png):
    """A folder with a face, no face, and four files that are no pictures."""
    photos = face.parent
    save_image(photos / "blank.jpg", np.full((60, 80, 3), 255, np.uint8))
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "text.jpg").write_text("no picture")
    (photos / "cut.png").write_bytes(face.read_bytes()[:5000])
    shutil.copy(huge_png, photos)
    return photos


@pytest.fixture
def clip(tmp_path, astronaut):
    """Two seconds: ten frames with a face, ten without."""
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (256, 256))
    small = cv2.cvtColor(cv2.resize(astronaut, (256, 256)), cv2.COLOR_RGB2BGR)
    for picture in [small] * 10 + [np.zeros_like(small)] * 10:
        writer.write(picture)
    writer.release()
    return path


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def one_line(text, *words):
    assert len(text.splitlines()) == 1, text
    assert text.startswith("Error: ") and "Traceback" not in text
    for word in words:
        assert word in text
    return True


@pytest.mark.parametrize(
    "damage, key", [({"heads": None}, "heads is null"), ({"sha256": [80, True]}, "sha256 is")]
)
def test_a_model_of_wrong_types_is_one_line(tiny_checkpoint, face, tmp_path, capfd, damage, key):
    write_json(tmp_path / "config.json", tiny_checkpoint.config | damage)
    code = main(["run", "--img", str(face), "--no-show", "--model-path", str(tmp_path)])
    assert code == 1 and one_line(capfd.readouterr().err, str(tmp_path / "config.json"), key)


# Pictures


def test_a_jpeg_of_hundreds_of_scans_is_one_line_and_of_many_a_row(run, face, scan_bomb):
    bomb = face.with_name("bomb.jpg")
    bomb.write_bytes(scan_bomb(1000))
    code, _, err = run("--img", bomb, "--no-show")
    assert code == 1 and one_line(err, "bomb.jpg", "more than 100 scans")
    code, out, _ = run("--img", face.parent, "--json", "-")
    found = {Path(row["source"]).name: row for row in rows(out)}
    assert code == 1 and found[face.name]["faces"] and "more than 100 scans" in found["bomb.jpg"]["error"]


def test_json_row_of_a_picture_has_the_promised_keys_and_values(run, face):
    code, out, err = run("--img", face, "--json", "-")
    assert (code, err) == (0, "")
    (row,) = rows(out)
    assert list(row) == ["source", "frame", "time_s", "width", "height", "faces", "error", "model", "facecli"]
    assert (row["source"], row["frame"], row["time_s"], row["error"]) == (str(face), 0, 0, None)
    assert (row["width"], row["height"]) == (512, 512)
    (found,) = row["faces"]
    assert list(found) == [
        "box_xyxy", "detector_confidence", "landmarks", "roll_degrees", "yaw_degrees", "pitch_degrees",
        "quality", "age_years", "age_interval_90", "age_group",
        "gender", "gender_probabilities", "race", "race_probabilities", "uncertain",
    ]  # fmt: skip
    for head, classes in CLASSES.items():
        probabilities = found[f"{head}_probabilities"]
        assert list(probabilities) == classes
        assert found[head] == max(probabilities, key=probabilities.get)
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-3)
    x_min, y_min, x_max, y_max = found["box_xyxy"]
    assert 150 < x_min < x_max < 300 and 40 < y_min < y_max < 200


def test_table_is_on_stdout_and_nothing_else(run, face):
    code, out, err = run("--img", face, "--no-show")
    assert (code, err) == (0, "")
    header, row = out.splitlines()
    assert header.split() == ["face", "age", "90", "%", "gender", "race", "picture"]
    assert row.endswith(str(face))


def test_unsure_labels_are_said_in_table_and_picture_and_named_in_json(run, face, tmp_path):
    drawn = [tmp_path / f"{below}.png" for below in (0, 1)]
    for below, target in enumerate(drawn):
        code, out, _ = run("--img", face, "--output", target, "--uncertain-below", below)
        assert (code, out.count("uncertain")) == (0, 2 * below)
    assert (load_image(drawn[0]) != load_image(drawn[1])).any()
    for below, names in (("0", []), ("1", ["gender", "race"])):
        (found,) = rows(run("--img", face, "--json", "-", "--uncertain-below", below)[1])[0]["faces"]
        assert found["uncertain"] == names and found["gender"] in ("male", "female")


def test_model_with_emotions_shows_them_everywhere(emotion_checkpoint, face, tmp_path, capfd):
    arguments = ["run", "--img", str(face), "--model-path", str(emotion_checkpoint.folder)]
    assert main([*arguments, "--json", "-"]) == 0
    (found,) = rows(capfd.readouterr().out)[0]["faces"]
    assert list(found)[-5:-1] == ["gender", "gender_probabilities", "emotion", "emotion_probabilities"]
    assert tuple(found["emotion_probabilities"]) == EMOTIONS
    assert main([*arguments, "--no-show", "--output", str(tmp_path / "drawn.png")]) == 0
    header, row = capfd.readouterr().out.splitlines()
    assert header.split()[-2:] == ["emotion", "picture"] and found["emotion"] in row


def test_what_is_taken_for_no_face_is_shown_on_request_only(emotion_checkpoint, face, tmp_path, capfd):
    folder = shutil.copytree(emotion_checkpoint.folder, tmp_path / "suspicious")
    calibration = {"temperatures": {}, "face_threshold": 1.0}
    write_json(folder / "config.json", {**emotion_checkpoint.config, "calibration": calibration})
    arguments = ["run", "--img", str(face), "--model-path", str(folder)]
    assert main([*arguments, "--no-show"]) == 0
    assert capfd.readouterr().out.splitlines()[1].startswith("none ")
    assert main([*arguments, "--no-show", "--show-rejected"]) == 0
    assert "1 (not a face " in capfd.readouterr().out.splitlines()[1]
    assert main([*arguments, "--json", "-", "--show-rejected"]) == 0
    (found,) = rows(capfd.readouterr().out)[0]["faces"]
    told = ["box_xyxy", "detector_confidence", "landmarks", "roll_degrees", "yaw_degrees", "pitch_degrees"]
    assert list(found) == [*told, "quality", "face_probability", "rejected"]
    assert found["rejected"] is True


def test_picture_without_a_face_says_so_and_is_no_error(run, folder):
    code, out, _ = run("--img", folder / "blank.jpg", "--no-show")
    assert code == 0 and "\nnone " in out
    code, out, _ = run("--img", folder / "blank.jpg", "--json", "-")
    assert code == 0 and rows(out)[0]["faces"] == []


def test_annotated_picture_is_written(run, face, tmp_path, astronaut):
    code, _, _ = run("--img", face, "--output", tmp_path / "out" / "drawn.png")
    drawn = load_image(tmp_path / "out" / "drawn.png")
    assert code == 0 and drawn.shape == astronaut.shape
    assert (drawn != astronaut).any(axis=2).mean() < 0.2
    assert run("--img", face, "--output", tmp_path / "out")[0] == 0
    assert (tmp_path / "out" / face.name).is_file()


@pytest.mark.parametrize("name", ["empty.jpg", "text.jpg", "cut.png", "huge.png"])
def test_single_bad_picture_is_one_line(run, folder, name):
    code, out, err = run("--img", folder / name, "--no-show")
    assert (code, out) == (1, "") and one_line(err, name)


def test_folder_goes_on_after_bad_pictures(run, folder, tmp_path):
    code, out, err = run("--img", folder, "--json", tmp_path / "out.jsonl", "--output", tmp_path / "drawn")
    header, *failures, written, error = err.splitlines()
    assert written == f"wrote {tmp_path}/drawn/ (2 pictures), {tmp_path}/out.jsonl"
    assert code == 1 and one_line(error, "4 of 6 pictures") and header.startswith("could not be analysed")
    assert [Path(line.split("  ")[0]).name for line in failures] == [
        "cut.png", "empty.jpg", "huge.png", "text.jpg",
    ]  # fmt: skip
    found = {Path(row["source"]).name: row for row in rows((tmp_path / "out.jsonl").read_text("utf-8"))}
    assert len(found) == 6
    assert {name for name, row in found.items() if row["error"]} == {
        "empty.jpg",
        "text.jpg",
        "cut.png",
        "huge.png",
    }
    assert len(found["face ü.png"]["faces"]) == 1
    assert len(out.splitlines()) == 7
    assert {path.name for path in (tmp_path / "drawn").iterdir()} == {"face ü.png", "blank.jpg"}


def test_json_on_stdout_is_alone_there(run, folder):
    _, out, _ = run("--img", folder, "--json", "-")
    assert len(rows(out)) == 6


def save_variants(folder, astronaut):
    """The same face in every kind of file; returns the names."""
    rgba = np.dstack([astronaut, np.full(astronaut.shape[:2], 255, np.uint8)])
    Image.fromarray(rgba).save(folder / "rgba.png")
    Image.fromarray(astronaut).convert("L").save(folder / "grey.jpg")
    Image.fromarray(astronaut).convert("CMYK").save(folder / "cmyk.jpg")
    cv2.imwrite(str(folder / "sixteen.png"), astronaut[..., ::-1].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(astronaut)).save(folder / "turned.jpg", exif=exif)
    return ["rgba.png", "grey.jpg", "cmyk.jpg", "sixteen.png", "turned.jpg"]


def test_every_kind_of_picture_is_analysed(run, tmp_path, astronaut):
    photos = tmp_path / "kinds"
    photos.mkdir()
    names = save_variants(photos, astronaut)
    code, out, _ = run("--img", photos, "--detector", "haar", "--json", "-")
    assert code == 0 and len(rows(out)) == len(names)
    for row in rows(out):
        (found,) = row["faces"]
        assert np.abs(np.array(found["box_xyxy"]) - (177, 69, 272, 164)).max() < 25, row["source"]


def test_whole_picture_detector_needs_no_face(run, folder):
    _, out, _ = run("--img", folder / "blank.jpg", "--json", "-", "--detector", "none")
    assert rows(out)[0]["faces"][0]["box_xyxy"] == [0, 0, 80, 60]


def test_model_with_one_head_leaves_keys_and_cells_out(age_checkpoint, face, capfd):
    arguments = ["run", "--img", str(face), "--model-path", str(age_checkpoint.folder)]
    assert main([*arguments, "--json", "-"]) == 0
    (found,) = rows(capfd.readouterr().out)[0]["faces"]
    assert "age_years" in found and "gender" not in found and "race_probabilities" not in found
    assert main([*arguments, "--no-show"]) == 0


# Refusals


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--img", "a", "--video", "b"),
        ("--img", ".", "--model-type", "other"),
        ("--img", ".", "--detector", "dlib"),
        ("--img", ".", "--scale-factor", "1.0"),
        ("--img", ".", "--threads", "0"),
        ("--img", ".", "--margin", "-0.5"),
        ("--img", ".", "--uncertain-below", "1.5"),
        ("--img", ".", "--label-size", "0.4"),
        ("--img", ".", "--label-size", "5"),
        ("--img", ".", "--label-size", "nan"),
        ("--img", ".", "--uncertain-below", "often"),
        ("--video", "--anonymize", "mask"),
        ("--video", "--fps", "0"),
    ],
)
def test_wrong_arguments_exit_2(run, arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "") and "Error: " in err


def test_wrong_paths_are_one_line_and_exit_2(run, tmp_path, face):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("x")
    wrong = [
        ("--img", tmp_path / "none.jpg"),
        ("--img", tmp_path / "empty"),
        ("--img", tmp_path / "notes"),
        ("--video", tmp_path / "none.mp4"),
        ("--video", tmp_path),
        ("--img", face, "--detector", "yunet", "--detector-weights", tmp_path / "none.onnx"),
        ("--img", face, "--detector-weights", face),
        ("--img", face, "--model-path", tmp_path / "none"),
        ("--img", face, "--output", face),
        ("--img", face, "--output", tmp_path / "drawn.txt"),
        ("--img", face.parent, "--output", face.parent),
        ("--img", face.parent, "--output", face),
        ("--img", face, "--summary", tmp_path / "out.json"),
        ("--img", face, "--json", tmp_path / "x", "--csv", tmp_path / "x"),
        ("--img", face, "--json", face),
        ("--img", face, "--resume"),
        ("--img", face, "--resume", "--json", "-"),
        ("--img", face, "--resume", "--json", tmp_path / "x", "--parquet", tmp_path / "y"),
        ("--img", face, "--parquet", "-"),
        ("--img", "/dev/null"),
        ("--img", "-", "--img", "-"),
        ("--img", f"@{tmp_path / 'none.txt'}"),
        ("--img", tmp_path / "none*.jpg"),
        ("--img", "https://"),
        ("--img", "https://me:secret@example.org/a.jpg"),
        ("--img", face, "--img", tmp_path, "--output", face.parent),
        ("--img", face, "--img", face, "--crops", tmp_path),
        ("--img", face.parent, "--output", tmp_path / "o", "--crops", tmp_path / "o"),
        ("--video", face, "--workers", 2),
        ("--img", face, "--reconnect"),
        ("--img", face, "--no-mirror"),
        ("--video", tmp_path / "%04d.png"),
        ("--video", "/dev/video4711"),
        ("--video", face, "--reconnect"),
        ("--video", face, "--width", 640),
        ("--video", face, "--json", "-", "--csv", "-"),
        ("--video", face, "--json", tmp_path / "x", "--summary", tmp_path / "x"),
        ("--video", face, "--json", face),
    ]
    for arguments in wrong:
        code, out, err = run(*arguments, "--no-show")
        assert (code, out) == (2, ""), arguments
        assert one_line(err)


def test_without_a_display_the_options_are_named(run, face, clip):
    for arguments in (("--video", clip), ("--video", clip, "--json", "-")):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "") and one_line(err, "--no-show", "--output", "--json")


def test_without_a_display_a_picture_has_its_table(run, face):
    code, out, err = run(face)
    assert code == 0 and len(out.splitlines()) == 2 and err.count("\n") == 1
    assert "no display" in err and "--output PATH" in err


def test_the_last_way_out_closes_files_and_says_why(capfd):
    closed, files = [], contextlib.ExitStack()
    files.push(lambda kind, error, _: closed.append(str(error)))
    closing_all(files)(OutputError("the display is gone"))
    assert closed == ["the display is gone"]
    assert capfd.readouterr().err == "Error: the display is gone\n"


def test_a_file_that_cannot_be_closed_is_said_on_the_last_way_out(capfd):
    def full(*_):
        raise OutputError("the disk is full")

    files = contextlib.ExitStack()
    files.push(full)
    closing_all(files)(OutputError("the display is gone"))
    assert capfd.readouterr().err == "Error: the disk is full\n"


def test_damaged_model_is_refused_by_name(run, face, tmp_path):
    code, _, err = run("--img", face, "--no-show", "--model-path", tmp_path)
    assert code == 1 and one_line(err, "config.json")


def test_output_that_cannot_be_written_is_one_line(run, face, tmp_path):
    (tmp_path / "file").write_text("")
    for option in ("--output", "--json"):
        code, _, err = run("--img", face, option, tmp_path / "file" / "x.png")
        assert code == 1 and one_line(err, "cannot write")


# Video


def test_clip_becomes_rows_and_a_playable_video(run, clip, tmp_path):
    code, out, err = run(
        "--video", clip, "--no-show", "--output", tmp_path / "drawn.mp4", "--json", tmp_path / "faces.jsonl"
    )
    counted, written = err.splitlines()
    assert (code, out) == (0, "") and "20 frames" in counted
    assert written == f"wrote {tmp_path / 'drawn.mp4'}, {tmp_path / 'faces.jsonl'}"
    found = rows((tmp_path / "faces.jsonl").read_text())
    assert [row["frame"] for row in found] == list(range(20))
    assert [len(row["faces"]) for row in found] == [1] * 10 + [0] * 10
    assert found[15]["time_s"] == pytest.approx(1.5, abs=0.01)
    capture = cv2.VideoCapture(str(tmp_path / "drawn.mp4"))
    assert (capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)) == (20, 10)


def test_same_clip_gives_the_same_rows_every_time(run, clip):
    first, second = (run("--video", clip, "--no-show", "--json", "-")[1] for _ in range(2))
    assert len(rows(first)) == 20 and first == second


def test_all_results_together(run, clip, tmp_path):
    names = {"--json": "f.jsonl", "--csv": "f.csv", "--summary": "s.json", "--output": "d.avi"}
    arguments = [part for flag, name in names.items() for part in (flag, tmp_path / name)]
    assert run("--video", clip, "--no-show", *arguments)[0] == 0
    assert all((tmp_path / name).stat().st_size > 0 for name in names.values())
    assert json.loads((tmp_path / "s.json").read_text())["frames"] == 20
    assert len((tmp_path / "f.csv").read_text().splitlines()) == 1 + 10


def test_numbered_pictures_are_a_video(run, tmp_path, astronaut):
    for number in (3, 4, 10):
        save_image(tmp_path / f"{number}.png", cv2.resize(astronaut, (256, 256)))
    (tmp_path / "4.png").write_bytes(b"broken")
    code, out, err = run("--video", tmp_path, "--no-show", "--fps", 2, "--json", "-")
    assert code == 0 and "2 frames" in err and "1 broken frame left out" in err
    assert [(row["frame"], row["time_s"]) for row in rows(out)] == [(0, 0), (2, 1)]


def test_anonymised_results_show_nobody(run, clip, face, tmp_path, astronaut):
    drawn = tmp_path / "drawn.png"
    assert run("--img", face, "--output", drawn, "--anonymize", "box")[0] == 0
    assert len(np.unique(load_image(drawn)[130:150, 215:235].reshape(-1, 3), axis=0)) == 1
    video = tmp_path / "drawn.avi"
    assert run("--video", clip, "--no-show", "--output", video, "--anonymize", "box")[0] == 0
    picture = cv2.VideoCapture(str(video)).read()[1]
    assert picture[60:76, 105:120].std() < 8


def test_list_of_cameras_may_be_empty(run, monkeypatch):
    monkeypatch.setattr("facecli.sources.capture.list_cameras.__defaults__", ((), None))
    assert run("--list-cameras") == (0, "no camera found\n", "")


def test_video_without_source_is_camera_0(run, monkeypatch):
    class NoCamera:
        def __init__(self, what):
            assert what == 0

        def isOpened(self):  # noqa: N802
            return False

        def release(self):
            pass

    monkeypatch.setattr("facecli.sources.capture.default_capture", NoCamera)
    code, _, err = run("--video", "--no-show")
    assert code == 1 and one_line(err, "camera 0")


def test_clip_cut_short_keeps_what_was_analysed(run, tmp_path, astronaut):
    whole = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(whole), cv2.VideoWriter.fourcc(*"MJPG"), 10, (256, 256))
    for _ in range(30):
        writer.write(cv2.resize(astronaut, (256, 256)))
    writer.release()
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    target = tmp_path / "faces.jsonl"
    code, _, err = run("--video", whole, "--no-show", "--json", target, "--output", tmp_path / "drawn.mp4")
    assert code == 1 and one_line(err, "clip.avi is cut short")
    capture = cv2.VideoCapture(str(tmp_path / "drawn.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == len(rows(target.read_text())) > 5


@pytest.mark.parametrize(("name", "expected"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise on Windows")
def test_interruption_leaves_whole_files(name, expected, tiny_checkpoint, tmp_path, astronaut):
    long_clip = tmp_path / "long.avi"
    writer = cv2.VideoWriter(str(long_clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, (512, 512))
    for _ in range(600):
        writer.write(astronaut)
    writer.release()
    target, drawn = tmp_path / "faces.jsonl", tmp_path / "drawn.mp4"
    command = ["run", "--video", str(long_clip), "--no-show", "--json", str(target), "--output", str(drawn)]
    process = subprocess.Popen(
        [sys.executable, "-m", "facecli", *command, "--model-path", str(tiny_checkpoint.folder)],
        stderr=subprocess.PIPE,
        text=True,
        env=with_sources(),
        # A shell ignores Ctrl-C in what it starts in the background, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: target.exists() and target.stat().st_size > 2000)
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=60)
    assert process.returncode == expected, said
    assert "Traceback" not in said
    capture = cv2.VideoCapture(str(drawn))
    assert capture.read()[0]
    assert abs(capture.get(cv2.CAP_PROP_FRAME_COUNT) - len(rows(target.read_text()))) <= 1


def with_sources():
    """The environment with this package importable, installed or not."""
    sources = str(Path(__file__).resolve().parents[2] / "src")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([sources, os.environ.get("PYTHONPATH", "")])}


def wait_for(condition, patience_s=60):
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "gave up waiting"
        time.sleep(0.05)


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
@pytest.mark.parametrize(("name", "people"), [("two_people.jpg", 2), ("obama_720p.jpg", 1)])
def test_real_pictures(run, name, people):
    _, out, _ = run("--img", SHARED / "pictures" / name, "--json", "-")
    assert len(rows(out)[0]["faces"]) == people
