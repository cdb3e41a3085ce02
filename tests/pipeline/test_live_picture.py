"""Live pictures: every frame drawn in time, the newest analysed, keys always heard."""

import threading

import numpy as np
import pytest
from stream_fakes import FACE, FakeFollower, FakeSource, FakeTime, FakeView, Recorder, one_face

from facecli.core.errors import SourceError
from facecli.pipeline import threads
from facecli.pipeline.stream import run_live
from facecli.sinks.base import Quit


def play(source, view=None, analyze=one_face, sinks=(), **options):
    """The summary of a run with a follower that gives back the last faces, in no real time."""
    options.setdefault("follower", FakeFollower())
    return run_live(source, analyze, sinks, view, clock=FakeTime().clock, **options)


@pytest.mark.usefixtures("no_thread_left")
class TestFile:
    def test_empty(self):
        view = FakeView()
        assert play(FakeSource(0), view).frames == 0
        assert view.numbers == []

    def test_every_frame_is_drawn_in_order_and_into_the_video(self):
        view, video = FakeView(), Recorder(wants_image=True)
        assert play(FakeSource(200), view, sinks=[video]).frames == 200
        assert video.numbers == list(range(200))
        assert sorted(set(view.numbers)) == list(range(200)) and view.numbers == sorted(view.numbers)

    def test_drawing_does_not_wait_for_the_analysis(self):
        all_drawn = threading.Event()

        def analyze(image_rgb, time_s):
            assert time_s == 0 or all_drawn.wait(10), "drawing waited"
            return [FACE]

        view, rows = FakeView(lambda view: all_drawn.set() if view.numbers[-1] == 49 else None), Recorder()
        summary = play(FakeSource(50), view, analyze, [rows])
        assert summary.frames == 50
        assert rows.numbers[0] == 0 and len(rows.rows) == summary.analyzed <= 3

    def test_the_last_frame_is_analysed(self):
        rows = Recorder()
        play(FakeSource(30), FakeView(), sinks=[rows])
        assert rows.numbers[-1] == 29 and rows.numbers == sorted(set(rows.numbers))

    def test_frames_are_drawn_when_they_are_due(self):
        time = FakeTime()
        moments = []
        video = Recorder(wants_image=True)
        video.write = lambda record: moments.append(time.now_s)
        run_live(FakeSource(5), one_face, [video], FakeView(), follower=FakeFollower(), clock=time.clock)
        assert moments == pytest.approx([100, 100.1, 100.2, 100.3, 100.4])

    def test_a_slow_clip_still_hears_keys(self):
        source, shown = FakeSource(3), FakeView()
        source.fps = 1.0
        play(source, shown)
        assert shown.numbers.count(0) > 10

    def test_first_frame_has_its_faces(self):
        view = FakeView()
        play(FakeSource(3), view)
        assert view.faces[0] == (FACE,)

    def test_faces_of_another_picture_size_are_not_drawn(self):
        follower, view = FakeFollower(), FakeView()
        only_first = FakeSource(2, shapes=((8, 8), (6, 20)))
        seen_second = threading.Event()

        def analyze(image_rgb, time_s):
            assert time_s == 0 or seen_second.wait(10)
            return [FACE]

        view.then = lambda view: seen_second.set() if view.numbers[-1] == 1 else None
        play(only_first, view, analyze, follower=follower)
        assert view.faces[view.numbers.index(1)] == ()

    def test_pause_holds_frame_and_video_and_loses_nothing(self):
        def then(view):
            if len(view.numbers) == 3:
                view.paused = True
            if len(view.numbers) == 23:
                view.paused = False

        view, video = FakeView(then), Recorder(wants_image=True)
        play(FakeSource(10), view, sinks=[video])
        assert len(set(view.numbers[2:23])) == 1
        assert video.numbers == list(range(10))
        assert [stats.paused for stats in view.stats[2:24]] == [False, *[True] * 20, False]

    def test_quit_while_paused(self):
        def then(view):
            view.paused = True
            if len(view.numbers) == 9:
                raise Quit

        assert play(FakeSource(10), FakeView(then)).frames == 1

    def test_error_of_the_source_comes_after_its_frames(self):
        view = FakeView()
        with pytest.raises(SourceError, match="cut"):
            play(FakeSource(20, error=SourceError("cut")), view)
        assert view.numbers[-1] == 19

    def test_figures(self):
        view = FakeView()
        play(FakeSource(40), view)
        assert view.stats[-1].fps == pytest.approx(10, rel=0.1)
        assert view.stats[-1].latency_ms >= 0 and not view.stats[-1].paused


