"""People become events: counted once a visit, never fewer than asked for, kept until somebody has them."""

import json
import sqlite3
import threading
from datetime import datetime, timedelta, timezone

import pytest
from event_targets import numbers, wait_until
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.attributes import AGE_GROUPS
from facecli.core.errors import InputError, OutputError
from facecli.core.faces import Face, FrameResult
from facecli.core.stats import wilson_interval
from facecli.sinks.base import Record
from facecli.sinks.events import Courier, EventOptions, EventSink, Outbox, outbox_path
from facecli.sinks.targets import DeliveryError, Patience

QUICK = Patience(0.01, 0.05, 1.0, 1.0, 0.3)
SURE = Patience(0.01, 0.05, 1.0, 1.0, 20.0)
"""Ends at once when all has arrived; a slow moment of a shared machine is no failure."""
BEGIN = datetime(2031, 5, 1, 12, tzinfo=timezone.utc)


class Memory:
    """A target that takes what it is told; while it is down it takes nothing."""

    called, place = "memory", "memory"

    def __init__(self):
        self.events, self.is_down, self.closed = [], False, 0
        self.tries = 0

    def send(self, event):
        self.tries += 1
        if self.is_down:
            raise DeliveryError("is down")
        self.events.append(json.loads(event.text))

    def close(self):
        self.closed += 1


class Said(list):
    """Messages, from any thread."""

    def __call__(self, message):
        self.append(message)


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))


def face(track, age=30.0, male=0.9, **more):
    return Face((1, 2, 30, 40), 0.9, age, (20, 40), {"male": male, "female": 1 - male}, track=track, **more)


def record(number, faces, source="clip.mp4", fps=10.0):
    return Record(FrameResult(source, 64, 48, tuple(faces), number, number / fps, model="tiny"))


def told(records, target=None, said=None, patience=SURE, **options):
    """The events of records, all of which have arrived if the target is not down."""
    target, said, moments = target or Memory(), said if said is not None else Said(), iter(range(10**6))
    sink = EventSink(
        EventOptions(**options),
        target,
        said,
        said,
        patience,
        lambda: BEGIN + timedelta(seconds=next(moments)),
    )
    with sink:
        for one in records:
            sink.write(one)
    return target.events


