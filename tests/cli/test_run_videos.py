"""`facecli run --video` with several clips, parts of them, sound, standard input and saved tracks."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clip_corpus import KINDS

from facecli.cli.app import main
from facecli.core.errors import OutputError
from facecli.core.images import save_image
from facecli.draw.anonymize import head_box
from facecli.sources.video import open_source

BY_NAME = {kind.name: kind for kind in KINDS}


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)


@pytest.fixture
def run(tiny_checkpoint, capfd):
    """Runs `facecli run --no-show` with the tiny model: (exit code, stdout, stderr)."""

    def run(*arguments):
        given = ["run", "--model-path", str(tiny_checkpoint.folder), "--detector", "haar", "--no-show"]
        code = main([*given, *map(str, arguments)])
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def here(tmp_path, monkeypatch, astronaut):
    """A folder to work in: clips/a.mp4 with a face, clips/more/a.mkv without, and what is no clip."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips" / "more").mkdir(parents=True)
    BY_NAME["h264_mkv"].make(tmp_path / "clips" / "more" / "a.mkv")
    small = cv2.cvtColor(cv2.resize(astronaut, (256, 256)), cv2.COLOR_RGB2BGR)
    writer = cv2.VideoWriter("clips/a.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 10, (256, 256))
    for _ in range(8):
        writer.write(small)
    writer.release()
    (tmp_path / "clips" / "notes.txt").write_text("no clip")
    (tmp_path / "playlist.m3u8").write_text("#EXTM3U\n#EXT-X-ENDLIST\nclips/a.mp4\n")
    save_image(tmp_path / "clips" / "IMG_0001.jpg", astronaut)
    return tmp_path


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_folder_of_clips_is_all_of_them_and_its_pictures_none(run, here):
    code, _, err = run("--video", "clips", "--json", "rows.jsonl", "--output", "drawn")
    assert code == 0, err
    sources = [row["source"] for row in rows(here / "rows.jsonl")]
    assert sources == ["clips/a.mp4"] * 8 + ["clips/more/a.mkv"] * 20
    assert sorted(str(p.relative_to(here)) for p in (here / "drawn").rglob("*.*")) == [
        "drawn/a.mp4",
        "drawn/more/a.mkv",
    ]


def test_clips_that_an_earlier_run_drew_into_the_folder_are_left_out(run, here):
    for _ in range(2):
        code, _, err = run("clips", "--output", "clips/drawn", "--json", "rows.jsonl", "--overwrite")
        assert code == 0, err
    assert {row["source"] for row in rows(here / "rows.jsonl")} == {
        "clips/IMG_0001.jpg", "clips/a.mp4", "clips/more/a.mkv",
    }  # fmt: skip


def test_a_picture_in_the_folder_that_is_called_like_a_clip_is_a_picture(run, here):
    (here / "clips" / "IMG_0001.jpg").rename(here / "clips" / "b.mp4")
    code, _, err = run("clips", "--json", "rows.jsonl")
    assert code == 0, err
    assert [row["source"] for row in rows(here / "rows.jsonl")].count("clips/b.mp4") == 1


def test_another_encoder_than_the_usual_one_is_told_of_once(run, here, monkeypatch):
    from facecli.sinks import video

    is_there = video._is_there
    monkeypatch.setattr(video, "_is_there", lambda name: "264" not in name and is_there(name))
    code, _, err = run("--video", "clips", "--output", "drawn/")
    assert code == 0, err
    assert err.count("nothing here encodes h264; av1 is written") == 1


def test_patterns_and_repeated_options_are_one_list_and_names_do_not_clash(run, here):
    code, _, err = run("--video", "clips/**/*.m*", "--video", "clips/a.mp4", "--output", "drawn/")
    assert code == 0, err
    assert sorted(path.name for path in (here / "drawn").iterdir()) == ["a-2.mp4", "a.mkv", "a.mp4"]


def test_one_that_fails_does_not_stop_the_rest(run, here):
    (here / "clips" / "0.mp4").write_text("no video")
    code, _, err = run("--video", "clips", "--csv", "rows.csv")
    lines = err.splitlines()
    assert code == 1
    assert lines[0].startswith("clips/0.mp4 cannot be opened") and lines[1].startswith(
        "clips/a.mp4: 8 frames"
    )
    assert lines[-1] == "Error: 1 of 3 videos could not be read to their end"
    assert (here / "rows.csv").read_text().count("clips/a.mp4") == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--video", "clips", "--output", "drawn.mp4"), "is one file for 2 videos"),
        (("--video", "clips", "--summary", "s.json"), "--summary works for a single video"),
        (("--video", "clips/*.avi"), "no clip matches"),
        (("--video", "clips", "--video", "nowhere.mp4"), "no such clip: nowhere.mp4"),
        (("--video", "clips/a.mp4", "--output", "clips/"), "is the clip itself"),
        (("--video", "clips/a.mp4", "--output", "d.webm", "--codec", "h264"), "do not support h264"),
        (("--video", "clips/a.mp4", "--start", "5", "--end", "2"), "--end is before --start"),
        (("--video", "clips/a.mp4", "--start", "0:99:x"), "is not a time"),
        (("--video", "clips/a.mp4", "--start", "100"), "it is shorter"),
        (("--video", "clips/a.mp4", "--every", "0"), "--every"),
        (("--video", "clips/a.mp4", "--only", "1"), "need --tracks"),
        (("--video", "clips/a.mp4", "--tracks", "t.json"), "--tracks needs --anonymize METHOD and --output"),
        (("--video", "clips", "--save-tracks", "t.json"), "tracks belong to a single video"),
        (("--video", "clips/a.mp4", "--save-tracks", "clips/a.mp4"), "is not a file that ends in .json"),
        (("--video", "clips/a.mp4", "--save-tracks", "clips"), "is not a file that ends in .json"),
        (("--video", "clips/a.mp4", "--save-tracks", "-"), "is not a file that ends in .json"),
        (("--video", "clips/a.mp4", "--end", "0"), "no frame in the requested part"),
        (("--video", "clips/a.mp4", "--rate", "nan"), "nan is not a number"),
        (("--video", "clips/a.mp4", "--start", "1e99"), "is not a time"),
        (("--video", "clips/IMG_0001.jpg"), "is a picture; use --img"),
        (("--video", "playlist.m3u8"), "is a playlist"),
        (("--img", "clips/IMG_0001.jpg", "--except", "1"), "--except works only for videos"),
        (("--img", "clips/IMG_0001.jpg", "--end", "1"), "--end works only for videos"),
    ],
)
def test_what_cannot_be_is_one_line(run, here, arguments, words):
    before = (here / "clips" / "a.mp4").read_bytes()
    code, _, err = run(*arguments)
    assert code == 2 and words in err and "Traceback" not in err
    assert (here / "clips" / "a.mp4").read_bytes() == before


