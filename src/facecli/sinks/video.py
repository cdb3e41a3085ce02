"""Annotated frames as a video file that plays everywhere, with the source's times and sound."""

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import av
import av.error
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facecli.core.arrays import Array
from facecli.core.errors import InputError, OutputError
from facecli.core.files import AtomicFile
from facecli.core.process import interrupts_held, ordinary_scheduling
from facecli.sinks.base import Record

log: logging.Logger = logging.getLogger(__name__)
# The encoder of AV1 tells of itself on stderr otherwise.
os.environ.setdefault("SVT_LOG", "1")

QUALITIES = ("small", "medium", "high")
_H264, _HEVC, _VP9, _AV1, _MPEG4, _MJPEG = "h264", "hevc", "vp9", "av1", "mpeg4", "mjpeg"
CONTAINERS: dict[str, tuple[str, ...]] = {
    ".mp4": (_H264, _AV1, _HEVC, _MPEG4),
    ".m4v": (_H264, _MPEG4),
    ".mov": (_H264, _HEVC, _MPEG4, _MJPEG),
    ".mkv": (_H264, _VP9, _AV1, _HEVC, _MPEG4, _MJPEG),
    ".webm": (_VP9, _AV1),
    ".avi": (_MJPEG, _MPEG4),
}
"""Suffix -> codecs that such files hold, the one that most players know first."""
CODECS = (_H264, _HEVC, _VP9, _AV1, _MPEG4, _MJPEG)
_SPARE_BYTES = 8_000_000
"""Left free on the disk: for the index at a video's end, and for the other results."""
_TICKS = Fraction(1, 60_000)
"""Unit of time stamps: the usual rates are whole numbers of it, and MPEG-4 takes none finer than 1/65535."""
_LEAST_BPS = 30_000
_MOST_OF_SOURCE = 1.15
"""So many times the source's bits a second a drawn clip may have, unless high quality is asked for."""


class Encoder(NamedTuple):
    """One way to make a codec, as FFmpeg calls it.

    Attributes:
        qualities: options for each of QUALITIES.
        pixels: format of pixels that is encoded, with limited range unless its name has a "j".
        tagged: the colour matrix is named in the file; then it is that of HD television.
        bound: option that bounds the bits a second.
    """

    name: str
    qualities: tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]]
    options: Mapping[str, str]
    pixels: str = "yuv420p"
    tagged: bool = True
    bound: str = "maxrate"


def _scale(key: str, *values: int) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    small, medium, high = ({key: str(value)} for value in values)
    return small, medium, high


_QUIET = "log-level=0"
_FAST_START = {"movflags": "faststart"}
"""An index at the front lets a browser play while it loads."""
_FLUSHED = {"flush_packets": "1", "cluster_time_limit": "1000"}
"""What was written lies on the disk within a second, should the process be killed."""
_MUXING = {
    **dict.fromkeys((".mp4", ".m4v", ".mov"), _FAST_START),
    **dict.fromkeys((".mkv", ".webm"), _FLUSHED),
    ".avi": {"flush_packets": "1"},
}
ENCODERS: dict[str, tuple[Encoder, ...]] = {
    _H264: (
        Encoder("libx264", _scale("crf", 29, 24, 18), {"preset": "veryfast", "bf": "0"}),
        Encoder("libopenh264", _scale("b", 1_000_000, 3_000_000, 8_000_000), {}),
        Encoder("h264_videotoolbox", _scale("q:v", 40, 60, 80), {}),
    ),
    _HEVC: (
        Encoder("libx265", _scale("crf", 31, 26, 20), {"preset": "ultrafast", "x265-params": "log-level=0"}),
    ),
    _VP9: (
        Encoder(
            "libvpx-vp9",
            _scale("crf", 42, 34, 24),
            {"deadline": "realtime", "cpu-used": "7", "row-mt": "1", "b": "0"},
            bound="b",
        ),
    ),
    _AV1: (
        Encoder("libsvtav1", _scale("crf", 45, 36, 26), {"preset": "9", "svtav1-params": "lp=2"}),
        Encoder("libaom-av1", _scale("crf", 45, 36, 26), {"cpu-used": "9", "usage": "realtime"}),
    ),
    _MPEG4: (Encoder("mpeg4", _scale("qscale", 8, 4, 2), {}, tagged=False),),
    _MJPEG: (Encoder("mjpeg", _scale("qscale", 8, 4, 2), {}, "yuvj420p", tagged=False),),
}
"""Codec -> encoders, the best first; which of them a build of FFmpeg has is looked up. Without B-frames: with
them the index of an .mp4 of uneven times tells players another length."""


