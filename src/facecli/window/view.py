"""The live picture on a screen: what is shown and what keys do; moments of it kept as video, PNG and JSON."""

import contextlib
import functools
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import cv2

from facecli.core.arrays import Array
from facecli.core.errors import OutputError
from facecli.core.faces import Face
from facecli.core.files import release_names, reserve_names
from facecli.core.images import save_image
from facecli.core.paths import replacing
from facecli.draw.annotate import LabelHabits, annotate
from facecli.draw.anonymize import LingeringMask, anonymize
from facecli.pipeline.playback import RecordingClock, mirrored
from facecli.pipeline.stream import StreamStats
from facecli.sinks.base import Quit
from facecli.sinks.video import OpenVideo
from facecli.window.screen import Action, Controls, Screen, Shown, action_of, draw_hud, hud_areas

_LARGEST_WH = 1920, 1080
"""Larger frames are shrunk: encoding them would hold up the live picture."""
SUFFIX = ".mkv"
"""Small, and playable after a crash (see `video_file`)."""


def save_snapshot(
    folder: Path,
    drawn_rgb: Array,
    faces: Sequence[Face],
    source: str,
    controls: Controls,
    moment: datetime | None = None,
) -> Path:
    """Writes two files of one new name and returns the path of the PNG.

    Args:
        folder: where to.
        drawn_rgb: (H, W, 3) uint8, with boxes.
        faces: in the coordinates of `drawn_rgb`; what reaches out of it is cut off.
        source: as rows call it.
        controls: how the picture was shown.
        moment: when; now when left out.

    Raises:
        OutputError: the folder cannot be written or the disk is full; then neither file is left.
    """
    moment = moment or datetime.now()
    picture, record = paths = reserve_names(folder, (".png", ".json"), moment)
    height, width = drawn_rgb.shape[:2]
    row = {
        "source": source,
        "picture": picture.name,
        "taken": moment.astimezone().isoformat(timespec="seconds"),
        "width": width,
        "height": height,
        "mirrored": controls.mirror,
        "anonymized": controls.anonymize or controls.protected,
        "faces": [inner.to_json() for face in faces if (inner := _inside(face, width, height))],
    }
    try:
        save_image(picture, drawn_rgb)
        with replacing(record) as temporary:
            temporary.write_text(json.dumps(row, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OutputError:
        picture.unlink(missing_ok=True)
        raise
    finally:
        release_names(paths)
    return picture


def _inside(face: Face, width: int, height: int) -> Face | None:
    """The face with the part of its box that lies in the picture; None without one."""
    left, top, right, bottom = face.box_xyxy
    box = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    return replace(face, box_xyxy=box) if box[0] < box[2] and box[1] < box[3] else None


class Recorder:
    """A video file of a new name. Frames may come at any rate; pauses are left out."""

    def __init__(self, folder: Path, fps: float, now: Callable[[], float]) -> None:
        """Raises OutputError when the folder cannot be written."""
        self._reserved = reserve_names(folder, (SUFFIX,))
        self.path: Path = self._reserved[0]
        self._clock = RecordingClock(fps)
        self._now = now
        self._video = OpenVideo(self.path, fps)
        self._last_s = 0.0

    @property
    def seconds(self) -> float:
        """Length of the video so far."""
        return self._last_s

    def write(self, drawn_rgb: Array) -> None:
        """Appends what is seen now, (H, W, 3) uint8 RGB. Raises OutputError."""
        self._last_s = self._clock.time_s(self._now())
        self._video.append(_shrunk(drawn_rgb), self._last_s)

    def pause(self) -> None:
        """What is seen until the next frame is not recorded."""
        self._clock.restart()

    def close(self) -> None:
        """Completes the file. Raises OutputError when it cannot be, as on a full disk."""
        try:
            self._video.close()
        finally:
            release_names(self._reserved)


def _shrunk(image: Array) -> Array:
    height, width = image.shape[:2]
    scale = min(1.0, _LARGEST_WH[0] / width, _LARGEST_WH[1] / height)
    if scale == 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


log: logging.Logger = logging.getLogger(__name__)

Drawn = tuple[Array, list[Face]]
"""A frame as it is seen, and its faces there."""

_NOTICE_S = 3.0
_REDRAWN = (Action.MIRROR, Action.DETAILS, Action.ANONYMIZE, Action.HELP)
"""After these the same frame looks otherwise."""


class ToggledMask:
    """Hides faces as long as the controls say so, those that were lost from sight just now, too.

    Somebody who has just come is seen until the analysis knows of them: only what
    `pipeline.stream.run_live` protects has been looked at before it is shown.
    """

    def __init__(self) -> None:
        self._mask = LingeringMask(None)
        self._method: str | None = None

    def cover(self, image_rgb: Array, faces: Sequence[Face], time_s: float, controls: Controls) -> Array:
        """The picture (H, W, 3) uint8 RGB, itself when there is nothing to hide."""
        # What the engine has done already need not be done again.
        method = None if controls.anonymize == controls.protected else controls.anonymize
        if method != self._method:
            hide = functools.partial(anonymize, method=method) if method else None
            self._mask, self._method = LingeringMask(hide), method
        return self._mask.cover(image_rgb, faces, time_s)


class LiveView:
    """A window that shows frames with their faces and obeys keys (see `screen`).

    A context manager, for one thread. Nothing is stored unless a key asks for it.

    Attributes:
        paused: the user wants the picture to stand still; whoever calls `show` goes on doing so.
    """

    def __init__(
        self,
        screen: Screen,
        *,
        source: str = "",
        fps: float = 25.0,
        controls: Controls | None = None,
        folder: Path | None = None,
        label_size: float = 1.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Opens nothing yet.

        Args:
            screen: the window.
            source: what snapshots call the source.
            fps: frames a second of recorded videos.
            controls: what is switched on at first, such as the mirror for a camera, and
                `protected` when `show` gets frames that `draw.anonymize` has been at.
            folder: for snapshots and videos; the current one when left out.
            label_size: of the labels, see `draw.annotate`.
            now: tests bring their own.
        """
        self._screen = screen
        self._source, self._fps, self._folder = source, fps, folder
        self._controls = controls or Controls()
        self._label_size, self._now = label_size, now
        self._recorder: Recorder | None = None
        self._notice, self._notice_until_s = "", 0.0
        self._toggled_mask, self._habits = ToggledMask(), LabelHabits()
        self._image: Array | None = None
        self._seen_s = 0.0
        self._drawn: Drawn | None = None
        self._shown: Shown | None = None

    def __enter__(self) -> "LiveView":
        self._screen.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Ends the recording and closes the window. Raises OutputError when the video is incomplete."""
        try:
            if self._recorder is not None:
                self._end_recording(self._recorder)
        finally:
            self._screen.__exit__(*error)

    @property
    def paused(self) -> bool:
        return self._controls.paused

    def show(self, image_rgb: Array, faces: Sequence[Face], stats: StreamStats) -> None:
        """Draws a frame, shows it and does what the next key asks for.

        Args:
            image_rgb: (H, W, 3) uint8 RGB; it is not changed. The same array again is the same frame.
            faces: of this frame.
            stats: for the corner.

        Raises:
            Quit: q, Esc or the window's close button.
            OutputError: there is no window to show it in.
        """
        if image_rgb is not self._image:
            self._image, self._seen_s, self._drawn = image_rgb, self._now(), None
        drawn = self._drawn
        if drawn is None:
            drawn = self._draw(image_rgb, faces)
            self._drawn, self._shown = drawn, None
        self._record(drawn[0])
        self._refresh(drawn[0], stats)
        action = action_of(self._screen.key())
        if action is Action.QUIT or self._screen.closed():
            raise Quit
        if action is not None:
            self._obey(action, drawn)

    def _draw(self, image_rgb: Array, faces: Sequence[Face]) -> Drawn:
        image_rgb = self._toggled_mask.cover(image_rgb, faces, self._seen_s, self._controls)
        if self._controls.mirror:
            image_rgb, faces = mirrored(image_rgb, faces)
        areas = hud_areas(image_rgb.shape[:2], self._controls, self._recorder is not None)
        details = self._controls.details
        drawn = annotate(image_rgb, faces, details, areas, self._habits, self._label_size)
        return drawn, list(faces)

    def _refresh(self, drawn_rgb: Array, stats: StreamStats) -> None:
        """Shows the frame, unless just that is shown already."""
        if self._now() >= self._notice_until_s:
            self._notice = ""
        recorded_s = None if self._recorder is None else float(int(self._recorder.seconds))
        shown = Shown(self._controls, recorded_s, self._notice)
        if shown != self._shown:
            picture = drawn_rgb.copy()
            draw_hud(picture, stats, shown)
            self._screen.show(picture)
            self._shown = shown

    def _obey(self, action: Action, drawn: Drawn) -> None:
        self._controls = self._controls.after(action)
        if action in _REDRAWN:
            self._drawn = None
        if action is Action.PAUSE and self._recorder is not None:
            self._recorder.pause()
        if action in (Action.SNAPSHOT, Action.RECORD):
            try:
                self._snapshot(*drawn) if action is Action.SNAPSHOT else self._toggle_recording()
            except OutputError as error:
                self._fail(error)

    def _snapshot(self, drawn_rgb: Array, faces: list[Face]) -> None:
        folder = self._folder or Path.cwd()
        path = save_snapshot(folder, drawn_rgb, faces, self._source, self._controls)
        self._say(f"saved {path.name}")

    def _toggle_recording(self) -> None:
        if self._recorder is None:
            self._recorder = Recorder(self._folder or Path.cwd(), self._fps, self._now)
        else:
            self._say(f"saved {self._end_recording(self._recorder).name}")

    def _end_recording(self, recorder: Recorder) -> Path:
        self._recorder = None
        recorder.close()
        return recorder.path

    def _record(self, drawn_rgb: Array) -> None:
        recorder = self._recorder
        if recorder is None or self._controls.paused:
            return
        try:
            recorder.write(drawn_rgb)
        except OutputError as error:
            self._fail(error)
            with contextlib.suppress(OutputError):
                self._end_recording(recorder)

    def _say(self, notice: str) -> None:
        self._notice, self._notice_until_s = notice, self._now() + _NOTICE_S

    def _fail(self, error: OutputError) -> None:
        """The picture goes on; the window and the log say what went wrong."""
        log.warning("%s", error)
        self._say(str(error))
