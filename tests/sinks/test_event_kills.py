"""Events through kills and a target that is down half of the time; benchmarks/events.py tries 10,000 so."""

import importlib.util
import os
from pathlib import Path

import pytest
from event_targets import BROKER

BENCH = Path(__file__).resolve().parents[2] / "benchmarks" / "events.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("events_bench", BENCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("kind", ["http", "mqtt"])
def test_each_arrives_in_order_through_kills_and_absences(bench, kind):
    if kind == "mqtt":
        pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt")
        if BROKER is None:
            pytest.skip("mosquitto is not installed")
    found = bench.measure(kind, events=120, kills=2, turn_s=0.7, pause_s=0.01)
    assert found.arrived == list(range(1, 121))
