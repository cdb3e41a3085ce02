"""Medians of what a clock says, and what they were measured on."""

import itertools
import json

import pytest

from facecli.measure.stages import Timing, measure_repeatedly, measurement_conditions, timing_of


def test_one_repetition_is_its_own_median():
    assert timing_of([0.002]) == Timing(2.0, 2.0, 2.0)


def test_median_and_middle_half():
    timing = timing_of([0.001, 0.002, 0.003, 0.004, 1.0])
    assert timing.median_ms == pytest.approx(3) and timing.low_ms <= 3 <= timing.high_ms


def test_the_first_call_warms_up_and_is_not_counted():
    calls, ticks = [], itertools.count()
    timing = measure_repeatedly(lambda: calls.append(1), 4, lambda: next(ticks))
    assert len(calls) == 5 and timing == Timing(1000.0, 1000.0, 1000.0)
    assert timing.to_json() == {"median_ms": 1000.0, "low_ms": 1000.0, "high_ms": 1000.0}


def test_conditions_are_plain_values():
    found = json.loads(json.dumps(measurement_conditions()))
    assert found["cpu"] and found["cores"] >= 1 and found["numpy"] and found["python"]