class Sound(Protocol):
    """The sound of a clip, see `sources.sound.ClipSound`."""

    def add_to(self, container: OutputContainer) -> None: ...
    def copy_until(self, time_s: float | None) -> None: ...
    def close(self) -> None: ...


class VideoOptions(NamedTuple):
    """How a video is written.

    Attributes:
        codec: key of ENCODERS; None takes the first of CONTAINERS that can be made.
        quality: one of QUALITIES.
        source_bps: bits a second of the clip that is drawn on, 0 when unknown: a bound of what is written.
        open_sound: seconds of the first frame -> the sound that goes with the frames; None writes none.
        notify: takes a line when what is written is not what was to be expected.
    """

    codec: str | None = None
    quality: str = "medium"
    source_bps: int = 0
    open_sound: Callable[[float], Sound | None] | None = None
    notify: Callable[[str], None] = log.warning


class VideoFileSink:
    """Writes the drawn frames at their own times.

    The file grows under a temporary name beside its place (".drawn-x7f2.mkv" for "drawn.mkv") and
    takes it at the end, also after an error, Ctrl-C or a polite kill; a run without a frame leaves
    the old file alone. When the process is killed outright or the power fails, the temporary file
    stays: in .avi, .mkv and .webm everything up to the last second can be played, .mp4, .m4v and .mov
    get their index at the end and cannot be played without it.
    """

    def __init__(self, path: Path, fps: float, options: VideoOptions | None = None) -> None:
        """Raises InputError when the suffix names no container that can be written."""
        check_suffix(path)
        self._path = Path(path)
        self._fps = fps
        self._options = options or VideoOptions()
        self._end = contextlib.ExitStack()

    def __enter__(self) -> "OpenVideo":
        """The sink that takes the frames. Raises OutputError when the folder cannot be written."""
        video = OpenVideo(self._path, self._fps, self._options)
        self._end.callback(video.close)
        return video

    def __exit__(self, *_: object) -> None:
        """Raises OutputError when the file cannot be completed, as on a full disk."""
        self._end.close()


