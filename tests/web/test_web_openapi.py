"""Schemathesis asks every route what its description allows, and what it does not."""

import socket
import threading

import pytest

pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
pytest.importorskip("schemathesis", reason="schemathesis is not installed")
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import AcceptedNegativeData, FailureGroup

from facecli.core.faces import FACE_HEADS
from facecli.web.app import build_app
from facecli.web.schemas import FACE
from facecli.web.settings import Settings

load_all_checks()
# What a picture is cannot be described to it: most files that fit the description are none.
LEFT_OUT = [CHECKS.get_one("positive_data_acceptance")]


APP = build_app(Settings(workers=2))
schema = schemathesis.openapi.from_dict(APP.openapi())


@pytest.fixture(scope="module")
def base_url():
    """Of a real server."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(APP, log_level="error", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_the_routes_are_as_they_are_described(case, base_url):
    try:
        case.call_and_validate(base_url=base_url, excluded_checks=LEFT_OUT)
    except FailureGroup as failures:
        if not all(map(is_mistaken, failures.exceptions)):
            raise


def is_mistaken(failure):
    """A form that lacks one of the two fields may have the other: one branch of `oneOf` is enough."""
    return isinstance(failure, AcceptedNegativeData) and "violates `required` at /oneOf/" in failure.message


def test_every_error_is_described_as_a_problem():
    for path, methods in APP.openapi()["paths"].items():
        for described in methods.values():
            for status, answer in described["responses"].items():
                kinds = set(answer["content"])
                assert (kinds == {"application/problem+json"}) is (status != "200"), path


def test_every_head_of_a_face_is_described():
    keys = {key for head in FACE_HEADS for key in (head, f"{head}_probabilities")}
    assert keys <= set(FACE["properties"])
