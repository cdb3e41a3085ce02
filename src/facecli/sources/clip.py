"""Clips and streams, read by FFmpeg's own libraries (PyAV): every frame at its time."""

import logging
import os
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

import av
import av.error
import av.logging
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facecli.core.console import redacted
from facecli.core.errors import InputError, SourceError
from facecli.core.images import SUFFIXES as PICTURE_SUFFIXES
from facecli.sources.filters import Picture, PictureMaker
from facecli.sources.frames import (
    FALLBACK_FPS,
    STALL_S,
    ClipOptions,
    Frame,
    Join,
    PickedFrames,
    SteadyClock,
)
from facecli.sources.video_specs import cannot_open, is_address, is_pipe, local_path, source_name

Track = TypeVar("Track", bound=Stream)

log: logging.Logger = logging.getLogger(__name__)

_MOST_FPS = 1000
_MOST_BROKEN = 100
"""So many packets in a row may be unreadable in the middle of a clip."""
_TEXTS = frozenset({"tty", "bin", "xbin", "idf", "adf"})
"""Demuxers that draw letters: any text would be a video."""
_SOUGHT = ("mov", "matroska")
"""Containers whose index leads to the picture that is wanted."""
_PLAYLISTS = frozenset(
    {"hls", "applehttp", "concat", "dash", "imf", "sdp", "rtsp", "rtp", "image2", "webm_dash_manifest"}
)
"""Demuxers that open what a file names: not followed out of a file that somebody gave."""
_STREAM_PROTOCOLS = (
    "http,https,httpproxy,tcp,tls,crypto,data,udp,udplite,rtp,rtsp,rtsps,srt,rtmp,rtmps,rtmpt,mms"
)
_LOST_PACKETS = 2
"""The count in a header of AVI may be so much too high: writers count what they leave out, too."""
_SEEK_FROM_S = 2.0
_LENGTH_IN_HEADER = ("matroska", "flv")
_SPARE_S, _SPARE_SHARE = 0.25, 0.01
"""Tracks may end so much before the length in their header: it is rounded, and of the longest track."""

av.logging.set_level(None)


def place_of(spec: str) -> str:
    """What FFmpeg is to open: an address as it is, a file so that no name is taken for a protocol.

    "-" is standard input.
    """
    if spec == "-":
        return "pipe:0"
    if (path := local_path(spec)) is not None or not is_address(spec):
        # resolve() would follow /dev/stdin.
        return f"file:{os.path.abspath(path or spec)}"  # noqa: PTH100
    scheme, _, rest = spec.partition("://")
    return f"{scheme.lower()}://{rest}"


def open_container(spec: str, hwaccel: str | None = None) -> InputContainer:
    """Opens a clip or stream for reading.

    Files may not name other files: playlists are refused.

    Raises:
        InputError: it is a picture, a playlist, or holds no video.
        SourceError: it cannot be opened, with the reason.
    """
    place = place_of(spec)
    options = {"protocol_whitelist": "file,pipe,fd"}
    if not place.startswith(("file:", "pipe:")):
        options["protocol_whitelist"] = _STREAM_PROTOCOLS
        if place.lower().startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
    else:
        options["format_whitelist"] = ",".join(sorted(av.formats_available - _PLAYLISTS - _TEXTS))
    # Another program may take its time; a server or a disk may not.
    timeout = None if is_pipe(spec) else (STALL_S, STALL_S)
    try:
        container = _opened(place, options, timeout, hwaccel)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        log.debug("%s: %s", source_name(spec), redacted(str(error)))
        _refuse_known(spec)
        raise SourceError(cannot_open(spec)) from None
    if "_pipe" in container.format.name or container.format.name == "webp":
        container.close()
        raise InputError(f"{source_name(spec)} is a picture, despite its name", "use --img")
    return container


def _opened(
    place: str, options: dict[str, str], timeout: tuple[float, float] | None, hwaccel: str | None
) -> InputContainer:
    device = _hardware(hwaccel)
    if device is not None:
        try:
            return av.open(place, options=dict(options), timeout=timeout, hwaccel=device)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            # The whole text of an error may have the address with its password.
            reason = getattr(error, "strerror", None) or type(error).__name__
            log.warning("%s cannot decode here (%s); the processor does", hwaccel, reason)
    return av.open(place, options=options, timeout=timeout)


