"""`facecli run --video --notify`: what is refused, what arrives, and what a kill leaves."""

import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from event_targets import BROKER, Broker, Listener, Server, free_port, wait_until

from facecli.cli.app import main
from facecli.cli.run_events import EVENT_DEFAULTS, build_event_sinks, check_events


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "FACECLI_NOTIFY_KEY", "FACECLI_NOTIFY_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(tiny_checkpoint, face_clip, capfd):
    """Runs `facecli run --no-show` on a clip of one face: (exit code, stdout, stderr)."""

    def run(*arguments, clip=face_clip):
        given = ["run", "--model-path", str(tiny_checkpoint.folder), "--detector", "haar", "--no-show"]
        code = main([*given, "--video", str(clip), *map(str, arguments)])
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def server():
    with Server() as server:
        yield server


ONE = ("--after-people", 1, "--min-people", 1)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--after-people", "20"], "--after-people needs --notify TARGET"),
        (["--mqtt-discovery"], "--mqtt-discovery needs --notify TARGET"),
        (["--min-people", "9"], "--min-people needs --notify TARGET"),
        (["--notify", "https://host/"], "add --after-people 20 or --notify-every 60s"),
        (["--notify", "nowhere", "--after-people", "20"], "nowhere is not a target of events"),
        (
            ["--notify", "http://8.8.8.8/", "--after-people", "20"],
            "plain http is for hosts of the own network",
        ),
        (["--notify", "https://host/", "--after-people", "4"], "would be held back until there are 5"),
        (["--notify", "https://host/", "--notify-every", "0s"], "is not a time of a second or more"),
        (["--notify", "https://host/", "--notify-every", "soon"], "is not a time"),
        (["--notify", "https://host/", "--notify-every", "1:30m"], "is not a time"),
        (["--every", "60s"], "for events use --notify-every 60s"),
        (
            ["--notify", "https://host/", "--after-people", "9", "--notify-attributes", "name"],
            "no attribute 'name'",
        ),
        (
            ["--notify", "https://host/", "--after-people", "9", "--notify-key-file", "gone"],
            "the key in gone",
        ),
        (["--notify", "https://host/", "--after-people", "9", "--mqtt-discovery"], "discovery is MQTT's"),
        (["--notify", "program:gone", "--after-people", "9"], "cannot run the program gone"),
    ],
)
def test_what_does_not_fit_is_one_line_and_nothing_is_started(run, tmp_path, arguments, reason):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "") and reason in err.splitlines()[-1]
    assert not (tmp_path / "home").exists()


def test_events_are_of_videos(face_clip, capfd):
    assert main(["run", "--img", str(face_clip), "--notify", "https://host/", "--after-people", "9"]) == 2
    assert "--notify works only for videos" in capfd.readouterr().err


def test_heads_that_the_model_lacks_are_refused_by_name_and_left_out_by_default(
    run, server, age_checkpoint, capfd, face_clip
):
    code, _, err = run("--notify", server.url, *ONE, "--notify-attributes", "age,emotion")
    assert code == 2 and "the model does not predict emotion" in err
    line = ["run", "--model-path", str(age_checkpoint.folder), "--detector", "haar", "--no-show"]
    assert main([*line, "--video", str(face_clip), "--notify", server.url, *map(str, ONE)]) == 0
    assert "age" in server.events[0] and "gender" not in server.events[0]


def test_a_person_of_a_clip_is_one_event_and_results_stay_what_they_are(run, server, monkeypatch):
    monkeypatch.setenv("FACECLI_NOTIFY_KEY", "a key of the environment")
    code, out, err = run("--notify", server.url, *ONE, "--json", "-")
    assert code == 0 and len(out.splitlines()) == 12
    assert (
        err.splitlines()[0]
        == "Warning: --min-people 1: an event about so few people may reveal data of a single person"
    )
    (headers, body), *others = server.requests
    event = json.loads(body)
    assert others == [] and event["people"] == 1 and event["reason"] in ("people", "end")
    assert set(event) > {"age", "gender"} and "race" not in event
    assert headers["X-Facecli-Signature"].startswith("sha256=")


def test_few_people_are_told_nobody(run, server):
    code, _, err = run("--notify", server.url, "--after-people", 20)
    assert code == 0 and server.requests == []
    assert "1 person since the last event: fewer than 5, not told" in err.splitlines()


def test_a_target_that_is_down_costs_the_run_nothing_and_gets_all_in_the_next(run, face_clip):
    port = free_port()
    code, _, err = run("--notify", f"http://127.0.0.1:{port}/door", *ONE)
    assert code == 0
    lines = err.splitlines()
    assert lines[1].startswith(f"cannot send events to http://127.0.0.1:{port}/door: Connection refused;")
    kept = f"1 event for http://127.0.0.1:{port}/door could not be sent: kept in "
    assert sum(line.startswith(kept) for line in lines) == 1
    with Server(port=port) as server:
        code, _, err = run("--notify", server.url, *ONE)
        assert code == 0
        assert "1 event of earlier runs" in err
        assert [event["number"] for event in server.events] == [1, 2]


