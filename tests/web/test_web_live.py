"""The WebSocket of live mode: good frames, bad ones, and viewers that behave badly."""

import asyncio
import io
import json
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.datastructures import Headers
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from facecli.core import images
from facecli.core.errors import CheckpointError
from facecli.core.paths import find_model
from facecli.detect.registry import build_detector
from facecli.draw.anonymize import head_box
from facecli.infer.analyzer import Analyzer
from facecli.models.checkpoint import load_checkpoint
from facecli.models.litert import Predictor
from facecli.web.guard import Guard, same_origin
from facecli.web.live_protocol import LiveLimits, LiveProblem, decode_frame, parse_command, parse_frame
from facecli.web.live_session import LiveQuery, LiveSession, NewestFrame, TokenBucket, router
from facecli.web.service import Busy

PATH = "/api/v1/live"
LIMITS = LiveLimits()


class FakeService:
    """The contract of `Service` with one worker; `full` refuses, `gate` holds the worker up."""

    def __init__(self):
        self.default_model, self.default_detector = "facenet", "haar"
        self.frame_decoder = images
        self.predictor = Predictor(load_checkpoint(find_model("facenet_model")), 1)
        self.full = 0
        self.gate = threading.Event()
        self.gate.set()
        self._pool = ThreadPoolExecutor(1)

    def analyzer(self, model, detector):
        if model != "facenet":
            raise CheckpointError(f"no model '{model}' in /secret/place")
        return Analyzer(build_detector(detector), self.predictor)

    async def load(self, models):
        pass

    async def run(self, function, *args):
        if self.full:
            self.full -= 1
            raise Busy
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._gated, function, *args)

    def _gated(self, function, *args):
        assert self.gate.wait(20)
        return function(*args)


@pytest.fixture(scope="module")
def service():
    return FakeService()


def application(service, **limits):
    app = FastAPI()
    app.include_router(router)
    app.add_middleware(Guard, token=None, hosts=())
    app.state.service = service
    app.state.live_limits = LiveLimits(**limits)
    return app


@pytest.fixture
def client(service):
    with TestClient(application(service)) as client:
        yield client


def encoded(image_rgb, file_format="JPEG"):
    buffer = io.BytesIO()
    Image.fromarray(image_rgb).save(buffer, file_format)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def portrait(astronaut):
    """(480, 512, 3) uint8 RGB with one face."""
    return np.ascontiguousarray(astronaut[:480])


def frame(picture, number=1, sent_ms=7):
    return struct.pack(">II", number, sent_ms) + picture


def problem_of(socket, code):
    """The problem that ends a session, which must close with `code`."""
    while (message := socket.receive_json())["type"] != "problem":
        pass
    with pytest.raises(WebSocketDisconnect) as end:
        socket.receive_json()
    assert end.value.code == code
    return message


# --- what is said ---------------------------------------------------------------------------------


def test_no_face_is_an_answer(client):
    with client.websocket_connect(PATH) as socket:
        assert socket.receive_json() == {
            "type": "hello",
            "model": "facenet",
            "detector": "haar",
            "anonymize": None,
            "max_frame_bytes": 1 << 20,
        }
        socket.send_bytes(frame(encoded(np.full((48, 64, 3), 90, np.uint8)), 4, 2**32 - 1))
        answer = socket.receive_json()
        assert answer.pop("analysis_ms") >= 0
        assert answer == {
            "type": "faces", "frame": 4, "sent_ms": 2**32 - 1, "width": 64, "height": 48, "dropped": 0,
            "faces": [],
        }  # fmt: skip


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_a_face_comes_back_as_in_the_rows(client, portrait, file_format):
    with client.websocket_connect(PATH) as socket:
        socket.receive_json()
        socket.send_bytes(frame(encoded(portrait, file_format)))
        (face,) = socket.receive_json()["faces"]
        assert face["track"] == 1
        assert np.abs(np.array(face["box_xyxy"]) - (177, 69, 272, 164)).max() < 25
        assert {"age_years", "age_interval_90", "gender", "race"} <= face.keys()
        assert "head_xyxy" not in face


def test_tracks_stay_and_begin_anew_after_a_reset(client, portrait):
    with client.websocket_connect(PATH) as socket:
        socket.receive_json()
        tracks = []
        for shift in (0, 3, None, 6):
            if shift is None:
                socket.send_text('{"type": "reset"}')
                continue
            socket.send_bytes(frame(encoded(np.roll(portrait, shift, axis=1))))
            tracks += [face["track"] for face in socket.receive_json()["faces"]]
        assert tracks[0] == tracks[1] and len(tracks) == 3 and tracks[2] != tracks[0]


