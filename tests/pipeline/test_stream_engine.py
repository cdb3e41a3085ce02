"""Every way out of a stream, many times over: the error arrives, no thread stays, nothing hangs."""

import gc
import signal
import time

import pytest
from stream_fakes import FakeFollower, FakeSource, FakeTime, FakeView, Recorder, one_face

from facecli.core.errors import OutputError, SourceError
from facecli.pipeline.stream import run_live
from facecli.sinks.base import Quit

TIMES = 200
MODES = ("whole", "shown", "camera")


def run(mode, source=None, analyze=one_face, sinks=(), view=None, frames=20):
    live = mode == "camera"
    source = source or FakeSource(frames, live=live)
    source.live = live
    if mode == "shown":
        view = view or FakeView()
    return run_live(source, analyze, sinks, view, follower=FakeFollower(), clock=FakeTime().clock)


def raising(error, at):
    """An analysis that fails at that time or later."""

    def analyze(image_rgb, time_s):
        if time_s >= at / 10:
            raise error
        return []

    return analyze


@pytest.fixture(autouse=True)
def python_interrupts():
    """Ctrl-C raises KeyboardInterrupt, also under a shell that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def no_collection():
    """Python swallows what is raised while it collects garbage: hypothesis listens there."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def interrupt():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.usefixtures("no_thread_left")
class TestWaysOut:
    def test_end(self, mode):
        for _ in range(TIMES):
            run(mode, frames=3)

    def test_analysis_raises(self, mode):
        for number in range(TIMES):
            with pytest.raises(ZeroDivisionError):
                run(mode, analyze=raising(ZeroDivisionError(), number % 20))

    def test_source_raises(self, mode):
        for number in range(TIMES):
            rows = Recorder()
            with pytest.raises(SourceError, match="gone"):
                run(mode, FakeSource(number % 10, error=SourceError("gone")), sinks=[rows])
            assert mode != "whole" or len(rows.rows) == number % 10

    @pytest.mark.parametrize("wants_image", [False, True])
    def test_sink_raises(self, mode, wants_image):
        class Full(Recorder):
            def write(self, record):
                raise OutputError("full")

        for _ in range(TIMES // 2):
            with pytest.raises(OutputError, match="full"):
                run(mode, sinks=[Full(wants_image)])

    def test_interrupted_in_a_sink(self, mode):
        class Interrupting(Recorder):
            def write(self, record):
                interrupt()

        for _ in range(TIMES):
            with pytest.raises(KeyboardInterrupt):
                run(mode, sinks=[Interrupting()])

    @pytest.mark.usefixtures("no_collection")
    def test_interrupted_at_any_moment(self, mode):
        """The signal comes from the analysis, so that the main thread may be anywhere."""
        for number in range(TIMES):
            moment = iter(range(number % 20))

            def analyze(image_rgb, time_s, moment=moment):
                if next(moment, None) is None:
                    interrupt()
                return []

            with pytest.raises(KeyboardInterrupt):
                run(mode, FakeSource(10**9, after=lambda index: time.sleep(0)), analyze)

    @pytest.mark.usefixtures("no_collection")
    def test_interrupted_while_the_source_is_silent(self, mode):
        for _ in range(TIMES // 4):

            def after(index):
                interrupt()
                time.sleep(0.005)

            with pytest.raises(KeyboardInterrupt):
                run(mode, FakeSource(3, after=after))


@pytest.mark.parametrize("mode", MODES[1:])
@pytest.mark.usefixtures("no_thread_left")
class TestWindow:
    def test_closed(self, mode):
        for number in range(TIMES):
            view = FakeView(closing(Quit(), number % 5))
            run(mode, view=view)
            assert len(view.numbers) == number % 5 + 1 or mode == "camera"

    def test_raises(self, mode):
        for _ in range(TIMES):
            with pytest.raises(OutputError, match="no display"):
                run(mode, view=FakeView(closing(OutputError("no display"), 0)))


def closing(error, at):
    def then(view):
        if len(view.numbers) > at:
            raise error

    return then
