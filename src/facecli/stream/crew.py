"""The threads of a stream, started and ended together."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

from facecli.interrupts import start_threads
from facecli.stream.channel import Channel

_PATIENCE_S = 2.0
"""How long the end of a stream waits for a driver or an analysis that does not come back."""


@contextlib.contextmanager
def crew(
    stop: threading.Event,
    threads: Sequence[threading.Thread],
    channels: Sequence[Channel],
) -> Iterator[None]:
    """Runs the threads for the length of the block.

    However the block ends, they are told to stop, woken and waited for. One that hangs in a call
    of its driver is left behind after a while; it is a daemon and ends when the call does.
    """
    try:
        start_threads(threads)
        yield
    finally:
        stop.set()
        for channel in channels:
            channel.wake()
        end_s = time.monotonic() + _PATIENCE_S
        for thread in threads:
            if thread.is_alive():
                thread.join(max(0.0, end_s - time.monotonic()))
