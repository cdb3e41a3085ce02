"""Ctrl-C is put off, never lost."""

import os
import signal
import sys
import threading
import time

import pytest

from facecli.core.process import interrupts_held, ordinary_scheduling, start_threads


@pytest.fixture(autouse=True)
def python_interrupts():
    """Ctrl-C raises KeyboardInterrupt, also under a shell that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_nothing_happens():
    start_threads([])


def test_it_comes_when_the_block_ends():
    reached = []
    with pytest.raises(KeyboardInterrupt), interrupts_held():
        signal.raise_signal(signal.SIGINT)
        reached.append(True)
    assert reached


def test_an_error_of_the_block_is_not_lost():
    with pytest.raises(KeyboardInterrupt) as caught, interrupts_held():
        signal.raise_signal(signal.SIGINT)
        raise ValueError("first")
    assert isinstance(caught.value.__context__, ValueError)


def test_a_shell_that_ignores_it():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts_held():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_threads_start_whole():
    """Interrupted from the first of them on, all the others start all the same."""
    threads = [
        threading.Thread(target=signal.raise_signal, args=(signal.SIGINT,)),
        *(threading.Thread(target=lambda: None) for _ in range(5)),
    ]
    with pytest.raises(KeyboardInterrupt):
        start_threads(threads)
        # On a busy machine the first thread may come to it only now.
        time.sleep(10)
    for thread in threads:
        assert thread.ident is not None
        thread.join()


def test_another_thread_just_runs():
    ran = []

    def work():
        with interrupts_held():
            ran.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ran


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is done elsewhere")
def test_real_time_threads_of_a_library_become_ordinary_ones():
    ready, done = threading.Event(), threading.Event()
    seen = []

    def greedy():
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        except PermissionError:
            seen.append("not allowed")
        ready.set()
        done.wait(10)
        seen.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=greedy)
    with ordinary_scheduling():
        thread.start()
        ready.wait(10)
    done.set()
    thread.join(10)
    if seen[0] == "not allowed":
        pytest.skip("only root makes real-time threads")
    assert seen == [os.SCHED_OTHER]
