"""A camera without a camera."""

import threading

import av
import cv2
import numpy as np
import pytest


class FakeCapture:
    """The part of `cv2.VideoCapture` that sources use; `frames` are (H, W, 3) BGR."""

    def __init__(self, frames, fps=10.0, promised=None, opened=True, error_at=None):
        self.frames, self.fps, self.promised = list(frames), fps, promised
        self.opened, self.error_at = opened, error_at
        self.position, self.released, self.asked = 0, False, []

    def isOpened(self):  # noqa: N802
        return self.opened

    def read(self):
        if self.error_at == self.position:
            raise KeyboardInterrupt
        if self.position >= len(self.frames):
            return False, None
        self.position += 1
        frame = self.frames[self.position - 1]
        return frame is not None, frame

    def set(self, prop, value):
        self.asked.append((prop, value))

    def get(self, prop):
        known = {
            cv2.CAP_PROP_FPS: self.fps,
            cv2.CAP_PROP_FRAME_WIDTH: 640,
            cv2.CAP_PROP_FRAME_HEIGHT: 480,
            cv2.CAP_PROP_FRAME_COUNT: len(self.frames) if self.promised is None else self.promised,
            cv2.CAP_PROP_POS_MSEC: 1000 * (self.position - 1) / self.fps if self.fps else 0,
        }
        return known.get(prop, 0.0)

    def release(self):
        self.released = True


def bgr_frames(count, shape=(48, 64)):
    """Frames whose blue channel counts up."""
    frames = np.zeros((count, *shape, 3), np.uint8)
    frames[..., 0] = np.arange(count).reshape(-1, 1, 1)
    return list(frames)


@pytest.fixture
def fake_capture():
    return FakeCapture


@pytest.fixture
def frames():
    return bgr_frames


@pytest.fixture
def no_thread_left():
    """Fails when a thread of the test still runs at its end."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture(scope="session")
def face_clip(tmp_path_factory, astronaut):
    """Path of a clip: twelve frames of 384 x 384, ten a second, of a face that moves."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=10)
        track.width, track.height, track.pix_fmt = 384, 384, "yuv420p"
        for shift in range(12):
            shown = np.ascontiguousarray(np.roll(astronaut, 3 * shift, axis=1)[:384, 64:448])
            container.mux(track.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        container.mux(track.encode())
    return path
