"""Targets of events: what is refused, what is sent to whom, and how failures are told apart."""

import base64
import hashlib
import hmac
import json
import os
import stat
import sys
import time

import pytest
from event_targets import BROKER, Broker, Listener, Server, free_port, wait_until
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.errors import InputError
from facecli.sinks import targets
from facecli.sinks.targets import (
    Credentials,
    DeliveryError,
    KeptEvent,
    Patience,
    build_target,
    discovery_messages,
    signature_of,
    signed_text,
)

KEY = b"sixteen bytes it is"
EVENT = KeptEvent(1, "an-id", '{"id":"an-id","number":1,"people":5}')
QUICK = Patience(0.02, 0.1, 1.0, 0.5, 0.5)
needs_broker = pytest.mark.skipif(BROKER is None, reason="mosquitto is not installed")


def build(given, **more):
    return build_target(given, patience=QUICK, **more)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("", "not a target of events"),
        ("nowhere", "not a target of events"),
        ("ftp://host/x", "not a target of events"),
        ("exec:true", "not a target of events"),
        ("https://", "needs a host"),
        ("https:///path", "needs a host"),
        ("https://host:99999/", "its host or port is wrong"),
        ("https://ho st/", "no spaces"),
        ("https://host/\nX-Evil: 1", "no spaces"),
        ("http://8.8.8.8/hook", "is a public host"),
        ("program:", "has no program"),
        ("program:   ", "has no program"),
        ("program:'no end", "not a command"),
        ("program:./gone.py --x", "cannot run the program ./gone.py"),
    ],
)
def test_what_is_no_target_is_refused(given, reason):
    with pytest.raises(InputError, match=reason):
        build(given)


@pytest.mark.parametrize("topic", ["", "/", "/a/#", "/a/+/b", "/a?b", "/%2B", "/$SYS/x", "/a%00"])
def test_what_is_no_topic_is_refused(topic):
    pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt")
    with pytest.raises(InputError, match="has no topic|an invalid topic"):
        build(f"mqtt://localhost{topic}")


def test_passwords_are_neither_said_nor_part_of_what_outboxes_are_kept_by():
    target = build("https://me:s3cret@host/hook")
    assert "s3cret" not in target.called + target.place
    for wrong in ("http://me:s3cret@8.8.8.8/hook", "https://me:s3cret@host:x/", "ftp://me:s3cret@host/"):
        with pytest.raises(InputError) as refused:
            build(wrong)
        assert "s3cret" not in str(refused.value)
    assert "s3cret" not in repr(Credentials(b"s3cret", "s3cret"))
    assert "s3cret" not in build("https://host/?token=s3cret").called


def test_a_short_key_and_discovery_without_mqtt_are_refused():
    with pytest.raises(InputError, match="shorter than 16 bytes"):
        build("https://host/", credentials=Credentials(b"short"))
    with pytest.raises(InputError, match="discovery is MQTT's"):
        build("https://host/", attributes=("age",))


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "192.168.1.2", "[::1]", "localhost"])
def test_plain_http_goes_to_hosts_of_the_own_network(host):
    assert build(f"http://{host}/x").called == f"http://{host}/x"


def test_a_name_that_comes_to_mean_a_public_host_is_not_told_in_plain_text(monkeypatch):
    target = build(f"http://localhost:{free_port()}/x")
    monkeypatch.setattr(targets, "is_of_the_open_internet", lambda host: True)
    with pytest.raises(DeliveryError, match="public host"):
        target.send(EVENT)


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), min_size=1))
def test_a_signature_is_the_last_key_and_of_the_text_before_it(event):
    text = json.dumps(event, separators=(",", ":"))
    signed = signed_text(KEY, text)
    assert signed_text(None, text) == text
    # As docs/events.md tells a receiver to check it.
    before, _, said = signed.rpartition(',"signature":"')
    expected = hmac.new(KEY, (before + "}").encode(), hashlib.sha256).hexdigest()
    assert said == f'sha256={expected}"}}'
    assert json.loads(signed)["signature"] == signature_of(KEY, text)


@pytest.fixture(scope="module")
def authority():
    return pytest.importorskip("trustme", reason="needs trustme").CA()


@pytest.fixture
def secure(authority, tmp_path, monkeypatch):
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with Server(authority.issue_cert("127.0.0.1")) as server:
        yield server


