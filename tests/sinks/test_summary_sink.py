"""The summary counts people, tells how sure that is, and is a valid document in every case."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.attributes import AGE_GROUPS, EMOTIONS, GENDERS, RACES
from facecli.core.errors import OutputError, SourceError
from facecli.core.faces import Face, FrameResult
from facecli.core.stats import Z_90, Z_95, wilson_interval
from facecli.sinks.base import Record
from facecli.sinks.summary import People, SummarySink, summarize_people


def face(track, age=30.0, male=0.9, **more):
    return Face((1, 2, 30, 40), 0.9, age, (20, 40), {"male": male, "female": 1 - male}, track=track, **more)


def summary_of(tmp_path, frames, fps=10):
    """The document after frames, each a tuple of faces."""
    path = tmp_path / "summary.json"
    with SummarySink(str(path)) as sink:
        for number, faces in enumerate(frames):
            sink.write(Record(FrameResult("clip.mp4", 64, 48, tuple(faces), number, number / fps)))
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("frames", [[], [()], [(), ()]])
def test_nobody_seen_is_a_whole_document(tmp_path, frames):
    row = summary_of(tmp_path, frames)
    assert (row["frames"], row["people"], row["tracks"]) == (len(frames), 0, [])
    assert row["age_histogram"] == dict.fromkeys(AGE_GROUPS, 0)
    assert list(row["gender"]) == list(GENDERS) and list(row["race"]) == list(RACES)
    assert row["emotion"] == {name: {"count": 0, "share": None, "interval_95": None} for name in EMOTIONS}


def test_people_are_counted_not_frames(tmp_path):
    row = summary_of(tmp_path, [(face(1), face(2, 64.0, 0.2))] * 9 + [(face(2, 64.0, 0.2),)])
    assert (row["source"], row["complete"], row["frames"], row["people"]) == ("clip.mp4", True, 10, 2)
    assert row["duration_s"] == pytest.approx(0.9)
    assert {group: count for group, count in row["age_histogram"].items() if count} == {
        "30-39": 1,
        "60-69": 1,
    }
    assert row["gender"]["male"]["count"] == row["gender"]["female"]["count"] == 1
    assert row["gender"]["male"]["share"] == 0.5
    assert row["tracks"][1] == {
        "track": 2, "first_s": 0.0, "last_s": 0.9, "in_view_s": 1.0, "frames": 10,
        "age_years": 64.0, "age_group": "60-69", "gender": "female",
    }  # fmt: skip


def test_time_in_view_leaves_absences_and_long_gaps_out():
    people = People()
    for time_s, faces in ((0.0, (face(1),)), (0.5, ()), (1.0, (face(1),)), (9.0, (face(1),)), (9.5, ())):
        people.see(faces, time_s)
    people.end()
    assert people.by_track[1].in_view_s == pytest.approx(0.5 + 0.5)


def test_times_that_go_back_take_nothing_away():
    people = People()
    for time_s in (5.0, 5.1, 0.0, 0.1):
        people.see((face(1),), time_s)
    people.end()
    assert people.by_track[1].in_view_s == pytest.approx(0.3)


def test_a_label_is_that_of_the_mean_probability():
    people = People()
    for male in (0.45, 0.45, 0.95):
        people.see((face(1, male=male),), 0.0)
    row = summarize_people(people, "x")
    assert row["tracks"][0]["gender"] == "male"
    assert "race" not in row["tracks"][0] and row["race"]["white"]["share"] is None


def test_faces_without_a_track_are_no_people_and_refused_boxes_nothing(tmp_path):
    refused = Face((1, 2, 3, 4), 0.9, face_probability=0.1, rejected=True, track=9)
    row = summary_of(tmp_path, [(face(None), refused)] * 3)
    assert (row["people"], row["untracked_faces"]) == (0, 3)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, SourceError])
def test_an_interrupted_run_leaves_a_whole_document(tmp_path, error):
    path = tmp_path / "summary.json"
    with pytest.raises(error), SummarySink(str(path)) as sink:
        sink.write(Record(FrameResult("x", 64, 48, (face(1),))))
        raise error
    row = json.loads(path.read_text())
    assert row["people"] == 1 and row["complete"] is False


def test_a_source_that_fails_at_once_leaves_the_old_file(tmp_path):
    path = tmp_path / "summary.json"
    path.write_text("old")
    with pytest.raises(SourceError), SummarySink(str(path)):
        raise SourceError("no camera")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_dash_is_standard_output():
    stdout = io.StringIO()
    with SummarySink("-", stdout):
        pass
    assert json.loads(stdout.getvalue())["people"] == 0


def test_target_that_cannot_be_written_is_refused_at_the_start(tmp_path):
    with pytest.raises(OutputError, match="is a folder"):
        SummarySink(str(tmp_path)).__enter__()


def test_no_trials_no_interval():
    assert wilson_interval(0, 0) is None


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_known_intervals(hits, count, low, high):
    """81 of 263 is the example of Newcombe (1998), Statistics in Medicine 17, 857-872."""
    assert wilson_interval(hits, count) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 10_000), st.data())
def test_intervals_hold_the_share_and_stay_in_range(count, data):
    hits = data.draw(st.integers(0, count))
    low, high = wilson_interval(hits, count)
    assert 0 <= low <= hits / count <= high <= 1


@pytest.mark.parametrize("z", [Z_90, Z_95])
def test_intervals_hold_the_share_for_every_few_people(z):
    """Error bars are drawn from the share to its bounds: one a hair on the wrong side has no length."""
    for count in range(1, 61):
        for hits in range(count + 1):
            low, high = wilson_interval(hits, count, z)
            assert 0 <= low <= hits / count <= high <= 1