class OpenVideo:
    """A video file in the making (see `VideoFileSink`), for whoever closes it."""

    wants_image = True

    def __init__(self, path: Path, fps: float, options: VideoOptions | None = None) -> None:
        """Raises OutputError when the folder cannot be written."""
        self._path, self._fps = path, fps
        self._options = options or VideoOptions()
        self._pending = AtomicFile(path)
        self._encoding: _Encoding | None = None

    def close(self) -> None:
        """Completes the file; an interruption waits for that. Raises OutputError, as on a full disk."""
        with interrupts_held():
            self._complete()

    def _complete(self) -> None:
        if self._encoding is None or not self._encoding.begun:
            self._pending.discard()
            return
        try:
            self._encoding.close()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self._pending.discard()
            raise OutputError(
                f"cannot write {self._path}: the video is incomplete and not kept ({_reason(error)})"
            ) from error
        self._pending.keep()

    def __enter__(self) -> "OpenVideo":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, record: Record) -> None:
        """Appends the frame of a record that has one."""
        if record.image_rgb is not None:
            self.append(record.image_rgb, record.result.time_s, record.duration_s)

    def append(self, drawn_rgb: Array, time_s: float, duration_s: float = 0.0) -> None:
        """Appends a frame.

        Args:
            drawn_rgb: (H, W, 3) uint8 RGB; one of another size than the first is resized to it.
            time_s: when it is shown, on any clock; the first frame is at 0.
            duration_s: for how long, if it is the last one; 0 takes what the frame rate says.

        Raises OutputError when the disk is all but full; what was written until then can be played.
        """
        self._check_room()
        try:
            # A packet that is lost on its way takes all that follow with it, up to the next key frame.
            with interrupts_held():
                if self._encoding is None:
                    resolution_wh = drawn_rgb.shape[1], drawn_rgb.shape[0]
                    self._encoding = _Encoding(
                        self._pending.temporary, self._fps, resolution_wh, time_s, self._options
                    )
                self._encoding.append(drawn_rgb, time_s, duration_s)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise OutputError(f"cannot write {self._path}: {_reason(error)}") from error

    def _check_room(self) -> None:
        # A file whose index finds no room cannot be played at all.
        try:
            free_bytes = shutil.disk_usage(self._pending.temporary.parent).free
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from error
        if free_bytes < _SPARE_BYTES:
            kept = "; what was written until then is kept" if self._encoding is not None else ""
            raise OutputError(f"cannot write {self._path}: the disk is full{kept}")


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


