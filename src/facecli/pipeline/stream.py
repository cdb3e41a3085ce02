"""Frames in, faces out: live, with capture, analysis and drawing apart, or offline, every frame in order."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from facecli.core.arrays import Array
from facecli.core.errors import SourceError
from facecli.core.faces import Face, FrameResult
from facecli.draw.annotate import annotate
from facecli.draw.anonymize import REMEMBERED_S, LingeringMask, Protect, covers_at
from facecli.pipeline.playback import (
    Clock,
    CoveredFaces,
    FollowedFaces,
    Follower,
    Overlay,
    Pacer,
    Picture,
    RateMeter,
    RecordingClock,
)
from facecli.pipeline.threads import (
    POLL_S,
    AnalysisThread,
    Analyze,
    Analyzed,
    CaptureThread,
    EndOfStream,
    NewestChannel,
    OrderedChannel,
    TimestampedFrame,
    check_silence,
    frames_ahead,
    running_threads,
)
from facecli.sinks.base import Quit, Record, Sink, feed
from facecli.sources.frames import Frame, FrameSource

_LATENCY_MEMORY = 0.8

_LIVE_RESULTS_AHEAD = 8

Draw = Callable[[Array, Sequence[Face]], Array]
"""(H, W, 3) uint8 RGB and the faces in it -> an annotated copy."""
_OFFLINE_RESULTS_AHEAD = 3
_MOST_WAITING_BYTES = 256 << 20
"""Of frames that wait until it is known what the next ones show."""


class StreamSummary(NamedTuple):
    """Counts of a finished stream; a face in ten analysed frames counts ten times.

    `quit` says that the user ended it.
    """

    frames: int = 0
    faces: int = 0
    analyzed: int = 0
    quit: bool = False


def frame_result(given: str, frame: Frame, faces: Sequence[Face], model: str | None = None) -> FrameResult:
    """The row of a frame of the source that is called `given`."""
    height, width = frame.image_rgb.shape[:2]
    return FrameResult(given, width, height, tuple(faces), frame.index, frame.time_s, model=model)


def count_faces(faces: Iterable[Face]) -> int:
    """Those that the model takes for faces."""
    return sum(not face.rejected for face in faces)


class StreamStats(NamedTuple):
    """Measured over the last moments.

    Attributes:
        fps: frames drawn a second.
        latency_ms: from the moment a frame was taken to the moment its faces were known.
        analyzed_fps: frames analysed a second.
        paused: does the picture stand still because the user asked for it?
    """

    fps: float
    latency_ms: float
    analyzed_fps: float
    paused: bool


class View(Protocol):
    """The window: `window.view.LiveView`. `show` raises `sinks.base.Quit` when the user has seen enough."""

    @property
    def paused(self) -> bool: ...

    def show(self, image_rgb: Array, faces: Sequence[Face], stats: StreamStats) -> None: ...


class FramePresenter:
    """Rows of analysed frames, and every frame drawn.

    Attributes:
        summary: what was done so far.
    """

    def __init__(
        self,
        source: FrameSource,
        sinks: Sequence[Sink],
        view: View | None,
        overlay: Overlay,
        draw: Draw,
        now: Callable[[], float],
        model: str | None = None,
    ) -> None:
        self.summary: StreamSummary = StreamSummary()
        self._model = model
        self._given = source.given
        self._rows = [sink for sink in sinks if not sink.wants_image]
        self._videos = [sink for sink in sinks if sink.wants_image]
        self._view = view
        self._overlay = overlay
        self._draw = draw
        self._recording = RecordingClock(source.fps) if source.live else None
        self._drawn, self._analyzed, self._latency_s = RateMeter(now), RateMeter(now), 0.0
        self._shown: Picture | None = None

    @property
    def paused(self) -> bool:
        """Did the user ask the picture to stand still?"""
        return self._view is not None and self._view.paused

    def learn(self, analyzed: Analyzed) -> None:
        """Takes the faces of a frame. Raises OutputError when a row cannot be written."""
        stamped, faces, _, latency_s = analyzed
        self._overlay.learn(analyzed)
        self._analyzed.mark()
        kept = _LATENCY_MEMORY * (self._latency_s or latency_s)
        self._latency_s = kept + (1 - _LATENCY_MEMORY) * latency_s
        faces_before, number = self.summary.faces, self.summary.analyzed
        self.summary = self.summary._replace(faces=faces_before + count_faces(faces), analyzed=number + 1)
        record = Record(frame_result(self._given, stamped.frame, faces, self._model))
        for sink in self._rows:
            sink.write(record)

    def show(self, stamped: TimestampedFrame) -> None:
        """Draws a frame into video and window. Raises Quit, or OutputError."""
        self._shown = image_rgb, faces = self._overlay.picture(stamped)
        self._drawn.mark()
        self.summary = self.summary._replace(frames=self.summary.frames + 1)
        frame = stamped.frame
        if self._recording is not None:
            frame = replace(frame, time_s=self._recording.time_s(frame.time_s))
        if self._videos:
            result = frame_result(self._given, frame, faces, self._model)
            record = Record(result, self._draw(image_rgb, faces), duration_s=frame.duration_s)
            for sink in self._videos:
                sink.write(record)
        self.show_again()

    def show_again(self) -> None:
        """The frame that is seen, once more: the window stays awake. Raises Quit."""
        if self._view is not None and self._shown is not None:
            self._view.show(*self._shown, self._stats())

    def resume(self) -> None:
        """After a pause: what was missed is no gap in the video."""
        if self._recording is not None:
            self._recording.restart()

    def _stats(self) -> StreamStats:
        return StreamStats(self._drawn.rate(), 1000 * self._latency_s, self._analyzed.rate(), self.paused)


class LivePicture:
    """The main thread's loop between a camera or file, an analysis and a presenter."""

    def __init__(
        self,
        source: FrameSource,
        analyze: Analyze,
        presenter: FramePresenter,
        clock: Clock,
        show_rejected: bool = True,
    ) -> None:
        self._source = source
        self._presenter = presenter
        self._sleep = clock.sleep
        self._pacer = None if source.live else Pacer(clock.now)
        self._stop = threading.Event()
        self._frames = NewestChannel(self._stop) if source.live else OrderedChannel(self._stop, 1)
        self._newest = NewestChannel(self._stop)
        self._results = OrderedChannel(self._stop, _LIVE_RESULTS_AHEAD)
        self._all_analyzed = False
        self._capture = CaptureThread(source, self._frames, self._newest)
        self._worker = AnalysisThread(analyze, self._newest, self._results, show_rejected)

    def run(self) -> None:
        """Plays until the source ends or the user quits.

        Raises what the source, the analysis, a sink or the view raises.
        """
        channels = self._frames, self._newest, self._results
        with running_threads(self._stop, (self._capture, self._worker), channels):
            error = None
            try:
                error = self._play()
                self._wait_for_the_last()
            except Quit:
                self._presenter.summary = self._presenter.summary._replace(quit=True)
        if error is not None:
            raise error

    def _play(self) -> BaseException | None:
        """Draws frame after frame; returns the error that ended the source."""
        if isinstance(self._frames, OrderedChannel):
            self._wait_for_the_first(self._frames)
        while True:
            self._collect()
            item = self._frames.get(POLL_S)
            if isinstance(item, EndOfStream):
                return item.error
            if item is None:
                check_silence(self._source, self._capture)
                self._presenter.show_again()
            else:
                self._wait_for_its_time(item)
                self._presenter.show(item)
            self._stand_still()

    def _wait_for_its_time(self, stamped: TimestampedFrame) -> None:
        while self._pacer and (left_s := self._pacer.due_in(stamped.frame.time_s)) > 0:
            self._sleep(min(left_s, POLL_S))
            self._collect()
            if left_s > POLL_S:
                self._presenter.show_again()
                self._stand_still()

    def _stand_still(self) -> None:
        """While the user pauses: a camera's frames are dropped, a file waits."""
        if not self._presenter.paused:
            return
        self._newest.shut = True
        while self._presenter.paused:
            self._sleep(POLL_S)
            self._collect()
            self._presenter.show_again()
        self._newest.shut = False
        self._presenter.resume()
        if self._pacer:
            self._pacer.restart()

    def _collect(self, timeout_s: float = 0.0) -> None:
        """Takes what has been analysed. Raises what the analysis raised."""
        while (item := self._results.get(timeout_s)) is not None:
            self._take(item)
            if self._all_analyzed:
                return

    def _take(self, item: Analyzed | EndOfStream | None) -> None:
        if isinstance(item, Analyzed):
            self._presenter.learn(item)
        elif item is not None:
            self._all_analyzed = True
            if item.error is not None:
                raise item.error

    def _wait_for_the_first(self, frames: OrderedChannel) -> None:
        """A file begins with its first faces, and only then is it decoded ahead."""
        while not (self._presenter.summary.analyzed or self._all_analyzed):
            item = self._results.get(POLL_S)
            if isinstance(item, Analyzed):
                frames.enlarge(frames_ahead(item.stamped) - 1)
            self._take(item)
            check_silence(self._source, self._capture)

    def _wait_for_the_last(self) -> None:
        """The source has ended: the frame in work becomes a row, too."""
        while not self._all_analyzed:
            self._collect(POLL_S)
            self._presenter.show_again()


