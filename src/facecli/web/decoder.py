"""Pictures of strangers, decoded in processes of their own, which can be ended when they hang or die.

Decoders are the largest piece of foreign native code that a picture meets. A child imports `core.images` and
nothing of the server, holds no secret of it, and is believed in nothing: what it answers is a head of fixed
length, then pixels or a text (a pickle could run code in the server).
"""

import contextlib
import logging
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import IO, NamedTuple

import cv2
import numpy as np

from facecli.core import images
from facecli.core.arrays import Array
from facecli.core.errors import FacecliError, ImageError, ImageTooLargeError
from facecli.core.image_header import MAX_PIXELS, has_more_scans
from facecli.core.images import DecodingMemory, decode_image, decode_reduced
from facecli.core.process import isolated_python

log: logging.Logger = logging.getLogger(__name__)

HEAVY_BYTES, _LEFT_BYTES = 64_000_000, 32_000_000
"""Decoding that takes more is a heavy picture's, and what such ones always leave to the others."""
USUAL_SCANS = 20
"""More than encoders write; a JPEG of more is heavy, too, since each may cost a pass over all pixels."""
_ALLOWED_BYTES = 8_000_000
"""What a child may take without asking: two megapixels of JPEG; small pictures need no second word."""
_BOOT_S, _LAST_S = 30.0, 60
"""Seconds until a new child must be awake, and for a picture of one whose server has died."""
_WATCH_S = 0.05
_PATIENCE = 2
"""Times the limit that a child may be over it, when others had the cores."""
_PIPE_BYTES = 1 << 20
_LONGEST_TEXT = 2000
_SLACK_BYTES = 128_000_000
"""What a child may take beside twice what the picture's header lets expect, and steps of that limit."""
_COPIES_OF_DATA = 5
_CANVAS_BYTES = 8
"""A pixel, which Pillow sets aside when it reads the header of a WebP, and does not touch."""

_TASK = struct.Struct(">QQIQII")
"""Length of the data, most pixels, longer side (0: the whole picture), bytes allowed, scans allowed (0: any
number), length of the name."""
_ANSWER = struct.Struct(">cQIIII")
"""Kind, count (of bytes), height, width, and width and height of the whole picture."""
_READY, _NEEDS, _HEAVY, _PIXELS, _ERROR, _TOO_LARGE = b"R", b"N", b"H", b"P", b"E", b"L"
_GO, _NO = b"\1", b"\0"
_JPEG, _WEBP = b"\xff\xd8", b"RIFF"
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "OPENCV_LOG_LEVEL")
_HEAP = {"MALLOC_MMAP_THRESHOLD_": str(16 << 20), "MALLOC_TRIM_THRESHOLD_": str(32 << 20)}
"""Of the GNU C library: pixels of ordinary pictures find memory that is there already."""
_START = "import facecli.web.decoder as d; d.work()"


class HeavyPicture(Exception):
    """It is to be decoded where it keeps nobody waiting: a large one, or a JPEG of many scans."""


class DecoderLostError(FacecliError):
    """No process for decoding can be started."""


class _ChildLost(Exception):
    """It has ended, or says what none of ours would."""


class _Task(NamedTuple):
    """A picture to be decoded; `longest_side` 0 is the whole of it."""

    data: bytes
    name: str
    longest_side: int
    max_pixels: int


class _Answer(NamedTuple):
    """What a child says."""

    kind: bytes
    amount: int = 0
    height: int = 0
    width: int = 0
    whole_width: int = 0
    whole_height: int = 0


