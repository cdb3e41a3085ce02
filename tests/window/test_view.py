"""The live window: what is shown and kept, and what each key does. The screen is a fake."""

import json

import cv2
import numpy as np
import pytest

from facecli.core.errors import OutputError
from facecli.core.faces import Face
from facecli.core.images import load_image
from facecli.draw.annotate import annotate
from facecli.pipeline.stream import StreamStats
from facecli.sinks.base import Quit
from facecli.window import view as view_module
from facecli.window.screen import Controls
from facecli.window.view import LiveView

STATS = StreamStats(30.0, 40.0, 10.0, False)
PLAIN = Controls(help=False)


class FakeScreen:
    """Keeps what was shown; `keys` are pressed one a frame."""

    def __init__(self):
        self.shown, self.keys, self.is_closed, self.exited = [], [], False, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.exited += 1

    def show(self, picture_rgb):
        self.shown.append(picture_rgb)

    def key(self, wait_ms=1):
        return self.keys.pop(0) if self.keys else -1

    def closed(self):
        return self.is_closed


class Clock:
    seconds = 0.0

    def __call__(self):
        return self.seconds


class Bench:
    """A view on a fake screen, and frames to show it."""

    def __init__(self, folder, controls=PLAIN):
        self.screen, self.clock, self.folder = FakeScreen(), Clock(), folder
        self.view = LiveView(
            self.screen,
            source="camera 0",
            fps=10,
            controls=controls,
            folder=folder,
            now=self.clock,
        )
        self.face = Face((20, 60, 80, 120), 0.9, 32.0, (20, 40), {"male": 0.9, "female": 0.1}, track=1)
        self.noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)

    def frame(self, keys="", faces=None):
        """Shows a new frame while the keys are pressed, then another; returns what was seen last."""
        self.screen.keys += [ord(key) for key in keys]
        for _ in range(len(keys) + 1):
            self.clock.seconds += 0.1
            self.view.show(self.noise.copy(), [self.face] if faces is None else faces, STATS)
        return self.screen.shown[-1]

    def files(self, suffix):
        return sorted(self.folder.glob(f"*{suffix}"))


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_without_faces_the_picture_is_shown_and_nothing_stored(bench, tmp_path):
    with bench.view:
        seen = bench.frame(faces=[])
    assert (seen[60:] == bench.noise[60:]).all()
    assert list(tmp_path.iterdir()) == [] and bench.screen.exited == 1


def test_faces_are_drawn_on_a_copy(bench):
    before = bench.noise.copy()
    seen = bench.frame()
    assert (bench.noise == before).all()
    assert (seen[60:200] == annotate(before, [bench.face])[60:200]).all()


@pytest.mark.parametrize("key", ["q", "Q", "\x1b"])
def test_quit_keys(bench, key):
    with pytest.raises(Quit), bench.view:
        bench.frame(key)
    assert bench.screen.exited == 1


def test_close_button_quits(bench):
    bench.screen.is_closed = True
    with pytest.raises(Quit):
        bench.frame()


@pytest.mark.parametrize("key", ["p", " "])
def test_pause_is_told_to_the_caller_and_taken_back(bench, key):
    assert not bench.view.paused
    bench.frame(key)
    assert bench.view.paused
    bench.frame(key)
    assert not bench.view.paused


def test_a_frame_that_is_shown_already_is_not_drawn_again(bench):
    for _ in range(5):
        bench.view.show(bench.noise, [bench.face], STATS)
    assert len(bench.screen.shown) == 1
    bench.screen.keys = [ord("d")]
    for _ in range(3):
        bench.view.show(bench.noise, [bench.face], STATS)
    assert len(bench.screen.shown) == 2


def test_mirror_turns_picture_and_boxes_but_no_texts(bench):
    plain = bench.frame()
    turned = bench.frame("m")
    moved = Face((240, 60, 300, 120), 0.9, 32.0, (20, 40), {"male": 0.9, "female": 0.1}, track=1)
    expected = annotate(bench.noise[:, ::-1], [moved])
    assert (turned[60:200] == expected[60:200]).all()
    assert (bench.frame("m")[60:] == plain[60:]).all()


