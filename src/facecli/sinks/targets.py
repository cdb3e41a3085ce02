"""Who is told of events, and how: an address by POST, a broker by MQTT, a program by its standard input."""

import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import json
import os
import queue
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from facecli import __version__
from facecli.core.attributes import CLASS_NAMES
from facecli.core.console import redacted
from facecli.core.errors import ImageError, InputError
from facecli.sources.web import is_public_address, resolve_host

PROGRAM = "program:"
"""What a target begins with that is a program."""

_MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}
_LONGEST_TOPIC_BYTES = 65_535
_MOST_OF_REASON = 200
_SHORTEST_KEY = 16


@dataclass(frozen=True)
class Patience:
    """How long is waited, in seconds.

    Attributes:
        first_wait_s, longest_wait_s: between two tries: the first, doubled each time up to the longest.
        answer_s: for a server or a broker to answer.
        program_s: for a program to end.
        last_s: for what is left at the end of a run.
    """

    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    answer_s: float = 10.0
    program_s: float = 30.0
    last_s: float = 5.0


@dataclass(frozen=True)
class Credentials:
    """What nobody types into a command line, where every user of the machine can read it.

    Attributes:
        key: events are signed with it (HMAC-SHA256); None for no signature.
        password: of the login that the target names without one.
    """

    key: bytes | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


USUAL, NOBODY = Patience(), Credentials()


class DeliveryError(Exception):
    """A target has not taken an event, or has not said so. The message is a reason for people.

    Attributes:
        wait_s: the target asks not to be asked again before; 0 when it does not say.
    """

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(" ".join(reason.split())[:_MOST_OF_REASON])
        self.wait_s = wait_s


class KeptEvent(NamedTuple):
    """One event of an outbox: its number there, its id, and its JSON text."""

    number: int
    id: str
    text: str


class Target(Protocol):
    """Who is told.

    Attributes:
        called: as messages name it, without login and secrets.
        place: what makes it another one than others, without login; it may hold secrets, and is never said.
    """

    called: str
    place: str

    def send(self, event: KeptEvent) -> None:
        """Returns when the event has arrived. Raises DeliveryError."""

    def close(self) -> None:
        """Ends what a `send` in another thread waits for, as far as that can be ended."""


def signature_of(key: bytes, text: str) -> str:
    """ "sha256=" and HMAC-SHA256 (RFC 2104) of the UTF-8 text in hexadecimal digits."""
    return f"sha256={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"


def signed_text(key: bytes | None, text: str) -> str:
    """The JSON object with `signature` as its last key, which is of the text without that key."""
    if key is None:
        return text
    return f'{text[:-1]},"signature":"{signature_of(key, text)}"}}'


def build_target(
    given: str,
    credentials: Credentials = NOBODY,
    patience: Patience = USUAL,
    attributes: Sequence[str] | None = None,
) -> Target:
    """What "https://...", "mqtt://user@host/topic", "mqtts://..." or "program:./react.py --loud" names.

    Args:
        given: as the user has typed it. Plain http goes to hosts of the own network only.
        credentials: key and password.
        patience: how long it may take to answer.
        attributes: heads that Home Assistant is told of by MQTT discovery; None for none of that.

    Raises:
        InputError: no such kind of target, no host, topic or program, or plain http to a public host.
        ModuleNotFoundError: MQTT without paho-mqtt.
    """
    if credentials.key is not None and len(credentials.key) < _SHORTEST_KEY:
        raise InputError(
            f"the key that signs events is shorter than {_SHORTEST_KEY} bytes; take a longer one"
        )
    scheme = given.partition(":")[0].lower()
    if attributes is not None and scheme not in _MQTT_PORTS:
        raise InputError(f"{redacted(given)} is not an MQTT target, and discovery is MQTT's")
    if scheme in ("http", "https"):
        return HttpTarget(given, credentials, patience.answer_s)
    if scheme in _MQTT_PORTS:
        return MqttTarget(given, credentials, patience.answer_s, attributes)
    if given.startswith(PROGRAM):
        return ProgramTarget(given, credentials, patience.program_s)
    raise InputError(
        f"{redacted(given)} is not a target of events; name https://..., mqtt://HOST/TOPIC, mqtts://... or "
        f"'{PROGRAM}COMMAND'"
    )


def _parts_of(given: str) -> SplitResult:
    """Raises InputError for what is no address with a host."""
    called = redacted(given)
    try:
        parts = urlsplit(given)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # Its text would show what it takes for the port, which may be part of a password.
        raise InputError(f"{called} is not an address: its host or port is wrong; check it") from None
    if not host or not given.isprintable() or " " in given:
        raise InputError(f"{called} is not an address: it needs a host, and no spaces; check it")
    return parts


def _login_of(parts: SplitResult, credentials: Credentials) -> tuple[str, str] | None:
    if not parts.username:
        return None
    return unquote(parts.username), unquote(parts.password or "") or credentials.password or ""


