"""facecli from Python: pictures in, the records of `facecli run --json` out.

from facecli import FaceAnalyzer
FaceAnalyzer().analyze("photo.jpg")["faces"]
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Union, cast

from facecli.core.errors import FacecliError, ImageError, InputError
from facecli.core.faces import PictureRow
from facecli.core.recipes import MODEL_FOLDERS, MODEL_TYPES
from facecli.detect.registry import AUTO, detector_names

if TYPE_CHECKING:
    import numpy as np

    from facecli.core.faces import Face
    from facecli.infer.analyzer import Analyzer, FoundFaces

Picture = Union[str, "os.PathLike[str]", bytes, "np.ndarray"]
"""A path, an encoded picture (JPEG, PNG, ...), or an array (H, W, 3) uint8 RGB."""
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

    def analyze(self, picture: Picture, source: str | None = None) -> PictureRow:
        """The faces of one picture: the record that `facecli run --json` writes for it (docs/output.md).

        Args:
            picture: see `Picture`.
            source: what the record calls it; a path is called by itself, others "bytes" and "array".

        Raises:
            ImageError: it cannot be read or decoded.
            TypeError, ValueError: it is no such thing, or an array of another shape or type.
        """
        name, found, size = self._look(picture, source)
        return self._row(name, size, self._analyzer.read([found])[0])

    def analyze_many(self, pictures: Iterable[Picture]) -> Iterator[PictureRow]:
        """A record for each picture, in their order; the faces of some pictures are read together.

        One that cannot be read or decoded, or is no picture at all, gives a record with `error`, and the
        rest goes on. Memory does not depend on how many there are.
        """
        held: list[tuple[str, FoundFaces | str, tuple[int, int] | None]] = []
        faces = 0
        for picture in pictures:
            looked = self._look_or_say_why(picture)
            held.append(looked)
            faces += len(looked[1].scores) if looked[2] is not None else 0
            if faces >= _BATCH or len(held) >= _BATCH:
                yield from self._read(held)
                held, faces = [], 0
        yield from self._read(held)

    def _read(self, held: Sequence[tuple]) -> Iterator[PictureRow]:
        read = iter(self._analyzer.read([found for _, found, size in held if size is not None]))
        for name, found, size in held:
            yield self._row(name, size, next(read)) if size is not None else self._row(name, None, (), found)

    def _row(
        self, name: str, size: tuple[int, int] | None, faces: Iterable, error: str | None = None
    ) -> PictureRow:
        from facecli.core.faces import FrameResult

        width, height = size or (None, None)
        result = FrameResult(name, width, height, tuple(faces), error=error, model=self._analyzer.model)
        # Keys of faces are made of the heads' names, which no type checker can follow.
        return cast(PictureRow, result.to_json())

    def _look_or_say_why(
        self, picture: Picture
    ) -> tuple[str, FoundFaces, tuple[int, int]] | tuple[str, str, None]:
        """As `_look`; of what cannot be read its name, why, and no size."""
        from facecli.pipeline.batch import UNREADABLE, why_unread
        from facecli.sources.files import one_line

        name = _name(picture)
        try:
            if name == "array":
                picture = _checked(picture)
        except (TypeError, ValueError) as error:
            return name, one_line(error), None
        try:
            return self._look(picture, None)
        except UNREADABLE as error:
            return name, why_unread(error, name), None

    def _look(self, picture: Picture, source: str | None) -> tuple[str, FoundFaces, tuple[int, int]]:
        """What it is called, its boxes and crops, and its width and height."""
        from facecli.core.images import read_bytes
        from facecli.pipeline.batch import find_faces_in
        from facecli.sources.files import check_regular

        name = _name(picture) if source is None else source
        if isinstance(picture, str | os.PathLike):
            path = Path(picture)
            check_regular(path)
            return name, *find_faces_in(read_bytes(path), name, self._analyzer)
        if isinstance(picture, bytes | bytearray | memoryview):
            return name, *find_faces_in(bytes(picture), name, self._analyzer)
        image_rgb = _checked(picture)
        return name, self._analyzer.find(image_rgb), (image_rgb.shape[1], image_rgb.shape[0])


class _OneAtATime:
    """An analyzer that several threads may call: neither OpenCV's detectors nor the network allow it."""

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._lock = threading.Lock()
        self.model = analyzer.model

    def find(self, image_rgb: np.ndarray) -> FoundFaces:
        with self._lock:
            return self._analyzer.find(image_rgb)

    def read(self, found: Sequence[FoundFaces]) -> list[list[Face]]:
        with self._lock:
            return self._analyzer.read(found)


def _check(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InputError(f"{name} must be one of {', '.join(known)}, not {value!r}")


def _build(model: str, detector: str, threads: int | None, show_rejected: bool, details: bool) -> Analyzer:
    import cv2

    from facecli.core.paths import find_model
    from facecli.detect.registry import build_detector, choose_detector, may_refine
    from facecli.infer.analyzer import Analyzer, ReadoutOptions
    from facecli.infer.predictor import Predictor
    from facecli.models.checkpoint import load_checkpoint

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


def _name(picture: Picture) -> str:
    if isinstance(picture, str | os.PathLike):
        from facecli.sources.files import shown

        return shown(os.fspath(picture))
    return "bytes" if isinstance(picture, bytes | bytearray | memoryview) else "array"


def _checked(picture: object) -> np.ndarray:
    import numpy as np

    if not isinstance(picture, np.ndarray):
        raise TypeError(
            f"a picture is a path, bytes or an array (H, W, 3) uint8 RGB, not {type(picture).__name__}"
        )
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(f"an array must be (H, W, 3) uint8 RGB, not {picture.shape} {picture.dtype}")
    return np.ascontiguousarray(picture)


__all__ = ["FaceAnalyzer", "FacecliError", "ImageError", "InputError", "Picture", "PictureRow"]
