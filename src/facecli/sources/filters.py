"""Decoded frames -> pictures as a player shows them, by FFmpeg's filters."""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import av
import av.error
import av.filter
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facecli.core.arrays import Array
from facecli.core.images import over_white

_SHAPES_OF_PIXELS = Fraction(1, 8), Fraction(8)
"""Ratios of width and height of a pixel beyond these are taken for mistakes."""
_LONGEST_SIDE = 16384


class Picture(NamedTuple):
    """A frame as it is shown.

    Attributes:
        stamp_s: time stamp in seconds of the container's clock; None without one.
        duration_s: for how long; 0 when nobody knows.
        image_rgb: (H, W, 3) uint8.
    """

    stamp_s: float | None
    duration_s: float
    image_rgb: Array


class PictureMaker:
    """Decoded frames -> pictures as a player shows them, by a graph of FFmpeg's filters.

    Deinterlaced, with square pixels, upright, in RGB by the colour matrix and range that the frame names,
    what is transparent over white.
    """

    def __init__(self, track: VideoStream) -> None:
        self._track = track
        self._look: _Look | None = None
        self._graph = av.filter.Graph()
        self._tick_s = 0.0

    def push(self, frame: VideoFrame) -> Iterator[Picture]:
        """What is ready after this frame."""
        if self._may_differ(frame):
            look = self._look_of(frame)
            if look != self._look:
                yield from self.flush()
                self._graph, self._look = _build_graph(frame, look, self._track.time_base), look
                self._tick_s = 0.0
        self._graph.push(frame)
        if self._look is not None and not self._look.interlaced:
            # One for one; to ask for a second costs as much as a small picture.
            yield self._shown(self._graph.pull())
        else:
            yield from self._pull_all()

    def flush(self) -> Iterator[Picture]:
        """What the filters still hold."""
        if self._look is not None:
            self._graph.push(None)
            yield from self._pull_all()
            self._look = None

    def _look_of(self, frame: VideoFrame) -> "_Look":
        return _Look(
            frame.width,
            frame.height,
            frame.format.name,
            frame.interlaced_frame,
            _pixel_shape(self._track),
            # Not by the side data itself: PyAV 18 keeps every frame for ever whose side data was asked for.
            frame.rotation % 360,
            int(frame.colorspace),
            int(frame.color_range),
        )

    def _may_differ(self, frame: VideoFrame) -> bool:
        """Is another look possible? All but the size and the interlacing changes with key frames only."""
        look = self._look
        return (
            look is None
            or frame.key_frame
            or frame.width != look.width
            or frame.height != look.height
            or frame.interlaced_frame != look.interlaced
            or frame.format.name != look.pixels
        )

    def _pull_all(self) -> Iterator[Picture]:
        while True:
            try:
                yield self._shown(self._graph.pull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return

    def _shown(self, made: VideoFrame | AudioFrame) -> Picture:
        assert isinstance(made, VideoFrame)
        if not self._tick_s:
            self._tick_s = float(made.time_base or 0)
        picture = made.to_ndarray()
        if picture.shape[2] == 4:
            picture = over_white(picture)
        stamp_s = None if made.pts is None else made.pts * self._tick_s
        return Picture(stamp_s, (made.duration or 0) * self._tick_s, picture)


class _Look(NamedTuple):
    """All that decides how a frame is made into a picture; a stream may change it on the way."""

    width: int
    height: int
    pixels: str
    interlaced: bool
    pixel_shape: Fraction
    turn: int
    matrix: int
    range: int


def _pixel_shape(track: VideoStream) -> Fraction:
    """Width of a pixel for a height of one."""
    shape = track.sample_aspect_ratio
    smallest, largest = _SHAPES_OF_PIXELS
    return Fraction(shape) if shape and smallest <= shape <= largest else Fraction(1)


_TURNS: dict[int, tuple[tuple[str, str | None], ...]] = {
    90: (("transpose", "cclock"),),
    180: (("hflip", None), ("vflip", None)),
    270: (("transpose", "clock"),),
}
"""Degrees against the clock -> filters; any other angle leaves the frame as it is."""


def _build_graph(frame: VideoFrame, look: _Look, time_base: Fraction | None) -> av.filter.Graph:
    base = time_base or Fraction(1, 1000)
    transparent = any(component.is_alpha for component in frame.format.components)
    filters: list[tuple[str, str | None]] = [
        (
            "buffer",
            f"video_size={look.width}x{look.height}:pix_fmt={look.pixels}"
            f":time_base={base.numerator}/{base.denominator}:colorspace={look.matrix}:range={look.range}",
        )
    ]
    if look.interlaced:
        filters.append(("bwdif", "mode=send_frame:deint=interlaced"))
    width = min(_LONGEST_SIDE, max(1, round(look.width * look.pixel_shape)))
    filters.append(("scale", f"{width}:{look.height}:flags=bicubic"))
    filters.append(("format", "bgra" if transparent else "rgb24"))
    filters += _TURNS.get(look.turn, ())
    filters.append(("buffersink", None))
    graph = av.filter.Graph()
    nodes = [graph.add(name, arguments) for name, arguments in filters]
    graph.link_nodes(*nodes).configure()
    return graph
