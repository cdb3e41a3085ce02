"""Age, gender and race of every face in pictures, clips and webcams."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["FaceAnalyzer", "__version__"]

if TYPE_CHECKING:
    from facecli.analyzer import FaceAnalyzer


def __getattr__(name: str) -> object:
    # Importing facecli, which every command does, must not cost what an analysis costs.
    if name == "FaceAnalyzer":
        from facecli.analyzer import FaceAnalyzer

        return FaceAnalyzer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
