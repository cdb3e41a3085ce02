"""The header of an encoded picture: what is known before a pixel of it is decoded."""

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageFile

from facecli.errors import ImageError, ImageTooLargeError

MAX_PIXELS = 100_000_000
"""Most pixels of a picture, by its header: 300 MB decoded."""
MAX_SCANS = 100
"""Most scans of a JPEG. Encoders write 10 for colour and 18 for CMYK; libjpeg-turbo advises to stop at 500,
libtiff stops at 100. Each scan may cost a pass over all pixels, for next to no bytes."""
MAX_SCANNED_PIXELS = 20 * MAX_PIXELS
"""Most pixels times scans: the largest pictures have 20 at most, some two seconds of decoding."""
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000")
_JPEGS = ("JPEG", "MPO")
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_SEGMENT_FREE = frozenset((0x01, 0xD8, *range(0xD0, 0xD8)))
_SCAN, _END = 0xDA, 0xD9
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1, 0xC3, 0xC9), (0xC2, 0xCA)
"""Frames that libjpeg decodes."""
_MEASURED = frozenset((0xC4, 0xCC, 0xDB, 0xDD, 0xFE, _SCAN, *_SEQUENTIAL, *_PROGRESSIVE, *range(0xE0, 0xF0)))
"""Segments whose length decoders go by, also in the middle of coded data; others they leave as they are."""
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

    Raises ImageError when it is none, cut short, or a JPEG of too many scans (MAX_SCANS, MAX_SCANNED_PIXELS),
    ImageTooLargeError when it has more pixels.
    """
    if not data:
        raise ImageError(f"{name} is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as header:
            check_size(header.size, name, max_pixels)
            _check_whole(header, data, name)
            _check_scans(header, data, name)
            orientation = header.getexif().get(_ORIENTATION, 1)
            transparent = header.has_transparency_data
            width, height = header.size
            return Header(width, height, transparent, orientation, header.format in _JPEGS)
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


def _check_scans(header: ImageFile.ImageFile, data: bytes, name: str) -> None:
    """Raises ImageError for a JPEG whose many scans would take the decoder for ever."""
    if header.format not in _JPEGS:
        return
    width, height = header.size
    most = min(MAX_SCANS, MAX_SCANNED_PIXELS // max(1, width * height))
    if has_more_scans(data, most):
        raise ImageError(f"{name} is a JPEG of more than {most} scans; save it again")


def has_more_scans(data: bytes, most: int) -> bool:
    """Has a JPEG more than `most` scans before its end? Nothing is decoded; linear in the size of the data.

    Of a sequential picture whose first scan holds all components, decoders read no other.
    """
    count, components = 0, None
    for code, begin in _segments(data):
        if code in _SEQUENTIAL:
            components = data[begin + 7 : begin + 8]
        if code != _SCAN:
            continue
        if count == 0:
            holds_all = components is not None and data[begin + 2 : begin + 3] >= components
            # They are at most as many as what looks like their marker, which is quickly counted.
            if holds_all or data.count(bytes((0xFF, _SCAN)), begin) < most:
                return False
        count += 1
        if count > most:
            return True
    return False


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """The code of each marker up to the end of the picture, and where its segment begins, with the length."""
    position = 0
    while marker := _NEXT_MARKER.search(data, position):
        code, position = data[marker.end() - 1], marker.end()
        if code == _END:
            return
        yield code, position
        if code in _MEASURED:
            position += int.from_bytes(data[position : position + 2], "big")
