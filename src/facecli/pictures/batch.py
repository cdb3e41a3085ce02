"""Pictures become records: decoded and searched in threads, read by the network together, given in order."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from facecli.faces import Face, FrameResult
from facecli.pictures.item import Item
from facecli.pictures.look import Looked, Looker, Reader, Unread, look
from facecli.pictures.record import Record
from facecli.stream.shield import Protect

log = logging.getLogger(__name__)
_MOST_PICTURES = 64
_MOST_BYTES = 256 << 20
"""A batch is read when it has as many faces as wanted, this many pictures, or this much to hold."""
_IDLE_S = 0.5
"""Results are not held back longer than this while the next picture is waited for."""


@dataclass(frozen=True)
class Effort:
    """How much is done at once.

    Attributes:
        workers: threads that decode and search, 1 for none beside the own.
        batch_size: faces that make a call of the network.
    """

    workers: int = 1
    batch_size: int = 16


class Batch:
    """Analyses pictures. One that is none gives a record with `error`, and the rest goes on."""

    def __init__(
        self,
        lookers: Callable[[], Looker],
        reader: Reader,
        effort: Effort = Effort(),  # noqa: B008
        wants_image: bool = False,
        protect: Protect | None = None,
        show_rejected: bool = True,
    ) -> None:
        """Nothing is read yet.

        Args:
            lookers: makes what searches; called once for each thread.
            reader: reads the faces, in the thread of the caller.
            effort: how much at once.
            wants_image: give the pixels on.
            protect: covers all that is found in the pixels that are given on.
            show_rejected: tell of what was found and taken for no face.
        """
        self._lookers, self._reader, self._effort = lookers, reader, effort
        self._wants_image, self._protect, self._show_rejected = wants_image, protect, show_rejected

    def records(self, items: Iterable[Item]) -> Iterator[Record]:
        """One record for each item, in their order; memory does not depend on how many there are."""
        held: list[Looked | Unread] = []
        for looked in self._looked(items):
            if looked is not None:
                held.append(looked)
            if looked is None or self._is_full(held):
                yield from self._read(held)
                held = []
        yield from self._read(held)

    def _looked(self, items: Iterable[Item]) -> Iterator[Looked | Unread | None]:
        """Every picture looked at; None when the next one lets itself be waited for."""
        if self._effort.workers == 1:
            looker = self._lookers()
            yield from (look(item, looker, self._wants_image) for item in items)
            return
        from facecli.pictures.pool import OrderedPool

        functions = [
            partial(look, looker=self._lookers(), wants_image=self._wants_image)
            for _ in range(self._effort.workers)
        ]
        with OrderedPool(functions, ahead=2 * self._effort.workers) as pool:
            yield from pool.results(items, _IDLE_S)

    def _is_full(self, held: Sequence[Looked | Unread]) -> bool:
        faces = sum(len(one.found.scores) for one in held if isinstance(one, Looked))
        return (
            faces >= self._effort.batch_size
            or len(held) >= _MOST_PICTURES
            or sum(one.held_bytes for one in held) >= _MOST_BYTES
        )

    def _read(self, held: Sequence[Looked | Unread]) -> Iterator[Record]:
        found = [one.found for one in held if isinstance(one, Looked)]
        faces = iter(self._reader.read(found) if found else [])
        for one in held:
            yield self._record(one, next(faces)) if isinstance(one, Looked) else _failed(one)

    def _record(self, looked: Looked, found: list[Face]) -> Record:
        item, (width, height) = looked.item, looked.size
        log.debug("%s: %d faces", item.source, len(found))
        faces = tuple(face for face in found if self._show_rejected or not face.rejected)
        image_rgb = looked.image_rgb
        if image_rgb is not None and self._protect is not None:
            image_rgb = self._protect(image_rgb, found)
        result = FrameResult(item.source, width, height, faces)
        return Record(item.source, result, image_rgb, item.target_name)


def _failed(unread: Unread) -> Record:
    item = unread.item
    log.debug("%s: %s", item.source, unread.error)
    result = FrameResult(item.source, None, None, error=unread.error)
    return Record(item.source, result, None, item.target_name)
