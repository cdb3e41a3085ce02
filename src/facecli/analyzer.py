"""facecli from Python: pictures and videos in, the records of `facecli run --json` out.

from facecli import FaceAnalyzer
FaceAnalyzer().analyze("photo.jpg").faces
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, TypeVar, overload

from facecli.core.errors import FacecliError, ImageError, InputError
from facecli.core.faces import FrameResult, PictureRow
from facecli.core.paths import MODEL_FOLDERS, MODEL_TYPES
from facecli.detect.registry import AUTO, detector_names
from facecli.results import PictureResult, ResultList

if TYPE_CHECKING:
    from facecli.core.arrays import Array
    from facecli.core.faces import Face
    from facecli.infer.analyzer import Analyzer, FoundFaces
    from facecli.sources.frames import ClipOptions
    from facecli.sources.given import Picture

AnyPicture = TypeVar("AnyPicture", bound="Picture")
"""So that a list of paths is a list of pictures to a type checker, too."""
_BATCH = 16


class FaceAnalyzer:
    """A detector and a model, loaded once. Threads may share it: they decode beside each other and wait
    for each other where faces are searched and read."""

    def __init__(
        self,
        *,
        model_type: str = MODEL_TYPES[0],
        model_path: str | os.PathLike[str] | None = None,
        detector: str = "auto",
        threads: int | None = None,
        show_rejected: bool = False,
        details: bool = False,
        allow_private: bool = False,
    ) -> None:
        """Loads the model.

        Args:
            model_type: "facenet", "normal" or "open", as of `facecli run`.
            model_path: another model folder (as `facecli train` writes it), or the name of one.
            detector: "auto" ("cnn", or "haar" for a model whose terms are free), "cnn", "haar", "yunet",
                "none" (the whole picture is one face), or one that another package brings.
            threads: of the network and, in the whole process, of OpenCV; None: the cores, at most 4.
            show_rejected: give boxes that the model takes for no face, too, marked `rejected`.
            details: give the distribution over the years of each face, too (`age_distribution`).
            allow_private: fetch pictures from addresses of the own network and machine, too.

        Raises:
            InputError: an option that does not exist, or "yunet" without its weights
                (`facecli weights get yunet`).
            CheckpointError: the model is missing, damaged or was not made for the detector.
        """
        _check("model_type", model_type, MODEL_TYPES)
        _check("detector", detector, (AUTO, *detector_names()))
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
            raise InputError(f"threads must be a whole number from 1 on, not {threads!r}")
        name = MODEL_FOLDERS[model_type] if model_path is None else os.fspath(model_path)
        self._analyzer = _OneAtATime(_build(name, detector, threads, show_rejected, details))
        self._allow_private, self._show_rejected = allow_private, show_rejected

    @overload
    def analyze(self, picture: Picture, source: str | None = None) -> PictureResult: ...

    @overload
    def analyze(self, picture: list[Picture] | tuple[Picture, ...], source: None = None) -> ResultList: ...

    @overload
    def analyze(self, picture: list[AnyPicture], source: None = None) -> ResultList: ...

    def analyze(
        self,
        picture: Picture | list[Picture] | tuple[Picture, ...] | list[AnyPicture],
        source: str | None = None,
    ) -> PictureResult | ResultList:
        """The faces of one picture: the record that `facecli run --json` writes for it (docs/output.md).

        Of a list or tuple of pictures it gives a list of records, see `analyze_many`; the pictures of all
        can be drawn on as long as the results are there.

        Args:
            picture: see `sources.given.Picture`.
            source: what the record calls it; paths, addresses and files are called by themselves, others
                "bytes", "array", "picture" or "file".

        Raises:
            ImageError: it cannot be read or decoded, or is an array of another shape, type or range.
            InputError: it is no picture at all, or an address that cannot be one.
        """
        if isinstance(picture, list | tuple):
            if source is not None:
                raise InputError("source names a single picture; leave it out for several")
            return ResultList(self._results(picture, keeps=True))
        from facecli.pipeline.batch import UNREADABLE, why_unread
        from facecli.sources.given import picture_name

        name = picture_name(picture) if source is None else source
        try:
            looked = self._look(picture, name, True)
        except UNREADABLE as error:
            if isinstance(error, FacecliError):
                raise
            raise ImageError(why_unread(error, name)) from error
        return self._result(looked, self._analyzer.read([looked.found])[0])

    async def aanalyze(self, picture: Picture, source: str | None = None) -> PictureResult:
        """As `analyze` of one picture, in a thread; who is cancelled does not wait for it."""
        return await asyncio.to_thread(self.analyze, picture, source)

    def analyze_many(self, pictures: Iterable[Picture]) -> ResultStream:
        """A record for each picture, in their order; the faces of some pictures are read together.

        One that cannot be read or decoded, or is no picture at all, gives a record with `error`, and the
        rest goes on. Memory does not depend on how many there are: pixels are not kept, only those of files
        can be drawn on afterwards. For `for` and `async for`.
        """
        return ResultStream(self._results(pictures))

    def analyze_video(
        self,
        source: str | os.PathLike[str] | int,
        *,
        every: int = 1,
        start_s: float = 0.0,
        end_s: float | None = None,
        rate: float | None = None,
    ) -> ResultStream:
        """The records of a video's frames, with tracks, as `facecli run --video` writes them.

        Of a file every frame, of a camera or live stream the newest each time. Nothing is opened before the
        first one is asked for. A frame can be drawn on until the next one is taken. For `for` and `async
        for`; what is open is closed at the end, by `close`, and by `with`.

        Args:
            source: a clip, the number of a camera, an address, numbered pictures ("frames/%04d.png").
            every: of so many frames one.
            start_s: where the part begins, seconds from the first frame; None is there.
            end_s: where it ends; None is the last frame.
            rate: at most so many frames a second.

        Raises:
            InputError: an option that cannot be; with the first frame: there is no such file, or no video.
            SourceError: with a frame: it cannot be opened, was lost, or is cut short.
        """
        spec = _video_spec(source)
        part = _part(every, start_s, end_s, rate)
        stop = threading.Event()
        return ResultStream(self._frames(spec, part, stop), stop)

    def _frames(
        self, spec: str, part: ClipOptions, stop: threading.Event
    ) -> Generator[PictureResult, None, None]:
        from facecli.pipeline.stream import analyzed_frames, frame_result
        from facecli.sources.video import open_source

        with open_source(spec, clip_options=part) as source:
            analyze = self._analyzer.follow()
            found = analyzed_frames(source, analyze, self._show_rejected, stop)
            with contextlib.closing(found) as all_analyzed:
                for (frame, _), faces, _, _ in all_analyzed:
                    pixels = partial(_same, frame.image_rgb)
                    result = PictureResult(
                        frame_result(source.given, frame, faces, self._analyzer.model), pixels
                    )
                    yield result
                    # Else a list of all frames would be a list of all pixels.
                    result.release()

    def _results(
        self, pictures: Iterable[Picture], keeps: bool = False
    ) -> Generator[PictureResult, None, None]:
        held: list[_Looked | FrameResult] = []
        faces = 0
        for picture in pictures:
            looked = self._look_or_say_why(picture, keeps)
            held.append(looked)
            faces += len(looked.found.scores) if isinstance(looked, _Looked) else 0
            if faces >= _BATCH or len(held) >= _BATCH:
                yield from self._read(held)
                held, faces = [], 0
        yield from self._read(held)

    def _read(self, held: Sequence[_Looked | FrameResult]) -> Generator[PictureResult, None, None]:
        read = iter(self._analyzer.read([one.found for one in held if isinstance(one, _Looked)]))
        for one in held:
            yield self._result(one, next(read)) if isinstance(one, _Looked) else PictureResult(one)

    def _result(self, looked: _Looked, faces: Iterable[Face]) -> PictureResult:
        width, height = looked.size
        found = FrameResult(looked.name, width, height, tuple(faces), model=self._analyzer.model)
        return PictureResult(found, looked.pixels)

    def _look_or_say_why(self, picture: Picture, keeps: bool) -> _Looked | FrameResult:
        """As `_look`; of what cannot be read the record that says why."""
        from facecli.pipeline.batch import UNREADABLE, why_unread
        from facecli.sources.given import picture_name

        name = picture_name(picture)
        try:
            return self._look(picture, name, keeps)
        except (*UNREADABLE, InputError) as error:
            return FrameResult(name, None, None, error=why_unread(error, name), model=self._analyzer.model)

    def _look(self, picture: Picture, name: str, keeps: bool) -> _Looked:
        """What is found in it, and what gives its pixels again: files, and if it `keeps` them others, too."""
        from facecli.pipeline.batch import find_faces_in
        from facecli.sources.given import can_be_read_again, decode_picture, read_picture

        content = read_picture(picture, name, self._allow_private, storage=True)
        is_file = isinstance(picture, str | os.PathLike) and can_be_read_again(picture)
        kept = picture if can_be_read_again(picture) else content
        pixels = partial(decode_picture, kept, name) if keeps or is_file else None
        if isinstance(content, bytes):
            return _Looked(name, *find_faces_in(content, name, self._analyzer), pixels)
        size = content.shape[1], content.shape[0]
        return _Looked(name, self._analyzer.find(content), size, pixels)


class ResultStream(Iterator[PictureResult]):
    """Records as they come, for `for` and for `async for`; what is open is closed at the end.

    Left before its end it is closed by `close`, by the end of a `with` or `async with` block, or when nobody
    holds it any more. Several threads may take from it.
    """

    def __init__(
        self, results: Generator[PictureResult, None, None], stop: threading.Event | None = None
    ) -> None:
        """Takes what gives the records, and what ends its waiting for the next one."""
        self._results = results
        self._stop = stop or threading.Event()
        self._lock = threading.RLock()
        self._pending: asyncio.Future[PictureResult | None] | None = None

    def __next__(self) -> PictureResult:
        with self._lock:
            return next(self._results)

    def close(self) -> None:
        """Closes what is open: no record follows."""
        self._stop.set()
        with self._lock:
            self._results.close()

    def __enter__(self) -> ResultStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> ResultStream:
        return self

    async def __anext__(self) -> PictureResult:
        """The next record, taken in a thread. One that is cancelled loses none: the next call gives it."""
        if self._pending is None or self._pending.cancelled():
            self._pending = asyncio.ensure_future(asyncio.to_thread(next, self, None))
        try:
            result = await asyncio.shield(self._pending)
        except Exception:
            self._pending = None
            raise
        self._pending = None
        if result is None:
            raise StopAsyncIteration
        return result

    async def aclose(self) -> None:
        """As `close`, in a thread."""
        await asyncio.to_thread(self.close)
        pending, self._pending = self._pending, None
        if pending is not None:
            # Nobody asks any more what became of it.
            await asyncio.wait([pending])
            pending.cancelled() or pending.exception()

    async def __aenter__(self) -> ResultStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Looked(NamedTuple):
    """A picture before its faces are read: what it is called, its faces, width and height, and its pixels."""

    name: str
    found: FoundFaces
    size: tuple[int, int]
    pixels: Callable[[], Array] | None


class _OneAtATime:
    """An analyzer that several threads may call: neither OpenCV's detectors nor the network allow it."""

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._lock = threading.Lock()
        self.model = analyzer.model

    def find(self, image_rgb: Array) -> FoundFaces:
        with self._lock:
            return self._analyzer.find(image_rgb)

    def read(self, found: Sequence[FoundFaces]) -> list[list[Face]]:
        with self._lock:
            return self._analyzer.read(found)

    def follow(self) -> Callable[[Array, float], list[Face]]:
        """What analyses the frames of one video: (H, W, 3) uint8 RGB and seconds -> faces with tracks."""
        from facecli.live.analyzer import LiveAnalyzer

        live = LiveAnalyzer(self._analyzer)

        def analyze(image_rgb: Array, time_s: float) -> list[Face]:
            with self._lock:
                return live.analyze(image_rgb, time_s)

        return analyze


