"""Ctrl-C kept away from moments that do not survive it."""

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Ctrl-C takes effect when the block ends, not within it.

    `threading` waits in Python code that Ctrl-C can break in two: a lock that was to be taken back is
    then released a second time, and RuntimeError hides the KeyboardInterrupt (seen in CPython 3.11).
    In other threads than the main one, which Ctrl-C does not reach, the block simply runs.
    """
    if threading.current_thread() is not threading.main_thread() or not _is_ours():
        yield
        return
    held = []
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held:
            signal.raise_signal(signal.SIGINT)


def start_threads(threads: Sequence[threading.Thread]) -> None:
    """Starts all of them: `Thread.start` waits for the thread and must not be interrupted."""
    with interrupts_held():
        for thread in threads:
            thread.start()


def _is_ours() -> bool:
    """False for a handler that was installed outside Python and could not be put back."""
    return signal.getsignal(signal.SIGINT) is not None