def _refuse_known(spec: str) -> None:
    """Raises InputError for a playlist or a picture, which a file may be that is no clip."""
    path = local_path(spec) or spec
    try:
        with open(path, "rb") as file:
            start = file.read(64)
    except (OSError, ValueError):
        return
    if start.startswith((b"#EXTM3U", b"ffconcat")):
        raise InputError(f"{source_name(spec)} is a playlist; name the clips, or the playlist's address")
    if path.lower().endswith(PICTURE_SUFFIXES) and start:
        raise InputError(f"{source_name(spec)} is a picture", "use --img")


def _hardware(name: str | None) -> HWAccel | None:
    if name is None:
        return None
    if name not in hwdevices_available():
        known = ", ".join(hwdevices_available()) or "none"
        raise InputError(f"{name} is not a hardware decoder of this FFmpeg build; it has: {known}")
    return HWAccel(device_type=name, allow_software_fallback=True)


def pick_video(container: InputContainer, spec: str) -> VideoStream:
    """The track that a player shows: the default one, no cover picture.

    Raises SourceError when there is none that can be decoded.
    """
    tracks = [
        track
        for track in container.streams.video
        if not track.disposition & Disposition.attached_pic and track.codec_context is not None
    ]
    if not tracks:
        sound = ", only sound" if container.streams.audio else ""
        raise SourceError(f"{source_name(spec)} contains no readable video{sound}; try another file")
    return pick_default(tracks)


def pick_default(tracks: Sequence[Track]) -> Track:
    """Of tracks of one kind, at least one: the first that the file calls the default one, else the first."""
    return next((track for track in tracks if track.disposition & Disposition.default), tracks[0])


