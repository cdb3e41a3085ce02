"""Age, gender and race of every face in pictures, clips and webcams."""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = [
    "CheckpointError",
    "Face",
    "FaceAnalyzer",
    "FaceRow",
    "FacecliError",
    "ImageError",
    "InputError",
    "PictureResult",
    "PictureRow",
    "ResultList",
    "ResultStream",
    "SourceError",
    "__version__",
    "schema",
    "to_coco",
    "to_fiftyone",
    "to_frame",
    "to_supervision",
]

if TYPE_CHECKING:
    from facecli import schema
    from facecli.analyzer import FaceAnalyzer, ResultStream
    from facecli.core.errors import CheckpointError, FacecliError, ImageError, InputError, SourceError
    from facecli.core.faces import Face, FaceRow, PictureRow
    from facecli.results import (
        PictureResult,
        ResultList,
        to_coco,
        to_fiftyone,
        to_frame,
        to_supervision,
    )

_MODULES = {
    **dict.fromkeys(("FaceAnalyzer", "ResultStream"), "facecli.analyzer"),
    **dict.fromkeys(("Face", "FaceRow", "PictureRow"), "facecli.core.faces"),
    **dict.fromkeys(("PictureResult", "ResultList"), "facecli.results"),
    **dict.fromkeys(("to_coco", "to_fiftyone", "to_frame", "to_supervision"), "facecli.results"),
}


def __getattr__(name: str) -> object:
    # Importing facecli, which every command does, must not cost what an analysis costs.
    if name == "schema":
        return import_module("facecli.schema")
    if name in __all__:
        return getattr(import_module(_MODULES.get(name, "facecli.core.errors")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