def _check(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InputError(f"{name} must be one of {', '.join(known)}, not {value!r}")


def _build(model: str, detector: str, threads: int | None, show_rejected: bool, details: bool) -> Analyzer:
    import cv2

    from facecli.core.paths import find_model
    from facecli.detect.registry import build_detector, choose_detector, may_refine
    from facecli.infer.analyzer import Analyzer, ReadoutOptions
    from facecli.models.checkpoint import load_checkpoint
    from facecli.models.litert import Predictor

    checkpoint = load_checkpoint(find_model(model))
    predictor = Predictor(checkpoint, threads)
    if threads:
        cv2.setNumThreads(threads)
    configs = [checkpoint.config]
    name = choose_detector(detector, configs)
    found = build_detector(name, threads=threads, refine=may_refine(name, configs))
    return Analyzer(
        found, predictor, show_rejected=show_rejected, reading=ReadoutOptions(distribution=details)
    )


def _same(image_rgb: Array) -> Array:
    return image_rgb


def _video_spec(source: str | os.PathLike[str] | int) -> str:
    """What `sources.video.open_source` takes."""
    if isinstance(source, bool) or not isinstance(source, str | os.PathLike | int):
        raise InputError(f"a video is a path, an address or a camera's number, not {type(source).__name__}")
    if isinstance(source, int):
        if source < 0:
            raise InputError(f"cameras are numbered from 0; there is no camera {source}")
        return f"camera:{source}"
    spec = os.fsdecode(source)
    if not spec:
        raise InputError("an empty name is not a video; give a path")
    from facecli.sources.video_specs import is_camera, source_name

    if isinstance(source, os.PathLike) and is_camera(spec) and not Path(spec).exists():
        raise InputError(f"no such clip: {source_name(spec)}; check the path")
    return spec


def _part(every: int, start_s: float, end_s: float | None, rate: float | None) -> ClipOptions:
    from facecli.sources.frames import ClipOptions

    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise InputError(f"every must be a whole number from 1 on, not {every!r}")
    for name, value in (("start_s", start_s), ("end_s", end_s), ("rate", rate)):
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if value is not None and not (number and value >= 0):
            raise InputError(f"{name} must be a number from 0 on, not {value!r}")
    if start_s is None:
        raise InputError("start_s must be a number from 0 on, not None")
    if end_s is not None and end_s <= start_s:
        raise InputError(f"end_s {end_s:g} is not after start_s {start_s:g}")
    if rate == 0:
        raise InputError("rate must be above 0 frames a second")
    return ClipOptions(start_s, end_s, every, rate)


__all__ = ["FaceAnalyzer", "FacecliError", "ImageError", "InputError", "PictureRow"]