def run_offline(
    source: FrameSource,
    analyze: Analyze,
    sinks: Sequence[Sink],
    draw: Draw,
    protect: Protect | None = None,
    show_rejected: bool = True,
    model: str | None = None,
) -> StreamSummary:
    """Decodes, analyses and writes at the same time; the same file gives the same rows every time.

    What is covered is covered a moment before it is found, too: frames wait for those that follow.

    Raises what the source, the analysis or a sink raises; all frames before were written.
    """
    draws = any(sink.wants_image for sink in sinks)
    summary = StreamSummary()
    with (
        contextlib.suppress(Quit),
        contextlib.closing(analyzed_frames(source, analyze, show_rejected)) as all_analyzed,
    ):
        for (frame, _), faces, covered, _ in look_ahead(all_analyzed) if protect and draws else all_analyzed:
            number = summary.frames + 1
            summary = StreamSummary(number, summary.faces + count_faces(faces), number)
            shown_rgb = protect(frame.image_rgb, covered) if protect and draws else frame.image_rgb
            drawn_rgb = draw(shown_rgb, faces) if draws else None
            result = frame_result(source.given, frame, faces, model)
            feed([Record(result, drawn_rgb, duration_s=frame.duration_s)], sinks)
    return summary


def look_ahead(all_analyzed: Iterable[Analyzed]) -> Iterator[Analyzed]:
    """The same frames, a moment later: `covered` is then also what the frames around them have shown.

    So many frames wait as last REMEMBERED_S, of large pictures fewer: memory is bounded.
    """
    waiting: deque[Analyzed] = deque()
    seen: dict[float, tuple[Face, ...]] = {}
    # What waits is given out before an error goes on: it was analysed.
    error: SourceError | None = None
    for analyzed in _until_lost(all_analyzed):
        if isinstance(analyzed, SourceError):
            error = analyzed
            break
        frame = analyzed.stamped.frame
        seen[frame.time_s] = seen.get(frame.time_s, ()) + analyzed.covered
        waiting.append(analyzed)
        most = max(_MOST_WAITING_BYTES // max(frame.image_rgb.nbytes, 1), 1)
        while frame.time_s - waiting[0].stamped.frame.time_s > REMEMBERED_S or len(waiting) > most:
            yield _covered(waiting.popleft(), seen)
    while waiting:
        yield _covered(waiting.popleft(), seen)
    if error is not None:
        raise error


def _until_lost(all_analyzed: Iterable[Analyzed]) -> Iterator[Analyzed | SourceError]:
    """The same, with the error of a source that was lost or cut short as the last thing."""
    try:
        yield from all_analyzed
    except SourceError as error:
        yield error


def _covered(analyzed: Analyzed, seen: dict[float, tuple[Face, ...]]) -> Analyzed:
    """With all that is to be covered; what lies too far back is forgotten."""
    time_s = analyzed.stamped.frame.time_s
    for past in [when for when in seen if when < time_s - REMEMBERED_S]:
        del seen[past]
    return analyzed._replace(covered=tuple(covers_at(time_s, seen)))


def analyzed_frames(
    source: FrameSource,
    analyze: Analyze,
    show_rejected: bool = True,
    stop: threading.Event | None = None,
) -> Generator[Analyzed, None, None]:
    """Frames with their faces, in order: of a file every one, of a camera or stream the newest each time.

    Args:
        source: opened and closed by the caller.
        analyze: called from one thread, with times that grow.
        show_rejected: tell of what was found and taken for no face.
        stop: ends it, set from any thread.

    Raises what the source or the analysis raises; all frames before were given.
    """
    stop = stop or threading.Event()
    stamped_frames = NewestChannel(stop) if source.live else OrderedChannel(stop, 1)
    results = OrderedChannel(stop, 1 if source.live else _OFFLINE_RESULTS_AHEAD)
    capture = CaptureThread(source, stamped_frames)
    worker = AnalysisThread(analyze, stamped_frames, results, show_rejected)
    with running_threads(stop, [capture, worker], [stamped_frames, results]):
        first = True
        while not stop.is_set():
            item = results.get(POLL_S)
            if item is None:
                check_silence(source, capture)
            elif isinstance(item, EndOfStream):
                if item.error is not None:
                    raise item.error
                return
            else:
                if first and isinstance(stamped_frames, OrderedChannel):
                    stamped_frames.enlarge(frames_ahead(item.stamped) - 1)
                first = False
                yield item


def run_live(
    source: FrameSource,
    analyze: Analyze,
    sinks: Sequence[Sink],
    view: View | None = None,
    *,
    follower: Follower | None = None,
    draw: Draw = annotate,
    protect: Protect | None = None,
    show_rejected: bool = True,
    clock: Clock | None = None,
    model: str | None = None,
) -> StreamSummary:
    """Runs until the source ends or the user quits; the threads it starts have ended then.

    A file without a view: every frame is analysed and written, in order. Otherwise every frame is
    drawn when it is due and the newest is analysed: sinks that want images get every drawn frame,
    the others a row for each analysed one.

    Args:
        source: opened and closed by the caller, like sinks and view.
        analyze: called from one thread, with times that grow.
        sinks: get every result, in order.
        view: the window.
        follower: moves boxes on between analyses; `live.tracking.BoxFollower` when left out.
        draw: annotates frames for sinks that want images.
        protect: covers faces before anything is drawn or written. Then only analysed frames are
            drawn, each until the next: in another a face may be that nobody has found yet.
        show_rejected: tell of what was found and taken for no face. It is covered in any case.
        clock: the time that frames are drawn by.
        model: what rows call the model that analyses.

    Raises:
        SourceError: the source was lost, stalled or is cut short; all frames before were written.
        OutputError: a sink cannot write.
    """
    if view is None and not source.live:
        return run_offline(source, analyze, sinks, draw, protect, show_rejected, model)
    overlay = (
        CoveredFaces(LingeringMask(protect)) if protect else FollowedFaces(follower or _default_follower())
    )
    clock = clock or Clock()
    presenter = FramePresenter(source, sinks, view, overlay, draw, clock.now, model)
    LivePicture(source, analyze, presenter, clock, show_rejected).run()
    return presenter.summary


def _default_follower() -> Follower:
    from facecli.live.tracking import BoxFollower

    return BoxFollower()