class DecoderPool:
    """A few children that decode, each one picture at a time.

    Attributes:
        limit_s: seconds of a core for a picture, twice as many for a heavy one; waiting for memory does not
            count. When the machine is busy it may take three times as long.
        timeouts, deaths: how many children were ended for their slowness, and how many ended by themselves.
    """

    timeouts: int
    deaths: int

    def __init__(self, count: int, limit_s: float) -> None:
        """Starts nothing yet.

        Args:
            count: children, two at least: beside a heavy picture others are decoded.
            limit_s: see above.
        """
        self.limit_s = limit_s
        self.timeouts = self.deaths = 0
        self._failure: str | None = None
        self._starting = threading.Lock()
        self._idle: list[_Child | None] = [None] * max(2, count)
        self._busy: set[_Child] = set()
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._watch: threading.Thread | None = None

    def start(self) -> None:
        """Starts all children that are not there, so that pictures need not wait for them, and wakes one."""
        if not self._starting.acquire(blocking=False):
            # Somebody is at it.
            return
        try:
            with self._changed:
                self._idle = [one or self._started() for one in self._idle]
            child = self._take()
            try:
                self._wake(child)
            finally:
                self._give_back(child)
        except DecoderLostError as error:
            log.debug("%s", error)
        finally:
            self._starting.release()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be decoded; None when it can."""
        with self._changed:
            children = [one for one in (*self._idle, *self._busy) if one is not None]
            works = any(one.is_awake and not one.has_ended for one in children)
            return None if works else self._failure

    def lane(self, heavy: bool) -> "DecodingLane":
        """A decoder for pictures of all kinds (`heavy`), or one that raises HeavyPicture for heavy ones."""
        return DecodingLane(self, heavy)

    def decode(self, task: _Task, heavy: bool) -> tuple[Array, tuple[int, int]]:
        """Pixels, and width and height of the whole picture.

        Raises:
            ImageError: as `core.images` does, and when the child hangs, dies or takes too much.
            HeavyPicture: see `lane`.
            DecoderLostError: there is no child.
        """
        child = self._take()
        try:
            self._wake(child)
            with contextlib.ExitStack() as held:
                return self._ask(child, task, heavy, held)
        except (OSError, _ChildLost):
            raise self._buried(child, task.name) from None
        finally:
            self._give_back(child)

    def close(self) -> None:
        """Ends all children; what they are doing is lost."""
        self._closed.set()
        with self._changed:
            idle, self._idle = self._idle, []
            for child in self._busy:
                child.kill()
            self._changed.notify_all()
        for one in filter(None, idle):
            one.end()

    def _ask(
        self, child: "_Child", task: _Task, heavy: bool, held: contextlib.ExitStack
    ) -> tuple[Array, tuple[int, int]]:
        allowed = min(_ALLOWED_BYTES, images.DECODING.most_bytes // 8)
        held.enter_context(images.DECODING.reserved(allowed, task.name))
        limit_s = self.limit_s * (2 if heavy else 1)
        child.give_time(limit_s)
        child.send(task, allowed, heavy)
        answer = child.answer()
        if answer.kind in (_NEEDS, _HEAVY):
            child.give_time(None)
            try:
                self._reserve(answer, task.name, heavy, held)
            except (HeavyPicture, ImageTooLargeError):
                child.give_time(limit_s)
                child.refuse()
                raise
            child.give_time(limit_s)
            child.say(_GO)
            answer = child.answer()
        # What takes long from here on is to hand it over.
        child.give_time(limit_s)
        return child.result(answer, task)

    def _reserve(self, answer: _Answer, name: str, heavy: bool, held: contextlib.ExitStack) -> None:
        """Waits for memory. Raises HeavyPicture or ImageTooLargeError."""
        if not heavy and (answer.kind == _HEAVY or answer.amount > HEAVY_BYTES):
            raise HeavyPicture(name)
        most = images.DECODING.most_bytes - _LEFT_BYTES
        if answer.amount > most:
            raise ImageTooLargeError(
                f"{name} needs {answer.amount / 1e6:,.0f} MB to be decoded, more than {most / 1e6:,.0f}; "
                "make it smaller"
            )
        # Nothing is held while more is waited for: two that did so would wait for each other.
        held.close()
        held.enter_context(images.DECODING.reserved(answer.amount, name))

    def _wake(self, child: "_Child") -> None:
        """Waits until a new child is awake. Raises DecoderLostError when it does not wake."""
        if child.is_awake:
            return
        child.give_time(_BOOT_S)
        try:
            if child.answer().kind != _READY:
                raise _ChildLost
        except (OSError, _ChildLost):
            child.end()
            raise self._lost(f"a process for decoding pictures ended with {child.exit_status}") from None
        child.is_awake, self._failure = True, None

    def _lost(self, reason: str) -> DecoderLostError:
        log.error("%s", reason)
        self._failure = "cannot start a process for decoding pictures"
        return DecoderLostError(reason)

    def _buried(self, child: "_Child", name: str) -> ImageError:
        """Ends a child that is of no use any more, and says what its picture did."""
        child.end()
        if child.is_late:
            self.timeouts += 1
            log.warning("a decoder was ended: a picture took it too long")
            return ImageError(f"{name} takes too long to be decoded; save it again")
        self.deaths += 1
        log.warning("a decoder ended with %s while it read a picture", child.exit_status)
        return ImageError(f"{name} cannot be decoded: the decoder crashed; save it again as JPEG or PNG")

    def _take(self) -> "_Child":
        """A child for one picture. Raises DecoderLostError."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle or self._closed.is_set())
            if self._closed.is_set():
                raise DecoderLostError("the server ends")
            child = self._idle.pop()
            if child is None or child.has_ended:
                # One that ends while it has nothing to do was ended by somebody else.
                child = self._started()
            if child is None:
                self._idle.insert(0, None)
                self._changed.notify()
                raise DecoderLostError("cannot start a process for decoding pictures")
            self._busy.add(child)
            if self._watch is None:
                self._watch = threading.Thread(target=self._look, name="decoders", daemon=True)
                self._watch.start()
            return child

    def _give_back(self, child: "_Child") -> None:
        child.give_time(None)
        with self._changed:
            self._busy.discard(child)
            if self._closed.is_set():
                child.end()
            elif child.has_ended or child.is_late:
                child.end()
                # Its successor is last in the row: it has to wake first.
                self._idle.insert(0, self._started())
            else:
                self._idle.append(child)
            self._changed.notify()

    def _started(self) -> "_Child | None":
        try:
            return _Child()
        except OSError as error:
            self._lost(f"cannot start a process for decoding pictures: {error}")
            return None

    def _look(self) -> None:
        """Ends children whose time is over; who waits for them then reads their end."""
        while not self._closed.wait(_WATCH_S):
            with self._changed:
                for child in self._busy:
                    child.kill_if_late()