def test_https_is_a_post_with_id_login_and_signature(secure):
    url = secure.url.replace("https://", "https://me%40home:p%2Fw@")
    build(url, credentials=Credentials(KEY)).send(EVENT)
    (headers, body), *others = secure.requests
    assert body == EVENT.text and others == []
    assert headers["X-Facecli-Event"] == "an-id" and headers["Content-Type"] == "application/json"
    assert headers["X-Facecli-Signature"] == signature_of(KEY, body)
    assert headers["Authorization"] == "Basic bWVAaG9tZTpwL3c="


def test_a_password_may_come_from_elsewhere(secure):
    build(secure.url.replace("https://", "https://me@"), credentials=Credentials(None, "pw")).send(EVENT)
    assert secure.requests[0][0]["Authorization"] == "Basic bWU6cHc="
    assert "X-Facecli-Signature" not in secure.requests[0][0]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (500, "answers 500"),
        (401, "answers 401"),
        (302, "answers 302"),
        ("cut", "."),
        (1.5, "gives no answer within 1 s"),
    ],
)
def test_what_does_not_say_that_it_has_it_has_not(secure, fault, reason):
    target = build(secure.url)
    secure.faults.append(fault)
    with pytest.raises(DeliveryError, match=reason):
        target.send(EVENT)
    target.send(EVENT)
    assert secure.events[-1]["id"] == "an-id"


def test_a_certificate_that_nobody_vouches_for_is_told(authority):
    with Server(authority.issue_cert("127.0.0.1")) as server:
        with pytest.raises(DeliveryError, match="certificate is not trusted"):
            build(server.url).send(EVENT)
        assert server.requests == []


def test_nobody_there_is_a_reason():
    with pytest.raises(DeliveryError, match="refused"):
        build(f"http://127.0.0.1:{free_port()}/").send(EVENT)


@pytest.fixture
def broker(tmp_path):
    pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt")
    with Broker(tmp_path, ["allow_anonymous true"]) as broker:
        yield broker


@pytest.fixture
def listener(broker):
    listener = Listener(broker.port)
    yield listener
    listener.close()


@needs_broker
def test_mqtt_says_it_once_the_broker_has_it(broker, listener):
    target = build(f"mqtt://{broker.place}/door/people", credentials=Credentials(KEY))
    target.send(EVENT)
    target.send(EVENT)
    target.close()
    wait_until(lambda: len(listener.messages) == 2)
    assert listener.messages[0] == ("door/people", signed_text(KEY, EVENT.text), False)


@needs_broker
def test_a_broker_that_was_started_anew_is_no_trouble_and_one_that_is_down_is(broker):
    target = build(f"mqtt://{broker.place}/door")
    target.send(EVENT)
    broker.stop()
    with pytest.raises(DeliveryError):
        target.send(EVENT)
    broker.start()
    listener = Listener(broker.port)
    target.send(EVENT)
    wait_until(lambda: listener.messages)
    target.close()
    listener.close()


@needs_broker
@pytest.mark.parametrize("scheme", ["mqtt", "mqtts"])
def test_a_login_is_sent_and_a_wrong_one_refused(tmp_path, authority, monkeypatch, scheme):
    pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt")
    passwords = tmp_path / "passwords"
    # "s3cret", as mosquitto_passwd -b writes it.
    salt = b"twelve bytes"
    digest = hashlib.pbkdf2_hmac("sha512", b"s3cret", salt, 101)
    written = "$".join(["", "7", "101", base64.b64encode(salt).decode(), base64.b64encode(digest).decode()])
    passwords.write_text(f"me:{written}\n")
    passwords.chmod(0o600)
    settings = [f"password_file {passwords}", "allow_anonymous false"]
    if scheme == "mqtts":
        served = authority.issue_cert("127.0.0.1")
        served.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        settings += [f"certfile {tmp_path / 'server.pem'}", f"keyfile {tmp_path / 'server.pem'}"]
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    if is_root():
        settings.append("user root")
    with Broker(tmp_path, settings) as broker:
        build(f"{scheme}://me:s3cret@{broker.place}/door").send(EVENT)
        build(f"{scheme}://me@{broker.place}/door", credentials=Credentials(None, "s3cret")).send(EVENT)
        for wrong in ("me:wrong@", ""):
            with pytest.raises(DeliveryError, match="(?i)not authorized|bad user name"):
                build(f"{scheme}://{wrong}{broker.place}/door").send(EVENT)


