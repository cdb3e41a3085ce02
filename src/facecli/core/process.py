"""A process kept in bounds: Ctrl-C, threads, and native code with its sudden exits and its words.

Every command begins here: what few of them need is imported where it is used.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from facecli.core.errors import EXIT_FAILED, FacecliError

if TYPE_CHECKING:
    import ctypes


KILLS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that ask a process to end."""


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Ctrl-C and polite kills take effect when the block ends, not within it.

    `threading` waits in Python code that Ctrl-C can break in two: a lock that was to be taken back is
    then released a second time, and RuntimeError hides the KeyboardInterrupt (seen in CPython 3.11).
    In other threads than the main one, which Ctrl-C does not reach, the block simply runs.
    """
    if threading.current_thread() is not threading.main_thread() or not _is_ours():
        yield
        return
    held: list[int] = []
    before = {kill: signal.getsignal(kill) for kill in KILLS}
    # What nobody heeds is not to be caught, and what was ignored stays so.
    heeded = [kill for kill, handler in before.items() if callable(handler)]
    for kill in heeded:
        signal.signal(kill, lambda number, _: held.append(number))
    try:
        yield
    finally:
        for kill in heeded:
            signal.signal(kill, before[kill])
        if held:
            signal.raise_signal(held[0])


def reserve_standard_streams() -> None:
    """Opens what lacks of file descriptors 0, 1 and 2 to nowhere: no file of results gets their numbers.

    C code writes its warnings to 2, whatever that is.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDWR)


def start_threads(threads: Sequence[threading.Thread]) -> None:
    """Starts all of them: `Thread.start` waits for the thread and must not be interrupted."""
    with interrupts_held():
        for thread in threads:
            thread.start()


def _is_ours() -> bool:
    """False for a handler that was installed outside Python and could not be put back."""
    return signal.getsignal(signal.SIGINT) is not None


Task = TypeVar("Task")
Result = TypeVar("Result")
_PATIENCE_S = 2.0
"""For all threads that still work when nobody wants their results any more."""
NAME = "pictures"
"""Of the threads: `cli` ends the process when one is left behind, waiting for a server."""
_END = object()


class OrderedPool(Generic[Task, Result]):
    """Runs one function of its own in each thread, never far ahead of who takes the results.

    Threads are daemons: one that waits for a server does not hold up Ctrl-C.
    """

    def __init__(self, functions: Iterable[Callable[[Task], Result]], ahead: int) -> None:
        """Starts a thread for each function.

        Args:
            functions: each is called in one thread only.
            ahead: how many tasks are taken before their results are asked for, above 0.
        """
        from queue import SimpleQueue

        self._ahead = ahead
        self._todo: SimpleQueue[Any] = SimpleQueue()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, args=(function,), daemon=True, name=NAME)
            for function in functions
        ]

    def __enter__(self) -> "OrderedPool[Task, Result]":
        start_threads(self._threads)
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped = True
        for _ in self._threads:
            self._todo.put(None)
        end = time.monotonic() + _PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def results(self, tasks: Iterable[Task], wait_s: float | None = None) -> Iterator[Result | None]:
        """Results in the order of the tasks, which are taken as they are needed.

        Args:
            tasks: may be endless; taken in this thread.
            wait_s: when the next result takes longer than this, None comes in between, once.

        Raises:
            whatever a function or `tasks` raises, in its place.
        """
        from queue import Empty, SimpleQueue

        waiting: deque[SimpleQueue[Any]] = deque()
        tasks = iter(tasks)
        while True:
            while len(waiting) < self._ahead and (task := next(tasks, _END)) is not _END:
                waiting.append(SimpleQueue())
                self._todo.put((waiting[-1], task))
            if not waiting:
                return
            answer = waiting.popleft()
            try:
                result, error = answer.get(timeout=wait_s)
            except Empty:
                yield None
                result, error = answer.get()
            if error is not None:
                raise error
            yield result

    def _work(self, function: Callable[[Task], Result]) -> None:
        while (given := self._todo.get()) is not None and not self._stopped:
            # A SimpleQueue, no Future: its wait is one step of C, which Ctrl-C cannot break in two.
            answer, task = given
            try:
                answer.put((function(task), None))
            except BaseException as error:  # noqa: BLE001
                # Whatever it is, it belongs to who asked for the result.
                answer.put((None, error))
            # What was given must not be kept until the next task comes.
            del given, answer, task


_ADDRESSES, _ADDRESSES_A_THREAD = 600_000_000, 100_000_000
"""What a run with a network takes of addresses, most of them never used: measured 570 MB with two threads."""