class DecodingLane:
    """Decodes as `core.images` does, in a child."""

    def __init__(self, pool: DecoderPool, heavy: bool) -> None:
        self._pool, self._heavy = pool, heavy

    def decode_image(self, data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Array:
        """See `core.images.decode_image`, and `DecoderPool.decode` for what it raises beside."""
        return self._pool.decode(_Task(data, name, 0, max_pixels), self._heavy)[0]

    def decode_reduced(
        self, data: bytes, name: str, longest_side: int, max_pixels: int = MAX_PIXELS
    ) -> tuple[Array, tuple[int, int]]:
        """See `core.images.decode_reduced`, and `DecoderPool.decode` for what it raises beside."""
        return self._pool.decode(_Task(data, name, longest_side, max_pixels), self._heavy)


class _Child:
    """The server's end of one child."""

    def __init__(self) -> None:
        """Raises OSError when it cannot be started."""
        # Isolated from the folder that the server stands in, and from its secrets.
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._process = subprocess.Popen(
            isolated_python(_START),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **_HEAP},
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        for pipe in (self._to, self._from):
            _widen(pipe.fileno())
        self._until: tuple[float, float] | None = None
        self._begun_cpu_s: float | None = None
        self.is_awake = self.is_late = False

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def exit_status(self) -> int | None:
        """Below zero: a signal."""
        return self._process.returncode

    def give_time(self, limit_s: float | None) -> None:
        """From now on; None is for ever."""
        self._begun_cpu_s = None
        self._until = None if limit_s is None else (time.monotonic() + limit_s, limit_s)

    def kill_if_late(self) -> None:
        """By what `give_time` said last; a child that a busy machine kept waiting has longer."""
        until = self._until
        if until is None or self.is_late:
            return
        end_s, limit_s = until
        used_s = _cpu_s(self._process.pid)
        if self._begun_cpu_s is None:
            self._begun_cpu_s = used_s
        over_s = time.monotonic() - end_s
        was_kept_waiting = used_s is not None and used_s - (self._begun_cpu_s or 0.0) < limit_s
        if over_s > 0 and not (was_kept_waiting and over_s < _PATIENCE * limit_s):
            self.is_late = True
            self.kill()

    def kill(self) -> None:
        """From any thread."""
        self._process.kill()

    def end(self) -> None:
        """From the thread that uses it."""
        self._process.kill()
        self._process.wait()
        self._to.close()
        self._from.close()

    def send(self, task: _Task, allowed: int, heavy: bool) -> None:
        """Raises OSError."""
        name = task.name.encode("utf-8", "replace")
        scans = 0 if heavy else USUAL_SCANS
        head = _TASK.pack(len(task.data), task.max_pixels, task.longest_side, allowed, scans, len(name))
        _write(self._to, head + name)
        _write(self._to, task.data)

    def say(self, word: bytes) -> None:
        """Raises OSError."""
        _write(self._to, word)

    def refuse(self) -> None:
        """Lets go of the picture. A child that does not agree would answer for it when the next one comes."""
        try:
            self.say(_NO)
            agreed = self.answer().kind == _READY
        except (OSError, _ChildLost):
            agreed = False
        if not agreed:
            self.kill()
            self._process.wait()

    def answer(self) -> _Answer:
        """Raises OSError or _ChildLost."""
        return _Answer(*_ANSWER.unpack(_read(self._from, _ANSWER.size)))

    def result(self, answer: _Answer, task: _Task) -> tuple[Array, tuple[int, int]]:
        """What the last answer to a task brings. Raises ImageError, OSError or _ChildLost."""
        if answer.kind in (_ERROR, _TOO_LARGE) and answer.amount <= _LONGEST_TEXT:
            text = _read(self._from, answer.amount).decode("utf-8", "replace")
            raise (ImageTooLargeError if answer.kind == _TOO_LARGE else ImageError)(text)
        size = answer.whole_width, answer.whole_height
        pixels = answer.height * answer.width
        if answer.kind != _PIXELS or not 0 < pixels <= size[0] * size[1] <= task.max_pixels:
            raise _ChildLost
        image_rgb = np.empty((answer.height, answer.width, 3), np.uint8)
        _read_into(self._from, image_rgb.data.cast("B"))
        return image_rgb, size


def _cpu_s(pid: int) -> float | None:
    """Seconds that a process has computed; None where that is not known."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            words = stat.read().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _widen(pipe: int) -> None:
    """Fewer changes between the two processes for a picture. Where it cannot be had, it is only slower."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _write(pipe: IO[bytes], data: bytes | memoryview) -> None:
    """All of it; a pipe may take a part. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) :]


def _read(pipe: IO[bytes], count: int) -> bytes:
    """Raises OSError or _ChildLost."""
    data = bytearray(count)
    _read_into(pipe, memoryview(data))
    return bytes(data)


def _read_into(pipe: IO[bytes], view: memoryview) -> None:
    """Fills it. Raises OSError or _ChildLost."""
    while view:
        count = pipe.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise _ChildLost
        view = view[count:]


# --- in the child ---------------------------------------------------------------------------------


def work() -> None:
    """What a child does until the server goes."""
    # Ctrl-C and service managers tell all processes of a server; it is the server that decides.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    given, said = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    # What native code prints must not stand between two answers.
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    cv2.setNumThreads(1)
    memory = images.DECODING = _AskedMemory(given, said)
    _say(said, _READY)
    with contextlib.suppress(OSError, _ChildLost):
        while True:
            head = _TASK.unpack(_read(given, _TASK.size))
            name = _read(given, head[-1]).decode("utf-8")
            data = _read(given, head[0])
            memory.begin(data, head[3], head[4], head[1])
            _alarm(_LAST_S)
            _answer_task(said, _Task(data, name, head[2], head[1]))
            _alarm(0)


def _answer_task(said: IO[bytes], task: _Task) -> None:
    try:
        image_rgb, size = _decoded(task)
    except _RefusedError:
        _say(said, _READY)
    except ImageError as error:
        text = str(error).encode("utf-8", "replace")[:_LONGEST_TEXT]
        _say(said, _TOO_LARGE if isinstance(error, ImageTooLargeError) else _ERROR, text)
    except (MemoryError, cv2.error):
        text = (
            f"{task.name} needs more memory to be decoded than its size lets expect; save it again".encode()
        )
        _say(said, _ERROR, text[:_LONGEST_TEXT])
    else:
        height, width = image_rgb.shape[:2]
        _write(said, _ANSWER.pack(_PIXELS, 0, height, width, *size))
        _write(said, image_rgb.data.cast("B"))


def _decoded(task: _Task) -> tuple[Array, tuple[int, int]]:
    if task.longest_side:
        return decode_reduced(task.data, task.name, task.longest_side, task.max_pixels)
    image_rgb = decode_image(task.data, task.name, task.max_pixels)
    return image_rgb, (image_rgb.shape[1], image_rgb.shape[0])


class _RefusedError(FacecliError):
    """The server does not want this picture decoded here. Of ours: what Pillow raises becomes ImageError."""


class _AskedMemory(DecodingMemory):
    """Asks the server for what a picture needs, once its header is read."""

    def __init__(self, given: IO[bytes], said: IO[bytes]) -> None:
        super().__init__(0)
        self._given, self._said = given, said
        self._data, self._scans = b"", 0
        self._limit = _MemoryLimit()

    def begin(self, data: bytes, allowed: int, scans: int, max_pixels: int) -> None:
        """A new picture, of which so many bytes may be taken unasked; heavy with more scans (0: never)."""
        self.most_bytes, self._data, self._scans = allowed, data, scans
        canvas = _CANVAS_BYTES * max_pixels if data[:4] == _WEBP else 0
        self._limit.allow(_COPIES_OF_DATA * len(data) + canvas)

    @contextlib.contextmanager
    def reserved(self, count: int, name: str) -> Iterator[None]:
        """As of DecodingMemory. Raises _RefusedError."""
        heavy = self._scans > 0 and self._data[:2] == _JPEG and has_more_scans(self._data, self._scans)
        if heavy or count > self.most_bytes:
            _alarm(0)
            _write(self._said, _ANSWER.pack(_HEAVY if heavy else _NEEDS, count, 0, 0, 0, 0))
            if _read(self._given, 1) != _GO:
                raise _RefusedError
            _alarm(_LAST_S)
        self._limit.allow(_COPIES_OF_DATA * len(self._data) + 2 * count)
        yield


def _say(said: IO[bytes], kind: bytes, text: bytes = b"") -> None:
    _write(said, _ANSWER.pack(kind, len(text), 0, 0, 0, 0) + text)


def _alarm(seconds: int) -> None:
    """Ends this process by itself then; 0: never. Only for one whose server is not there to end it."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


class _MemoryLimit:
    """What the kernel lets this process take: more is a MemoryError. Linux only."""

    def __init__(self) -> None:
        self._held = self._most = 0
        if sys.platform == "linux":
            with open("/proc/self/statm", encoding="ascii") as sizes:
                self._held = int(sizes.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
        self.allow(0)

    def allow(self, count: int) -> None:
        """So many bytes beyond what was held at first, and some."""
        wanted = self._held + _SLACK_BYTES * (1 + count // _SLACK_BYTES)
        if sys.platform == "linux" and wanted != self._most:
            import resource

            hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
            self._most = wanted
