"""Events: what is told of people as soon as there are enough of them, kept on disk until it has arrived.

Counts and shares, never a picture, an embedding, a box, or a record of few.
"""

import contextlib
import hashlib
import json
import queue
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

from facecli import __version__
from facecli.core.attributes import AGE_GROUPS, CLASS_NAMES, age_group
from facecli.core.errors import InputError, OutputError
from facecli.core.faces import NAMED_HEADS, Face
from facecli.core.paths import home
from facecli.core.process import start_threads
from facecli.sinks.base import Record, count
from facecli.sinks.summary import Person, share_of
from facecli.sinks.targets import USUAL, DeliveryError, KeptEvent, Patience, Target

FEWEST = 5
"""People of an event, unless fewer are asked for."""
ATTRIBUTES = ("age", *NAMED_HEADS)
"""What an event may tell of people."""
USUAL_ATTRIBUTES = ("age", "gender")
"""What it tells when nothing else is asked for."""
MOST_KEPT = 10_000
"""Events that wait at most; then the oldest are dropped."""

_SETTLED_S = 1.0
"""A visit counts when it has lasted so long: by then its labels are of several frames."""
_GONE_S = 3.0
"""Or when nobody was seen of it for so long, which is longer than `live.tracking` looks for anybody."""
_LOOK_S, _SOON_S = 1.0, 0.1
"""How often an outbox is looked into that another process may use, too; and at the end of a run."""
_LAST_WAIT_S = 0.5
"""Between two tries at the end of a run."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class EventOptions:
    """When there is an event, and what it tells.

    Attributes:
        after_people: as soon as so many have come since the last one; None for never.
        every_s: so many seconds of video after the last one; None likewise.
        min_people: fewer are held back and counted in the next one.
        attributes: of ATTRIBUTES.
    """

    after_people: int | None = None
    every_s: float | None = None
    min_people: int = FEWEST
    attributes: tuple[str, ...] = USUAL_ATTRIBUTES

    def __post_init__(self) -> None:
        """Raises InputError: never an event, fewer people than an event has, or no such attribute."""
        if self.after_people is None and self.every_s is None:
            raise InputError("events need a number of people or a time after which there is one")
        if self.after_people is not None and self.after_people < self.min_people:
            raise InputError(
                f"an event after {count_people(self.after_people)} would be held back until there are "
                f"{self.min_people}: ask for that many, or for a smaller least number of people"
            )
        if strays := [name for name in self.attributes if name not in ATTRIBUTES]:
            raise InputError(f"events have no attribute '{strays[0]}'; name some of {', '.join(ATTRIBUTES)}")


def count_people(number: int) -> str:
    """ "1 person", "2 people"."""
    return "1 person" if number == 1 else f"{number} people"


@dataclass
class _Tally:
    """People who are in no event yet: sums only, so that nothing is remembered of one of them."""

    people: int = 0
    age_sum: float = 0.0
    bands: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    sources: dict[str, None] = field(default_factory=dict)

    def add(self, person: Person, source: str) -> None:
        self.people += 1
        self.sources[source] = None
        if person.age_years is not None:
            self.age_sum += person.age_years
            self.bands[age_group(person.age_years)] += 1
        for head in NAMED_HEADS:
            if (label := person.label(head)) is not None:
                self.labels.setdefault(head, Counter())[label] += 1

    def to_json(self, attributes: Sequence[str]) -> dict[str, Any]:
        """Keys of heads that the model lacks are left out."""
        row: dict[str, Any] = {"people": self.people}
        if "age" in attributes and (aged := self.bands.total()):
            row["age"] = {
                "count": aged,
                "mean_years": round(self.age_sum / aged, 1),
                "bands": {band: share_of(self.bands[band], aged) for band in AGE_GROUPS},
            }
        for head in attributes:
            if (labels := self.labels.get(head)) is not None:
                row[head] = {name: share_of(labels[name], labels.total()) for name in CLASS_NAMES[head]}
        return row


class _Visits:
    """Tracks of one video -> people, each once: when they have been seen for a moment, or have gone."""

    def __init__(self) -> None:
        self._open: dict[int, Person] = {}
        self._counted: dict[int, float] = {}
        self._source, self._frame = "", -1

    def see(self, record: Record) -> Iterator[tuple[Person, str]]:
        """Who is to be counted now, and in which source."""
        result = record.result
        if result.source != self._source or result.frame <= self._frame:
            # Another video, or another run of the same: its tracks are other people.
            yield from self.end()
            self._source = result.source
        self._frame = result.frame
        for face in result.faces:
            if face.track is not None and not face.rejected:
                self._see(face.track, face, result.time_s)
        for track, person in list(self._open.items()):
            if person.last_s - person.first_s >= _SETTLED_S or result.time_s - person.last_s > _GONE_S:
                self._counted[track] = self._open.pop(track).last_s
                yield person, self._source
        gone = [track for track, last_s in self._counted.items() if result.time_s - last_s > _GONE_S]
        for track in gone:
            del self._counted[track]

    def end(self) -> Iterator[tuple[Person, str]]:
        """All who have not been counted yet: no more frames come."""
        people, self._open, self._counted, self._frame = self._open, {}, {}, -1
        yield from ((person, self._source) for person in people.values())

    def _see(self, track: int, face: Face, time_s: float) -> None:
        if track in self._counted:
            self._counted[track] = time_s
        else:
            self._open.setdefault(track, Person(time_s)).see(face, time_s)


class EventSink:
    """Counts people and tells a target of them, through an outbox on disk; video waits for neither.

    Somebody who leaves and comes back is a new track, and counts again. What is left at the end becomes a
    last event when there are enough people, and is forgotten otherwise.
    """

    wants_image = False

    def __init__(
        self,
        options: EventOptions,
        target: Target,
        say: Tell,
        complain: Tell,
        patience: Patience = USUAL,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        """`say` takes news and `complain` what goes wrong, a line each; `clock` tells the time of day."""
        self._options, self._target, self._clock = options, target, clock
        self._say, self._complain = say, complain
        self._path = outbox_path(target)
        self._courier = Courier(self._path, target, complain, patience)
        self._visits, self._tally = _Visits(), _Tally()
        self._since: datetime | None = None
        self._passed_s, self._due_s = 0.0, options.every_s
        self._last: tuple[str, float] | None = None
        self._model: str | None = None

    def __enter__(self) -> "EventSink":
        """Sends what earlier runs have left. Raises OutputError when the outbox cannot be written."""
        self._outbox = Outbox(self._path)
        if waiting := len(self._outbox):
            self._say(
                f"{count(waiting, 'event')} of earlier runs for {self._target.called} will be sent first"
            )
        self._courier.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Raises OutputError when the last event cannot be kept."""
        try:
            self._count(self._visits.end())
            if self._tally.people >= self._options.min_people:
                self._tell_of("end")
            elif self._tally.people:
                few = count_people(self._tally.people)
                self._say(f"{few} since the last event: fewer than {self._options.min_people}, not told")
        finally:
            self._courier.close()
            left = len(self._outbox)
            self._outbox.close()
        if left:
            self._complain(
                f"{count(left, 'event')} for {self._target.called} could not be sent: kept in {self._path}, "
                "and sent by the next run with that target"
            )

    def write(self, record: Record) -> None:
        """Takes the faces of an analysed frame. Raises OutputError when an event cannot be kept."""
        if self._since is None:
            self._since = self._clock()
        self._model = record.result.model
        self._pass_time(record)
        self._count(self._visits.see(record))
        if self._due_s is None or self._passed_s < self._due_s:
            return
        if self._tally.people >= self._options.min_people:
            self._tell_of("time")
        elif self._tally.people:
            # Held back: they are of the next one.
            self._set_due()
        else:
            self._begin()

    def _pass_time(self, record: Record) -> None:
        """Of several videos the seconds add up."""
        source, time_s = record.source, record.result.time_s
        if self._last is not None and self._last[0] == source:
            self._passed_s += max(time_s - self._last[1], 0.0)
        self._last = source, time_s

    def _count(self, people: Iterator[tuple[Person, str]]) -> None:
        for person, source in people:
            self._tally.add(person, source)
            if self._tally.people == self._options.after_people:
                self._tell_of("people")

    def _tell_of(self, reason: str) -> None:
        now = self._clock()
        event = {
            "facecli": __version__,
            "model": self._model,
            "sources": list(self._tally.sources),
            "since": _written(self._since or now),
            "until": _written(now),
            "reason": reason,
            **self._tally.to_json(self._options.attributes),
        }
        self._begin()
        dropped = self._outbox.dropped
        self._outbox.add(event)
        if not dropped and self._outbox.dropped:
            self._complain(
                f"more than {MOST_KEPT:,} events wait for {self._target.called}: the oldest are dropped"
            )
        self._courier.wake()

    def _begin(self) -> None:
        self._tally, self._since = _Tally(), self._clock()
        self._set_due()

    def _set_due(self) -> None:
        if self._options.every_s is not None:
            self._due_s = self._passed_s + self._options.every_s


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Outbox:
    """Events on disk, each until it is removed. Several processes may share one; a thread opens its own.

    What `add` has returned from outlives the process and the machine's power.

    Attributes:
        dropped: events that this one has dropped since it was opened, because too many waited.
    """

    path: Path
    dropped: int

    def __init__(self, path: Path, most: int = MOST_KEPT) -> None:
        """Opens or makes it. Raises OutputError when it cannot be written or is damaged."""
        self.path, self.dropped, self._most = path, 0, most
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
        with self._translated():
            self._base = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS events "
                "(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, text TEXT NOT NULL)"
            )

    def add(self, event: Mapping[str, Any]) -> int:
        """Keeps an event, with an `id` that no other has and the next `number`, which is returned.

        Numbers go up by one, also over restarts: a gap is what was dropped. Raises OutputError.
        """
        with self._translated(), self._base:
            self._base.execute("BEGIN IMMEDIATE")
            number, name = self._last_number() + 1, str(uuid4())
            text = json.dumps({"id": name, "number": number, **event}, separators=(",", ":"))
            self._base.execute("INSERT INTO events VALUES (?, ?, ?)", (number, name, text))
            old = self._base.execute("DELETE FROM events WHERE number <= ?", (number - self._most,))
            self.dropped += old.rowcount
        return number

    def oldest(self) -> KeptEvent | None:
        """The one that is to be sent next; None when nothing waits. Raises OutputError."""
        with self._translated():
            row = self._base.execute("SELECT number, id, text FROM events ORDER BY number LIMIT 1").fetchone()
        return KeptEvent(*row) if row else None

    def remove(self, number: int) -> None:
        """It has arrived. Raises OutputError."""
        with self._translated():
            self._base.execute("DELETE FROM events WHERE number = ?", (number,))

    def __len__(self) -> int:
        """Events that wait. Raises OutputError."""
        with self._translated():
            return self._base.execute("SELECT COUNT(*) FROM events").fetchone()[0]

    @property
    def last_number(self) -> int:
        """Of the newest event there ever was; 0 before the first. Raises OutputError."""
        with self._translated():
            return self._last_number()

    def close(self) -> None:
        """It may be opened again."""
        self._base.close()

    def _last_number(self) -> int:
        row = self._base.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        return row[0] if row else 0

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            lost = "; it is not an outbox or damaged: move it away" if _is_damage(error) else ""
            raise OutputError(f"cannot keep events in {self.path}: {error}{lost}") from error