@pytest.mark.usefixtures("no_thread_left")
class TestCamera:
    def test_the_newest_frame_is_analysed(self):
        began, go_on = threading.Event(), threading.Event()

        def analyze(image_rgb, time_s):
            began.set()
            assert go_on.wait(10)
            return []

        def after(index):
            assert began.wait(10)
            if index == 9:
                go_on.set()

        rows, view = Recorder(), FakeView()
        play(FakeSource(10, live=True, after=after), view, analyze, [rows])
        assert rows.numbers == [0, 9]
        assert view.numbers[-1] == 9 and view.numbers == sorted(view.numbers)

    def test_without_a_view_the_video_keeps_the_times(self):
        """A camera that says 10 and gives 5 frames a second: each frame is there once, when it was taken."""
        source, video, drawn = FakeSource(6, live=True), Recorder(wants_image=True), threading.Semaphore(0)
        source.after = lambda index: drawn.acquire(timeout=10)
        source.times_s = [0.2 * index for index in range(6)]

        def draw(image_rgb, faces):
            drawn.release()
            return image_rgb

        play(source, sinks=[video], draw=draw)
        assert video.numbers == list(range(6))
        assert [row.time_s for row in video.rows] == pytest.approx([0.2 * index for index in range(6)])

    def test_frames_of_a_pause_are_dropped(self):
        shown, resumed = threading.Event(), threading.Event()

        def then(view):
            if view.numbers[-1] == 0:
                view.paused = True
            shown.set()
            if resumed.is_set():
                view.paused = False

        def after(index):
            if index == 0:
                assert shown.wait(10)
            if index == 5:
                resumed.set()

        view, rows = FakeView(then), Recorder()
        play(FakeSource(6, live=True, after=after), view, sinks=[rows])
        assert set(view.numbers) <= {0, 5}

    def test_a_camera_that_falls_silent_is_an_error_and_keys_are_heard_until_then(self, monkeypatch):
        monkeypatch.setattr(threads, "_PATIENCE_S", 0.01)
        answers = threading.Event()
        source = FakeSource(3, live=True, after=lambda index: index == 1 and answers.wait(10))
        source.stall_s = 0.2
        view = FakeView()
        try:
            with pytest.raises(SourceError, match="fake stalled"):
                play(source, view)
            assert view.numbers.count(1) > 1
        finally:
            answers.set()
            for thread in threading.enumerate():
                if thread.name == "capture":
                    thread.join(10)


@pytest.mark.usefixtures("no_thread_left")
class TestCovered:
    @staticmethod
    def protect(image_rgb, faces):
        return image_rgb + 100

    def test_only_analysed_frames_are_drawn_and_covered(self):
        seen = set()

        def analyze(image_rgb, time_s):
            seen.add(int(image_rgb[0, 0, 0]))
            return [FACE]

        view, video = FakeView(), Recorder(wants_image=True)
        play(FakeSource(40), view, analyze, [video], protect=self.protect, draw=lambda image, faces: image)
        assert {number - 100 for number in view.numbers if number} <= seen
        assert video.numbers == list(range(40))

    def test_before_any_analysis_the_picture_is_black(self):
        shown = threading.Event()

        def analyze(image_rgb, time_s):
            assert shown.wait(10)
            return []

        view = FakeView(lambda view: shown.set())
        source = FakeSource(2, live=True, after=lambda index: index == 0 and shown.wait(10))
        play(source, view, analyze, protect=self.protect)
        assert not np.any(view.pictures[0])
