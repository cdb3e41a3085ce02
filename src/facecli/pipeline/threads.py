"""The threads of a stream: what reads, what analyses, and the bounded channels between them.

Built on `queue.SimpleQueue` alone: its calls are single steps of C, so that Ctrl-C in the main
thread cannot leave a lock behind that another thread waits for.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from facecli.core.arrays import Array
from facecli.core.errors import SourceError
from facecli.core.faces import Face
from facecli.core.process import start_threads
from facecli.sources.frames import Frame, FrameSource

_PATIENCE_S = 2.0
"""How long the end of a stream waits for a driver or an analysis that does not come back."""

_AHEAD_BYTES, _MOST_AHEAD = 64_000_000, 8
"""A file is decoded ahead by at most that much: 8 frames of 1080p, 2 of 4K."""

POLL_S = 0.05
"""How long the main thread waits for anything before it looks at keys and clocks again."""

Analyze = Callable[[Array, float], list[Face]]
"""(H, W, 3) uint8 RGB and its time in seconds -> the faces in it; called from one thread."""


class EndOfStream(NamedTuple):
    """The last thing in a channel: nothing follows, because of `error` if there is one."""

    error: BaseException | None = None


class OrderedChannel:
    """Every item, in order; `put` waits while it is full.

    Attributes:
        stop: once it is set, `put` refuses. `wake` must follow, for those who wait already.
    """

    def __init__(self, stop: threading.Event, size: int) -> None:
        self.stop = stop
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.enlarge(size)

    def enlarge(self, places: int) -> None:
        """Makes room for that many items more."""
        for _ in range(places):
            self._room.put(None)

    def put(self, item: Any) -> bool:
        """Waits for room. Was it taken? False after a stop."""
        self._room.get()
        if self.stop.is_set():
            return False
        self._items.put(item)
        return True

    def get(self, timeout_s: float | None = None) -> Any | None:
        """The next item, or `End`; None when there was none in that time (0: at once)."""
        item = _taken(self._items, timeout_s)
        if item is not None and not isinstance(item, EndOfStream):
            self._room.put(None)
        return item

    def __iter__(self) -> Iterator[Any]:
        return _to_the_end(self)

    def close(self, error: BaseException | None = None) -> None:
        """The giver says that nothing follows; never waits."""
        self._items.put(EndOfStream(error))

    def wake(self) -> None:
        """After `stop` was set: nobody waits any longer, neither giver nor taker."""
        self._room.put(None)
        self._items.put(EndOfStream())


class NewestChannel:
    """Only the newest item; `put` never waits and replaces what nobody took. One giver, one taker.

    Attributes:
        shut: while it is true, items are dropped: nobody looks at them.
    """

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.shut = False
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put(self, item: Any) -> bool:
        """Was it taken? False after a stop."""
        if self.stop.is_set():
            return False
        if not self.shut:
            _taken(self._items, 0)
            self._items.put(item)
        return True

    def get(self, timeout_s: float | None = None) -> Any | None:
        """The newest item, or `End`; None when there was none in that time (0: at once)."""
        return _taken(self._items, timeout_s)

    def __iter__(self) -> Iterator[Any]:
        return _to_the_end(self)

    def close(self, error: BaseException | None = None) -> None:
        """The giver says that nothing follows the item that lies there."""
        self._items.put(EndOfStream(error))

    def wake(self) -> None:
        """After `stop` was set: the taker waits no longer."""
        self._items.put(EndOfStream())


Channel = OrderedChannel | NewestChannel


def _taken(items: queue.SimpleQueue[Any], timeout_s: float | None) -> Any | None:
    try:
        return items.get(block=timeout_s != 0, timeout=timeout_s or None)
    except queue.Empty:
        return None


def _to_the_end(channel: Channel) -> Iterator[Any]:
    """Items as they come. Raises the error that ended them; ends quietly after a stop."""
    while True:
        item = channel.get()
        # A wake-up call may have been replaced by a newer item.
        if channel.stop.is_set():
            return
        if isinstance(item, EndOfStream):
            if item.error is not None:
                raise item.error
            return
        yield item


@contextlib.contextmanager
def running_threads(
    stop: threading.Event,
    threads: Sequence[threading.Thread],
    channels: Sequence[Channel],
) -> Iterator[None]:
    """Runs the threads for the length of the block.

    However the block ends, they are told to stop, woken and waited for. One that hangs in a call
    of its driver is left behind after a while; it is a daemon and ends when the call does.
    """
    try:
        start_threads(threads)
        yield
    finally:
        stop.set()
        for channel in channels:
            channel.wake()
        end_s = time.monotonic() + _PATIENCE_S
        for thread in threads:
            if thread.is_alive():
                thread.join(max(0.0, end_s - time.monotonic()))


class TimestampedFrame(NamedTuple):
    """A frame and the moment, on the clock of `time.monotonic`, at which it was there."""

    frame: Frame
    taken_s: float


class CaptureThread(threading.Thread):
    """Puts every frame into `frames` and offers it to `newest`, until the source ends.

    The source's end or error closes `frames`; `newest` is only closed. A daemon: a driver that
    never answers cannot keep the process from ending.
    """

    def __init__(
        self,
        source: Iterable[Frame],
        frames: OrderedChannel | NewestChannel,
        newest: NewestChannel | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="capture", daemon=True)
        self._source = source
        self._frames = frames
        self._newest = newest
        self._now = now
        self._asked_s: float | None = None

    def silent_s(self) -> float:
        """For how long the source has owed a frame, seconds; 0 while nobody asks it for one."""
        asked_s = self._asked_s
        return 0.0 if asked_s is None else self._now() - asked_s

    def run(self) -> None:
        error = None
        try:
            self._read()
        except BaseException as caught:  # noqa: BLE001 - raised again in the main thread
            error = caught
        finally:
            self._asked_s = None
            self._frames.close(error)
            if self._newest is not None:
                self._newest.close()

    def _read(self) -> None:
        self._asked_s = self._now()
        for frame in self._source:
            self._asked_s = None
            if not self._hand_on(TimestampedFrame(frame, self._now())):
                return
            self._asked_s = self._now()

    def _hand_on(self, stamped: TimestampedFrame) -> bool:
        # In this order, so that no later frame is offered before the first one could be drawn.
        return self._frames.put(stamped) and (self._newest is None or self._newest.put(stamped))


def frames_ahead(first: TimestampedFrame) -> int:
    """How many frames of that size may wait, decoded, for their turn."""
    frame_bytes = first.frame.image_rgb.nbytes
    return max(1, min(_MOST_AHEAD, _AHEAD_BYTES // frame_bytes))


def check_silence(source: FrameSource, capture: CaptureThread) -> None:
    """Raises SourceError when the source has owed a frame for too long."""
    if capture.silent_s() > source.stall_s:
        raise SourceError(
            f"{source.name} stalled: no frame for {source.stall_s:.0f} s; the results so far are kept"
        )


class Analyzed(NamedTuple):
    """A frame and what was found in it.

    Attributes:
        stamped: the frame.
        faces: those to tell of.
        covered: those to cover where nobody is to be recognised: with all that are taken for none.
        latency_s: seconds from the moment the frame was there to the moment its faces were known.
    """

    stamped: TimestampedFrame
    faces: tuple[Face, ...]
    covered: tuple[Face, ...]
    latency_s: float


class AnalysisThread(threading.Thread):
    """Takes timestamped frames, gives `Analyzed`, in order; an error of either side closes what it gives."""

    def __init__(
        self,
        analyze: Analyze,
        stamped_frames: OrderedChannel | NewestChannel,
        results: OrderedChannel,
        show_rejected: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="analysis", daemon=True)
        self._analyze = analyze
        self._shots = stamped_frames
        self._results = results
        self._show_rejected = show_rejected
        self._now = now

    def run(self) -> None:
        error = None
        try:
            for stamped in self._shots:
                if not self._results.put(self._analyzed(stamped)):
                    return
        except BaseException as caught:  # noqa: BLE001 - raised again in the main thread
            error = caught
        finally:
            self._results.close(error)

    def _analyzed(self, stamped: TimestampedFrame) -> Analyzed:
        found = tuple(self._analyze(stamped.frame.image_rgb, stamped.frame.time_s))
        told = tuple(face for face in found if self._show_rejected or not face.rejected)
        return Analyzed(stamped, told, found, self._now() - stamped.taken_s)