def _is_damage(error: sqlite3.Error) -> bool:
    return type(error) is sqlite3.DatabaseError


def outbox_path(target: Target) -> Path:
    """Where the events for a target wait: the same file in every run."""
    return home() / "outbox" / f"{hashlib.sha256(target.place.encode()).hexdigest()[:16]}.sqlite"


class Courier:
    """Sends what an outbox holds in a thread of its own, one event after the other, until the target has it.

    Of several processes with one outbox one sends, for all; when it ends, another goes on.
    """

    def __init__(self, path: Path, target: Target, tell: Tell, patience: Patience = USUAL) -> None:
        """`tell` takes what goes wrong and that it goes well again, a line each, in the thread."""
        self._path, self._target, self._tell, self._patience = path, target, tell, patience
        # Whose calls Ctrl-C cannot tear apart, unlike those of `threading`.
        self._calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._is_last, self._is_over = False, False
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)

    def start(self) -> None:
        start_threads([self._thread])

    def wake(self) -> None:
        """There is something new."""
        self._calls.put(None)

    def close(self) -> None:
        """Gives what is left `last_s` seconds, and ends the thread."""
        self._is_last = True
        self.wake()
        self._wait_for_thread(self._patience.last_s)
        self._is_over = True
        self.wake()
        self._target.close()
        self._wait_for_thread(self._patience.first_wait_s)

    def _wait_for_thread(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._thread.is_alive() and time.monotonic() < end:
            time.sleep(0.01)

    def _run(self) -> None:
        outbox = turn = None
        wait_s = 0.0
        while not self._is_over:
            try:
                outbox = outbox or Outbox(self._path)
                turn = turn or _take_turn(self._path)
                event = outbox.oldest()
                if event is None and self._is_last:
                    break
                if event is None or turn is None:
                    self._pause(_SOON_S if self._is_last else _LOOK_S)
                    continue
                self._target.send(event)
                outbox.remove(event.number)
                wait_s = 0.0
                self._note("")
            except (DeliveryError, OutputError) as error:
                self._note(str(error))
                wait_s = min(max(2 * wait_s, self._patience.first_wait_s), self._patience.longest_wait_s)
                asked_s = min(getattr(error, "wait_s", 0.0), self._patience.longest_wait_s)
                self._stand_back(max(wait_s, asked_s))
        self._target.close()
        for one in (outbox, turn):
            if one is not None:
                one.close()

    def _note(self, trouble: str) -> None:
        """Says a reason when it is another than the last, and its end; not each of a thousand tries."""
        if trouble == self._trouble or self._is_over:
            return
        self._trouble = trouble
        called = self._target.called
        if trouble:
            self._tell(f"cannot send events to {called}: {trouble}; they are kept, and tried again")
        else:
            self._tell(f"events reach {called} again")

    def _pause(self, seconds: float) -> None:
        with contextlib.suppress(queue.Empty):
            self._calls.get(timeout=max(seconds, 0.001))

    def _stand_back(self, seconds: float) -> None:
        """New events do not hurry it; the end of the run does: then it is tried once more at once."""
        was_last = self._is_last
        end = time.monotonic() + (min(seconds, _LAST_WAIT_S) if was_last else seconds)
        while not self._is_over and self._is_last == was_last and (left_s := end - time.monotonic()) > 0:
            self._pause(left_s)


def _take_turn(path: Path) -> sqlite3.Connection | None:
    """Holds the right to send from an outbox until it is closed or the process ends; None: another has it.

    Raises OutputError. SQLite's locks of files are those of every system.
    """
    turn = sqlite3.connect(
        path.with_suffix(".turn"), timeout=0, isolation_level=None, check_same_thread=False
    )
    try:
        turn.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        turn.close()
        if "locked" in str(error):
            return None
        raise OutputError(f"cannot write {path.with_suffix('.turn')}: {error}") from error
    return turn
