"""What a video is to the rest: frames with their times, whatever gives them."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Protocol

from facecli.core.arrays import Array

FALLBACK_FPS = 25.0
MOST_FPS = 240.0
STALL_S = 10.0
"""A source that gives no frame for that long is given up."""
_ROUNDED_S = 0.0005
"""Time stamps are whole milliseconds in some containers."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Number from 0, seconds since the start, (H, W, 3) uint8 RGB, seconds that it is shown (0: unknown)."""

    index: int
    time_s: float
    image_rgb: Array
    duration_s: float = 0.0


class FrameSource(Protocol):
    """The part of a source that a running stream needs; it is opened and closed by others."""

    @property
    def name(self) -> str: ...

    @property
    def given(self) -> str: ...

    @property
    def fps(self) -> float: ...

    @property
    def live(self) -> bool: ...

    @property
    def stall_s(self) -> float: ...

    def __iter__(self) -> Iterator[Frame]: ...


class OpenSource(FrameSource, Protocol):
    """Likewise of one that is opened and closed: a context manager.

    Attributes:
        name: what messages call it; `given` is what rows call it: as given, without passwords.
        fps: frames a second; FALLBACK_FPS where nobody knows.
        spec: what it was opened by.
        promised: about how many frames there are; 0 where nobody knows.
        live: it gives frames whether anybody takes them or not.
        stall_s: seconds without a frame after which it should be given up.
        broken: what could not be read and was left out.
        has_sound: there is sound that can be copied.
        bits_per_s: of the pictures as they are stored; 0 where nobody knows.
    """

    @property
    def spec(self) -> str: ...

    @property
    def promised(self) -> int: ...

    @property
    def broken(self) -> int: ...

    @property
    def has_sound(self) -> bool: ...

    @property
    def bits_per_s(self) -> int: ...

    def __enter__(self) -> "OpenSource": ...

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


class ClipOptions(NamedTuple):
    """Which part of a clip is read, and how.

    Attributes:
        start_s, end_s: seconds from the clip's first frame; what lies before and after is left out.
        every: of so many frames one.
        rate: at most so many frames a second; None takes all.
        hwaccel: kind of device that decodes ("cuda", "vaapi", "videotoolbox", ...); where it cannot, the
            processor does.
    """

    start_s: float = 0.0
    end_s: float | None = None
    every: int = 1
    rate: float | None = None
    hwaccel: str | None = None


class Join(NamedTuple):
    """Where a recording was joined to the one before: when, and what is added to its stamps, in seconds."""

    time_s: float
    shift_s: float


class SteadyClock:
    """Time stamps of a track -> seconds from the clip's start that never run back.

    Where recordings were joined the stamps start anew: then time goes on with the next frame.

    Attributes:
        origin_s: stamp of the start.
        joins: the new starts.
    """

    def __init__(self, step_s: float, origin_s: float | None = None) -> None:
        """The start is at the stamp `origin_s`, or else at the first one.

        `step_s` lies between frames without a stamp, and where stamps start anew.
        """
        self._step_s = step_s
        self._last_s: float | None = None
        self.origin_s = origin_s
        self._shift_s = -(origin_s or 0.0)
        self.joins: list[Join] = []

    def time_s(self, stamp_s: float | None) -> float:
        """Seconds of the frame with that stamp."""
        if self.origin_s is None:
            self.origin_s = stamp_s or 0.0
            self._shift_s = -self.origin_s
        next_s = 0.0 if self._last_s is None else self._last_s + self._step_s
        time_s = next_s if stamp_s is None else stamp_s + self._shift_s
        if self._last_s is not None and time_s < self._last_s:
            # A step back of a frame or two is a slip of whoever wrote it, a longer one a new start.
            anew = self._last_s - time_s > 2 * self._step_s
            if anew:
                self._shift_s += next_s - time_s
                self.joins.append(Join(next_s, self._shift_s))
            time_s = next_s if anew else self._last_s
        self._last_s = max(0.0, time_s)
        return self._last_s


class PickedFrames:
    """Which frames are wanted, by `ClipOptions`."""

    def __init__(self, options: ClipOptions) -> None:
        self._options = options
        self._seen = 0
        self._due_s = float("-inf")

    def is_past(self, time_s: float) -> bool:
        """Does the part end before that moment?"""
        return self._options.end_s is not None and time_s >= self._options.end_s

    def wants(self, time_s: float) -> bool:
        """Is the next frame, of that moment, one to give?"""
        # Half a millisecond less: stamps are rounded to whole ones in some containers.
        if time_s < self._options.start_s - _ROUNDED_S:
            return False
        self._seen += 1
        if (self._seen - 1) % max(1, self._options.every) or time_s < self._due_s - _ROUNDED_S:
            return False
        if self._options.rate:
            step_s = 1 / self._options.rate
            self._due_s = time_s + step_s if self._due_s < time_s - step_s else self._due_s + step_s
        return True
