"""Age, gender and race of every face in pictures, clips and webcams."""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = [
    "CheckpointError",
    "FaceAnalyzer",
    "FaceRow",
    "FacecliError",
    "ImageError",
    "InputError",
    "PictureRow",
    "__version__",
]

if TYPE_CHECKING:
    from facecli.analyzer import FaceAnalyzer
    from facecli.core.errors import CheckpointError, FacecliError, ImageError, InputError
    from facecli.core.faces import FaceRow, PictureRow

_MODULES = {
    "FaceAnalyzer": "facecli.analyzer",
    "FaceRow": "facecli.core.faces",
    "PictureRow": "facecli.core.faces",
}


def __getattr__(name: str) -> object:
    # Importing facecli, which every command does, must not cost what an analysis costs.
    if name in __all__:
        return getattr(import_module(_MODULES.get(name, "facecli.core.errors")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
