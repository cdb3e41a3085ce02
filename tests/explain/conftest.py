"""Networks whose truth is known, and a face for them."""

import os

import numpy as np
import pytest

# Compiling shap's loops takes half a minute, running them as they are a second; read by numba's import.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
pytest.importorskip("keras")
from explain_networks import CORNER, SIDE, bright_network, corner_network, explained_network  # noqa: E402


@pytest.fixture(scope="session")
def corner():
    return explained_network(corner_network(), ("age", "gender"))


@pytest.fixture(scope="session")
def bright():
    return explained_network(bright_network(), ("gender",))


@pytest.fixture
def crop():
    """(SIDE, SIDE, 3) uint8: a bright corner on dark noise."""
    picture = np.random.default_rng(0).integers(0, 60, (SIDE, SIDE, 3), np.uint8)
    picture[CORNER] += 180
    return picture
