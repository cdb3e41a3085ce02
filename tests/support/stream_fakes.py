"""Looks like sources, sinks, windows and clocks; tests import it by name."""

import numpy as np

from facecli.core.faces import Face
from facecli.pipeline.playback import Clock
from facecli.sources.frames import Frame

FACE = Face((1, 1, 9, 9), 0.5, 30.0, (20, 40))


class FakeSource:
    """Looks like a CaptureSource; `after` is called with a frame's index when it was taken."""

    name = given = "fake"
    fps, stall_s, promised = 10.0, 60.0, 0

    def __init__(self, count=6, live=False, after=lambda index: None, shapes=((8, 8),), error=None):
        self.count, self.live, self.after, self.error = count, live, after, error
        self.shapes = shapes
        self.times_s = None

    def __iter__(self):
        for index in range(self.count):
            image_rgb = np.full((*self.shapes[index % len(self.shapes)], 3), index % 256, np.uint8)
            yield Frame(index, self.times_s[index] if self.times_s else index / self.fps, image_rgb)
            self.after(index)
        if self.error is not None:
            raise self.error


class Recorder:
    """A sink that remembers; it raises at a frame."""

    def __init__(self, wants_image=False, error=None, at=0):
        self.wants_image, self.error, self.at = wants_image, error, at
        self.rows, self.drawn = [], []

    def write(self, record):
        self.rows.append(record.result)
        self.drawn.append(record.image_rgb)
        if self.error is not None and record.result.frame == self.at:
            raise self.error

    @property
    def numbers(self):
        return [row.frame for row in self.rows]


class FakeView:
    """A window that remembers what it showed; `then` is called after each show with the view."""

    def __init__(self, then=lambda view: None):
        self.paused, self.then = False, then
        self.numbers, self.pictures, self.faces, self.stats = [], [], [], []

    def show(self, image_rgb, faces, stats):
        self.numbers.append(int(image_rgb[0, 0, 0]))
        self.pictures.append(image_rgb)
        self.faces.append(tuple(faces))
        self.stats.append(stats)
        self.then(self)


class FakeFollower:
    """Gives back what it was told last."""

    def __init__(self):
        self.faces, self.updates = [], []

    def update(self, faces, time_s):
        self.faces = list(faces)
        self.updates.append(time_s)

    def at(self, time_s):
        return self.faces


class FakeTime:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now_s = 100.0
        self.clock = Clock(lambda: self.now_s, self.sleep)

    def sleep(self, seconds):
        self.now_s += seconds


def one_face(image_rgb, time_s):
    """An analysis that finds the same face in every frame."""
    return [FACE]
