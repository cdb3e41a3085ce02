"""What the header of a picture says, before a pixel of it is allocated: size, orientation, whole or cut.

Pillow reads headers; what it does not know of TIFF is read from the file's own directory.
"""

import contextlib
import io
import re
import struct
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageFile

from facecli.core.errors import FacecliError, ImageError, ImageTooLargeError

MAX_PIXELS = 100_000_000
"""Most pixels of a picture, by its header: 300 MB decoded."""
MAX_SIDE = 1 << 20
"""Most pixels of a side: OpenCV decodes no more."""
MAX_SCANS = 100
"""Most scans of a JPEG. Encoders write 10 for colour and 18 for CMYK; libjpeg-turbo advises to stop at 500,
libtiff stops at 100. Each scan may cost a pass over all pixels, for next to no bytes."""
MAX_SCANNED_PIXELS = 20 * MAX_PIXELS
"""Most pixels times scans: the largest pictures have 20 at most, some two seconds of decoding."""
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000")
_JPEGS = ("JPEG", "MPO")
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_SEGMENT_FREE = frozenset((0x01, 0xD8, *range(0xD0, 0xD8)))
_SCAN, _END = 0xDA, 0xD9
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1, 0xC3, 0xC9), (0xC2, 0xCA)
"""Frames that libjpeg decodes."""
_MEASURED = frozenset((0xC4, 0xCC, 0xDB, 0xDD, 0xFE, _SCAN, *_SEQUENTIAL, *_PROGRESSIVE, *range(0xE0, 0xF0)))
"""Segments whose length decoders go by, also in the middle of coded data; others they leave as they are."""
_COEFFICIENTS = 6
"""Bytes a pixel of a progressive JPEG, three components of 16 bits."""
_BESIDE = {"WEBP": 2, "JPEG2000": 10, "TIFF": 4, "GIF": 3}
"""Bytes a pixel that decoders hold beside what they give: wavelets, strips, an own canvas."""
_PNG_START = b"\x89PNG\r\n\x1a\n"
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")
_PNG_TEXTS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
_LONGEST_TEXT = 1 << 22
_COLOUR_MODES = ("RGB", "RGBA", "P", "RGBX")
_TIFF_STARTS = (b"II*\0", b"MM\0*")
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _TIFF_SAMPLES = 256, 257, 258, 277
_LONG = 4
_UPRIGHT = ((1, 0), (1,))
"""Orientation 1 as two SHORTs, and as a LONG."""
END_MARKER = b"\xff\xd9"
_NOISES = (
    bytes(range(1, 255)) * 40,
    b"\xa5\x5a" * 4000,
    b"".join(b"\xff" + bytes((0xD0 + number % 8,)) + b"\x69\x5a\x3c" * 20 for number in range(64)),
)
"""Coded data that no picture goes on with, the last with marks to restart at."""
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")

PILLOW_STRICT = threading.Lock()
"""Held by who needs Pillow to refuse what is cut, and by who has it read that (`core.images`)."""

# Pillow warns of large pictures and odd EXIF data; what matters of that is an error here.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class Header:
    """What a header says.

    Attributes:
        width, height: in pixels, as stored.
        transparent: some pixels may be.
        orientation: by EXIF, or where that says nothing by XMP, 1 to 8: the one truth for header and pixels.
        is_jpeg: it can be decoded at a half, a quarter or an eighth of its size.
        deep: more than eight bits a channel, or floats.
        lacks_end: a JPEG without its end marker, of which every line is there.
        profile: ICC profile of RGB pixels; b"" without one.
        has_more: the file holds further pictures; what was said is of the first.
        bytes_a_pixel: that decoding takes at most for each pixel that it gives, all copies together.
        bytes_beside: that it takes for each pixel of the file, however small it is decoded.
    """

    width: int
    height: int
    transparent: bool
    orientation: int
    is_jpeg: bool
    deep: bool = False
    lacks_end: bool = False
    profile: bytes = b""
    bytes_a_pixel: int = 6
    bytes_beside: int = 0
    has_more: bool = False

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
    with pillow_errors(name):
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as header:
                return _read(header, data, name, max_pixels)
        except Image.UnidentifiedImageError:
            if data[:4] not in _TIFF_STARTS:
                raise
            return _read_tiff(data, name, max_pixels)


