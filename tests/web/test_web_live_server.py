"""Live mode over real sockets: what only a real server meets."""

import asyncio
import base64
import contextlib
import json
import logging
import os
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
import uvicorn
from fastapi import FastAPI
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from facecli.core import images
from facecli.core.paths import find_model
from facecli.detect.registry import build_detector
from facecli.infer.analyzer import Analyzer
from facecli.models.checkpoint import load_checkpoint
from facecli.models.litert import Predictor
from facecli.web.guard import Guard, StrictWebSocket
from facecli.web.live_protocol import LiveLimits
from facecli.web.live_session import router

PATH = "/api/v1/live"
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
)


class FakeService:
    """The contract of `Service` with one worker."""

    def __init__(self):
        self.default_model, self.default_detector = "facenet", "haar"
        self.frame_decoder = images
        self.predictor = Predictor(load_checkpoint(find_model("facenet_model")), 1)
        self._pool = ThreadPoolExecutor(1)

    def analyzer(self, model, detector):
        return Analyzer(build_detector(detector), self.predictor)

    async def load(self, models):
        pass

    async def run(self, function, *args):
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)


@contextmanager
def serving(service, **limits):
    """A server on a free port of 127.0.0.1: its port and its `state`."""
    app = FastAPI()
    app.include_router(router)
    app.add_middleware(Guard, token=None, hosts=())
    app.state.service = service
    app.state.live_limits = LiveLimits(**limits)
    config = uvicorn.Config(
        app,
        port=0,
        log_level="warning",
        ws=StrictWebSocket,
        ws_max_size=(1 << 20) + 8,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], app.state
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def service():
    return FakeService()


@pytest.fixture(scope="module")
def port(service):
    with serving(service, sessions=50) as (port, _):
        yield port


@pytest.fixture(scope="module")
def message():
    """A frame without a face."""
    return struct.pack(">II", 3, 0) + cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()


def address(port, query=""):
    return f"ws://127.0.0.1:{port}{PATH}{query}"


def works(port, message):
    """Does the next good viewer get an answer?"""
    with connect(address(port), compression=None) as viewer:
        hello = json.loads(viewer.recv(timeout=20))
        viewer.send(message)
        answer = json.loads(viewer.recv(timeout=20))
    return (hello["type"], answer["type"], answer["frame"]) == ("hello", "faces", 3)


