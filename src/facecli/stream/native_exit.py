"""A native library that ends the process leaves time to close files first."""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import cache

from facecli.errors import EXIT_FAILED

_AtExit = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_OnSignal = ctypes.CFUNCTYPE(None, ctypes.c_int)


@contextlib.contextmanager
def before_exit(act: Callable[[], None], aborts: bool = False) -> Iterator[None]:
    """Calls `act` when C's exit() is called within the block, then ends the process with EXIT_FAILED.

    Qt leaves that way when its X server is gone: neither exceptions nor `atexit` notice it. Python's
    own ways out unwind the block first and are not concerned. For Linux with the GNU C library;
    elsewhere nothing happens.

    Args:
        act: called in the thread that called exit(), while nothing has been torn down yet.
        aborts: the same for abort(), as Qt calls it when it cannot open its first window.
    """
    library = _library()
    if library is None:
        yield
        return
    abort_noticed = _at_abort(library, act) if aborts else contextlib.nullcontext()
    with _last_words_unheard(library), _at_exit(library, act), abort_noticed:
        yield


@contextlib.contextmanager
def _at_exit(library: ctypes.CDLL, act: Callable[[], None]) -> Iterator[None]:
    armed = True
    # What is registered last is called first: before the destructors of OpenCV and Qt.
    callback = _AtExit(lambda _: _leave(act) if armed else None)
    owner = ctypes.create_string_buffer(1)
    library.__cxa_atexit(callback, None, owner)
    try:
        yield
    finally:
        armed = False
        # Calls and forgets it: Python could not be called once it has ended.
        library.__cxa_finalize(owner)


@contextlib.contextmanager
def _at_abort(library: ctypes.CDLL, act: Callable[[], None]) -> Iterator[None]:
    callback = _OnSignal(lambda _: _leave(act))
    before = library.signal(signal.SIGABRT, ctypes.cast(callback, ctypes.c_void_p))
    try:
        yield
    finally:
        library.signal(signal.SIGABRT, before)


@contextlib.contextmanager
def _last_words_unheard(library: ctypes.CDLL) -> Iterator[None]:
    """C's stderr, where Qt and Xlib say why they leave, goes nowhere; Python has its own."""
    stderr = ctypes.c_void_p.in_dll(library, "stderr")
    before, stderr.value = stderr.value, _nowhere(library)
    try:
        yield
    finally:
        stderr.value = before


@cache
def _nowhere(library: ctypes.CDLL) -> int:
    """A FILE that nobody reads."""
    return library.fopen(os.devnull.encode(), b"w")


def _leave(act: Callable[[], None]) -> None:
    try:
        act()
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    finally:
        os._exit(EXIT_FAILED)


@cache
def _library() -> ctypes.CDLL | None:
    """The C library; None where it is not the GNU one, whose exit handlers can be taken back."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return None
    # A C library of our own: argument types are an attribute of the object.
    library.signal.argtypes = ctypes.c_int, ctypes.c_void_p
    library.signal.restype = library.fopen.restype = ctypes.c_void_p
    return library