@contextlib.contextmanager
def pillow_errors(name: str) -> Iterator[None]:
    """Whatever Pillow raises becomes ImageError.

    Of damaged files its plugins let all kinds through, assertions too, and values of tags are of any type.
    """
    try:
        yield
    except (FacecliError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(f"{name} has too many pixels; make it smaller") from error
    except Exception as error:  # noqa: BLE001
        raise ImageError(f"{name} cannot be read as a picture ({reason_of(error)})") from error


def _read(header: ImageFile.ImageFile, data: bytes, name: str, max_pixels: int) -> Header:
    check_size(header.size, name, max_pixels)
    lacks_end = _check_whole(header, data, name)
    _check_scans(header, data, name)
    width, height = header.size
    if header.format == "TIFF":
        # Pillow gives the size of the upright picture.
        tags = getattr(header, "tag_v2", {})
        width, height = tags.get(_TIFF_WIDTH, width), tags.get(_TIFF_HEIGHT, height)
    profile = header.info.get("icc_profile")
    return Header(
        width,
        height,
        header.has_transparency_data,
        _orientation_of(_png_texts(data) if header.format == "PNG" else header),
        header.format in _JPEGS,
        _is_deep(header, data),
        lacks_end,
        profile if isinstance(profile, bytes) and header.mode in _COLOUR_MODES else b"",
        *_bytes_a_pixel(header, _is_deep(header, data)),
        header.format not in _JPEGS and getattr(header, "is_animated", False),
    )


def _bytes_a_pixel(header: ImageFile.ImageFile, deep: bool) -> tuple[int, int]:
    """As of `Header`: what OpenCV gives is copied once on its way to Python, then made RGB of eight bits."""
    if header.info.get("progressive"):
        # The coefficients are gone before that copy is made.
        return 3, _COEFFICIENTS
    transparent = header.has_transparency_data
    channels = 4 if transparent else 1 if deep and header.mode.startswith(("I", "F")) else 3
    given = channels * (2 if deep else 1)
    made = (channels if deep else 0) + (3 if deep or transparent else 0)
    return max(2 * given, given + made) + _BESIDE.get(str(header.format), 0), 0


def _orientation_of(header: Image.Image) -> int:
    """By EXIF, else by XMP, which Pillow looks into, too; anything but 1 to 8, and what is damaged, is 1."""
    try:
        with pillow_errors("EXIF"):
            value = header.getexif().get(_ORIENTATION, 1)
    except ImageError:
        return 1
    return int(value) if isinstance(value, int | float) and value in range(1, 9) else 1


def _png_texts(data: bytes) -> Image.Image:
    """A picture of one pixel with the texts of a PNG, which may stand behind its pixels: none is decoded."""
    pixel = io.BytesIO()
    Image.new("L", (1, 1)).save(pixel, "PNG")
    small, position, kept = pixel.getvalue(), 8, b""
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind in _PNG_TEXTS and length <= _LONGEST_TEXT and len(kept) < _LONGEST_TEXT:
            kept += data[position : position + length + 12]
        position += length + 12
    pixels = small.index(b"IDAT") - 4
    return Image.open(io.BytesIO(small[:pixels] + kept + small[pixels:]), formats=("PNG",))


def _is_deep(header: ImageFile.ImageFile, data: bytes) -> bool:
    if header.format == "PNG":
        return data[24:25] == b"\x10"
    if header.format == "TIFF":
        bits = getattr(header, "tag_v2", {}).get(_TIFF_BITS, 8)
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    if header.format == "PPM" and header.mode == "RGB" and header.tile:
        # The largest value stands beside the order of colours, where it is not 255.
        arguments = header.tile[0].args
        return isinstance(arguments, tuple) and int(arguments[1]) > 255
    return header.mode.startswith(("I", "F"))


def _read_tiff(data: bytes, name: str, max_pixels: int) -> Header:
    """Of a TIFF whose kind of pixels Pillow does not know, such as floats, by its own directory."""
    # Not above: few pictures are TIFFs.
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    directory = ImageFileDirectory_v2(data[:8])
    file = io.BytesIO(data)
    file.seek(directory.next)
    directory.load(file)
    width, height = int(directory[_TIFF_WIDTH]), int(directory[_TIFF_HEIGHT])
    samples = int(directory.get(_TIFF_SAMPLES, 1))
    bits = directory.get(_TIFF_BITS, 32)
    depth = max(int(value) for value in (bits if isinstance(bits, tuple) else (bits,)))
    upright = directory.get(_ORIENTATION, 1)
    orientation = int(upright) if upright in range(1, 9) else 1
    if min(width, height, samples, depth) < 1:
        raise ImageError(f"{name} cannot be read as a picture (no pixels)")
    check_size((width, height), name, max_pixels)
    # All strips of floats, the picture and its copy.
    needed = 3 * samples * depth // 8 + _BESIDE["TIFF"]
    return Header(width, height, samples in (2, 4), orientation, False, True, bytes_a_pixel=needed)


def for_opencv(data: bytes) -> bytes:
    """The file as OpenCV can be given it.

    A TIFF will not be turned: OpenCV goes by the tag in some kinds of pixels, in others not. Of an animated
    PNG the first picture is left: its reader of animations crashes on sizes that disagree. Anything else is
    given back as it is.
    """
    if data[:8] == _PNG_START:
        return _without_animation(data) if _ANIMATION[0] in data else data
    return _without_orientation(data) if data[:4] in _TIFF_STARTS else data


def _without_animation(data: bytes) -> bytes:
    """A PNG without the chunks of its further pictures."""
    kept, position = [_PNG_START], len(_PNG_START)
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind not in _ANIMATION:
            kept.append(data[position : position + length + 12])
        position += length + 12
    return b"".join(kept)


def _without_orientation(data: bytes) -> bytes:
    order = "<" if data[:2] == b"II" else ">"
    try:
        (place,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, place)
        for entry in range(place + 2, place + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", data, entry)
            if tag == _ORIENTATION:
                value = struct.pack(f"{order}I" if kind == _LONG else f"{order}HH", *_UPRIGHT[kind == _LONG])
                return data[: entry + 8] + value + data[entry + 12 :]
    except struct.error:
        pass
    return data


def reason_of(error: Exception) -> str:
    """What Pillow complained of, in a few words."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "unknown format"
    return str(error) or type(error).__name__


def check_size(size: tuple[int, int], name: str, max_pixels: int = MAX_PIXELS) -> None:
    """Raises ImageTooLargeError for a picture of more than `max_pixels`, given its width and height."""
    width, height = size
    if max(size) > MAX_SIDE:
        raise ImageTooLargeError(f"{name} has a side of more than {MAX_SIDE:,} pixels; cut it")
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"{name} is {width} x {height}, more than {max_pixels:,} pixels; make it smaller"
        )


def _check_whole(header: ImageFile.ImageFile, data: bytes, name: str) -> bool:
    """Does it lack its end marker, and nothing else?

    Raises ImageError (or Pillow's errors) for a cut JPEG or a PNG with a wrong checksum.
    """
    if header.format in _JPEGS and not _jpeg_ends(data):
        # The lines of a progressive picture are all there long before its end, but coarse.
        if header.info.get("progressive") or not _has_all_lines(data):
            raise ImageError(f"{name} is cut short (no end of the JPEG); copy or download it again")
        return True
    if header.format == "PNG":
        with Image.open(io.BytesIO(data), formats=("PNG",)) as again:
            again.verify()
    return False


def _has_all_lines(data: bytes) -> bool:
    """Is a JPEG without its end whole but for that?

    If anything is missing of its last lines they are decoded from what follows: other ways to go on then give
    other pictures.
    """
    data = data.removesuffix(b"\xff")
    seen = _seen(data + END_MARKER)
    return seen != b"" and all(_seen(data + noise + END_MARKER) == seen for noise in _NOISES)


def _seen(data: bytes) -> bytes:
    """The pixels of a JPEG; b"" when it cannot be decoded."""
    try:
        with pillow_errors("JPEG"), PILLOW_STRICT, Image.open(io.BytesIO(data), formats=_JPEGS) as image:
            return image.tobytes()
    except ImageError:
        return b""


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