def test_saved_tracks_are_covered_and_nobody_is_told(run, face_clip):
    assert run("--save-tracks", "tracks.json")[0] == 0
    code, _, err = run(
        "--tracks", "tracks.json", "--anonymize", "box", "--output", "out.mp4", "--notify", "https://h/", *ONE
    )
    assert code == 2 and "leave out --notify" in err


def test_a_program_is_told_on_its_standard_input(run, tmp_path):
    (tmp_path / "react.py").write_text("import sys\nopen(sys.argv[1], 'a').write(sys.stdin.read())\n")
    command = shlex.join([sys.executable, "react.py", "told.jsonl"])
    assert run("--notify", f"program:{command}", *ONE)[0] == 0
    assert json.loads((tmp_path / "told.jsonl").read_text())["people"] == 1


@pytest.mark.parametrize(
    ("mean_years", "playlist"), [(3.0, "new-releases"), (25.0, "nineties"), (80.0, "classics")]
)
def test_the_example_of_the_docs_chooses_a_playlist(mean_years, playlist):
    example = Path(__file__).resolve().parents[2] / "docs" / "examples" / "choose_playlist.py"
    event = json.dumps({"people": 20, "age": {"mean_years": mean_years}}) + "\n"
    chosen = subprocess.run(
        [sys.executable, example], input=event, capture_output=True, text=True, check=True
    )
    assert chosen.stdout == f"20 people: {playlist}\n"


@pytest.mark.skipif(BROKER is None, reason="mosquitto is not installed")
def test_a_broker_is_told_and_home_assistant_too(run, tmp_path):
    pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt")
    with Broker(tmp_path, ["allow_anonymous true"]) as broker:
        listener = Listener(broker.port)
        code, _, err = run("--notify", f"mqtt://{broker.place}/door/people", *ONE, "--mqtt-discovery")
        assert code == 0, err
        wait_until(lambda: listener.events("door/people"))
        listener.close()
    assert listener.events("door/people")[0]["people"] == 1
    assert sum(topic.startswith("homeassistant/sensor/") for topic, _, _ in listener.messages) == 4


def test_without_paho_one_line_says_what_to_install(run, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("paho")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "paho", None)
    code, _, err = run("--notify", "mqtt://localhost/door", *ONE)
    assert code == 1 and "[mqtt]" in err and len(err.splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_kill_loses_no_event(tiny_checkpoint, face_clip, tmp_path, kill):
    """Many clips of one person each, and nobody who answers: what was an event by then arrives later."""
    address = f"http://127.0.0.1:{free_port()}/door"
    base = ["run", "--model-path", str(tiny_checkpoint.folder), "--detector", "haar", "--no-show"]
    line = [sys.executable, "-m", "facecli", *base, "--notify", address, *map(str, ONE)]
    clips = [word for number in range(400) for word in ("--video", str(link(face_clip, tmp_path, number)))]
    boxes = tmp_path / "home" / "outbox"
    with subprocess.Popen(
        [*line, *clips],
        stderr=subprocess.DEVNULL,
        # Tests that run in the background ignore Ctrl-C, and so would this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as running:
        try:
            wait_until(lambda: waiting(boxes) >= 3, 100)
            running.send_signal(kill)
            running.wait(60)
        finally:
            running.kill()
    assert running.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(kill, -kill)
    kept = waiting(boxes)
    assert kept >= 3
    with Server(port=int(address.split(":")[2].partition("/")[0])) as server:
        subprocess.run([*line, "--video", str(face_clip)], check=True, stderr=subprocess.DEVNULL)
        assert [event["number"] for event in server.events] == list(range(1, kept + 2))
    assert waiting(boxes) == 0


def link(clip, folder, number):
    place = folder / f"clip{number:03d}.mp4"
    place.symlink_to(clip)
    return place


def waiting(folder):
    """Events in the one outbox of a folder; 0 before there is one."""
    for path in folder.glob("*.sqlite"):
        try:
            base = sqlite3.connect(path)
            try:
                return base.execute("SELECT COUNT(*) FROM events").fetchone()[0]
            finally:
                base.close()
        except sqlite3.OperationalError:
            time.sleep(0.01)
    return 0


@pytest.mark.parametrize(("scheme", "lines"), [("mqtt", 1), ("mqtts", 0)])
def test_plain_mqtt_to_a_public_host_is_warned_of_once(scheme, lines, capfd):
    pytest.importorskip("paho.mqtt.client")
    options = {**EVENT_DEFAULTS, "notify": f"{scheme}://8.8.8.8/door", "after_people": 20}
    check_events(options)
    assert len(build_event_sinks(options, ("age", "gender"))) == 1
    assert capfd.readouterr().err.count("can be read by anybody on the way") == lines