def is_root():
    return hasattr(os, "geteuid") and os.geteuid() == 0


@needs_broker
def test_home_assistant_is_told_of_each_sensor_and_the_broker_keeps_it(broker):
    build(f"mqtt://{broker.place}/door", attributes=("age", "gender")).send(EVENT)
    late = Listener(broker.port, "homeassistant/#")
    wait_until(lambda: len(late.messages) == 4)
    late.close()
    assert all(retained for _, _, retained in late.messages)
    sensors = {topic.split("/")[3]: json.loads(text) for topic, text, _ in late.messages}
    assert list(sensors) == ["people", "mean_age", "gender_male", "gender_female"]
    assert sensors["people"]["value_template"] == "{{ value_json.people }}"
    assert sensors["gender_female"] == {
        "name": "Gender: female",
        "unique_id": sensors["gender_female"]["device"]["identifiers"][0] + "_gender_female",
        "state_topic": "door",
        "qos": 1,
        "value_template": "{{ (100 * value_json.gender.female.share) | round(1) }}",
        "state_class": "measurement",
        "unit_of_measurement": "%",
        "device": sensors["people"]["device"],
    }


def test_discovery_tells_of_what_was_asked_for_and_two_targets_are_two_devices():
    assert discovery_messages("a", "door", None) == []
    (topic, _), *others = discovery_messages("a", "door", ())
    assert topic.endswith("/people/config") and others == []
    assert not any("race" in topic for topic, _ in discovery_messages("a", "door", ("age", "gender")))
    assert discovery_messages("a", "door", ())[0][0] != discovery_messages("b", "door", ())[0][0]


@pytest.fixture
def program(tmp_path):
    """Writes a Python program: its target."""

    def write(text, *arguments):
        path = tmp_path / "react it.py"
        path.write_text(f"#!{sys.executable}\nimport sys, time, json, subprocess\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return build(f"program:'{path}' {' '.join(arguments)}")

    return write


def test_a_program_gets_a_line_and_its_arguments_as_they_are(program, tmp_path):
    out = tmp_path / "got"
    program(
        f"open({str(out)!r}, 'w').write(repr((sys.stdin.read(), sys.argv[1:])))", "--x", "'$HOME; y'"
    ).send(EVENT)
    assert out.read_text() == repr((EVENT.text + "\n", ["--x", "$HOME; y"]))


@pytest.mark.parametrize(
    ("text", "reason"),
    [("sys.exit(3)", "ended with 3"), ("time.sleep(60)", "did not end within 0.5 s and was ended")],
)
def test_a_program_that_fails_or_hangs_has_not_taken_it(program, text, reason):
    with pytest.raises(DeliveryError, match=reason):
        program(text).send(EVENT)


def test_what_a_hanging_program_has_started_is_ended_too(program, tmp_path):
    mark = tmp_path / "child"
    child = f"import time; time.sleep(1.5); open({str(mark)!r}, 'w')"
    target = program(f"subprocess.Popen([sys.executable, '-c', {child!r}]).wait()")
    with pytest.raises(DeliveryError):
        target.send(EVENT)
    time.sleep(1.7)
    assert not mark.exists()


def test_a_program_that_reads_nothing_may_take_it_nevertheless(program):
    program("sys.stdin.close()").send(EVENT)


def test_what_a_program_prints_is_no_result_of_ours(program, capfd):
    program("print('louder')").send(EVENT)
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "louder\n")


def test_a_program_that_is_gone_by_then_is_a_reason(program, tmp_path):
    target = program("")
    (tmp_path / "react it.py").unlink()
    with pytest.raises(DeliveryError, match="cannot be started"):
        target.send(EVENT)


@pytest.mark.parametrize(
    ("given", "exposed"),
    [
        ("mqtt://8.8.8.8/door/people", True),
        ("mqtts://8.8.8.8/door/people", False),
        ("mqtt://192.168.1.5/door/people", False),
    ],
)
def test_plain_mqtt_is_exposed_on_its_way_to_a_public_host(given, exposed):
    pytest.importorskip("paho.mqtt.client")
    assert build_target(given).is_exposed == exposed
