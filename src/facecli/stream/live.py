"""A live picture: every frame drawn at the source's pace, the newest analysed beside it."""

import contextlib
import threading

from facecli.stream.capture_thread import CaptureThread, Shot, frames_ahead
from facecli.stream.channel import End, InOrder, Newest
from facecli.stream.crew import crew
from facecli.stream.pace import Clock, Pacer
from facecli.stream.sinks import Quit
from facecli.stream.sources import FrameSource
from facecli.stream.stage import Stage
from facecli.stream.watch import POLL_S, check_silence
from facecli.stream.worker import AnalysisThread, Analyze, Analyzed

_RESULTS_AHEAD = 8


class LivePicture:
    """The main thread's loop between a camera or file, an analysis and a stage."""

    def __init__(
        self,
        source: FrameSource,
        analyze: Analyze,
        stage: Stage,
        clock: Clock,
        show_rejected: bool = True,
    ) -> None:
        self._source = source
        self._stage = stage
        self._sleep = clock.sleep
        self._pacer = None if source.live else Pacer(clock.now)
        self._stop = threading.Event()
        self._frames = Newest(self._stop) if source.live else InOrder(self._stop, 1)
        self._newest = Newest(self._stop)
        self._results = InOrder(self._stop, _RESULTS_AHEAD)
        self._all_analyzed = False
        self._capture = CaptureThread(source, self._frames, self._newest)
        self._worker = AnalysisThread(analyze, self._newest, self._results, show_rejected)

    def run(self) -> None:
        """Plays until the source ends or the user quits.

        Raises what the source, the analysis, a sink or the view raises.
        """
        channels = self._frames, self._newest, self._results
        with crew(self._stop, (self._capture, self._worker), channels):
            error = None
            with contextlib.suppress(Quit):
                error = self._play()
                self._wait_for_the_last()
        if error is not None:
            raise error

    def _play(self) -> BaseException | None:
        """Draws frame after frame; returns the error that ended the source."""
        if isinstance(self._frames, InOrder):
            self._wait_for_the_first(self._frames)
        while True:
            self._collect()
            item = self._frames.get(POLL_S)
            if isinstance(item, End):
                return item.error
            if item is None:
                check_silence(self._source, self._capture)
                self._stage.show_again()
            else:
                self._wait_for_its_time(item)
                self._stage.show(item)
            self._stand_still()

    def _wait_for_its_time(self, shot: Shot) -> None:
        while self._pacer and (left_s := self._pacer.due_in(shot.frame.time_s)) > 0:
            self._sleep(min(left_s, POLL_S))
            self._collect()
            if left_s > POLL_S:
                self._stage.show_again()
                self._stand_still()

    def _stand_still(self) -> None:
        """While the user pauses: a camera's frames are dropped, a file waits."""
        if not self._stage.paused:
            return
        self._newest.shut = True
        while self._stage.paused:
            self._sleep(POLL_S)
            self._collect()
            self._stage.show_again()
        self._newest.shut = False
        self._stage.resume()
        if self._pacer:
            self._pacer.restart()

    def _collect(self, timeout_s: float = 0.0) -> None:
        """Takes what has been analysed. Raises what the analysis raised."""
        while (item := self._results.get(timeout_s)) is not None:
            self._take(item)
            if self._all_analyzed:
                return

    def _take(self, item: Analyzed | End | None) -> None:
        if isinstance(item, Analyzed):
            self._stage.learn(item)
        elif item is not None:
            self._all_analyzed = True
            if item.error is not None:
                raise item.error

    def _wait_for_the_first(self, frames: InOrder) -> None:
        """A file begins with its first faces, and only then is it decoded ahead."""
        while not (self._stage.summary.analyzed or self._all_analyzed):
            item = self._results.get(POLL_S)
            if isinstance(item, Analyzed):
                frames.enlarge(frames_ahead(item.shot) - 1)
            self._take(item)
            check_silence(self._source, self._capture)

    def _wait_for_the_last(self) -> None:
        """The source has ended: the frame in work becomes a row, too."""
        while not self._all_analyzed:
            self._collect(POLL_S)
            self._stage.show_again()
