"""Native libraries that write to stderr on their own."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Sends what C code writes to file descriptor 2 to nowhere; Python errors still raise.

    LiteRT has no Python switch for its "Created TensorFlow Lite XNNPACK delegate" line.
    The redirection holds for the whole process, so the block should be short.
    """
    sys.stderr.flush()
    with contextlib.ExitStack() as stack:
        try:
            kept = os.dup(2)
        except OSError:
            # No stderr at all (a daemon): there is nothing to keep clean.
            yield
            return
        stack.callback(os.close, kept)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, nowhere)
        os.dup2(nowhere, 2)
        stack.callback(os.dup2, kept, 2)
        yield
