"""What a text names, and what can be asked of it."""

import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from facecli.core.errors import InputError
from facecli.sources.video_specs import (
    CaptureOptions,
    camera_of,
    cannot_open,
    check_capture_options,
    check_spec,
    is_address,
    is_camera,
    is_clip,
    is_pipe,
    is_sequence,
    sort_sources,
    source_name,
)

KINDS = {
    "0": is_camera,
    "12": is_camera,
    "camera:3": is_camera,
    "/dev/video0": is_camera,
    "/dev/v4l/by-id/usb-cam": is_camera,
    "rtsp://host/x": is_address,
    "http://host/%04d.mp4": is_address,
    "frames/%04d.png": is_sequence,
    "frames/a%d.jpg": is_sequence,
    "clip.mp4": is_clip,
    "100%.mp4": is_clip,
    "2024-01-01T12:30:00.mp4": is_clip,
    "camera:three": is_clip,
    "-": is_pipe,
    "٣": is_clip,
}


@pytest.mark.parametrize("spec", KINDS)
def test_every_text_is_one_kind(spec):
    kinds = (is_camera, is_address, is_sequence, is_clip, is_pipe)
    assert [kind for kind in kinds if kind(spec)] == [KINDS[spec]]


def test_device_is_opened_by_its_number_where_it_has_one(tmp_path):
    assert (camera_of("3"), camera_of("/dev/video7"), camera_of("/dev/nothing")) == (3, 7, "/dev/nothing")


def test_what_is_there_decides_and_not_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("2024", "rtsp:", "12"):
        assert not is_clip(name) or name == "rtsp:"
    Path("2024").write_bytes(b"")
    Path("12").mkdir()
    assert is_clip("2024") and is_sequence("12") and is_camera("13") and is_camera("camera:12")
    os.mkfifo("pipe")
    assert is_pipe("pipe") and not is_clip("pipe")
    shm = Path("/dev/shm")
    if shm.is_dir():
        with tempfile.NamedTemporaryFile(dir=shm, suffix=".mp4") as file:
            assert is_clip(file.name)


def test_what_is_not_there_is_refused(tmp_path):
    check_spec("0")
    check_spec("rtsp://host/x")
    wrong = {
        "nowhere.mp4": "no such clip: nowhere.mp4",
        str(tmp_path): "is a folder without numbered pictures",
        str(tmp_path / "%04d.png"): "no picture matches",
        str(tmp_path / "none" / "%04d.png"): "no picture matches",
        "/dev/video4711": "no such camera: /dev/video4711",
    }
    for spec, words in wrong.items():
        with pytest.raises(InputError, match=words):
            check_spec(spec)


@pytest.mark.parametrize(
    ("spec", "capture_options", "reconnect"),
    [
        ("clip.mp4", CaptureOptions(width=640), False),
        ("rtsp://host/x", CaptureOptions(height=480), False),
        ("clip.mp4", CaptureOptions(fps=30), False),
        ("clip.mp4", CaptureOptions(), True),
        ("frames/%d.png", CaptureOptions(), True),
    ],
)
def test_what_a_source_cannot_do_is_refused(spec, capture_options, reconnect):
    with pytest.raises(InputError):
        check_capture_options(spec, capture_options, reconnect)


def test_what_a_source_can_do_is_not_refused():
    check_capture_options("0", CaptureOptions(640, 480, 30), True)
    check_capture_options("frames/%d.png", CaptureOptions(fps=5), False)
    check_capture_options("rtsp://host/x", CaptureOptions(), True)
    check_capture_options("clip.mp4", CaptureOptions(), False)


def test_passwords_are_not_named():
    assert source_name("rtsp://user:secret@host:554/x") == "rtsp://host:554/x"
    assert source_name("rtsp://user:p@ss/word@host/x?token=abc") == "rtsp://***@host/x?token=***"
    assert source_name("a@b.mp4") == "a@b.mp4"
    assert (source_name("0"), source_name("/dev/video1")) == ("camera 0", "/dev/video1")


