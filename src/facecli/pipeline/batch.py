"""Pictures become records: decoded and searched in threads, read by the network together, given in order."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from facecli.core import images
from facecli.core.arrays import Array
from facecli.core.errors import EncodingError, FacecliError, ImageError, ImageTooLargeError
from facecli.core.faces import Face, FrameResult
from facecli.core.image_header import MAX_PIXELS
from facecli.core.images import DECODING, DRAWN_BYTES
from facecli.core.process import OrderedPool
from facecli.core.registry import Registry
from facecli.draw.anonymize import Protect
from facecli.infer.analyzer import FoundFaces
from facecli.sinks.base import Record
from facecli.sources.files import Item, one_line

if TYPE_CHECKING:
    import pyarrow

SEARCHED_SIDE = 1280
"""Longer side in pixels to which a large JPEG may be reduced while it is decoded. Detectors search in 640."""


UNREADABLE = (ImageError, MemoryError, cv2.error)
"""What a picture may be to blame for."""

log: logging.Logger = logging.getLogger(__name__)
_MOST_PICTURES = 64
_MOST_BYTES = 256 << 20
"""A batch is read when it has as many faces as wanted, this many pictures, or this much to hold."""
_LARGE_PIXELS = 16_000_000
_IDLE_S = 0.5
"""Results are not held back longer than this while the next picture is waited for."""


class PicturePreparer(Protocol):
    """The part of an `Analyzer` that is needed here; one thread at a time may use it."""

    def find(self, image_rgb: Array) -> FoundFaces: ...


class Decoder(Protocol):
    """What makes pixels of files: `core.images`, or what does as it does elsewhere."""

    def decode_image(self, data: bytes, name: str, max_pixels: int = ...) -> Array: ...

    def decode_reduced(
        self, data: bytes, name: str, longest_side: int, max_pixels: int = ...
    ) -> tuple[Array, tuple[int, int]]: ...


class LenientDecoder:
    """Reads what there is of pictures that are cut short or damaged. Threads may share it.

    Attributes:
        cut: names of those of which not all was there.
    """

    def __init__(self) -> None:
        self.cut: set[str] = set()

    def decode_image(self, data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Array:
        """As `core.images.decode_image`; ImageError is left for what has no header, or is too large."""
        try:
            return images.decode_image(data, name, max_pixels)
        except ImageTooLargeError:
            raise
        except ImageError as error:
            return self._rest(data, name, max_pixels, error)

    def decode_reduced(
        self, data: bytes, name: str, longest_side: int, max_pixels: int = MAX_PIXELS
    ) -> tuple[Array, tuple[int, int]]:
        """As `core.images.decode_reduced`, likewise."""
        try:
            return images.decode_reduced(data, name, longest_side, max_pixels)
        except ImageTooLargeError:
            raise
        except ImageError as error:
            image_rgb = self._rest(data, name, max_pixels, error)
            return image_rgb, (image_rgb.shape[1], image_rgb.shape[0])

    def _rest(self, data: bytes, name: str, max_pixels: int, error: ImageError) -> Array:
        image_rgb = images.decode_truncated(data, name, max_pixels)
        if name not in self.cut:
            log.warning("%s; what there is of it is read", error)
            self.cut.add(name)
        return image_rgb


class Reader(Protocol):
    """The part of an `Analyzer` that reads faces."""

    def read(self, found: list[FoundFaces]) -> list[list[Face]]: ...


@dataclass(slots=True)
class PreparedPicture:
    """A picture before its faces are read.

    Attributes:
        item: which one.
        size: width and height in pixels.
        found: boxes in pixels of the whole picture, scores and crops.
        image_rgb: (H, W, 3) uint8 RGB, the whole picture; None when it is not wanted, or not yet decoded.
        data: of a large picture that is wanted: it is decoded when its turn comes, one at a time.
        error: there is none.
    """

    item: Item
    size: tuple[int, int]
    found: FoundFaces
    image_rgb: Array | None = None
    data: bytes = b""
    error: None = None

    @property
    def held_bytes(self) -> int:
        """Memory of its pixels."""
        return len(self.data) + (0 if self.image_rgb is None else self.image_rgb.nbytes)


@dataclass(slots=True)
class UnreadablePicture:
    """A picture that could not be read, and why."""

    item: Item
    error: str
    hint: str = ""
    held_bytes: int = 0

    @property
    def error_with_hint(self) -> str:
        """With what `core.errors.FacecliError.hint` says."""
        return f"{self.error}; {self.hint}" if self.hint else self.error


def prepare_picture(
    item: Item, preparer: PicturePreparer, wants_image: bool, decoder: Decoder = images
) -> PreparedPicture | UnreadablePicture:
    """Reads, decodes and searches one picture. What is no picture gives an `error`, and never raises."""
    try:
        return _prepare(item, item.load(), preparer, wants_image, decoder)
    except UNREADABLE as error:
        return UnreadablePicture(item, why_unread(error, item.source), getattr(error, "hint", ""))


def why_unread(error: Exception, source: str) -> str:
    """One of UNREADABLE in one line."""
    if isinstance(error, MemoryError):
        return f"not enough memory for {source}; make it smaller"
    if isinstance(error, cv2.error):
        return f"{source} cannot be searched ({error.err}); save it again"
    return one_line(error)


def _prepare(
    item: Item, data: bytes, preparer: PicturePreparer, wants_image: bool, decoder: Decoder
) -> PreparedPicture:
    found, size = find_faces_in(data, item.source, preparer, decoder=decoder)
    if not wants_image:
        return PreparedPicture(item, size, found)
    if size[0] * size[1] > _LARGE_PIXELS:
        return PreparedPicture(item, size, found, data=data)
    return PreparedPicture(item, size, found, decoder.decode_image(data, item.source))


def find_faces_in(
    data: bytes,
    name: str,
    preparer: PicturePreparer,
    max_pixels: int = MAX_PIXELS,
    decoder: Decoder = images,
) -> tuple[FoundFaces, tuple[int, int]]:
    """Boxes and crops of an encoded picture, a large JPEG reduced while it is decoded.

    The whole picture is taken when a face in the reduced one has fewer pixels than the network sees:
    no crop is less sharp than it can be.

    Args:
        data: content of a picture file.
        name: what error messages call it.
        preparer: finds.
        max_pixels: as of `core.images.decode_image`.
        decoder: decodes.

    Returns:
        What was found, in pixels of the whole picture, and width and height of that.

    Raises:
        ImageError: see `core.images.decode_image`.
    """
    try:
        image_rgb, size = decoder.decode_reduced(data, name, SEARCHED_SIDE, max_pixels)
    except ImageError as error:
        from facecli.sources.video_specs import looks_like_video

        if looks_like_video(data):
            raise ImageError(f"{name} is a video, not a picture", "use --video") from error
        raise
    found = preparer.find(image_rgb)
    reduced = image_rgb.shape[1], image_rgb.shape[0]
    if reduced == size:
        return found, size
    if not _are_sharp(found):
        del image_rgb
        try:
            return preparer.find(decoder.decode_image(data, name, max_pixels)), size
        except ImageTooLargeError as error:
            log.info("%s; it is searched at half its size", error)
        image_rgb, size = decoder.decode_reduced(data, name, max(size) // 2, max_pixels)
        found, reduced = preparer.find(image_rgb), (image_rgb.shape[1], image_rgb.shape[0])
    return _enlarged(found, reduced, size), size


def _are_sharp(found: FoundFaces) -> bool:
    """Has every face as many pixels as the largest crop that is made of it?"""
    if not len(found.xyxy):
        return True
    needed = max(max(crops.shape[1:3]) for crops in found.crops)
    return bool((found.xyxy[:, 2:] - found.xyxy[:, :2]).max(axis=1).min() >= needed)


def _enlarged(found: FoundFaces, reduced: tuple[int, int], size: tuple[int, int]) -> FoundFaces:
    """What was found in the reduced picture, in pixels of the whole one; boxes lie inside it."""
    scale = np.array(size) / reduced
    xyxy = np.clip(np.round(found.xyxy * np.tile(scale, 2)), 0, np.array(size * 2)).astype(np.int32)
    points = None if found.landmarks is None else (found.landmarks * scale).astype(np.float32)
    return found._replace(xyxy=xyxy, landmarks=points)


@dataclass(frozen=True)
class Parallelism:
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
        preparers: Callable[[], PicturePreparer],
        reader: Reader,
        parallelism: Parallelism = Parallelism(),  # noqa: B008
        wants_image: bool = False,
        protect: Protect | None = None,
        show_rejected: bool = True,
        model: str | None = None,
        says_hints: bool = False,
        decoder: Decoder = images,
        refusal: Callable[[str, int], EncodingError | None] | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            preparers: makes what searches; called once for each thread.
            reader: reads the faces, in the thread of the caller.
            parallelism: how much at once.
            wants_image: give the pixels on.
            protect: covers all that is found in the pixels that are given on.
            show_rejected: tell of what was found and taken for no face.
            model: what rows call the model that reads.
            says_hints: errors name the options of the command line that would help.
            decoder: decodes; of what a LenientDecoder found cut, records say so.
            refusal: target name and pixels of a large picture -> why nothing could be made of its pixels;
                it is then not decoded for that.
        """
        self._refusal = refusal
        self._says_hints = says_hints
        self._decoder = decoder
        self._model = model
        self._preparers, self._reader, self._parallelism = preparers, reader, parallelism
        self._wants_image, self._protect, self._show_rejected = wants_image, protect, show_rejected

    def records(self, items: Iterable[Item]) -> Iterator[Record]:
        """One record for each item, in their order; memory does not depend on how many there are."""
        held: list[PreparedPicture | UnreadablePicture] = []
        for prepared in self._prepared(items):
            if prepared is not None:
                held.append(prepared)
            if prepared is None or self._is_full(held):
                yield from self._read(held)
                held = []
        yield from self._read(held)

    def _prepared(self, items: Iterable[Item]) -> Iterator[PreparedPicture | UnreadablePicture | None]:
        """Every picture looked at; None when the next one lets itself be waited for."""
        if self._parallelism.workers == 1:
            preparer = self._preparers()
            yield from (prepare_picture(item, preparer, self._wants_image, self._decoder) for item in items)
            return

        functions = [
            partial(
                prepare_picture,
                preparer=self._preparers(),
                wants_image=self._wants_image,
                decoder=self._decoder,
            )
            for _ in range(self._parallelism.workers)
        ]
        with OrderedPool(functions, ahead=2 * self._parallelism.workers) as pool:
            yield from pool.results(items, _IDLE_S)

    def _is_full(self, held: Sequence[PreparedPicture | UnreadablePicture]) -> bool:
        faces = sum(len(one.found.scores) for one in held if isinstance(one, PreparedPicture))
        return (
            faces >= self._parallelism.batch_size
            or len(held) >= _MOST_PICTURES
            or sum(one.held_bytes for one in held) >= _MOST_BYTES
        )

    def _read(self, held: Sequence[PreparedPicture | UnreadablePicture]) -> Iterator[Record]:
        found = [one.found for one in held if isinstance(one, PreparedPicture)]
        faces = iter(self._reader.read(found) if found else [])
        for one in held:
            if isinstance(one, UnreadablePicture):
                yield self._failed(one)
            elif one.data:
                yield from self._decoded_at_last(one, next(faces))
            else:
                yield self._record(one, next(faces))

    def _decoded_at_last(self, prepared: PreparedPicture, found: list[Face]) -> Iterator[Record]:
        """The record of a large picture; while it is drawn on, others are decoded in what memory is left."""
        item, (width, height) = prepared.item, prepared.size
        refusal = self._refusal and self._refusal(item.target_name, width * height)
        if refusal:
            yield self._unwritten(self._record(prepared, found), refusal)
            return
        try:
            image_rgb = self._decoder.decode_image(prepared.data, item.source)
            prepared.data = b""
            with DECODING.reserved(DRAWN_BYTES * width * height, item.source):
                yield self._record(replace(prepared, image_rgb=image_rgb), found)
        except ImageTooLargeError as error:
            # It was searched small, and only what is made of it is missing.
            yield self._unwritten(self._record(prepared, found), error)
        except UNREADABLE as error:
            yield self._failed(UnreadablePicture(item, why_unread(error, item.source)))

    def _record(self, prepared: PreparedPicture, found: list[Face]) -> Record:
        item, (width, height) = prepared.item, prepared.size
        log.debug("%s: %d faces", item.source, len(found))
        faces = tuple(face for face in found if self._show_rejected or not face.rejected)
        image_rgb = prepared.image_rgb
        if image_rgb is not None and self._protect is not None:
            image_rgb = self._protect(image_rgb, found)
        cut = isinstance(self._decoder, LenientDecoder) and item.source in self._decoder.cut
        if isinstance(self._decoder, LenientDecoder):
            self._decoder.cut.discard(item.source)
        result = FrameResult(item.source, width, height, faces, model=self._model, truncated=cut)
        return Record(result, image_rgb, item.target_name)

    def _unwritten(self, record: Record, refusal: FacecliError) -> Record:
        error = refusal.with_hint if self._says_hints else str(refusal)
        return record._replace(result=replace(record.result, error=error))

    def _failed(self, unread: UnreadablePicture) -> Record:
        item = unread.item
        log.debug("%s: %s", item.source, unread.error)
        error = unread.error_with_hint if self._says_hints else unread.error
        result = FrameResult(item.source, None, None, error=error, model=self._model)
        return Record(result, None, item.target_name)