def test_details_and_help_change_what_is_seen(bench):
    plain = bench.frame()
    assert (bench.frame("d") != plain).any()
    assert (bench.frame("d") == plain).all()
    assert (bench.frame("h")[-5:] != plain[-5:]).any()


@pytest.mark.parametrize("presses", [1, 2, 3])
def test_anonymise_hides_the_head_and_ends_after_the_last_method(bench, presses):
    plain = bench.frame()
    hidden = bench.frame("a" * presses)
    inside = np.s_[70:110, 30:70]
    assert (hidden[inside] != bench.noise[inside]).any(axis=2).mean() > 0.9
    assert (bench.frame("a" * (4 - presses)) == plain).all()


def test_a_face_that_was_just_lost_stays_hidden_for_a_moment(bench):
    bench.frame("aaa")
    inside = np.s_[70:110, 30:70]
    assert (bench.frame(faces=[])[inside] == 64).all()
    bench.clock.seconds += 1
    assert (bench.frame(faces=[])[inside] == bench.noise[inside]).all()


def test_snapshot_is_what_was_seen_without_corner_and_help(bench):
    bench.frame("m")
    bench.frame("s")
    (picture,), (record,) = bench.files(".png"), bench.files(".json")
    assert picture.stem == record.stem
    row = json.loads(record.read_text())
    assert row["source"] == "camera 0" and row["mirrored"]
    assert row["faces"][0]["box_xyxy"] == [240, 60, 300, 120]
    assert (load_image(picture)[:30, :100] == bench.noise[:, ::-1][:30, :100]).all()


def test_a_snapshot_never_overwrites_and_a_notice_tells_its_name(bench):
    bench.frame("ss")
    assert len(bench.files(".png")) == len(bench.files(".json")) == 2
    noticed = bench.frame()
    bench.clock.seconds += 10
    assert (bench.frame() != noticed).any()


def test_snapshots_of_hidden_faces_are_hidden(bench):
    bench.frame("aaa")
    bench.frame("s")
    assert (load_image(bench.files(".png")[0])[70:110, 30:70] == 64).all()


def test_recording_is_begun_and_ended_by_the_key_and_pauses_are_left_out(bench):
    with bench.view:
        bench.frame("r")
        for _ in range(9):
            bench.frame()
        bench.frame("p")
        bench.clock.seconds += 60
        bench.frame()
        bench.frame("p")
        bench.frame("r")
    (path,) = bench.files(".mkv")
    capture = cv2.VideoCapture(str(path))
    count = sum(1 for _ in iter(lambda: capture.read()[0], False))
    assert 10 <= count <= 16


def test_a_recording_is_completed_however_the_view_ends(bench):
    with pytest.raises(KeyboardInterrupt), bench.view:
        bench.frame("r")
        raise KeyboardInterrupt
    (path,) = bench.files(".mkv")
    assert cv2.VideoCapture(str(path)).read()[0]


@pytest.mark.parametrize("key", ["s", "r"])
def test_a_full_disk_is_told_and_the_picture_goes_on(bench, monkeypatch, caplog, key):
    def full(*_):
        raise OutputError("cannot write: No space left on device")

    monkeypatch.setattr(view_module, "save_snapshot", full)
    monkeypatch.setattr(view_module, "Recorder", full)
    plain = bench.frame()
    assert (bench.frame(key) != plain).any()
    assert "No space left" in caplog.text


def test_a_recording_that_fails_is_given_up_and_told(bench, monkeypatch, caplog):
    bench.frame("r")

    def full(*_):
        raise OutputError("cannot write: No space left on device")

    monkeypatch.setattr(view_module.Recorder, "write", full)
    bench.frame()
    bench.frame()
    assert caplog.text.count("No space left") == 1


def test_frames_that_change_size_are_shown(bench):
    for shape in ((240, 320), (100, 30), (1, 500)):
        bench.view.show(np.zeros((*shape, 3), np.uint8), [], STATS)
    assert [picture.shape[:2] for picture in bench.screen.shown] == [(240, 320), (100, 30), (1, 500)]
