"""Events through a target that is down half of the time, and kills: does each arrive, and in order?

    python benchmarks/events.py                    10,000 events by MQTT and by http, ten kills each
    python benchmarks/events.py --events 300 --kills 3

A process of its own puts events into an outbox and sends them; it is killed (SIGKILL) at random moments and
started again, and goes on with the next event. Meanwhile the target is taken away and brought back in turns
of equal length. MQTT needs mosquitto and paho-mqtt. The table is in benchmarks/events.md.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from event_targets import BROKER, Broker, Listener, Server, free_port, numbers

from facecli.sinks.events import Courier, Outbox
from facecli.sinks.targets import Patience, build_target

QUICK = Patience(first_wait_s=0.05, longest_wait_s=0.1, answer_s=2.0, last_s=30.0)


class Found(NamedTuple):
    """What came of a run: `arrived` are numbers of events in the order of their coming, doubles dropped."""

    arrived: list[int]
    received: int
    kills: int
    seconds: float


def send(place: str, given: str, events: int, pause_s: float) -> None:
    """The process that is killed: adds events until there were so many, then sends the rest."""
    box = Outbox(Path(place))
    courier = Courier(Path(place), build_target(given, patience=QUICK), lambda message: None, QUICK)
    courier.start()
    while box.last_number < events:
        box.add({"people": 5})
        courier.wake()
        time.sleep(pause_s)
    while len(box):
        time.sleep(0.05)
    courier.close()


class HttpSide:
    """An http server at one port; what it has taken stays when it goes."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.given = f"http://127.0.0.1:{self.port}/door"
        self._servers: list[Server] = []
        self._is_up = False

    @property
    def events(self) -> list[dict]:
        """Of all servers, also of what one that was ending has answered in its last moment."""
        return [event for server in self._servers for event in server.events]

    def up(self) -> None:
        server = Server(port=self.port).__enter__()
        # Now and then the answer is lost, and the event is not.
        server.faults = ["taken-then-cut", 500]
        self._servers.append(server)
        self._is_up = True

    def down(self) -> None:
        if self._is_up:
            self._servers[-1].__exit__()
            self._is_up = False

    def close(self) -> None:
        self.down()


class MqttSide:
    """mosquitto at one port, and a listener that the broker remembers through its absences."""

    def __init__(self, folder: Path) -> None:
        settings = ["allow_anonymous true", "persistence true", f"persistence_location {folder}/"]
        settings += ["max_queued_messages 0", *(["user root"] if os.geteuid() == 0 else [])]
        self._broker = Broker(folder, settings)
        self.given = f"mqtt://{self._broker.place}/door"
        self._broker.start()
        self._listener = Listener(self._broker.port, "door", "listener")
        self._broker.stop()

    @property
    def events(self) -> list[dict]:
        return self._listener.events("door")

    def up(self) -> None:
        self._broker.start()

    def down(self) -> None:
        # It is ended politely and keeps what it has taken: its own storage is not what is tried here.
        self._broker.stop()

    def close(self) -> None:
        self._listener.close()
        self._broker.stop()


SIDES = {"http": HttpSide, "mqtt": MqttSide}


def measure(kind: str, events: int, kills: int, turn_s: float, pause_s: float, seed: int = 7) -> Found:
    """Runs it once. Raises RuntimeError when it does not come to an end."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        side = SIDES[kind](Path(folder))
        place = str(Path(folder, "outbox.sqlite"))
        line = [sys.executable, __file__, "--send", place, side.given, str(events), str(pause_s)]
        begin, stop = time.monotonic(), threading.Event()
        absence = threading.Thread(target=_come_and_go, args=(side, stop, turn_s), daemon=True)
        absence.start()
        try:
            done = _run_and_kill(line, kills, chance, 2 * turn_s)
            seconds = time.monotonic() - begin
        finally:
            stop.set()
            absence.join()
            # What the target has taken last is on its way to us.
            time.sleep(3)
            side.close()
        return Found(numbers(side.events), len(side.events), done, seconds)


def _come_and_go(side: HttpSide | MqttSide, stop: threading.Event, turn_s: float) -> None:
    is_up = False
    while not stop.is_set():
        is_up = not is_up
        side.up() if is_up else side.down()
        stop.wait(turn_s)
    if not is_up:
        side.up()


def _run_and_kill(line: list[str], kills: int, chance: random.Random, longest_s: float) -> int:
    """Kills that hit the running process."""
    done = 0
    while True:
        running = subprocess.Popen(line)
        try:
            if done == kills:
                if running.wait(3600):
                    raise RuntimeError("the sending process failed")
                return done
            time.sleep(0.5 + chance.uniform(0, longest_s))
            if running.poll() is not None:
                return done
        finally:
            running.kill()
            running.wait()
        done += 1


def main() -> None:
    if sys.argv[1:2] == ["--send"]:
        _, _, place, given, events, pause_s = sys.argv
        return send(place, given, int(events), float(pause_s))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument(
        "--turn", type=float, default=2.0, help="Seconds for which the target is up, and down."
    )
    parser.add_argument("--pause", type=float, default=0.004, help="Seconds between two events.")
    parser.add_argument("--only", choices=SIDES, help="One target alone.")
    given = parser.parse_args()
    print("| target | events | kills | arrived | in order | received twice | seconds |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for kind in SIDES:
        if given.only not in (None, kind) or (kind == "mqtt" and BROKER is None):
            continue
        found = measure(kind, given.events, given.kills, given.turn, given.pause)
        whole = found.arrived == list(range(1, given.events + 1))
        print(
            f"| {kind} | {given.events:,} | {found.kills} | {len(set(found.arrived)):,} | "
            f"{'yes' if whole else 'NO'} | {found.received - len(found.arrived)} | {found.seconds:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
