"""Who is told of events, in tests: a broker of MQTT, and a server with faults."""

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BROKER = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Broker:
    """mosquitto on a port of its own; it may be stopped and started again."""

    def __init__(self, folder, settings=(), port=None):
        self.port = port or free_port()
        self.place = f"127.0.0.1:{self.port}"
        self._file = Path(folder, f"mosquitto-{self.port}.conf")
        self._file.write_text("\n".join([f"listener {self.port} 127.0.0.1", *settings, ""]))
        self._process = None

    def start(self):
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen([BROKER, "-c", str(self._file)], stdout=quiet, stderr=quiet)
        wait_until(self._answers)
        return self

    def stop(self):
        if self._process is not None:
            # Politely: what it has acknowledged it keeps, where it is told to.
            self._process.terminate()
            self._process.wait()
            self._process = None

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def _answers(self):
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0


class Listener:
    """Collects what a broker is given: (topic, text, retained). A named one gets what it has missed, too."""

    def __init__(self, port, topic="#", name=""):
        import paho.mqtt.client as mqtt

        self.messages = []
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, name, clean_session=not name)
        ready = threading.Event()
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.on_message = lambda _, __, found: self.messages.append(
            (found.topic, found.payload.decode(), found.retain)
        )
        self._client.reconnect_delay_set(0.05, 0.05)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert ready.wait(10)

    def events(self, topic):
        return [json.loads(text) for where, text, _ in self.messages if where == topic]

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


class Server:
    """An http(s) server that takes events. `faults` are what it does with those that come next:

    a number is the status, "cut" ends the connection without an answer, "taken-then-cut" after it has taken
    the event, a float is slept before the answer.
    """

    def __init__(self, certificate=None, port=0):
        self.requests, self.faults = [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                outer.answer(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.handle_error = lambda *_: None
        self.port = self._server.server_address[1]
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.port}/door"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def answer(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        fault = self.faults.pop(0) if self.faults else 200
        if fault == "cut":
            return self._cut(handler)
        if isinstance(fault, float):
            time.sleep(fault)
            fault = 200
        if fault in (200, "taken-then-cut"):
            self.requests.append((dict(handler.headers), body))
        if fault == "taken-then-cut":
            return self._cut(handler)
        handler.send_response(fault)
        if fault == 302:
            handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    @property
    def events(self):
        return [json.loads(body) for _, body in self.requests]

    def _cut(self, handler):
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def wait_until(known, seconds=30.0):
    """Until that is true; fails when it never is."""
    end = time.monotonic() + seconds
    while not known():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def numbers(events):
    """Of events in the order in which they came, doubles dropped by their id."""
    return [event["number"] for event in {event["id"]: event for event in events}.values()]
