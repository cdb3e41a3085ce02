"""Pictures from and to files, always (H, W, 3) uint8 RGB.

Pillow reads the header (size, transparency, orientation), OpenCV decodes: a picture that is
too large is refused before a pixel of it is allocated, and a cut one before it is decoded,
because OpenCV would silently fill the missing part with grey.
"""

import io
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageFile

from facecli import paths
from facecli.errors import ImageError, InputError, OutputError

MAX_PIXELS = 100_000_000
"""Most pixels of a picture, by its header: 300 MB decoded."""
MAX_BYTES = 1 << 29
"""Largest picture file that is read."""
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000")
_ORIENTATION = 0x0112
_SEGMENT_FREE = frozenset((0x01, 0xD8, *range(0xD0, 0xD8)))
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")

# Pillow warns of large pictures and odd EXIF data; what matters of that is an error here.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class _Header:
    transparent: bool
    orientation: int


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


def decode_image(data: bytes, name: str = "the picture") -> np.ndarray:
    """Decodes an encoded picture, upright by its EXIF orientation.

    Grey and CMYK become RGB, 16 bits become 8, transparency lies on white, of an animation
    the first frame is taken.

    Args:
        data: content of a JPEG, PNG, BMP, WebP, TIFF, GIF, PPM or JPEG 2000 file.
        name: what error messages call it.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: not a picture, cut short, damaged, or more than MAX_PIXELS pixels.
    """
    header = _read_header(data, name)
    flags = cv2.IMREAD_UNCHANGED if header.transparent else cv2.IMREAD_COLOR
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
    _read_header(data, name)


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


def _read_header(data: bytes, name: str) -> _Header:
    if not data:
        raise ImageError(f"{name} is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as header:
            _check_size(header.size, name)
            _check_whole(header, data, name)
            return _Header(header.has_transparency_data, header.getexif().get(_ORIENTATION, 1))
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} has more than {MAX_PIXELS:,} pixels; make it smaller") from error
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, IndexError, EOFError) as error:
        # Pillow's plugins let these through on damaged headers.
        raise ImageError(f"{name} cannot be read as a picture ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "unknown format"
    return str(error) or type(error).__name__


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{name} is {width} x {height}, more than {MAX_PIXELS:,} pixels; make it smaller")


def _check_whole(header: ImageFile.ImageFile, data: bytes, name: str) -> None:
    """Raises ImageError (or Pillow's errors) for a cut JPEG or a PNG with a wrong checksum."""
    if header.format in ("JPEG", "MPO"):
        if not _jpeg_ends(data):
            raise ImageError(f"{name} is cut short (no end of the JPEG); copy or download it again")
    elif header.format == "PNG":
        with Image.open(io.BytesIO(data), formats=("PNG",)) as again:
            again.verify()


def _jpeg_ends(data: bytes) -> bool:
    """Does the marker EOI follow the picture's own scans (a thumbnail's EOI does not count)?

    ITU-T T.81, Annex B: segments carry their length; coded data run to the next marker
    that is neither a stuffed zero nor a restart.
    """
    position = 0
    while marker := _NEXT_MARKER.search(data, position):
        code, position = data[marker.end() - 1], marker.end()
        if code == 0xD9:
            return True
        if code not in _SEGMENT_FREE:
            position += int.from_bytes(data[position : position + 2], "big")
    return False


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