def visits(count, frames=15, first=1, together=1):
    """Records of people who come one after the other, `frames` frames each, ten a second."""
    return [
        record(number, [face(first + number // frames * together + i) for i in range(together)])
        for number in range(count // together * frames)
    ]


@pytest.mark.parametrize("records", [[], [record(0, ())], [record(number, ()) for number in range(900)]])
def test_nobody_is_no_event(records):
    said = Said()
    assert told(records, said=said, after_people=5, every_s=10) == [] and said == []


def test_there_is_an_event_as_soon_as_so_many_have_come_and_one_of_the_rest():
    events = told(visits(17), after_people=6)
    assert [(event["people"], event["reason"]) for event in events] == [
        (6, "people"),
        (6, "people"),
        (5, "end"),
    ]


def test_too_few_at_the_end_are_not_told_and_that_is_said():
    said = Said()
    events = told(visits(9), said=said, after_people=5)
    assert [event["people"] for event in events] == [5]
    assert said == ["4 people since the last event: fewer than 5, not told"]


def test_fewer_than_enough_are_held_back_and_joined_to_the_next():
    # Ten seconds are six or seven visits of 1.5 s.
    events = told(visits(60), every_s=10, min_people=8)
    assert [event["people"] for event in events] == [13, 14, 13, 13]
    assert {event["reason"] for event in events} == {"time"}


@given(st.integers(1, 9), st.integers(0, 12), st.integers(0, 40), st.integers(1, 3))
def test_no_event_is_of_fewer_and_nobody_counts_twice(min_people, more, count, together):
    events = told(
        visits(count, 4, together=together), after_people=min_people + more, every_s=3, min_people=min_people
    )
    assert all(event["people"] >= min_people for event in events)
    assert count - together - min_people < sum(event["people"] for event in events) <= count


def test_an_event_tells_counts_ages_and_shares_with_intervals_and_nothing_else():
    faces = [face(1, 24.0, 0.1), face(2, 31.0), face(3, 33.0), face(4, 38.0, 0.2), face(5, 64.0)]
    (event,) = told([record(number, faces) for number in range(15)], after_people=5)
    assert list(event) == [
        "id", "number", "facecli", "model", "sources", "since", "until", "reason", "people", "age", "gender",
    ]  # fmt: skip
    assert (event["model"], event["sources"], event["people"]) == ("tiny", ["clip.mp4"], 5)
    assert (event["since"], event["until"]) == ("2031-05-01T12:00:00.000Z", "2031-05-01T12:00:01.000Z")
    assert event["gender"]["female"] == {
        "count": 2,
        "share": 0.4,
        "interval_95": [round(bound, 4) for bound in wilson_interval(2, 5)],
    }
    assert (event["age"]["count"], event["age"]["mean_years"]) == (5, 38.0)
    assert list(event["age"]["bands"]) == list(AGE_GROUPS) and event["age"]["bands"]["30-39"]["count"] == 3
    text = json.dumps(event)
    assert not any(word in text for word in ("box", "track", "embedding", "distribution", "landmarks"))


def race(track):
    return face(
        track, race_probabilities={"white": 0.5, "black": 0.1, "asian": 0.2, "indian": 0.1, "other": 0.1}
    )


def test_race_is_told_only_when_it_is_asked_for():
    records = [record(number, [race(track) for track in range(5)]) for number in range(15)]
    assert "race" not in told(records, after_people=5)[0]
    (event,) = told(records, after_people=5, attributes=("race",))
    assert event["race"]["white"]["count"] == 5 and not {"age", "gender"} & set(event)


def test_what_the_model_does_not_read_is_left_out():
    nameless = [Face((1, 2, 3, 4), 0.9, track=track) for track in range(5)]
    (event,) = told([record(number, nameless) for number in range(15)], after_people=5)
    assert event["people"] == 5 and not {"age", "gender"} & set(event)


def test_refused_faces_and_those_without_a_track_do_not_count():
    strangers = [face(None), Face((1, 2, 3, 4), 0.9, face_probability=0.1, rejected=True, track=7)]
    assert told([record(number, strangers) for number in range(40)], after_people=1, min_people=1) == []


def test_a_visit_counts_once_also_after_its_event_and_through_short_absences():
    present = [face(track) for track in range(1, 6)]
    records = [record(number, () if number % 20 > 15 else present) for number in range(400)]
    assert [event["people"] for event in told(records, after_people=5)] == [5]


def test_another_video_and_another_run_of_one_are_other_people():
    people = [face(track) for track in range(1, 4)]
    parts = [("a.mp4", 15), ("b.mp4", 15), ("b.mp4", 15)]
    records = [record(number, people, source) for source, frames in parts for number in range(frames)]
    (event,) = told(records, after_people=9)
    assert event["sources"] == ["a.mp4", "b.mp4"]


def test_who_was_seen_for_a_moment_counts_when_gone():
    target, seen = Memory(), [record(0, [face(track) for track in range(5)])]
    sink = EventSink(EventOptions(after_people=5), target, Said(), Said(), QUICK)
    with sink:
        for one in [*seen, *(record(number, ()) for number in range(1, 30))]:
            sink.write(one)
        assert len(sink._outbox) == 0 and target.events == []
        for number in range(30, 33):
            sink.write(record(number, ()))
        wait_until(lambda: target.events)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "a number of people or a time"),
        ({"after_people": 4}, "would be held back until there are 5"),
        ({"after_people": 9, "attributes": ("age", "name")}, "no attribute 'name'"),
        ({"after_people": 9, "attributes": ("",)}, "no attribute ''"),
    ],
)
def test_what_cannot_be_is_refused(options, reason):
    with pytest.raises(InputError, match=reason):
        EventOptions(**options)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, OutputError])
def test_an_interrupted_run_tells_what_it_has(error):
    target = Memory()
    sink = EventSink(EventOptions(after_people=20), target, Said(), Said(), QUICK)
    with pytest.raises(error), sink:
        for one in visits(8):
            sink.write(one)
        raise error
    assert [event["people"] for event in target.events] == [8]


def test_video_does_not_wait_for_a_target_that_hangs_and_the_next_run_sends_it():
    release = threading.Event()
    target, said = Memory(), Said()
    take = target.send
    target.send = lambda event: release.wait(20) and take(event)
    sink = EventSink(EventOptions(after_people=5), target, said, said, QUICK)
    with sink:
        for one in visits(20):
            sink.write(one)
        assert target.events == []
    release.set()
    wait_until(lambda: not sink._courier._thread.is_alive())
    assert said[-1].startswith("4 events for memory could not be sent: kept in ")
    target.send, said = take, Said()
    assert told([], target, said, after_people=5) == target.events
    assert said == ["3 events of earlier runs for memory will be sent first"]
    assert numbers(target.events) == [1, 2, 3, 4]