class ClipSource:
    """An open clip or stream: a context manager and an iterator of `Frame`.

    It may be read in another thread than the one that closes it.

    Attributes:
        name: what messages call it; `given` is what rows call it: as given, without passwords.
        fps: frames a second by the container; FALLBACK_FPS where it does not know.
        promised: about how many frames there are; 0 where the container does not say.
        live: it gives frames whether anybody takes them or not.
        stall_s: seconds without a frame after which it should be given up.
        broken: packets that could not be decoded and were left out.
        ended: it was read to its end.
    """

    name: str
    given: str
    broken: int
    ended: bool
    stall_s: float = STALL_S

    def __init__(self, spec: str, options: ClipOptions | None = None) -> None:
        """Opens it.

        Raises:
            InputError: it is a picture or a playlist, or nothing lies in the part that was asked for.
            SourceError: it cannot be opened, or holds no video.
        """
        self.spec = spec
        self.name, self.given = source_name(spec), redacted(spec)
        self.options: ClipOptions = options or ClipOptions()
        self._container = open_container(spec, self.options.hwaccel)
        try:
            self._track = pick_video(self._container, spec)
        except SourceError:
            self._container.close()
            raise
        rate = self._track.guessed_rate or self._track.average_rate or self._track.base_rate
        self.fps: float = float(rate) if rate and 0 < rate <= _MOST_FPS else FALLBACK_FPS
        self.live: bool = is_address(spec) and not self._container.duration and self._container.size <= 0
        # Threads of whole frames hold frames back, which a live picture cannot wait for.
        self._track.thread_type = "SLICE" if self.live else "AUTO"
        self._time_base = self._track.time_base or Fraction(1, 1000)
        self.promised: int = self._count()
        self.broken, self.ended = 0, False
        self._reading, self._closed = threading.Lock(), False
        self._clock, self._seen = SteadyClock(1 / self.fps), _Seen()
        self._begun = False
        self.has_sound: bool = bool(self._container.streams.audio) and not self.live
        self.bits_per_s: int = self._bits_per_s()
        if is_pipe(spec):
            self.stall_s = float("inf")

    def _bits_per_s(self) -> int:
        """Of the pictures as they are stored, about; 0 where nobody knows."""
        stated = self._track.codec_context.bit_rate
        whole = 8 * self._container.size / self._length_s() if self._length_s() else 0
        return max(0, int(stated or whole))

    @property
    def origin_s(self) -> float:
        """Stamp of the clip's start in the clock of its container; known once a frame was read."""
        return self._clock.origin_s or 0.0

    def join(self, number: int) -> Join | None:
        """Where the clip was joined for the `number`th time, from 0; None until that was read."""
        return self._clock.joins[number] if number < len(self._clock.joins) else None

    def _count(self) -> int:
        """About how many frames will be given, for a bar of progress."""
        seconds = self._length_s()
        number = self._track.frames or round(seconds * self.fps)
        start_s, end_s, every, rate, _ = self.options
        if (start_s or end_s is not None) and seconds:
            number = round(number * max(0.0, min(end_s or seconds, seconds) - start_s) / seconds)
        shown = number // max(1, every)
        return max(0, min(shown, round(number / self.fps * rate)) if rate else shown)

    def _length_s(self) -> float:
        """By the container; 0 where it does not say."""
        start, length = self._container.start_time or 0, self._container.duration or 0
        # Matroska counts from nought on its clock, whatever the first stamp is.
        counted = _kind(self._container) == "matroska" and 0 < start < length
        return (length - start if counted else length) / av.time_base

    def __enter__(self) -> "ClipSource":
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the container; one that hangs in a read is closed by its reader, later."""
        self._closed = True
        if self._reading.acquire(blocking=False):
            try:
                self._container.close()
            finally:
                self._reading.release()

    def __iter__(self) -> Iterator[Frame]:
        """Frames to the end of the clip, or for ever from a live source.

        Raises:
            InputError: no frame lies in the part that was asked for.
            SourceError: no frame at all, a live source that stops, or a clip whose container says that
                more was there.
        """
        if self._begun:
            raise SourceError(f"{self.name} has been read; open it again to read it once more")
        self._begun = True
        started = time.monotonic()
        pictures, picked, given = self._pictures(), PickedFrames(self.options), 0
        while (frame := self._next(pictures)) is not None:
            if self.live:
                frame = replace(frame, time_s=time.monotonic() - started)
            if picked.is_past(frame.time_s):
                self.ended = True
                if not given:
                    raise InputError(f"{self.name} has no frame in the requested part")
                return
            if picked.wants(frame.time_s):
                given += 1
                yield frame
        self._check_end(given)

    def _next(self, pictures: Iterator[Frame]) -> Frame | None:
        """The next frame; None at the end, or when it was closed meanwhile."""
        with self._reading:
            frame = None if self._closed else next(pictures, None)
        if self._closed:
            self.__exit__()
        return frame

    def _pictures(self) -> Iterator[Frame]:
        """Every frame from the start of the part on. Broken ones are left out, but counted."""
        if not self._sought():
            yield from self._read_on()
            return
        pictures = self._read_on()
        first = next(pictures, None)
        if first is not None and first.time_s <= self.options.start_s:
            yield first
            yield from pictures
            return
        # Its index led astray: what was wanted lies before.
        pictures.close()
        self._container.seek(0, stream=self._track, backward=True)
        self._clock, self._seen = SteadyClock(1 / self.fps, self._clock.origin_s), _Seen()
        yield from self._read_on()

    def _read_on(self) -> Generator[Frame, None, None]:
        """Every frame from where the container stands."""
        maker = PictureMaker(self._track)
        index: int | None = None
        for broken, frame in self._decoded():
            index = None if index is None else index + broken
            for picture in self._made(maker, frame):
                time_s = self._clock.time_s(picture.stamp_s)
                # Of a part the number of its first frame is what it is at a constant rate.
                index = round(time_s * self.fps) if index is None and self.options.start_s else index or 0
                yield Frame(index, time_s, picture.image_rgb, picture.duration_s)
                index += 1

    def _made(self, maker: PictureMaker, frame: VideoFrame | None) -> Iterator[Picture]:
        """What the filters give for a frame, or at the end; nothing for one that they cannot bear."""
        try:
            yield from maker.push(frame) if frame is not None else maker.flush()
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError as error:
            log.debug("%s: %s", self.name, error)
            self.broken += 1

    def _decoded(self) -> Iterator[tuple[int, VideoFrame | None]]:
        """Frames with the number of broken packets before them; last (number, None)."""
        broken = in_a_row = 0
        # A transport stream marks what follows a gap, too, which is whole.
        marked = _kind(self._container) not in ("mpegts", "hls")
        for packet in self._packets():
            try:
                frames = [] if packet.is_corrupt and marked else packet.decode()
                broken += packet.is_corrupt and marked
            except av.error.MemoryError:
                raise
            except av.error.FFmpegError:
                # Not only InvalidDataError: a spoiled head may ask for what FFmpeg does not know.
                broken, in_a_row = broken + 1, in_a_row + 1
                if in_a_row > _MOST_BROKEN:
                    self._seen.failed = True
                    break
                continue
            for frame in frames:
                assert isinstance(frame, VideoFrame)
                if frame.pts is None:
                    frame.pts = frame.dts
                self.broken += broken
                yield broken, frame
                broken = in_a_row = 0
        yield 0, None

    def _packets(self) -> Iterator["av.Packet[Any]"]:
        """Packets of the pictures; of the other tracks it is noted where they end."""
        try:
            for packet in self._container.demux():
                # The packets that flush decoders have no index, only a stream.
                shown = packet.stream is self._track
                self._seen.note(packet)
                if shown:
                    yield packet
        except (av.error.FFmpegError, OSError) as error:
            log.debug("%s: %s", self.name, redacted(str(error)))
            self._seen.failed = True

    def _sought(self) -> bool:
        """Goes to the last whole picture before the part, if the container can be trusted to."""
        seekable = not self.live and not is_pipe(self.spec) and _kind(self._container) in _SOUGHT
        if self.options.start_s < _SEEK_FROM_S or not seekable or self._track.start_time is None:
            return False
        start_s = float(self._track.start_time * self._time_base)
        try:
            self._container.seek(int((start_s + self.options.start_s) / self._time_base), stream=self._track)
        except (av.error.FFmpegError, OSError, OverflowError, ValueError):
            return False
        self._clock = SteadyClock(1 / self.fps, start_s)
        return True

    def _check_end(self, frames: int) -> None:
        # A server that ends its answer has said all; a camera that ends is gone.
        over = not self.live or self.spec.lower().startswith("http")
        self.ended = not self._seen.failed and over
        if self._closed or (self.ended and self.live and frames):
            return
        if self.live and frames:
            raise SourceError(f"{self.name} was lost after {frames} frames; the results so far are kept")
        if frames == 0 and self._clock.origin_s is not None and not self.live:
            raise InputError(f"{self.name} has no frame after {self.options.start_s:g} s; it is shorter")
        if frames == 0:
            raise SourceError(f"{self.name} gave no frame: it is damaged, busy, or of an unknown format")
        if self._is_cut():
            raise SourceError(
                f"{self.name} is cut short: its index says that it was longer; {frames} frames could be "
                "read; the results so far are kept"
            )

    def _is_cut(self) -> bool:
        """Does the container itself say that packets are missing? A count that was guessed says nothing."""
        seen, track, container = self._seen, self._track, self._container
        if seen.failed:
            return True
        kind = _kind(container)
        if kind == "avi":
            # Empty packets, which repeat a picture, are not given: the count in the header has them, too.
            return track.frames - seen.end(track.index) > max(_LOST_PACKETS, _SPARE_SHARE * track.frames)
        if kind == "mov":
            return any(entry.pos + entry.size > container.size > 0 for entry in track.index_entries)
        if kind in _LENGTH_IN_HEADER and container.duration:
            length_s = container.duration / av.time_base
            return length_s - seen.end_s > max(_SPARE_S, _SPARE_SHARE * length_s)
        return False


def _kind(container: InputContainer) -> str:
    return container.format.name.split(",")[0]


class _Seen:
    """What was read of a container.

    Attributes:
        failed: reading ended with an error.
    """

    def __init__(self) -> None:
        self.failed = False
        self._ends: dict[int, tuple[int, Fraction | None]] = {}

    def note(self, packet: "av.Packet[Any]") -> None:
        """Takes where a packet of any track ends."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None:
            return
        end, track = stamp + (packet.duration or 0), packet.stream_index
        if track not in self._ends or end > self._ends[track][0]:
            self._ends[track] = end, packet.time_base

    def end(self, track: int) -> int:
        """Time stamp at which a track ends, in units of its own time base; 0 before its first packet."""
        return self._ends[track][0] if track in self._ends else 0

    @property
    def end_s(self) -> float:
        """Time stamp at which the last of all tracks ends."""
        return max((float(end * base) for end, base in self._ends.values() if base), default=0.0)
