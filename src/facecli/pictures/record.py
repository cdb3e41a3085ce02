"""What is known of one analysed picture, and who takes it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from facecli.faces import FrameResult


class Record(NamedTuple):
    """One picture, analysed or not.

    Attributes:
        source: the picture as it was given, or as it was found below what was given; also
            `result.source`.
        result: its faces, or why there are none.
        image_rgb: (H, W, 3) uint8 RGB, heads covered where that was asked for, not to be changed;
            None when the picture could not be read, or when no sink `wants_image`.
        target_name: relative path for a file made of this picture ("sub/photo.jpg"): another one
            for each picture of a run, the same in every run over the same inputs, with a suffix
            that `images.save_image` writes.
    """

    source: str
    result: FrameResult
    image_rgb: np.ndarray | None
    target_name: str


class PictureSink(Protocol):
    """Takes every record, in the order of the inputs.

    A context manager: it opens in `__enter__` what it writes to, and finishes in `__exit__`, also
    after an error or Ctrl-C (`error_type` says which). `wants_image` says whether it looks at
    `image_rgb`; when no sink does, pictures may be given without.
    """

    wants_image: bool

    def __enter__(self) -> "PictureSink": ...
    def __exit__(self, *error) -> None: ...
    def write(self, record: Record) -> None: ...


def feed(records: Iterable[Record], sinks: Sequence[PictureSink]) -> None:
    """Gives each record to each sink, which must have been entered. Raises what a sink raises."""
    for record in records:
        for sink in sinks:
            sink.write(record)
