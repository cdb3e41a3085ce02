"""Where results go: the interface of all sinks. Each is a context manager."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import NamedTuple, Protocol

from facecli.core.arrays import Array
from facecli.core.errors import EncodingError, InputError
from facecli.core.faces import FrameResult
from facecli.core.registry import Registry


class Record(NamedTuple):
    """One picture, or one frame of a video, analysed or not.

    Attributes:
        result: its faces, or why there are none.
        image_rgb: (H, W, 3) uint8 RGB, not to be changed. Of a picture the pixels that were read, heads
            covered where that was asked for; of a video's frame what is shown of it, with boxes and
            labels. None when there are none, or when no sink `wants_image`.
        target_name: relative path for a file made of this picture ("sub/photo.jpg"): another one
            for each picture of a run, the same in every run over the same inputs, with a suffix
            that `core.images.save_image` writes. "" for a frame.
        duration_s: for how long a frame is shown; 0 when nobody knows.
    """

    result: FrameResult
    image_rgb: Array | None = None
    target_name: str = ""
    duration_s: float = 0.0

    @property
    def source(self) -> str:
        """The picture or video as it was given, or as it was found below what was given."""
        return self.result.source


class Sink(Protocol):
    """Takes every record, in order.

    A context manager: what `__enter__` gives is written to, and `__exit__` finishes it, also
    after an error or Ctrl-C (`error_type` says which). `wants_image` says whether it looks at
    `image_rgb`; when no sink does, records may be given without. Of a live video, sinks that want
    no images get analysed frames, the others those that are shown.
    """

    wants_image: bool

    def __enter__(self) -> "Sink": ...
    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...
    def write(self, record: Record) -> None: ...


@dataclass(frozen=True)
class SinkEntry:
    """A kind of result that another package brings, by an entry point of the group `facecli.sinks`.

    Attributes:
        build: what stood behind "NAME=" -> the sink, not yet entered. May raise InputError.
        target_is_file: it names a file, which is then never one that is read.
    """

    build: Callable[[str], Sink]
    target_is_file: bool = True


SINKS = Registry("sink", SinkEntry, "SINK", None, "facecli.sinks")


class SinkChoice(NamedTuple):
    """What `--sink NAME=TARGET` asks for."""

    name: str
    target: str
    entry: SinkEntry


def parse_sink(text: str) -> SinkChoice:
    """Finds what "NAME=TARGET" names. Raises InputError when it names nothing."""
    name, equals, target = text.partition("=")
    if not (name and equals and target):
        raise InputError(f"sink '{text}' is not a NAME=TARGET")
    return SinkChoice(name, target, SINKS.find(name))


def feed(
    records: Iterable[Record],
    sinks: Sequence[Sink],
    failed: Callable[[Record, EncodingError], None] | None = None,
) -> None:
    """Gives each record to each sink, which must have been entered.

    Args:
        records: in order.
        sinks: files before rows, so that a row can say that its file could not be made.
        failed: takes what a format cannot hold; the sinks that follow are then given the record with that
            `error`. Without it, it is raised.

    Raises what a sink raises.
    """
    for record in records:
        for sink in sinks:
            try:
                sink.write(record)
            except EncodingError as error:
                if failed is None:
                    raise
                failed(record, error)
                record = record._replace(result=replace(record.result, error=str(error)))


def count(number: int, noun: str) -> str:
    """ "1 face", "2 faces"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Quit(Exception):
    """The user closed the window or pressed q or Esc: the stream ends, and that is no error."""