class _Encoding:
    """An open container with its track of pictures, and of sound."""

    def __init__(
        self,
        path: Path,
        fps: float,
        resolution_wh: tuple[int, int],
        first_s: float,
        options: VideoOptions,
    ) -> None:
        """Raises InputError when nothing can encode for it, FFmpegError or OSError when it cannot be opened.

        `first_s` is the moment of the first frame, which is nought in the file.
        """
        suffix = path.suffix.lower()
        self._encoder = choose_encoder(suffix, options.codec, options.notify)
        self._resolution_wh = resolution_wh
        muxing = _MUXING.get(suffix, {})
        self._rate = Fraction(fps).limit_denominator(1001)
        # AVI knows no time stamps, only the number of a frame.
        self._ticks = 1 / self._rate if suffix == ".avi" else _TICKS
        self._first_s = first_s
        self._tick = -1
        self._held: tuple[VideoFrame, float, float] | None = None
        self.begun = self._has_header = False
        self._lengths: dict[int, int] = {}
        self._container = av.open(str(path), "w", options=muxing)
        self._track = self._add_track(options)
        self._sound = options.open_sound(self._first_s) if options.open_sound else None
        if self._sound is not None:
            self._sound.add_to(self._container)

    def _add_track(self, options: VideoOptions) -> VideoStream:
        encoder = self._encoder
        chosen = dict(encoder.options) | dict(encoder.qualities[QUALITIES.index(options.quality)])
        track = self._container.add_stream(encoder.name, rate=self._rate)
        assert isinstance(track, VideoStream)
        width, height = self._resolution_wh
        track.width, track.height = width + width % 2, height + height % 2
        track.pix_fmt = encoder.pixels
        context = track.codec_context
        context.time_base = self._ticks
        if options.source_bps and options.quality != "high" and "crf" in chosen:
            most = max(_LEAST_BPS, round(_MOST_OF_SOURCE * options.source_bps))
            # Half a second's worth may be saved up: of a short clip that is a large share already.
            chosen |= {encoder.bound: str(most), "bufsize": str(most // 2)}
        if encoder.tagged:
            # What players take for granted in large pictures, said in small ones, too.
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = _LIMITED
        context.options = chosen
        return track

    def append(self, drawn_rgb: Array, time_s: float, duration_s: float) -> None:
        """See `OpenVideo.append`."""
        time_s = max(0.0, time_s - self._first_s)
        frame = self._made(drawn_rgb)
        if self._held is not None:
            self._encode(time_s)
        self._held, self.begun = (frame, time_s, duration_s), True

    def _made(self, drawn_rgb: Array) -> VideoFrame:
        if drawn_rgb.shape[1::-1] != self._resolution_wh:
            drawn_rgb = cv2.resize(drawn_rgb, self._resolution_wh, interpolation=cv2.INTER_AREA)
        height, width = drawn_rgb.shape[:2]
        if width % 2 or height % 2:
            drawn_rgb = cv2.copyMakeBorder(drawn_rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(drawn_rgb), format="rgb24")
        return frame.reformat(
            format=self._encoder.pixels,
            dst_colorspace="ITU709" if self._encoder.tagged else "ITU601",
            dst_color_range="JPEG" if "j" in self._encoder.pixels else "MPEG",
        )

    def _encode(self, next_s: float) -> None:
        """The frame that was held back until it is known for how long it is shown."""
        assert self._held is not None
        # Taken away first: whatever interrupts this, no frame is encoded twice.
        (frame, time_s, _), self._held = self._held, None
        self._tick = max(self._tick + 1, round(time_s / self._ticks))
        frame.pts, frame.time_base = self._tick, self._ticks
        self._lengths[self._tick] = max(1, round(next_s / self._ticks) - self._tick)
        # The first frame opens the encoder.
        with contextlib.nullcontext() if self._track.codec_context.is_open else ordinary_scheduling():
            self._mux(self._track.encode(frame))
        if self._sound is not None:
            self._sound.copy_until(next_s)

    def _mux(self, packets: list["av.Packet[Any]"]) -> None:
        for packet in packets:
            if packet.pts is not None and packet.time_base == self._ticks:
                packet.duration = self._lengths.pop(packet.pts, packet.duration)
            try:
                self._container.mux(packet)
            except (av.error.FFmpegError, OSError):
                # Without a header there is nothing to complete, and trying it once more crashes.
                self.begun = self.begun and self._has_header
                raise
            self._has_header = True

    def close(self) -> None:
        """The last frame, what the encoder holds, the rest of the sound, the index."""
        try:
            if self._held is not None:
                _, time_s, duration_s = self._held
                self._encode(time_s + (duration_s or 1 / float(self._rate)))
            self._mux(self._track.encode(None))
            if self._sound is not None:
                self._sound.copy_until(None)
        finally:
            if self._sound is not None:
                self._sound.close()
            self._container.close()


_BT709, _LIMITED = 1, 1
"""Of ITU-T H.273: matrix, primaries and transfer of HD television; luma from 16 to 235."""


def choose_encoder(suffix: str, codec: str | None, notify: Callable[[str], None]) -> Encoder:
    """The encoder for files of that suffix.

    Args:
        suffix: key of CONTAINERS.
        codec: key of ENCODERS, or None for the first that can be made; then `notify` is told if it is not
            the first of all.

    Raises InputError: such files do not hold the codec, or this build of FFmpeg cannot make it.
    """
    fitting = CONTAINERS[suffix]
    if codec is not None and codec not in fitting:
        raise InputError(f"{suffix} files do not support {codec}; they support {', '.join(fitting)}")
    for wanted in (codec,) if codec is not None else fitting:
        for encoder in ENCODERS[wanted]:
            if _is_there(encoder.name):
                if codec is None and wanted != fitting[0]:
                    notify(
                        f"nothing here encodes {fitting[0]}; {wanted} is written, which fewer players know"
                    )
                return encoder
    raise InputError(
        f"no encoder for {codec or suffix} is installed", "choose another --codec or another suffix"
    )


def _is_there(encoder: str) -> bool:
    try:
        av.codec.Codec(encoder, "w")
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def check_suffix(path: Path) -> None:
    """Raises InputError when the suffix names no container that can be written, or a folder is there."""
    if Path(path).suffix.lower() not in CONTAINERS:
        raise InputError(f"{path} has no video suffix; use one of {' '.join(CONTAINERS)}")
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder; name a video file")