def test_heads_to_cover_come_when_asked_for(client, portrait):
    with client.websocket_connect(f"{PATH}?anonymize=blur") as socket:
        assert socket.receive_json()["anonymize"] == "blur"
        socket.send_bytes(frame(encoded(portrait)))
        (face,) = socket.receive_json()["faces"]
        assert face["head_xyxy"] == list(head_box(face["box_xyxy"], (512, 480)))


def test_the_detector_is_switched_in_the_middle(client, portrait):
    with client.websocket_connect(PATH) as socket:
        socket.receive_json()
        socket.send_json({"type": "settings", "detector": "none"})
        assert socket.receive_json()["detector"] == "none"
        socket.send_bytes(frame(encoded(portrait)))
        (face,) = socket.receive_json()["faces"]
        assert face["box_xyxy"] == [0, 0, 512, 480]


def test_settings_that_come_while_a_model_is_loaded_add_to_it(client, monkeypatch):
    loading, go_on, build = threading.Event(), threading.Event(), LiveSession._build

    def slowly(self, query):
        if query == LiveQuery("normal", "haar"):
            loading.set()
            go_on.wait(10)
        return build(self, replace(query, model="facenet"))

    monkeypatch.setattr(LiveSession, "_build", slowly)
    with client.websocket_connect(PATH) as socket:
        socket.receive_json()
        socket.send_json({"type": "settings", "model": "normal"})
        assert loading.wait(10)
        socket.send_json({"type": "settings", "detector": "none"})
        # So that it is read before the model is there.
        time.sleep(0.3)
        go_on.set()
        hellos = [socket.receive_json() for _ in range(2)]
        assert [(hello["model"], hello["detector"]) for hello in hellos] == [
            ("normal", "haar"),
            ("normal", "none"),
        ]


def test_frames_of_changing_size_are_taken(client, portrait):
    with client.websocket_connect(PATH) as socket:
        socket.receive_json()
        for image in (portrait, portrait.swapaxes(0, 1), portrait[::3, ::3], portrait[:1, :1]):
            socket.send_bytes(frame(encoded(np.ascontiguousarray(image))))
            answer = socket.receive_json()
            assert (answer["height"], answer["width"]) == image.shape[:2]


# --- the newest wins, and everybody has a share ---------------------------------------------------


def test_only_the_newest_waiting_frame_is_analysed(service, client, portrait):
    picture = encoded(portrait[::4, ::4])
    with client.websocket_connect(PATH) as socket:
        socket.receive_json()
        service.gate.clear()
        for number in range(1, 21):
            socket.send_bytes(frame(picture, number))
        time.sleep(0.2)  # until the last has arrived; the worker is held up all the while
        service.gate.set()
        answer = socket.receive_json()
        assert (answer["frame"], answer["dropped"]) == (20, 19)


def test_a_full_queue_delays_a_frame_and_does_not_lose_it(service, client, portrait):
    with client.websocket_connect(PATH) as socket:
        socket.receive_json()
        service.full = 3
        socket.send_bytes(frame(encoded(portrait), 5))
        assert socket.receive_json()["frame"] == 5


def test_a_flooding_viewer_leaves_the_other_its_share(service, portrait):
    picture = encoded(portrait)
    app = application(service, burst=10**6, frames_per_s=1e6)
    with TestClient(app) as client:
        with client.websocket_connect(PATH) as greedy, client.websocket_connect(PATH) as modest:
            greedy.receive_json()
            modest.receive_json()
            for number in range(1, 301):
                greedy.send_bytes(frame(picture, number))
            modest.send_bytes(frame(picture, 1))
            assert modest.receive_json()["frame"] == 1
            answers = [greedy.receive_json()]
            while answers[-1]["frame"] < 300:
                answers.append(greedy.receive_json())
            assert len(answers) + sum(answer["dropped"] for answer in answers) == 300


def test_the_slot_counts_what_nobody_took():
    slot = NewestFrame(clock=iter(range(9)).__next__)
    assert slot.take() is None
    for number in range(3):
        slot.put(parse_frame(frame(b"x", number), LIMITS))
    taken = slot.take()
    assert (taken.frame.number, taken.time_s, taken.dropped) == (2, 2, 2)
    assert slot.take() is None


def test_what_was_put_before_a_reset_is_not_of_what_comes_after():
    slot = NewestFrame()

    def put_and_take(*steps):
        for number, step in enumerate(steps):
            slot.begin_anew() if step == "reset" else slot.put(parse_frame(frame(b"x", number), LIMITS))
        return slot.take().anew

    assert put_and_take("frame") is False
    assert put_and_take("frame", "reset") is False
    assert put_and_take("frame", "frame") is True
    assert put_and_take("reset", "frame", "frame") is True
    assert put_and_take("frame") is False


