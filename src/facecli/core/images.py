"""Pictures from and to files, always (H, W, 3) uint8 RGB: upright, 8 bits, sRGB, over white.

The header is read first (`core.image_header`), then OpenCV decodes: a picture that is too large is refused
before a pixel of it is allocated, and a cut one before it is decoded, because OpenCV would silently fill
the missing part with grey.
"""

import contextlib
import io
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image, ImageFile, ImageOps

from facecli.core import paths
from facecli.core.arrays import Array
from facecli.core.errors import EncodingError, ImageError, ImageTooLargeError, InputError
from facecli.core.files import walk_folders
from facecli.core.image_header import (
    END_MARKER,
    FORMATS,
    MAX_PIXELS,
    PILLOW_STRICT,
    Header,
    check_size,
    for_opencv,
    pillow_errors,
    read_header,
)

if TYPE_CHECKING:
    from PIL import ImageCms


log: logging.Logger = logging.getLogger(__name__)

HEIF_SUFFIXES = (".heic", ".heif", ".hif", ".avif")
_HEIF_BYTES = 10
"""A pixel: the decoder's planes and what it gives, Pillow's four bytes, the picture."""
_TRUNCATED_BYTES = 16
"""A pixel: Pillow's four bytes, 32 bits at most beside, the picture and its copy."""
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")
"""Major brands of ISO/IEC 23008-12 (HEIF) and of AVIF."""

_BRIGHTEST = 4.0
"""Largest value of a picture of floats from 0 to 1: compression and lights may go beyond 1."""
_SAME_COLOUR = 3
"""Levels of 255 by which a profile may differ from sRGB and still be taken for it."""
DEFAULT_MEMORY, OWN_MEMORY = 700_000_000, 110_000_000
"""What a command may take in all by default, and what it has taken before it decodes anything."""
MAX_BYTES = 1 << 29
"""Largest picture file that is read."""
_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_WEBP = {"quality": 95, "method": 0}
"""For Pillow: OpenCV takes six times as long for a file of the same size, and by default none is lost."""
_ENCODING_BYTES = {".jpg": 1.2, ".jpeg": 1.2, ".jpe": 1.2, ".webp": 10.5, ".avif": 18, ".jp2": 21, ".gif": 16}
"""A pixel: what encoders take, of others _MOST_ENCODING_BYTES."""
_MOST_ENCODING_BYTES = 6.2
DRAWN_BYTES = 6
"""A pixel: of the picture and of the copy that is drawn on."""
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif",
    ".ppm", ".pgm", ".pbm", ".pnm",
    *HEIF_SUFFIXES,
)  # fmt: skip


def is_heif(data: bytes) -> bool:
    """Does the content begin like a HEIC or AVIF file?"""
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


