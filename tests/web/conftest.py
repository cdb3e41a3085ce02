"""One application with the shipped models, asked without a socket."""

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
from starlette.testclient import TestClient
from web_pictures import encoded

from facecli.web.app import build_app
from facecli.web.settings import Settings


@pytest.fixture(scope="session")
def app():
    """Serves any host, without a token."""
    return build_app(Settings(workers=2, hosts=()))


@pytest.fixture(scope="session")
def client(app):
    with TestClient(app) as client:
        yield client


@pytest.fixture(scope="session")
def portrait(astronaut):
    """(480, 512, 3) uint8 RGB with one face."""
    return np.ascontiguousarray(astronaut[:480])


@pytest.fixture(scope="session")
def photo(portrait):
    """The portrait as JPEG."""
    return encoded(portrait)


@pytest.fixture(scope="session")
def empty():
    """A JPEG without a face."""
    return encoded(np.full((48, 64, 3), 90, np.uint8))