def test_trouble_is_said_once_and_its_end_too():
    target, said = Memory(), Said()
    target.is_down = True
    sink = EventSink(EventOptions(after_people=5), target, Said(), said, QUICK)
    with sink:
        for one in visits(10):
            sink.write(one)
        wait_until(lambda: target.tries > 3)
        target.is_down = False
        wait_until(lambda: len(target.events) == 2)
    assert said == [
        "cannot send events to memory: is down; they are kept, and tried again",
        "events reach memory again",
    ]
    assert target.closed


def test_waits_grow_up_to_the_longest(tmp_path):
    target, waited = Memory(), []
    target.is_down = True
    box = Outbox(tmp_path / "box.sqlite")
    box.add({})
    courier = Courier(box.path, target, Said(), Patience(1.0, 60.0, last_s=0.05))
    courier._stand_back = lambda seconds: waited.append(seconds) or len(waited) < 9 or courier._calls.get()
    courier.start()
    wait_until(lambda: len(waited) == 9)
    courier.close()
    assert waited[:9] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_target_may_ask_for_more_time(tmp_path):
    target, waited = Memory(), []

    def busy(event):
        raise DeliveryError("is busy", 7.0)

    target.send = busy
    box = Outbox(tmp_path / "box.sqlite")
    box.add({})
    courier = Courier(box.path, target, Said(), Patience(1.0, 60.0, last_s=0.05))
    courier._stand_back = lambda seconds: waited.append(seconds) or courier._calls.get()
    courier.start()
    wait_until(lambda: waited)
    courier.close()
    assert waited[0] == 7


def test_an_outbox_gives_the_oldest_first_and_numbers_go_on_for_ever(tmp_path):
    path = tmp_path / "new" / "box.sqlite"
    box = Outbox(path)
    assert (box.oldest(), len(box), box.last_number) == (None, 0, 0)
    assert [box.add({"people": people}) for people in (5, 6)] == [1, 2]
    assert json.loads(box.oldest().text) == {"id": box.oldest().id, "number": 1, "people": 5}
    box.remove(1)
    box.remove(2)
    box.close()
    again = Outbox(path)
    assert again.add({}) == 3 and again.last_number == 3


def test_an_outbox_is_bounded_and_drops_the_oldest(tmp_path):
    box = Outbox(tmp_path / "box.sqlite", most=3)
    for _ in range(5):
        box.add({})
    assert (len(box), box.oldest().number, box.dropped) == (3, 3, 2)


def test_that_events_are_dropped_is_said_once(monkeypatch):
    monkeypatch.setattr("facecli.sinks.events.MOST_KEPT", 2)
    monkeypatch.setattr(Outbox.__init__, "__defaults__", (2,))
    target, said = Memory(), Said()
    target.is_down = True
    told(visits(25), target, said, QUICK, after_people=5)
    assert [message for message in said if "are dropped" in message] == [
        "more than 2 events wait for memory: the oldest are dropped"
    ]
    assert said[-1].startswith("2 events for memory could not be sent")


def test_one_of_several_processes_sends_for_all_and_another_goes_on(tmp_path):
    path = tmp_path / "box.sqlite"
    first, second = Memory(), Memory()
    couriers = [Courier(path, target, Said(), QUICK) for target in (first, second)]
    box = Outbox(path)
    box.add({})
    couriers[0].start()
    wait_until(lambda: first.events)
    couriers[1].start()
    for _ in range(5):
        box.add({})
    couriers[0].wake()
    wait_until(lambda: len(first.events) == 6)
    assert second.events == []
    couriers[0].close()
    box.add({})
    wait_until(lambda: second.events)
    couriers[1].close()
    assert numbers(first.events + second.events) == [1, 2, 3, 4, 5, 6, 7]


def test_what_is_no_outbox_is_one_error_and_stays(tmp_path):
    path = tmp_path / "box.sqlite"
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(OutputError, match="cannot keep events in .*move it away"):
        Outbox(path)
    assert path.read_bytes().startswith(b"something else")


def test_a_place_that_cannot_be_is_one_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        Outbox(tmp_path / "file" / "box.sqlite")
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "file"))
    with (
        pytest.raises(OutputError, match="cannot write"),
        EventSink(EventOptions(after_people=5), Memory(), Said(), Said()),
    ):
        pass


def test_nothing_of_a_single_person_and_no_secret_is_on_the_disk(tmp_path):
    target = Memory()
    target.is_down = True
    told(visits(9), target, patience=QUICK, after_people=5)
    path = outbox_path(target)
    base = sqlite3.connect(path)
    (text,) = base.execute("SELECT text FROM events").fetchone()
    assert base.execute("SELECT COUNT(*) FROM events").fetchone() == (1,)
    assert json.loads(text)["people"] == 5
