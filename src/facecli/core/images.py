"""Pictures from and to files, always (H, W, 3) uint8 RGB: header, decoder, orientation, HEIC and AVIF.

Pillow reads the header (size, transparency, orientation), OpenCV decodes: a picture that is
too large is refused before a pixel of it is allocated, and a cut one before it is decoded,
because OpenCV would silently fill the missing part with grey.
"""

import contextlib
import io
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageFile

from facecli.core import paths
from facecli.core.errors import ImageError, ImageTooLargeError, InputError, OutputError

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

HEIF_SUFFIXES = (".heic", ".heif", ".hif", ".avif")
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")
"""Major brands of ISO/IEC 23008-12 (HEIF) and of AVIF."""

MAX_BYTES = 1 << 29
"""Largest picture file that is read."""
_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm",
    *HEIF_SUFFIXES,
)  # fmt: skip


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


def is_heif(data: bytes) -> bool:
    """Does the content begin like a HEIC or AVIF file?"""
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


def decode_heif(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
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
    from PIL import ImageOps

    with _opened_heif(data, name, max_pixels) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.has_transparency_data:
            colour = upright.convert("RGBA")
            white = Image.new("RGBA", colour.size, "white")
            upright = Image.alpha_composite(white, colour)
        return np.array(upright.convert("RGB"))


def check_heif(data: bytes, name: str) -> None:
    """Raises ImageError as `decode` does, but for damage that only decoding shows."""
    with _opened_heif(data, name):
        pass


@contextlib.contextmanager
def _opened_heif(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    formats = _heif_formats()
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


def _heif_formats() -> list[str]:
    """Those of the two formats that this installation decodes."""
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    return [name for name in ("HEIF", "AVIF") if name in Image.OPEN]


def find_images(folder: Path) -> list[Path]:
    """Picture files by suffix, in this folder and below, sorted; hidden ones are left out.

    Raises InputError when there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}; check the path")
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(root, name) for name in files if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    return sorted(found)


def load_image(path: Path) -> np.ndarray:
    """Reads a picture file: see `decode_image`.

    Raises:
        ImageError: there is no such file, it cannot be read, or it is not a whole picture.
    """
    return decode_image(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """The file's content. Raises ImageError when it cannot be read or is larger than MAX_BYTES."""
    try:
        size = os.stat(path).st_size
        if size > MAX_BYTES:
            raise ImageError(f"{path} has {size:,} bytes, more than {MAX_BYTES:,}; make it smaller")
        return Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror or error}; check the path") from error


def decode_image(data: bytes, name: str = "the picture", max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decodes an encoded picture, upright by its EXIF orientation.

    Grey and CMYK become RGB, 16 bits become 8, transparency lies on white, of an animation
    the first frame is taken.

    Args:
        data: content of a JPEG, PNG, BMP, WebP, TIFF, GIF, PPM, JPEG 2000, AVIF or (with
            pillow-heif) HEIC file.
        name: what error messages call it.
        max_pixels: most pixels that are decoded.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: not a picture, cut short, damaged, or too large (ImageTooLargeError).
    """
    if is_heif(data):
        return decode_heif(data, name, max_pixels)
    return _decode(data, name, read_header(data, name, max_pixels), cv2.IMREAD_COLOR)


def decode_reduced(
    data: bytes, name: str, longest_side: int, max_pixels: int = MAX_PIXELS
) -> tuple[np.ndarray, tuple[int, int]]:
    """Like `decode_image`, but a large JPEG comes at a half, a quarter or an eighth of its size.

    The decoder then computes fewer coefficients, which takes a third of the time.

    Args:
        data: content of a picture file.
        name: what error messages call it.
        longest_side: no picture is made smaller than this, pixels of its longer side.
        max_pixels: as of `decode_image`.

    Returns:
        (h, w, 3) uint8 RGB, and width and height of the whole picture in pixels.

    Raises:
        ImageError: as `decode_image`.
    """
    if is_heif(data):
        image_rgb = decode_heif(data, name, max_pixels)
        return image_rgb, (image_rgb.shape[1], image_rgb.shape[0])
    header = read_header(data, name, max_pixels)
    factor = _reduction(header, longest_side)
    return _decode(data, name, header, _REDUCED[factor]), header.upright_size


def _reduction(header: Header, longest_side: int) -> int:
    """By how much a JPEG can be reduced; 1 when it cannot."""
    longest = max(header.width, header.height)
    possible = [factor for factor in _REDUCED if longest // factor >= longest_side]
    return max(possible, default=1) if header.is_jpeg else 1


def _decode(data: bytes, name: str, header: Header, colour: int) -> np.ndarray:
    flags = cv2.IMREAD_UNCHANGED if header.transparent else colour
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"cannot decode {name}: {error.err}; save it again as JPEG or PNG") from error
    if image is None:
        raise ImageError(f"cannot decode {name}: it is damaged; save it again as JPEG or PNG")
    if image.ndim == 2:
        return cv2.cvtColor(_to_8_bit(image), cv2.COLOR_GRAY2RGB)
    if image.shape[2] == 4:
        # OpenCV turns pictures upright, but not when it keeps the transparency.
        return np.ascontiguousarray(_upright(_over_white(_to_8_bit(image)), header.orientation))
    return cv2.cvtColor(_to_8_bit(image), cv2.COLOR_BGR2RGB)


def check_image(data: bytes, name: str = "the picture") -> None:
    """Raises ImageError as `decode_image` does, but for damage that only decoding shows; far cheaper."""
    if is_heif(data):
        check_heif(data, name)
    else:
        read_header(data, name)


def save_image(path: Path, image_rgb: np.ndarray) -> None:
    """Writes (H, W, 3) uint8 RGB in the format that the suffix names.

    Raises OutputError when the suffix is unknown or the file cannot be written.
    """
    path = Path(path)
    try:
        written, data = cv2.imencode(path.suffix.lower(), cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))
    except cv2.error:
        written = False
    if not written:
        raise OutputError(f"cannot write {path}: '{path.suffix}' is no picture format; use .jpg or .png")
    with paths.replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())


def _to_8_bit(image: np.ndarray) -> np.ndarray:
    """uint8 as it is, uint16 by its high byte, floats of 0..1 scaled."""
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return (image >> 8).astype(np.uint8)
    return (np.nan_to_num(np.clip(image, 0, 1)) * 255).astype(np.uint8)


def _over_white(image_bgra: np.ndarray) -> np.ndarray:
    colour = cv2.cvtColor(image_bgra, cv2.COLOR_BGRA2RGB).astype(np.uint16)
    alpha = image_bgra[:, :, 3:].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Undoes an EXIF orientation (1 to 8; anything else is taken for 1)."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image[::-1] if orientation in (3, 4, 7, 8) else image
