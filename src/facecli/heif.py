"""HEIC and AVIF pictures, which OpenCV does not read: Pillow does, HEIC with pillow-heif (extra `heif`)."""

import contextlib
import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps

from facecli.errors import ImageError, ImageTooLargeError
from facecli.image_header import MAX_PIXELS, check_size, reason_of

SUFFIXES = (".heic", ".heif", ".hif", ".avif")
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")
"""Major brands of ISO/IEC 23008-12 (HEIF) and of AVIF."""


def is_heif(data: bytes) -> bool:
    """Does the content begin like a HEIC or AVIF file?"""
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


def decode(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decodes a picture, upright by its orientation, transparency over white.

    Args:
        data: content of a HEIC or AVIF file.
        name: what error messages call it.
        max_pixels: most pixels that are decoded.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: damaged, too large (ImageTooLargeError), or nothing here decodes it.
    """
    with _opened(data, name, max_pixels) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.has_transparency_data:
            colour = upright.convert("RGBA")
            white = Image.new("RGBA", colour.size, "white")
            upright = Image.alpha_composite(white, colour)
        return np.array(upright.convert("RGB"))


def check(data: bytes, name: str) -> None:
    """Raises ImageError as `decode` does, but for damage that only decoding shows."""
    with _opened(data, name):
        pass


@contextlib.contextmanager
def _opened(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    formats = _formats()
    if not data[8:12].startswith(b"avi") and "HEIF" not in formats:
        raise ImageError(f"{name} is a HEIC picture; to read it: pip install 'facecli[heif]'")
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            check_size(image.size, name, max_pixels)
            yield image
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(f"{name} has too many pixels; make it smaller") from error
    except (
        OSError,
        SyntaxError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        EOFError,
        RuntimeError,
    ) as error:
        raise ImageError(f"{name} cannot be read as a picture ({reason_of(error)})") from error


def _formats() -> list[str]:
    """Those of the two formats that this installation decodes."""
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    return [name for name in ("HEIF", "AVIF") if name in Image.OPEN]