def _without_login(parts: SplitResult) -> str:
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def is_of_the_open_internet(host: str) -> bool:
    """Does one of the host's addresses lie there? False when nobody knows the name now."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return is_public_address(host)
    try:
        found = resolve_host(host, 0, allow_private=True, within_s=5)
    except (ImageError, TimeoutError):
        return False
    return any(is_public_address(str(address[4][0])) for address in found)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Who is told is who was typed."""

    def redirect_request(self, *_: Any) -> None:
        return None


class HttpTarget:
    """A POST for each event; any answer of 200 to 299 means that it has arrived.

    Certificates are checked against those of the system, or of the file that SSL_CERT_FILE names.
    """

    called: str
    place: str

    def __init__(self, given: str, credentials: Credentials, answer_s: float) -> None:
        """Raises InputError."""
        parts = _parts_of(given)
        self.called, self.place = redacted(given), _without_login(parts)
        self._host, self._is_plain = parts.hostname or "", parts.scheme.lower() == "http"
        self._url = urlunsplit(urlsplit(self.place)._replace(fragment=""))
        self._key, self._answer_s = credentials.key, answer_s
        self._headers = {"Content-Type": "application/json", "User-Agent": f"facecli/{__version__}"}
        if login := _login_of(parts, credentials):
            self._headers["Authorization"] = f"Basic {b64encode(':'.join(login).encode()).decode()}"
        if refusal := self._refusal():
            raise InputError(f"{self.called} {refusal}; name https://...")
        context = ssl.create_default_context()
        handler = urllib.request.HTTPSHandler(context=context)
        self._opener = urllib.request.build_opener(handler, _NoRedirect())

    def _refusal(self) -> str:
        """Names may come to mean another host while a run goes on."""
        is_public = self._is_plain and is_of_the_open_internet(self._host)
        return "is a public host, and plain http is for hosts of the own network" if is_public else ""

    def send(self, event: KeptEvent) -> None:
        if refusal := self._refusal():
            raise DeliveryError(refusal)
        headers = self._headers | {"X-Facecli-Event": event.id}
        if self._key is not None:
            headers["X-Facecli-Signature"] = signature_of(self._key, event.text)
        request = urllib.request.Request(self._url, event.text.encode(), headers, method="POST")
        try:
            self._opener.open(request, timeout=self._answer_s).close()
        except urllib.error.HTTPError as error:
            error.close()
            raise DeliveryError(f"answers {error.code} {error.reason}", _asked_wait_s(error)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DeliveryError(_reason_of(error, self._answer_s)) from error

    def close(self) -> None:
        """Nothing is kept open; an answer that does not come is left behind."""


def _asked_wait_s(error: urllib.error.HTTPError) -> float:
    asked = error.headers.get("Retry-After", "")
    return float(asked) if asked.isdecimal() and asked.isascii() and len(asked) < 6 else 0.0


def _reason_of(error: Exception, answer_s: float) -> str:
    inner = getattr(error, "reason", error)
    if isinstance(inner, TimeoutError):
        return f"gives no answer within {answer_s:g} s"
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({inner.verify_message})"
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__


class MqttTarget:
    """A message for each event, of quality of service 1: the broker's word that it has it counts.

    Raises InputError and ModuleNotFoundError when it is made.
    """

    called: str
    place: str

    def __init__(
        self, given: str, credentials: Credentials, answer_s: float, attributes: Sequence[str] | None = None
    ) -> None:
        import paho.mqtt.client  # noqa: F401 - to fail before the work and not in the middle of it

        parts = _parts_of(given)
        scheme, self._host = parts.scheme.lower(), parts.hostname or ""
        self.called, self.place = redacted(given), _without_login(parts)
        self._topic = unquote(parts.path.removeprefix("/"))
        self._check_topic(given)
        self._port = parts.port or _MQTT_PORTS[scheme]
        self._is_secure, self._login = scheme == "mqtts", _login_of(parts, credentials)
        self._key, self._answer_s, self._attributes = credentials.key, answer_s, attributes
        self._is_old = False
        self._client: Any = None
        self._news: queue.SimpleQueue[Any] = queue.SimpleQueue()

    @property
    def is_exposed(self) -> bool:
        """Do messages go over the open internet as they are? Asks for the host's addresses."""
        return not self._is_secure and is_of_the_open_internet(self._host)

    def _check_topic(self, given: str) -> None:
        topic = self._topic
        if not topic or len(topic.encode()) > _LONGEST_TOPIC_BYTES:
            raise InputError(f"{self.called} has no topic; add one, as in mqtt://{self._host}/door/people")
        if set(given) & set("?#") or set(topic) & set("#+\0") or topic.startswith("$"):
            raise InputError(f"{self.called} names an invalid topic: leave out ? # + and $")

    def send(self, event: KeptEvent) -> None:
        try:
            if self._client is None or not self._client.is_connected():
                # Between two events a broker may have been started anew: that is no trouble yet.
                self.close()
                self._connect()
            self._publish(self._topic, signed_text(self._key, event.text))
        except DeliveryError:
            self.close()
            raise
        except (OSError, ValueError) as error:
            self.close()
            raise DeliveryError(_reason_of(error, self._answer_s)) from error

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _connect(self) -> None:
        """A client of its own for each connection: nothing of an older one is sent again behind our back."""
        import paho.mqtt.client as mqtt

        news = self._news = queue.SimpleQueue()
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=f"facecli-{os.urandom(6).hex()}",
            protocol=mqtt.MQTTv311 if self._is_old else mqtt.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = self._answer_s
        if self._login is not None:
            client.username_pw_set(*self._login)
        if self._is_secure:
            client.tls_set_context(ssl.create_default_context())
        client.on_connect = lambda _, __, ___, reason, ____: news.put(("connected", reason))
        client.on_publish = lambda _, __, number, reason, ____: news.put((number, reason))
        client.on_disconnect = lambda _, __, ___, reason, ____: news.put(("lost", reason))
        self._client = client
        client.connect(self._host, self._port)
        client.loop_start()
        self._await("connected")
        for topic, text in discovery_messages(self.place, self._topic, self._attributes):
            self._publish(topic, text, retain=True)

    def _publish(self, topic: str, text: str, retain: bool = False) -> None:
        sent = self._client.publish(topic, text.encode(), qos=1, retain=retain)
        self._await(sent.mid)

    def _await(self, what: str | int) -> None:
        """Until the broker says it. Raises DeliveryError: it refuses, says nothing in time, or has gone."""
        end = time.monotonic() + self._answer_s
        while True:
            try:
                said, reason = self._news.get(timeout=max(end - time.monotonic(), 0.001))
            except queue.Empty:
                raise DeliveryError(f"gives no answer within {self._answer_s:g} s") from None
            if said == "connected" and reason.is_failure:
                # Brokers from before 2019; the next try is in their words.
                self._is_old |= "protocol version" in str(reason).lower()
            if said == "lost":
                raise DeliveryError(f"ends the connection ({reason})")
            if said == what and reason.is_failure:
                raise DeliveryError(f"refuses ({reason})")
            if said == what:
                return


def discovery_messages(place: str, topic: str, attributes: Sequence[str] | None) -> list[tuple[str, str]]:
    """Topics and texts, to be kept by the broker, from which Home Assistant makes sensors of events.

    Args:
        place: what makes the target another one than others.
        topic: of the events.
        attributes: "age" and class heads; None gives no messages.
    """
    if attributes is None:
        return []
    device = f"facecli_{hashlib.sha256(place.encode()).hexdigest()[:12]}"
    sensors: list[tuple[str, str, str, str | None]] = [("people", "People", "{{ value_json.people }}", None)]
    if "age" in attributes:
        sensors.append(("mean_age", "Mean age", "{{ value_json.age.mean_years }}", "years"))
    for head in attributes:
        for name in CLASS_NAMES.get(head, ()):
            share = f"{{{{ (100 * value_json.{head}.{name}.share) | round(1) }}}}"
            sensors.append((f"{head}_{name}", f"{head}: {name}".capitalize(), share, "%"))
    about = {"identifiers": [device], "name": f"facecli {topic}", "sw_version": __version__}
    messages = []
    for key, name, template, unit in sensors:
        sensor = {"name": name, "unique_id": f"{device}_{key}", "state_topic": topic, "qos": 1}
        sensor |= {"value_template": template, "state_class": "measurement", "device": about}
        if unit is not None:
            sensor["unit_of_measurement"] = unit
        messages.append((f"homeassistant/sensor/{device}/{key}/config", json.dumps(sensor)))
    return messages


class ProgramTarget:
    """A program that is started for each event, without a shell: the event is a line of its standard input.

    Its end with exit code 0 means that the event has arrived. What it prints goes to standard error.
    """

    called: str
    place: str

    def __init__(self, given: str, credentials: Credentials, program_s: float) -> None:
        """Raises InputError."""
        self.called = self.place = given
        self._key, self._program_s = credentials.key, program_s
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._words = shlex.split(given.removeprefix(PROGRAM), posix=os.name == "posix")
        except ValueError as error:
            raise InputError(f"{given} is not a command ({error}); check its quotes") from None
        if not self._words:
            raise InputError(f"{given} has no program; add one, as in '{PROGRAM}./react.py'")
        self.called = f"{PROGRAM}{self._words[0]}"
        if shutil.which(self._words[0]) is None:
            raise InputError(f"cannot run the program {self._words[0]}; check its path and 'chmod +x'")

    def send(self, event: KeptEvent) -> None:
        said = _standard_error()
        try:
            # Ctrl-C in the terminal is for us: the program may finish in a session of its own.
            self._process = process = subprocess.Popen(
                self._words, stdin=subprocess.PIPE, stdout=said, stderr=said, start_new_session=True
            )
        except OSError as error:
            raise DeliveryError(f"cannot be started: {error.strerror or error}") from error
        try:
            process.communicate(f"{signed_text(self._key, event.text)}\n".encode(), self._program_s)
        except subprocess.TimeoutExpired:
            self.close()
            raise DeliveryError(f"did not end within {self._program_s:g} s and was ended") from None
        if process.returncode:
            raise DeliveryError(f"ended with {process.returncode}")

    def close(self) -> None:
        """Ends the program, and what it has started, where it still runs."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()


def _standard_error() -> int:
    """Where a program's words go: our own standard output is for results."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return subprocess.DEVNULL