@dataclass(frozen=True)
class Job:
    """What an executor is asked for.

    Attributes:
        build: makes what analyses with so many threads. For an executor whose pictures are analysed elsewhere
            it can be pickled, and is called in each process of its own.
        workers: how many pictures at once; None for as many as there are cores.
        settings: what is said to this executor alone, by name: "runner", "ray_address".
    """

    build: Callable[[int], Batch]
    workers: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


class RowsExecutor(Protocol):
    """Has pictures analysed in other processes, perhaps of other machines."""

    def tables(self, items: Iterable[Item]) -> "Iterator[pyarrow.Table]":
        """Rows of `schema.picture_schema`, one for each item, in any order, as they come.

        What `Item.load` needs goes with it: items can be pickled. One that cannot be read is a row with
        `error`. Raises FacecliError when a process or the cluster is lost: what came before is whole.
        """
        ...


@dataclass(frozen=True)
class ExecutorEntry:
    """Where pictures are analysed; other packages add theirs by entry points of `facecli.executors`.

    Attributes:
        build: Job -> `Batch`, or else a `RowsExecutor`. Raises InputError: what it needs is not here.
        is_elsewhere: it is a RowsExecutor: rows come back, and pixels do not.
        settings: names of the settings that it knows.
    """

    build: "Callable[[Job], Batch | RowsExecutor]"
    is_elsewhere: bool = True
    settings: tuple[str, ...] = ()


THREADS = "threads"
EXECUTOR = ExecutorEntry(lambda job: job.build(job.workers or 1), is_elsewhere=False)
"""Threads of this process."""
EXECUTORS = Registry(
    "executor",
    ExecutorEntry,
    "EXECUTOR",
    None,
    "facecli.executors",
    modules={THREADS: "facecli.pipeline.batch", "daft": "facecli.pipeline.daft_engine"},
)