def test_what_is_not_there_is_named_without_its_password():
    with pytest.raises(InputError, match="no such clip") as caught:
        check_spec("rtsp:/user:secret@host/x")
    assert "secret" not in str(caught.value)


def test_what_cannot_be_opened_is_named_without_its_password():
    assert "secret" not in cannot_open("rtsp://user:secret@host/x") + cannot_open("rtsp:/user:secret@host/x")


@pytest.fixture
def mixed(tmp_path, monkeypatch):
    """Pictures and clips in folders; names may lie."""
    monkeypatch.chdir(tmp_path)
    png = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    mkv = b"\x1aE\xdf\xa3" + bytes(600)
    for name, data in {
        "pictures/a.png": png, "pictures/b": png, "clips/c.mp4": bytes(600), "both/d.png": png,
        "both/deep/e.mkv": mkv, "both/notes.txt": b"x", "f": mkv, "g.mp4": png, "h.zip": b"PK",
        "nothing/x.txt": b"x", "clips/.hidden.jpg": png, "-": mkv, "0": png, "camera:0": mkv,
        "dead/a.png": png, "notes.txt": b"x",
    }.items():  # fmt: skip
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)
    Path("dead/broken.mp4").symlink_to("nowhere.mp4")


PICTURES = "0", "both", "dead", "g.mp4", "h.zip", "nothing", "pictures"
VIDEOS = "-", "both", "camera:0", "clips", "f"
CAMERAS = ["7", "camera:1", "/dev/video7", "frames/%04d.png"]
STREAMS = ["http://a.b/c.MP4?x=1", "rtsp://a.b/c", "https://a/l.m3u8"]


@pytest.mark.parametrize(
    ("given", "pictures", "videos"),
    [
        ([], [], []),
        (["pictures", "clips", "both"], ["pictures", "both"], ["clips", "both"]),
        (["f", "g.mp4", "h.zip", "nothing", "missing"], ["g.mp4", "h.zip", "nothing", "missing"], ["f"]),
        (["pictures/*", "*/*.png"], ["pictures/*", "*/*.png"], []),
        (["both/*"], ["both/d.png"], ["both/deep"]),
        (["both/**/*"], ["both/d.png"], ["both/deep/e.mkv"]),
        (["./*"], [f"./{name}" for name in PICTURES], [f"./{name}" for name in VIDEOS]),
        (["[-0-9c]*"], ["0"], ["./-", "./camera:0", "clips"]),
        (["dead"], ["dead"], []),
        (["x" * 5000, "f"], ["x" * 5000], ["f"]),
        (["file:///nowhere/a%20b.jpg", "http://[a"], ["/nowhere/a b.jpg", "http://[a"], []),
        (["@list.txt", "clips/*.mp4"], ["@list.txt"], ["clips/c.mp4"]),
        (CAMERAS, [], CAMERAS),
        (["http://a.b/c.jpg", "https://a.b/c"], ["http://a.b/c.jpg", "https://a.b/c"], []),
        (STREAMS, [], STREAMS),
    ],
)  # fmt: skip
def test_what_is_given_without_an_option_is_looked_at(mixed, given, pictures, videos):
    assert sort_sources(given) == (pictures, videos)


def test_an_empty_name_is_not_the_folder_that_one_is_in(mixed):
    with pytest.raises(InputError, match="an empty name"):
        sort_sources([""])


def test_standard_input_has_to_be_named():
    with pytest.raises(InputError, match="could be a picture or a video") as raised:
        sort_sources(["a.png", "-"])
    assert "--img -" in raised.value.hint


def test_names_of_files_may_lie(mixed):
    Path("i.jpg").write_bytes(Path("f").read_bytes())
    assert sort_sources(["i.jpg", "g.mp4"]) == (["g.mp4"], ["i.jpg"])
