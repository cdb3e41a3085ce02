"""Results in the order of their tasks, from several threads, never far ahead."""

import threading
import time

import pytest

from facecli.core.process import OrderedPool


def slow_square(number):
    time.sleep(0.01 * (number % 3))
    return number * number


def test_no_tasks_no_results():
    with OrderedPool([slow_square], ahead=2) as pool:
        assert list(pool.results([])) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_tasks(workers):
    with OrderedPool([slow_square] * workers, ahead=5) as pool:
        assert list(pool.results(range(20))) == [number * number for number in range(20)]


def test_tasks_are_taken_only_as_far_ahead_as_said():
    taken = []

    def tasks():
        for number in range(100):
            taken.append(number)
            yield number

    with OrderedPool([slow_square] * 2, ahead=4) as pool:
        results = pool.results(tasks())
        for count in range(1, 20):
            next(results)
            assert len(taken) <= count + 4


def test_errors_come_in_their_place():
    def fail(number):
        if number == 2:
            raise ValueError("two")
        return number

    with OrderedPool([fail, fail], ahead=3) as pool:
        results = pool.results(range(5))
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ValueError, match="two"):
            next(results)


def test_none_comes_while_the_next_result_is_waited_for():
    free = threading.Event()

    def wait(number):
        if number == 1:
            free.wait(10)
        return number

    with OrderedPool([wait], ahead=2) as pool:
        results = pool.results([0, 1], wait_s=0.05)
        assert [next(results), next(results)] == [0, None]
        free.set()
        assert list(results) == [1]


def test_threads_end_when_nobody_wants_results_any_more():
    before = threading.active_count()
    with OrderedPool([slow_square] * 3, ahead=6) as pool:
        next(pool.results(range(100)))
    assert threading.active_count() == before


def test_threads_that_do_not_come_back_are_left_behind_soon(monkeypatch):
    monkeypatch.setattr("facecli.core.process._PATIENCE_S", 0.1)
    free = threading.Event()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt), OrderedPool([lambda _: free.wait(30)] * 3, ahead=3) as pool:
        next(pool.results(range(9), wait_s=0.05))
        raise KeyboardInterrupt
    assert time.monotonic() - begin < 5
    free.set()
