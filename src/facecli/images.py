"""Pictures from and to files, always (H, W, 3) uint8 RGB.

Pillow reads the header (size, transparency, orientation), OpenCV decodes: a picture that is
too large is refused before a pixel of it is allocated, and a cut one before it is decoded,
because OpenCV would silently fill the missing part with grey.
"""

import os
from pathlib import Path

import cv2
import numpy as np

from facecli import heif, paths
from facecli.errors import ImageError, InputError, OutputError
from facecli.image_header import MAX_PIXELS, Header, read_header

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
    *heif.SUFFIXES,
)  # fmt: skip


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
    if heif.is_heif(data):
        return heif.decode(data, name, max_pixels)
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
    if heif.is_heif(data):
        image_rgb = heif.decode(data, name, max_pixels)
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
    if heif.is_heif(data):
        heif.check(data, name)
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