def test_a_part_is_analysed_and_drawn_at_its_times(run, here):
    code, _, err = run(
        "--video", "clips/a.mp4", "--start", "0:00.2", "--end", 0.6, "--every", 2,
        "--json", "rows.jsonl", "--output", "drawn.mp4",
    )  # fmt: skip
    assert code == 0, err
    found = rows(here / "rows.jsonl")
    assert [(row["frame"], row["time_s"]) for row in found] == [(2, 0.2), (4, 0.4)]
    with open_source("drawn.mp4") as source:
        assert [frame.time_s for frame in source] == pytest.approx([0, 0.2], abs=0.001)


def test_a_frame_every_two_seconds_still_is_somebody_in_view(run, here):
    code, _, _ = run("--video", "clips/a.mp4", "--rate", "0.4", "--summary", "s.json")
    assert code == 0 and json.loads((here / "s.json").read_text())["frames"] == 1


def test_standard_input_is_a_clip(tiny_checkpoint, here):
    command = [sys.executable, "-m", "facecli", "run", "--video", "-", "--no-show", "--json", "-"]
    command += ["--model-path", str(tiny_checkpoint.folder), "--detector", "haar"]
    with open("clips/more/a.mkv", "rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["frame"] for line in done.stdout.splitlines()] == list(range(20))
    assert "standard input: 20 frames" in done.stderr
    done = subprocess.run(command, input="no video", capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "standard input cannot be opened" in done.stderr


def sound_of(path):
    with av.open(str(path)) as container:
        return len(container.streams.audio)


def test_sound_goes_along_unless_heads_are_covered(run, here):
    BY_NAME["h264_mp4_aac"].make(here / "loud.mp4")
    assert run("--video", "loud.mp4", "--output", "a.mp4")[0] == 0 and sound_of("a.mp4") == 1
    assert run("--video", "loud.mp4", "--output", "b.mp4", "--no-audio")[0] == 0 and sound_of("b.mp4") == 0
    _, _, err = run("--video", "loud.mp4", "--output", "c.mp4", "--anonymize", "box")
    assert "a voice can identify a person" in err and sound_of("c.mp4") == 0
    run("--video", "loud.mp4", "--output", "d.mp4", "--anonymize", "box", "--audio", "copy")
    assert sound_of("d.mp4") == 1


def test_saved_tracks_are_covered_by_choice(run, here):
    code, _, err = run("--video", "clips/a.mp4", "--save-tracks", "t.json")
    assert code == 0, err
    document = json.loads((here / "t.json").read_text())
    (track,) = [row["track"] for row in document["tracks"] if row["track"]]
    box = head_box(document["tracks"][-1]["boxes"][2][1:], (256, 256))
    left, top, right, bottom = box
    common = ("--video", "clips/a.mp4", "--anonymize", "box", "--tracks", "t.json")
    for choice, covered in ((("--only", track), True), (("--except", track), False)):
        code, _, err = run(*common, *choice, "--output", "drawn.mp4", "--quality", "high", "--overwrite")
        assert code == 0, err
        with open_source("drawn.mp4") as source:
            heads = np.stack([f.image_rgb[top + 4 : bottom - 4, left + 4 : right - 4] for f in source])
        assert (heads.std(axis=(1, 2, 3)) < 6).all() == covered
    code, _, err = run(*common, "--only", track + 1, "--output", "other.mp4")
    assert code == 2 and f"no track {track + 1}" in err
    code, _, err = run(*common, "--json", "rows.jsonl", "--output", "other.mp4")
    assert code == 2 and "leave out --json" in err


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGHUP")
@pytest.mark.parametrize("nohup", [False, True])
def test_a_closed_terminal_leaves_whole_files(tiny_checkpoint, here, astronaut, nohup):
    writer = cv2.VideoWriter("long.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (512, 512))
    for _ in range(150 if nohup else 600):
        writer.write(astronaut)
    writer.release()
    command = [
        sys.executable,
        "-m",
        "facecli",
        "run",
        "--video",
        "long.avi",
        "--no-show",
        "--detector",
        "haar",
    ]
    command += ["--model-path", str(tiny_checkpoint.folder), "--json", "rows.jsonl", "--output", "d.mp4"]
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
    try:
        running = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ})
    finally:
        signal.signal(signal.SIGHUP, before)
    deadline = time.monotonic() + 60
    written = here / "rows.jsonl"
    while time.monotonic() < deadline and not (written.exists() and written.read_text().count("\n") > 3):
        time.sleep(0.05)
    running.send_signal(signal.SIGHUP)
    assert running.wait(120) == (0 if nohup else 129)
    found = rows(here / "rows.jsonl")
    assert (len(found) == 150) == nohup and len(found) > 2
    with open_source("d.mp4") as source:
        assert abs(len(list(source)) - len(found)) <= 1


def test_a_drawn_clip_lasts_as_long_as_the_clip(run, here):
    truth = BY_NAME["h264_mkv_uneven"].make(here / "uneven.mkv")
    assert run("--video", "uneven.mkv", "--output", "d.mp4")[0] == 0
    with open_source("d.mp4") as source:
        assert [frame.time_s for frame in source] == pytest.approx(list(truth.times_s), abs=0.002)


def test_bare_video_is_a_camera_whatever_files_there_are(run, here, monkeypatch):
    shutil.copy("clips/more/a.mkv", "0")
    assert run("--video", "0")[2].startswith("0: 20 frames")
    code, _, err = run("--video")
    assert code == 1 and "camera 0 cannot be opened" in err


@pytest.mark.parametrize("address", ["file://{}/my%20clip.mp4", "FILE://localhost{}/my%20clip.mp4"])
def test_the_clip_is_not_written_over_under_any_address(run, here, address):
    shutil.copy("clips/a.mp4", "my clip.mp4")
    before = (here / "my clip.mp4").read_bytes()
    code, _, err = run("--video", address.format(here), "--output", "my clip.mp4")
    assert code == 2 and "is the clip itself" in err
    assert (here / "my clip.mp4").read_bytes() == before
    code, _, err = run("--video", address.format(here), "--csv", "rows.csv")
    assert code == 0, err


def test_text_is_no_video(run, here):
    code, _, err = run("--video", "clips/notes.txt")
    assert code == 1 and "cannot be opened" in err


def test_covers_hold_between_frames_that_were_looked_at(run, here, astronaut):
    small = cv2.cvtColor(cv2.resize(astronaut, (256, 256)), cv2.COLOR_RGB2BGR)
    writer = cv2.VideoWriter("long.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 10, (256, 256))
    for _ in range(40):
        writer.write(small)
    writer.release()
    assert run("--video", "long.mp4", "--every", "16", "--save-tracks", "t.json")[0] == 0
    document = json.loads((here / "t.json").read_text())
    left, top, right, bottom = head_box(document["tracks"][0]["boxes"][0][1:], (256, 256))
    common = ("--tracks", "t.json", "--anonymize", "box", "--quality", "high")
    code, _, err = run("--video", "long.mp4", *common, "--output", "d.mp4")
    assert code == 0, err
    with open_source("d.mp4") as source:
        heads = np.stack([f.image_rgb[top + 4 : bottom - 4, left + 4 : right - 4] for f in source])
    assert len(heads) == 40 and (heads.std(axis=(1, 2, 3)) < 6).all()


def test_tracks_of_another_clip_are_noticed(run, here):
    assert run("--video", "clips/a.mp4", "--save-tracks", "t.json")[0] == 0
    common = ("--tracks", "t.json", "--anonymize", "box", "--output", "d.mp4")
    code, _, err = run("--video", "clips/more/a.mkv", *common)
    assert code == 2 and "the tracks are of a clip of 256x256, this one is 96x64" in err
    shutil.copy("clips/a.mp4", "copy.mp4")
    code, _, err = run("--video", "copy.mp4", *common)
    assert code == 0 and "the tracks are of clips/a.mp4, not of copy.mp4" in err


def test_nothing_that_was_analysed_is_lost_of_a_clip_that_is_cut(run, here):
    BY_NAME["h264_mkv_truncated"].make(here / "cut.mkv")
    code, _, err = run("--video", "cut.mkv", "--anonymize", "box", "--json", "r.jsonl", "--output", "d.mkv")
    assert code == 1 and "12 frames could be read" in err
    assert len(rows(here / "r.jsonl")) == 12
    with open_source("d.mkv") as source:
        assert len(list(source)) == 12


@pytest.mark.skipif(os.name == "nt" or sys.getfilesystemencoding() != "utf-8", reason="needs names of bytes")
def test_a_name_of_any_bytes_may_have_tracks(run, here):
    name = os.fsdecode(b"latin\xe9.mp4")
    shutil.copy("clips/a.mp4", name)
    code, _, err = run("--video", name, "--save-tracks", "t.json")
    assert code == 0, err
    assert json.loads((here / "t.json").read_text())["source"] == "latin?.mp4"


def test_pictures_and_clips_of_one_folder_share_their_rows(here, run):
    code, out, err = run("clips", "--json", "rows.jsonl", "--csv", "rows.csv", "--output", "drawn")
    assert code == 0 and "clips/IMG_0001.jpg" in out
    assert "clips: 1 file is no picture and is left out" in err
    assert err.splitlines()[-1] == f"wrote {', '.join(map(str, DRAWN))}, rows.jsonl, rows.csv"
    sources = [row["source"] for row in rows(here / "rows.jsonl")]
    assert sources[0] == "clips/IMG_0001.jpg" and len(set(sources)) == 3
    assert sources[1:9] == ["clips/a.mp4"] * 8
    lines = (here / "rows.csv").read_text().splitlines()
    faces = sum(len(row["faces"]) for row in rows(here / "rows.jsonl"))
    assert sum(line.startswith("source,") for line in lines) == 1 and len(lines) == 1 + faces > 5
    assert sorted(str(path.relative_to(here)) for path in (here / "drawn").rglob("*.*")) == [
        "drawn/IMG_0001.jpg", *map(str, DRAWN),
    ]  # fmt: skip


DRAWN = Path("drawn/a.mp4"), Path("drawn/more/a.mkv")


def test_a_bad_picture_keeps_no_clip_from_its_rows(here, run):
    (here / "bad.jpg").write_bytes(b"bad")
    code, _, err = run("bad.jpg", "clips/a.mp4", "--json", "rows.jsonl")
    assert code == 1 and err.splitlines()[-1].startswith("Error: bad.jpg cannot be read")
    assert len(rows(here / "rows.jsonl")) == 9


def test_what_was_wrong_with_the_pictures_is_said_where_clips_fail_too(here, run):
    for name in ("bad.jpg", "bad.mp4"):
        (here / name).write_bytes(b"bad")
    code, _, err = run("bad.jpg", "bad.mp4", "--json", "rows.jsonl")
    written, first, last = err.splitlines()
    assert code == 1 and first.startswith("bad.jpg cannot be read") and last.startswith("Error: bad.mp4")
    assert written == "wrote rows.jsonl"
    assert [row["source"] for row in rows(here / "rows.jsonl")] == ["bad.jpg"]


@pytest.mark.parametrize("option", ["--csv", "--json", "--summary"])
def test_no_result_of_clips_replaces_a_picture_that_is_read(here, run, option):
    picture = here / "clips/IMG_0001.jpg"
    before = picture.read_bytes()
    arguments = ("clips/IMG_0001.jpg", "clips/a.mp4", option, "clips/IMG_0001.jpg", "--overwrite")
    code, out, err = run(*arguments)
    assert (code, out) == (2, "") and "is the picture itself" in err and picture.read_bytes() == before


def test_thumbnails_are_not_put_among_pictures_that_are_read(here, run):
    code, out, err = run("clips", "--save-tracks", "clips.json", "--overwrite", "--end", "1")
    assert (code, out) == (2, "") and err.count("\n") == 1
    code, out, err = run("clips/IMG_0001.jpg", "clips/a.mp4", "--save-tracks", "clips.json", "--overwrite")
    assert (code, out) == (2, "") and "which contains input files" in err


def test_pictures_that_are_refused_cost_no_rows_of_another_run(here, run):
    (here / "bad.zip").write_bytes(b"PK")
    (here / "old.csv").write_text("old\n")
    code, out, err = run("bad.zip", "clips/a.mp4", "--csv", "old.csv", "--overwrite")
    assert (code, out) == (2, "") and err.startswith("Error: bad.zip cannot be read")
    assert (here / "old.csv").read_text() == "old\n"


def test_clips_begin_the_rows_that_no_picture_has_begun(here, run, monkeypatch):
    def fail(*_):
        raise OutputError("no pictures today")

    monkeypatch.setattr("facecli.cli.run_pictures._build_batch", fail)
    (here / "old.csv").write_text("old\n")
    code, _, err = run("clips", "--csv", "old.csv", "--overwrite")
    assert code == 1 and err.splitlines()[-1] == "Error: no pictures today"
    lines = (here / "old.csv").read_text().splitlines()
    assert lines[0].startswith("source,") and lines[1].startswith("clips/a.mp4,")


def test_a_summary_on_standard_output_stands_alone(here, run):
    code, out, err = run("clips/IMG_0001.jpg", "clips/a.mp4", "--summary", "-")
    assert code == 0 and json.loads(out)["source"] == "clips/a.mp4", err


def test_a_folder_for_both_may_have_a_dot_in_its_name(here, run):
    code, _, err = run("clips/IMG_0001.jpg", "clips/a.mp4", "--output", "drawn.v1/")
    assert code == 0, err
    assert sorted(path.name for path in (here / "drawn.v1").iterdir()) == ["IMG_0001.jpg", "a.mp4"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("977", "camera 977"),
        ("numbers/%04d.png", "numbers/%04d.png"),
        ("http://[bad", "its host or port is wrong"),
    ],
)
def test_a_single_source_without_an_option_need_not_be_a_path(here, run, given, told):
    code, _, err = run(given)
    assert code in (1, 2) and told in err and "no such picture" not in err


def test_numbered_pictures_are_taken_without_an_option(here, run):
    (here / "numbers").mkdir()
    for number in range(2):
        (here / f"numbers/{number}.jpg").write_bytes((here / "clips/IMG_0001.jpg").read_bytes())
    assert run("numbers/%d.jpg", "--json", "rows.jsonl")[0] == 0
    assert [row["frame"] for row in rows(here / "rows.jsonl")] == [0, 1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--output", "drawn.mp4"], "name a folder"),
        (["--resume", "--json", "rows.jsonl"], "--resume works only for pictures"),
        (["--parquet", "rows.parquet"], "--parquet works only for pictures"),
        (["--csv", "rows.csv", "--age-groups", "life"], "--age-groups works only for pictures"),
        (["--json", "-", "--csv", "-"], "cannot both be standard output"),
        (["--json", "kept.jsonl"], "give --overwrite"),
        (["--start", "1:00", "--end", "0:30"], "--end is before --start"),
    ],
)
def test_what_fits_one_kind_alone_is_refused_before_anything_is_done(here, run, options, told):
    (here / "kept.jsonl").write_text("{}\n")
    code, out, err = run("clips", *options)
    assert (code, out) == (2, "") and told in err and err.count("\n") == 1
    assert not (here / "drawn").exists() and (here / "kept.jsonl").read_text() == "{}\n"


def test_what_is_not_there_is_one_line(run, here):
    code, out, err = run("nothing.jpg")
    assert (code, out, err) == (
        2,
        "",
        "Error: no such picture, clip or folder: nothing.jpg; check the path\n",
    )
    for source in ("x" * 5000, "--video=" + "x" * 5000):
        code, out, err = run(source)
        assert (code, out) == (2, "") and err.startswith("Error: no such")
    code, out, err = run("-nothing.jpg")
    assert code == 2 and err.splitlines()[-1].startswith("Error: No such option")
    (here / "-face.jpg").write_bytes((here / "clips/IMG_0001.jpg").read_bytes())
    assert run("--", "-face.jpg")[0] == 0