def opened(port):
    """A plain socket after a good handshake and the hello."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=20)
    key = base64.b64encode(os.urandom(16)).decode()
    plain.sendall(HANDSHAKE.format(path=f"{PATH}?detector=none", port=port, key=key).encode())
    said = b""
    while b'"hello"' not in said:
        part = plain.recv(4096)
        assert part, said
        said += part
    assert b" 101 " in said.splitlines()[0]
    return plain


def ended(plain, word=None):
    """Waits until the server has closed, or has said a word; what it said until then."""
    said = b""
    try:
        while part := plain.recv(4096):
            said += part
            if word is not None and word in said:
                break
    except ConnectionResetError:
        pass
    plain.close()
    return said


def test_a_viewer_is_served(port, message):
    assert works(port, message)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost"])
def test_another_origin_gets_no_socket(port, message, origin):
    with pytest.raises(InvalidStatus) as refusal:
        connect(address(port), origin=origin)
    response = refusal.value.response
    assert response.status_code == 403
    assert response.headers["content-type"] == "application/problem+json"
    assert works(port, message)


def test_our_own_origin_gets_one(port):
    with connect(address(port), origin=f"http://127.0.0.1:{port}") as viewer:
        assert json.loads(viewer.recv(timeout=20))["type"] == "hello"


def test_a_frame_that_is_too_large_is_not_read(port, message):
    with connect(address(port), compression=None) as viewer:
        viewer.recv(timeout=20)
        with pytest.raises(ConnectionClosed) as end:
            viewer.send(bytes(3 << 20))
            viewer.recv(timeout=20)
    assert end.value.rcvd is None or end.value.rcvd.code == 1009
    assert works(port, message)


def test_a_large_frame_that_unpacks_from_little_is_not_unpacked(port, message):
    with connect(address(port), compression="deflate") as viewer:
        viewer.recv(timeout=20)
        with pytest.raises(ConnectionClosed):
            viewer.send(bytes(100 << 20))
            viewer.recv(timeout=20)
    assert works(port, message)


GARBAGE = {
    "text of another protocol": b"GET / HTTP/1.1\r\n\r\n",
    "an unmasked frame": b"\x82\x01a",
    "reserved bits": b"\xf2\x81\0\0\0\0a",
    "an unknown opcode": b"\x83\x81\0\0\0\0a",
    "a continuation of nothing": b"\x80\x81\0\0\0\0a",
    "a long ping": b"\x89\xfe\x00\xff\0\0\0\0" + bytes(255),
    "a length of 2^63": b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
    "a length of 1 GB": b"\x82\xff\0\0\0\0\x40\0\0\0\0\0\0\0",
    "text that is no UTF-8": b"\x81\x82\0\0\0\0\xff\xfe",
    "a close with half a code": b"\x88\x81\0\0\0\0\x03",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_ends_its_own_connection_only(port, message, name):
    plain = opened(port)
    plain.sendall(GARBAGE[name])
    ended(plain)
    assert works(port, message)


def test_sockets_that_are_half_closed_or_torn_give_their_places_back(service, message):
    with serving(service, sessions=4) as (port, state):
        for _ in range(3):
            half, torn, polite, cut = (opened(port) for _ in range(4))
            half.shutdown(socket.SHUT_WR)
            torn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            torn.close()
            polite.sendall(b"\x88\x82\0\0\0\0\x03\xe8")
            ended(polite)
            cut.sendall(b"\x82\xff\0\0")
            cut.close()
            ended(half)
            until(lambda: state.live_viewers == 0)
        assert works(port, message)


def until(condition):
    for _ in range(400):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not become so in 20 seconds")


def test_two_hundred_silent_sockets_end_and_the_next_is_served(service, message):
    with serving(service, sessions=300, idle_s=2.0) as (port, state):
        silent = [opened(port) for _ in range(200)]
        assert works(port, message)
        for plain in silent:
            assert b"Nothing came" in ended(plain, b"Nothing came")
        until(lambda: state.live_viewers == 0)
        assert works(port, message)


def test_a_flood_ends_the_flooder_and_nobody_else(service, message):
    # So few that a machine with other work to do floods it, too.
    with serving(service, frames_per_s=2.0, burst=4) as (port, _):
        with connect(address(port), compression=None) as modest:
            modest.recv(timeout=20)
            with connect(address(port), compression=None) as flooder:
                with pytest.raises(ConnectionClosed):
                    for _ in range(5000):
                        flooder.send(message)
                with pytest.raises(ConnectionClosed):
                    while True:
                        flooder.recv(timeout=20)
            modest.send(message)
            assert json.loads(modest.recv(timeout=20))["frame"] == 3


def test_a_server_that_stops_says_so_to_its_viewers(service):
    with serving(service) as (port, _):
        stack = contextlib.ExitStack()
        viewer = stack.enter_context(connect(address(port)))
        viewer.recv(timeout=20)
    with stack, pytest.raises(ConnectionClosed) as end:
        viewer.recv(timeout=20)
    assert end.value.rcvd.code == 1012


def test_text_that_is_no_utf_8_ends_the_session_without_a_fault(service, caplog):
    caplog.set_level("INFO")
    with serving(service) as (port, _):
        for text in (b"\xff\xfe", b"{\xc3", [b'{"type"', b"\x80"]):
            with connect(f"ws://127.0.0.1:{port}{PATH}") as viewer:
                assert json.loads(viewer.recv())["type"] == "hello"
                viewer.send(text, text=True)
                with pytest.raises(ConnectionClosed) as end:
                    viewer.recv(20)
                assert end.value.rcvd.code == 1007
    assert not [record for record in caplog.records if record.levelno > logging.INFO or record.exc_info]
