"""Files without a window: every frame in order, in every sink, the same every time."""

import dataclasses
import threading

import pytest
from stream_fakes import FACE, FakeSource, Recorder, one_face

from facecli.core.errors import SourceError
from facecli.pipeline import stream
from facecli.pipeline.stream import StreamSummary, run_live
from facecli.sinks.base import Quit
from facecli.sources.capture import CaptureSource

pytestmark = pytest.mark.usefixtures("no_thread_left")


@pytest.fixture
def source(fake_capture, frames):
    return CaptureSource("clip.mp4", fake_capture(frames(6)))


def test_empty_source_gives_nothing():
    assert run_live(FakeSource(0), one_face, [Recorder()]) == StreamSummary(0, 0, 0)


def test_every_frame_is_a_row(source):
    sink = Recorder()
    assert run_live(source, one_face, [sink]) == StreamSummary(6, 6, 6)
    assert sink.numbers == list(range(6))
    row = sink.rows[3]
    assert (row.source, row.width, row.height, row.error) == ("clip.mp4", 64, 48, None)
    assert row.time_s == pytest.approx(0.3)


def test_long_file_is_complete_and_in_order_through_all_threads():
    seen, sink = [], Recorder()
    run_live(FakeSource(500), lambda image, time_s: seen.append(time_s) or [], [sink])
    assert sink.numbers == list(range(500))
    assert seen == [number / 10 for number in range(500)]


def test_without_sinks_frames_are_counted(source):
    assert run_live(source, one_face, []).frames == 6


def test_nothing_is_drawn_unless_a_sink_looks(source):
    plain = Recorder()
    run_live(source, one_face, [plain])
    assert plain.drawn == [None] * 6


def test_drawn_frames_are_annotated(source):
    sink = Recorder(wants_image=True)
    run_live(source, one_face, [Recorder(), sink])
    assert all(drawn.shape == (48, 64, 3) and drawn.any() for drawn in sink.drawn)


def test_faces_are_covered_before_they_are_drawn():
    def protect(image_rgb, faces):
        assert list(faces) == [FACE]
        return image_rgb * 0 + 99

    sink = Recorder(wants_image=True)
    run_live(FakeSource(3), one_face, [sink], draw=lambda image_rgb, faces: image_rgb, protect=protect)
    assert all((drawn == 99).all() for drawn in sink.drawn)


def test_frames_that_change_size_are_rows_of_that_size():
    sink = Recorder(wants_image=True)
    run_live(FakeSource(4, shapes=((8, 8), (6, 20))), one_face, [sink])
    assert [(row.width, row.height) for row in sink.rows] == [(8, 8), (20, 6)] * 2
    assert [drawn.shape for drawn in sink.drawn] == [(8, 8, 3), (6, 20, 3)] * 2


def test_quitting_is_no_error_and_earlier_sinks_have_the_frame(source):
    first = Recorder()
    assert run_live(source, one_face, [first, Recorder(error=Quit(), at=2)]).frames == 3
    assert len(first.rows) == 3


def test_lost_source_ends_in_its_error_after_all_rows(fake_capture, frames):
    sink = Recorder()
    with pytest.raises(SourceError, match="cut short"):
        capture = fake_capture([*frames(6), *[None] * 200])
        run_live(CaptureSource("frames", capture), one_face, [sink])
    assert len(sink.rows) == 6


def test_decoding_runs_on_while_a_frame_is_analysed():
    second_taken = threading.Event()

    def analyze(image_rgb, time_s):
        assert second_taken.wait(10), "the second frame was not decoded meanwhile"
        return []

    source = FakeSource(3, after=lambda index: second_taken.set() if index == 0 else None)
    assert run_live(source, analyze, []).frames == 3


def test_what_is_decoded_ahead_is_bounded():
    taken, most = [], []

    def analyze(image_rgb, time_s):
        most.append(len(taken) - len(most))
        return []

    run_live(FakeSource(100, after=taken.append), analyze, [])
    assert max(most) <= 12


def test_what_is_taken_for_no_face_is_covered_and_told_of_on_request_only():
    refused = dataclasses.replace(FACE, rejected=True)
    covered = []

    def protect(image_rgb, faces):
        covered.append(list(faces))
        return image_rgb

    for show, told in ((False, ()), (True, (refused,))):
        sink = Recorder(wants_image=True)
        run_live(FakeSource(1), lambda *_: [refused], [sink], protect=protect, show_rejected=show)
        assert sink.rows[0].faces == told
    assert covered == [[refused]] * 2


def test_a_face_is_covered_before_it_is_found_and_rows_stay_as_they_are():
    """Of a track that is found in the fifth frame: no frame of the half second before shows it."""
    covered, sink = [], Recorder(wants_image=True)
    found = dataclasses.replace(FACE, track=1)

    def protect(image_rgb, faces):
        covered.append(list(faces))
        return image_rgb

    run_live(FakeSource(12), lambda image, time_s: [found] if time_s == 0.7 else [], [sink], protect=protect)
    assert [faces == [found] for faces in covered] == [0.2 <= number / 10 <= 1.2 for number in range(12)]
    assert [len(row.faces) for row in sink.rows] == [int(number == 7) for number in range(12)]


def test_large_frames_do_not_wait_for_long(monkeypatch):
    monkeypatch.setattr(stream, "_MOST_WAITING_BYTES", 2 * 8 * 8 * 3)
    covered = []
    found = dataclasses.replace(FACE, track=1)

    def protect(image_rgb, faces):
        covered.append(len(faces))
        return image_rgb

    run_live(
        FakeSource(8),
        lambda image, time_s: [found] if time_s == 0.5 else [],
        [Recorder(wants_image=True)],
        protect=protect,
    )
    assert covered == [0, 0, 0, 1, 1, 1, 1, 1]
