"""What a server is told before it starts: which model, who may ask, and where it gives up."""

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

from facecli.core.paths import MODEL_TYPES

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MOST_CORES = 8
_QUEUE_OF_A_WORKER = 5


@dataclass(frozen=True)
class Limits:
    """Where requests are refused or ended.

    Attributes:
        body_bytes: most bytes of a request's body.
        held_bytes: most bytes of all bodies that are in memory at once.
        pictures: most pictures of a request.
        pixels: most pixels of a picture, by its header.
        head_s: seconds until a connection has sent its first whole head, and between two requests.
        body_s: seconds for a whole body.
        decode_s: seconds for a picture to be decoded.
        answer_s: seconds for an answer to be made.
        send_s: seconds that a client may take to read a part of the answer.
        connections: most connections at once; further ones are closed.
    """

    body_bytes: int = 32 << 20
    held_bytes: int = 256 << 20
    pictures: int = 32
    pixels: int = 50_000_000
    head_s: float = 10.0
    body_s: float = 30.0
    decode_s: float = 5.0
    answer_s: float = 60.0
    send_s: float = 30.0
    connections: int = 1000


@dataclass(frozen=True)
class Settings:
    """How the application serves.

    Attributes:
        model: name of the model that reads when nothing else is asked for: that of a model
            type or a folder's name.
        model_path: folder of that model when it lies elsewhere.
        detector: name of the detector likewise.
        workers: pictures that are analysed at once, each in a thread.
        queue: pictures that may wait for a worker; more are answered with 503.
        token: what clients must show, or None.
        hosts: names in the `Host` header that are answered; () is any.
        any_address: every IP address in that header is answered, too.
        limits: where requests end.
    """

    model: str = MODEL_TYPES[0]
    model_path: Path | None = None
    detector: str = "auto"
    workers: int = field(default_factory=lambda: default_workers())
    queue: int | None = None
    token: str | None = None
    hosts: tuple[str, ...] = LOOPBACK
    any_address: bool = False
    limits: Limits = Limits()

    @property
    def places(self) -> int:
        """Pictures that are analysed or wait at once."""
        waiting = _QUEUE_OF_A_WORKER * self.workers if self.queue is None else self.queue
        return self.workers + waiting


def default_workers() -> int:
    """One more than the cores: while they work, the next picture waits with its face for the network."""
    return usable_cores() + 1


def own_names() -> tuple[str, ...]:
    """What this machine is called in its network, in small letters: whole, in short, and by mDNS."""
    whole = socket.gethostname().lower().rstrip(".")
    short = whole.partition(".")[0]
    return tuple(dict.fromkeys((whole, short, f"{short}.local")))


def usable_cores() -> int:
    """The cores that this process may use, at most 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_CORES)