def check_address_space(threads: int) -> None:
    """Raises FacecliError when a limit (`ulimit -v`) leaves networks too few addresses.

    With less, LiteRT's threads fail to start, and who waits for them waits for ever.
    """
    try:
        import resource
    except ImportError:
        # Windows has no such limit.
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    needed = _ADDRESSES + threads * _ADDRESSES_A_THREAD
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise FacecliError(
            f"not enough memory: {limit / 1e6:.0f} MB of address space are allowed (ulimit -v), "
            f"but the networks need {needed / 1e6:.0f}"
        )


def isolated_python(call: str) -> list[str]:
    """The command of a Python that runs `call`, and imports from where this one does.

    Not from the folder that it is started in, as `python -m` would: somebody may have put a module there.
    Arguments that are added are `sys.argv[1]` and so on.
    """
    import json

    places = json.dumps([os.path.abspath(place) for place in sys.path])
    code = f"import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); {call}"
    return [sys.executable, "-I", "-B", "-c", code, places]


def silence_libraries() -> None:
    """Turns what C code writes to file descriptor 2 into nothing, for good; `sys.stderr` goes where it went.

    libpng, libjpeg and others say there what they think of a picture, between lines that programs read.
    """
    stream = sys.stderr
    try:
        if stream is None or stream.fileno() != 2:
            return
        stream.flush()
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except (OSError, ValueError):
        return
    sys.stderr = open(kept, "w", encoding=stream.encoding, errors=stream.errors, buffering=1)  # noqa: SIM115
    os.dup2(nowhere, 2)
    os.close(nowhere)


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Sends what C code writes to file descriptor 2 to nowhere; Python errors still raise.

    LiteRT has no Python switch for its "Created TensorFlow Lite XNNPACK delegate" line.
    The redirection holds for the whole process, so the block should be short.
    """
    if sys.stderr is not None:
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


@contextlib.contextmanager
def ordinary_scheduling() -> Iterator[None]:
    """Threads that are made in the block compute like others, and so does this one afterwards.

    SVT-AV1 makes its threads, and the one that opens it, real-time ones where it may, as for root: nothing
    else on the machine gets its turn then. Linux only; elsewhere nothing happens.
    """
    before = _policies()
    try:
        yield
    finally:
        for thread, policy in _policies().items():
            if policy != before.get(thread, os.SCHED_OTHER):
                # It may have ended meanwhile.
                with contextlib.suppress(OSError):
                    os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def _policies() -> dict[int, int]:
    """Thread -> how it is scheduled."""
    found = {}
    if sys.platform == "linux":
        for name in os.listdir("/proc/self/task"):
            with contextlib.suppress(OSError):
                found[int(name)] = os.sched_getscheduler(int(name))
    return found


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
def _at_exit(library: "ctypes.CDLL", act: Callable[[], None]) -> Iterator[None]:
    import ctypes

    armed = True
    # What is registered last is called first: before the destructors of OpenCV and Qt.
    callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: _leave(act) if armed else None)
    owner = ctypes.create_string_buffer(1)
    library.__cxa_atexit(callback, None, owner)
    try:
        yield
    finally:
        armed = False
        # Calls and forgets it: Python could not be called once it has ended.
        library.__cxa_finalize(owner)


@contextlib.contextmanager
def _at_abort(library: "ctypes.CDLL", act: Callable[[], None]) -> Iterator[None]:
    import ctypes

    callback = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda _: _leave(act))
    before = library.signal(signal.SIGABRT, ctypes.cast(callback, ctypes.c_void_p))
    try:
        yield
    finally:
        library.signal(signal.SIGABRT, before)


@contextlib.contextmanager
def _last_words_unheard(library: "ctypes.CDLL") -> Iterator[None]:
    """C's stderr, where Qt and Xlib say why they leave, goes nowhere; Python has its own."""
    import ctypes

    stderr = ctypes.c_void_p.in_dll(library, "stderr")
    before, stderr.value = stderr.value, _nowhere(library)
    try:
        yield
    finally:
        stderr.value = before


@cache
def _nowhere(library: "ctypes.CDLL") -> int:
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
def _library() -> "ctypes.CDLL | None":
    """The C library; None where it is not the GNU one, whose exit handlers can be taken back."""
    if sys.platform != "linux":
        return None
    import ctypes

    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return None
    # A C library of our own: argument types are an attribute of the object.
    library.signal.argtypes = ctypes.c_int, ctypes.c_void_p
    library.signal.restype = library.fopen.restype = ctypes.c_void_p
    return library