def test_the_bucket_lets_a_burst_through_and_then_a_rate():
    now_s = [0.0]
    bucket = TokenBucket(2.0, 3, clock=lambda: now_s[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now_s[0] = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now_s[0] = 1e6
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


# --- bad input ------------------------------------------------------------------------------------


def tall_jpeg_header(width, height):
    """A JPEG that says to be so large, with nothing in it."""
    size = struct.pack(">HH", height, width)
    return b"\xff\xd8\xff\xc0\x00\x11\x08" + size + b"\x03\x01\x11\x00\x02\x11\x01\x03\x11\x01\xff\xd9"


BAD_FRAMES = {
    "nothing": (b"", 1003, 400),
    "half a stamp": (b"\0\0\0", 1003, 400),
    "no picture": (frame(b""), 1003, 400),
    "garbage": (frame(bytes(range(256)) * 40), 1003, 415),
    "a page": (frame(b"<html><script>alert(1)</script>"), 1003, 415),
    "a GIF": (frame(encoded(np.zeros((8, 8, 3), np.uint8), "GIF")), 1003, 415),
    "a TIFF": (frame(encoded(np.zeros((8, 8, 3), np.uint8), "TIFF")), 1003, 415),
    "only magic": (frame(b"\xff\xd8\xff"), 1003, 422),
    "PNG magic": (frame(b"\x89PNG\r\n\x1a\n" + bytes(50)), 1003, 422),
    "WebP magic": (frame(b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(50)), 1003, 422),
    "a cut JPEG": (frame(encoded(np.zeros((80, 80, 3), np.uint8))[:-200]), 1003, 422),
    "100 megapixels": (frame(tall_jpeg_header(10_000, 10_000)), 1009, 413),
    "4 gigapixels": (frame(tall_jpeg_header(65_535, 65_535)), 1009, 413),
    "a tower": (frame(encoded(np.zeros((1921, 8, 3), np.uint8))), 1009, 413),
    "too many bytes": (frame(bytes((1 << 20) + 1)), 1009, 413),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_ends_the_session_with_a_word(client, portrait, name):
    message, code, status = BAD_FRAMES[name]
    with client.websocket_connect(PATH) as socket:
        socket.receive_json()
        socket.send_bytes(message)
        problem = problem_of(socket, code)
        assert problem["status"] == status and problem["title"] and "\n" not in problem["detail"]
    with client.websocket_connect(PATH) as socket:
        socket.receive_json()
        socket.send_bytes(frame(encoded(portrait)))
        assert len(socket.receive_json()["faces"]) == 1


BAD_TEXTS = (
    "", "{}", "[]", "null", "reset", '{"type": "jump"}', '{"type": ["reset"]}', '{"type": "reset", "x": 1}',
    '{"type": "settings", "model": 7}', '{"type": "settings", "anonymize": "blur"}', "[" * 900, "x" * 100_000,
    '{"type": "settings", "model": null}', '{"type": NaN}', "\ud7ff\0",
)  # fmt: skip


@pytest.mark.parametrize("text", BAD_TEXTS, ids=range(len(BAD_TEXTS)))
def test_a_bad_text_ends_the_session_with_a_word(client, text):
    with client.websocket_connect(PATH) as socket:
        socket.send_text(text)
        assert problem_of(socket, 1008)["status"] == 400


@given(st.binary(max_size=64))
def test_any_bytes_are_a_frame_or_a_problem(message):
    try:
        decode_frame(parse_frame(message, LIMITS).data, LIMITS, images)
    except LiveProblem as problem:
        assert problem.code in (1003, 1009)


@settings(max_examples=50)
@given(
    st.text(max_size=64)
    | st.dictionaries(st.text(max_size=8), st.none() | st.text(max_size=8)).map(json.dumps)
)
def test_any_text_is_a_command_or_a_problem(text):
    try:
        assert parse_command(text).kind in ("reset", "settings")
    except LiveProblem as problem:
        assert problem.code == 1008


def test_what_is_not_asked_for_is_the_servers_choice(service, client, monkeypatch):
    monkeypatch.setattr(service, "default_detector", "none")
    with client.websocket_connect(PATH) as socket:
        assert socket.receive_json()["detector"] == "none"
    with client.websocket_connect(f"{PATH}?detector=haar") as socket:
        assert socket.receive_json()["detector"] == "haar"


@pytest.mark.parametrize("query", ["model=nosuch", "model=../../etc", "model=%00", "detector=x"])
def test_an_unknown_model_or_detector_is_said_without_places(client, query):
    with client.websocket_connect(f"{PATH}?{query}") as socket:
        problem = problem_of(socket, 1008)
        assert problem["status"] == 404 and "secret" not in problem["detail"]


def test_an_unknown_model_in_the_middle_ends_the_session(client):
    with client.websocket_connect(PATH) as socket:
        socket.receive_json()
        socket.send_json({"type": "settings", "model": "nosuch"})
        assert problem_of(socket, 1008)["status"] == 404


def test_an_unknown_way_to_hide_heads_is_refused(client):
    with client.websocket_connect(f"{PATH}?anonymize=sticker") as socket:
        assert problem_of(socket, 1008)["status"] == 400


def test_a_flood_ends_the_session(service, portrait):
    with TestClient(application(service, burst=5, frames_per_s=1e-3)) as client:
        with client.websocket_connect(PATH) as socket:
            for _ in range(6):
                socket.send_bytes(frame(encoded(portrait[::8, ::8])))
            assert problem_of(socket, 1008)["status"] == 429


def test_a_silent_viewer_is_sent_away(service):
    with TestClient(application(service, idle_s=0.05)) as client:
        with client.websocket_connect(PATH) as socket:
            assert problem_of(socket, 1008)["status"] == 408


def test_one_viewer_too_many_is_sent_away_and_a_place_is_given_again(service):
    with TestClient(application(service, sessions=1)) as client:
        for _ in range(3):
            with client.websocket_connect(PATH) as first:
                first.receive_json()
                with client.websocket_connect(PATH) as second:
                    assert problem_of(second, 1013)["status"] == 503


def test_workers_that_stay_busy_are_said(service, client, monkeypatch):
    monkeypatch.setattr("facecli.web.live_session._TRIES", 2)
    monkeypatch.setattr(service, "full", 10**9)
    with client.websocket_connect(PATH) as socket:
        assert problem_of(socket, 1013)["status"] == 503


def test_an_error_of_ours_is_said_without_its_words(service, client, monkeypatch):
    def fail(self):
        raise RuntimeError("secret")

    monkeypatch.setattr("facecli.web.live_session.LiveWorker.work", fail)
    with pytest.raises(RuntimeError), client.websocket_connect(PATH) as socket:
        problem = problem_of(socket, 1011)
        assert problem["status"] == 500 and "secret" not in problem["detail"]


class DeafSocket:
    """A client that neither says nor reads anything."""

    async def receive(self):
        await asyncio.sleep(60)

    async def send_text(self, text):
        await asyncio.sleep(60)


def test_a_client_that_does_not_read_is_left(service):
    session = LiveSession(DeafSocket(), service, LiveQuery("facenet", "haar"), LiveLimits(send_s=0.05))
    with pytest.raises(WebSocketDisconnect):
        asyncio.run(session.serve())


# --- who may look ---------------------------------------------------------------------------------

ORIGINS = [
    ({"host": "127.0.0.1:5000"}, True),
    ({"host": "127.0.0.1:5000", "origin": "http://127.0.0.1:5000"}, True),
    ({"host": "Faces.example", "origin": "https://faces.EXAMPLE"}, True),
    ({"host": "faces.example:443", "origin": "https://faces.example"}, True),
    ({"host": "[::1]:5000", "origin": "http://[::1]:5000"}, True),
    ({"host": "127.0.0.1:5000", "origin": "http://127.0.0.1:5001"}, False),
    ({"host": "127.0.0.1:5000", "origin": "http://127.0.0.1"}, False),
    ({"host": "127.0.0.1:5000", "origin": "https://evil.example"}, False),
    ({"host": "127.0.0.1:5000", "origin": "http://127.0.0.1:5000.evil.example"}, False),
    ({"host": "127.0.0.1:5000", "origin": "null"}, False),
    ({"host": "127.0.0.1:5000", "origin": ""}, False),
    ({"host": "127.0.0.1:5000", "origin": "file://"}, False),
    ({"host": "127.0.0.1:x", "origin": "http://127.0.0.1:x"}, False),
    ({"host": "[", "origin": "http://["}, False),
    ({"origin": "http://127.0.0.1:5000"}, False),
]


@pytest.mark.parametrize("headers, allowed", ORIGINS)
def test_only_our_own_pages_may_look(headers, allowed):
    assert same_origin(Headers(headers)) is allowed


def test_a_foreign_page_is_refused_before_the_socket_opens(client):
    with pytest.raises(WebSocketDenialResponse) as refusal:
        with client.websocket_connect(PATH, headers={"origin": "https://evil.example"}):
            pass
    assert refusal.value.status_code == 403
    assert refusal.value.headers["content-type"] == "application/problem+json"
    assert refusal.value.json()["status"] == 403