def decode_heif(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Array:
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
    with (
        _opened_heif(data, name, max_pixels) as image,
        DECODING.reserved(_HEIF_BYTES * image.width * image.height + len(data), name),
    ):
        if getattr(image, "is_animated", False):
            _tell(f"{name} holds several pictures; the first is read")
        ImageOps.exif_transpose(image, in_place=True)
        return rows_of(image)


def rows_of(image: Image.Image) -> Array:
    """Pillow's picture as (H, W, 3) uint8 RGB over white, some rows at a time."""
    made = np.empty((image.height, image.width, 3), np.uint8)
    transparent = image.has_transparency_data
    for top, strip in zip(range(0, image.height, _STRIP_ROWS), _strips(made), strict=True):
        part = image.crop((0, top, image.width, top + len(strip)))
        if transparent:
            part = part.convert("RGBA")
            part = Image.alpha_composite(Image.new("RGBA", part.size, "white"), part)
        strip[:] = np.asarray(part.convert("RGB"))
    return made


def check_heif(data: bytes, name: str) -> None:
    """Raises ImageError as `decode` does, but for damage that only decoding shows."""
    with _opened_heif(data, name):
        pass


@contextlib.contextmanager
def _opened_heif(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    formats = _heif_formats()
    if not data[8:12].startswith(b"avi") and "HEIF" not in formats:
        raise ImageError(f"{name} is a HEIC picture; to read it: {paths.how_to_install('heif')}")
    with pillow_errors(name), Image.open(io.BytesIO(data), formats=formats) as image:
        check_size(image.size, name, max_pixels)
        yield image


def _heif_formats() -> list[str]:
    """Those of the two formats that this installation decodes."""
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    return [name for name in ("HEIF", "AVIF") if name in Image.OPEN]


def find_images(
    folder: Path, notify: Callable[[str], None] = log.info, elsewhere: tuple[str, ...] = ()
) -> list[Path]:
    """Picture files in this folder and below, sorted; hidden ones are left out.

    A file is one by its suffix, or, whatever that is, by its first bytes. Linked folders are looked
    through like others, each folder once. `notify` takes a line about files beside them that are no pictures,
    but not of those with a suffix of `elsewhere`, which somebody else reads.

    Raises InputError when there is no such folder, or it cannot be looked into; of folders below it that
    cannot `notify` is told.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}; check the path")
    found, others = [], 0
    closed: list[OSError] = []
    for root, files in walk_folders(folder, closed.append):
        for name in files:
            if name.startswith("."):
                continue
            path = Path(root, name)
            if is_image(path):
                found.append(path)
            elif not name.lower().endswith(elsewhere):
                others += 1
    if closed and closed[0].filename == os.fspath(folder):
        raise InputError(f"cannot read the folder {folder}: {closed[0].strerror}; check its permissions")
    for error in closed:
        notify(f"{error.filename} cannot be looked into ({error.strerror}) and is left out")
    if found and others:
        said = "1 file is no picture and is" if others == 1 else f"{others} files are not pictures and are"
        notify(f"{folder}: {said} left out")
    return sorted(found)


_STARTS = (
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"\xff\x4f\xff\x51",
    b"\0\0\0\x0cjP  \r\n\x87\n", *(b"P%d%c" % (kind, space) for kind in range(1, 7) for space in b" \t\n\r"),
)  # fmt: skip
"""What files of kinds begin with that are told by that alone."""


def is_image(path: Path) -> bool:
    """Is a file a picture by its suffix, or, whatever that is, by its first bytes?"""
    if path.name.lower().endswith(SUFFIXES):
        return True
    try:
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            start = file.read(64)
    except OSError:
        return False
    webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    return start.startswith(_STARTS) or webp or is_heif(start)


def load_image(path: Path) -> Array:
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


def decode_image(data: bytes, name: str = "the picture", max_pixels: int = MAX_PIXELS) -> Array:
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
) -> tuple[Array, tuple[int, int]]:
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


def decode_truncated(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Array:
    """What there is of a picture that is cut short or damaged; the rest is as its decoder leaves it.

    Arguments and result are those of `decode_image`; colours are not converted. Raises ImageError when not
    even the header can be read.
    """
    with pillow_errors(name), PILLOW_STRICT, Image.open(io.BytesIO(data), formats=FORMATS) as image:
        check_size(image.size, name, max_pixels)
        needed = _TRUNCATED_BYTES * image.width * image.height + len(data)
        with DECODING.reserved(needed, name), _leniently():
            ImageOps.exif_transpose(image, in_place=True)
            if image.mode.startswith(("I", "F")):
                return _to_rgb(to_8_bit(np.asarray(image), name))
            return rows_of(image)


@contextlib.contextmanager
def _leniently() -> Iterator[None]:
    """Pillow reads what is cut."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _reduction(header: Header, longest_side: int) -> int:
    """By how much a JPEG can be reduced; 1 when it cannot."""
    longest = max(header.width, header.height)
    possible = [factor for factor in _REDUCED if longest // factor >= longest_side]
    return max(possible, default=1) if header.is_jpeg else 1


class DecodingMemory:
    """How much decoding may take at once, of all pictures together: who finds too little left waits.

    What was decoded is no longer counted.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._taken = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def reserved(self, count: int, name: str) -> Iterator[None]:
        """Holds so many bytes for the length of the block.

        Raises ImageTooLargeError for more than there are.
        """
        if count > self.most_bytes:
            raise ImageTooLargeError(
                f"{name} needs {count / 1e6:,.0f} MB to be decoded, more than {self.most_bytes / 1e6:,.0f}; "
                "make it smaller",
                "or allow more with --max-memory",
            )
        with self._changed:
            self._changed.wait_for(lambda: self._taken + count <= self.most_bytes)
            self._taken += count
        try:
            yield
        finally:
            with self._changed:
                self._taken -= count
                self._changed.notify_all()


DECODING = DecodingMemory(DEFAULT_MEMORY - OWN_MEMORY)
"""Of this process; commands set `most_bytes`."""


def _decode(data: bytes, name: str, header: Header, colour: int) -> Array:
    """As `decode_image`; waits until there is memory for it. Raises ImageError."""
    factor = next(factor for factor, flags in _REDUCED.items() if flags == colour)
    with DECODING.reserved(decoding_bytes(header, factor) + len(data), name):
        return _decoded(data, name, header, colour)


def decoding_bytes(header: Header, factor: int = 1) -> int:
    """What decoding takes at most, at a whole, a half, ... of its size, without the encoded picture."""
    pixels = header.width * header.height
    # The coefficients of a progressive JPEG are there in full, however small it is decoded.
    return pixels * header.bytes_beside + pixels * header.bytes_a_pixel // factor**2


def _decoded(data: bytes, name: str, header: Header, colour: int) -> Array:
    as_stored = header.transparent or header.deep
    flags = cv2.IMREAD_UNCHANGED if as_stored else colour | cv2.IMREAD_IGNORE_ORIENTATION
    content = for_opencv(data)
    if header.has_more:
        _tell(f"{name} holds several pictures; the first is read")
    if header.lacks_end:
        _tell(f"{name} lacks its end marker; every line is there")
        content = data.removesuffix(b"\xff") + END_MARKER
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"cannot decode {name}: {error.err}; save it again as JPEG or PNG") from error
    if image is None:
        raise ImageError(f"cannot decode {name}: it is damaged; save it again as JPEG or PNG")
    image_rgb = _to_rgb(to_8_bit(image, name))
    if header.profile:
        convert_to_srgb(image_rgb, header.profile, name)
    return np.ascontiguousarray(_upright(image_rgb, header.orientation))


def _to_rgb(image: Array) -> Array:
    """Grey, BGR or BGRA, uint8 -> RGB; what is transparent shows white."""
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    if image.shape[2] == 2:
        grey, alpha = image[..., :1], image[..., 1:]
        image = np.concatenate([grey, grey, grey, alpha], axis=2)
    if image.shape[2] == 4:
        return over_white(image)
    image = np.ascontiguousarray(image[..., :3])
    for strip in _strips(image):
        strip[:] = cv2.cvtColor(strip, cv2.COLOR_BGR2RGB)
    return image


def check_image(data: bytes, name: str = "the picture") -> None:
    """Raises ImageError as `decode_image` does, but for damage that only decoding shows; far cheaper."""
    if is_heif(data):
        check_heif(data, name)
    else:
        read_header(data, name)


def save_image(path: Path, image_rgb: Array, given_away: bool = False) -> None:
    """Writes (H, W, 3) uint8 RGB in the format that the suffix names.

    Args:
        path: what lies there is replaced, at the end.
        image_rgb: the picture.
        given_away: see `encode_image`.

    Raises:
        EncodingError: the suffix is unknown, or its format does not hold a picture of that size.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    try:
        data = encode_image(image_rgb, path.suffix, given_away=given_away)
    except EncodingError as error:
        raise EncodingError(f"cannot write {path}: {error}", error.hint) from error
    with paths.replacing(path) as temporary:
        temporary.write_bytes(data)


def encode_image(
    image_rgb: Array, suffix: str, options: Sequence[int] = (), given_away: bool = False
) -> memoryview:
    """The content of a picture file.

    Args:
        image_rgb: (H, W, 3) uint8.
        suffix: names the format, such as ".jpg".
        options: pairs of `cv2.IMWRITE_...` and their values; by default quality 95 of 100 or no loss.
        given_away: nobody needs these pixels any more; they may be changed, which saves a copy.

    Raises EncodingError when the suffix is unknown, its format does not hold a picture of that size, or that
    takes more memory than there is for pictures (DECODING).
    """
    suffix = suffix.lower()
    height, width = image_rgb.shape[:2]
    check_encodable(width * height, suffix)
    if suffix == ".webp" and not options:
        return _webp(image_rgb)
    image_bgr = image_rgb if given_away else np.empty_like(image_rgb)
    for strip, turned in zip(_strips(image_rgb), _strips(image_bgr), strict=True):
        turned[:] = cv2.cvtColor(strip, cv2.COLOR_RGB2BGR)
    try:
        encoded, data = cv2.imencode(suffix, image_bgr, list(options))
    except cv2.error:
        # Some formats say so, others only give nothing.
        encoded = False
    if encoded:
        return data.data
    if suffix not in SUFFIXES:
        raise EncodingError(f"'{suffix}' is not a picture format; use .jpg or .png")
    raise EncodingError(f"{suffix} does not hold a picture of {width}x{height}; use .png")


def check_encodable(pixels: int, suffix: str) -> None:
    """Raises EncodingError when so many drawn pixels need more memory than there is for pictures."""
    suffix = suffix.lower()
    needed = pixels * (DRAWN_BYTES + _ENCODING_BYTES.get(suffix, _MOST_ENCODING_BYTES))
    if needed > DECODING.most_bytes:
        limit = DECODING.most_bytes / 1e6
        raise EncodingError(
            f"as {suffix} it needs {needed / 1e6:,.0f} MB to be encoded, more than {limit:,.0f}; "
            f"{'' if suffix in ('.jpg', '.jpeg') else 'use .jpg, or '}make it smaller",
            "or allow more with --max-memory",
        )


def _webp(image_rgb: Array) -> memoryview:
    buffer = io.BytesIO()
    try:
        Image.fromarray(image_rgb).save(buffer, "WEBP", **_WEBP)
    except (OSError, ValueError) as error:
        height, width = image_rgb.shape[:2]
        raise EncodingError(f".webp does not hold a picture of {width}x{height}; use .png") from error
    return buffer.getbuffer()


def to_8_bit(image: Array, name: str) -> Array:
    """uint8 as it is; of other types the range that the picture uses, in bits, is stretched to 0 to 255.

    16 bits that use less than 15, as of cameras with 10 or 12, are told of; so are floats beyond 1.
    """
    if image.dtype == np.uint8:
        return image
    largest = max((float(np.nanmax(strip, initial=0)) for strip in _strips(image)), default=0.0)
    scale = _scale(image.dtype, largest, name)
    eight = np.empty(image.shape, np.uint8)
    for strip, made in zip(_strips(image), _strips(eight), strict=True):
        # Numbers that are none are black.
        with np.errstate(all="ignore"):
            cut = np.nan_to_num(np.clip(strip.astype(np.float32) * scale, 0, 255))
        # Integers are cut, as by a shift of bits; floats are rounded.
        made[:] = cut if image.dtype.kind in "ui" else np.rint(cut)
    return eight


def _scale(dtype: np.dtype[Any], largest: float, name: str) -> float:
    """What values are multiplied with."""
    if dtype.kind in "ui":
        bits = max(8, int(largest).bit_length())
        whole = 8 * dtype.itemsize
        # A dark picture may use one bit less.
        if 0 < largest < 2 ** (whole - 2):
            _tell(f"{name} uses {bits} of {whole} bits; it is read as a picture of {bits}")
            return 256 / 2.0**bits
        return 256 / 2.0**whole
    if not 1 < largest < float("inf"):
        return 255.0
    if largest <= _BRIGHTEST:
        _tell(f"{name} has values up to {largest:g}; what is above 1 is white")
        return 255.0
    _tell(f"{name} has values up to {largest:g}, not 1; they are taken for white")
    return 1.0 if largest <= 255 else 255 / largest


@lru_cache(maxsize=1024)
def _tell(message: str) -> None:
    """Warns once: a picture may be decoded small to be searched, and whole to be drawn on."""
    log.warning(message)


_STRIP_ROWS = 128


def _strips(image: Array) -> Iterator[Array]:
    """Views of some rows each: what is computed with larger numbers need not be there for all at once."""
    return (image[row : row + _STRIP_ROWS] for row in range(0, len(image), _STRIP_ROWS))


def over_white(image_bgra: Array) -> Array:
    """(H, W, 4) uint8 BGRA -> (H, W, 3) uint8 RGB: what is transparent shows white."""
    image_rgb = np.empty((*image_bgra.shape[:2], 3), np.uint8)
    for strip, made in zip(_strips(image_bgra), _strips(image_rgb), strict=True):
        colour = cv2.cvtColor(np.ascontiguousarray(strip), cv2.COLOR_BGRA2RGB).astype(np.uint16)
        alpha = strip[:, :, 3:].astype(np.uint16)
        made[:] = (colour * alpha + 255 * (255 - alpha) + 127) // 255
    return image_rgb


def convert_to_srgb(image_rgb: Array, profile: bytes, name: str) -> None:
    """Converts (H, W, 3) uint8 in the colours of an ICC profile to sRGB, in place.

    A profile that says the same as sRGB, or nothing that can be used, changes nothing.
    """
    transform = _to_srgb(profile)
    if transform is None:
        return
    # Here and below not above: few pictures have a profile.
    from PIL import ImageCms

    log.debug("%s has colours of its own (ICC); they become sRGB", name)
    for strip in _strips(image_rgb):
        strip[:] = np.asarray(ImageCms.applyTransform(Image.fromarray(strip), transform))


@lru_cache(maxsize=16)
def _to_srgb(profile: bytes) -> "ImageCms.ImageCmsTransform | None":
    """The transform of a profile, or None."""
    from PIL import ImageCms

    try:
        transform = ImageCms.buildTransform(
            io.BytesIO(profile), ImageCms.createProfile("sRGB"), "RGB", "RGB", ImageCms.Intent.PERCEPTUAL
        )
        cube = np.stack(np.meshgrid(*[np.arange(0, 256, 51, np.uint8)] * 3), axis=-1).reshape(6, 36, 3)
        converted = np.asarray(ImageCms.applyTransform(Image.fromarray(cube), transform))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        log.debug("an ICC profile cannot be used: %s", error)
        return None
    same = np.abs(converted.astype(np.int16) - cube).max() <= _SAME_COLOUR
    return None if same else transform


def _upright(image: Array, orientation: int) -> Array:
    """Undoes an EXIF orientation (1 to 8; anything else is taken for 1)."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image[::-1] if orientation in (3, 4, 7, 8) else image
