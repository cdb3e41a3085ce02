"""The header of an encoded picture: what is known before a pixel of it is decoded."""

import io
import re
import warnings
from dataclasses import dataclass

from PIL import Image, ImageFile

from facecli.errors import ImageError, ImageTooLargeError

MAX_PIXELS = 100_000_000
"""Most pixels of a picture, by its header: 300 MB decoded."""
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000")
_JPEGS = ("JPEG", "MPO")
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_SEGMENT_FREE = frozenset((0x01, 0xD8, *range(0xD0, 0xD8)))
_SCAN, _END = 0xDA, 0xD9
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")

# Pillow warns of large pictures and odd EXIF data; what matters of that is an error here.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class Header:
    """What a header says; `width` and `height` in pixels as stored, `orientation` by EXIF (1 to 8)."""

    width: int
    height: int
    transparent: bool
    orientation: int
    is_jpeg: bool

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height of the picture when it is turned upright."""
        turned = self.orientation in _SIDEWAYS
        return (self.height, self.width) if turned else (self.width, self.height)


def read_header(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Header:
    """Looks at an encoded picture without decoding it.

    Raises ImageError when it is none or cut short, ImageTooLargeError when it has more pixels.
    """
    if not data:
        raise ImageError(f"{name} is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as header:
            check_size(header.size, name, max_pixels)
            _check_whole(header, data, name)
            orientation = header.getexif().get(_ORIENTATION, 1)
            transparent = header.has_transparency_data
            return Header(*header.size, transparent, orientation, header.format in _JPEGS)
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(f"{name} has more than {max_pixels:,} pixels; make it smaller") from error
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, IndexError, EOFError) as error:
        # Pillow's plugins let these through on damaged headers.
        raise ImageError(f"{name} cannot be read as a picture ({reason_of(error)})") from error


def reason_of(error: Exception) -> str:
    """What Pillow complained of, in a few words."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "unknown format"
    return str(error) or type(error).__name__


def check_size(size: tuple[int, int], name: str, max_pixels: int = MAX_PIXELS) -> None:
    """Raises ImageTooLargeError for a picture of more than `max_pixels`, given its width and height."""
    width, height = size
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"{name} is {width} x {height}, more than {max_pixels:,} pixels; make it smaller"
        )


def _check_whole(header: ImageFile.ImageFile, data: bytes, name: str) -> None:
    """Raises ImageError (or Pillow's errors) for a cut JPEG or a PNG with a wrong checksum."""
    if header.format in _JPEGS:
        if not _jpeg_ends(data):
            raise ImageError(f"{name} is cut short (no end of the JPEG); copy or download it again")
    elif header.format == "PNG":
        with Image.open(io.BytesIO(data), formats=("PNG",)) as again:
            again.verify()


def _jpeg_ends(data: bytes) -> bool:
    """Does the marker EOI follow the picture's own scans (a thumbnail's EOI does not count)?

    ITU-T T.81, Annex B: segments carry their length; in coded data 0xff is followed by a stuffed
    zero or a restart, so that what looks like EOI after the first scan has begun is one.
    """
    position = 0
    while marker := _NEXT_MARKER.search(data, position):
        code, position = data[marker.end() - 1], marker.end()
        if code in (_SCAN, _END):
            return code == _END or data.rfind(b"\xff\xd9", position) >= 0
        if code not in _SEGMENT_FREE:
            position += int.from_bytes(data[position : position + 2], "big")
    return False
