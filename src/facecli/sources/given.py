"""A picture as callers from Python have it: a path, an address, bytes, an open file, an array, Pillow's."""

import base64
import binascii
import http.client
import os
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias
from urllib.parse import unquote_to_bytes

import numpy as np
from PIL import Image, ImageOps

from facecli.core.arrays import Array
from facecli.core.errors import ImageError, InputError, PrivateAddressError
from facecli.core.image_header import check_size, pillow_errors
from facecli.core.images import (
    MAX_BYTES,
    convert_to_srgb,
    decode_image,
    over_white,
    read_bytes,
    rows_of,
    to_8_bit,
)
from facecli.core.paths import is_storage_address
from facecli.sources.files import check_regular, one_line, shown
from facecli.sources.web import check_url, fetch, is_url


class BinaryFile(Protocol):
    """What can be read from where it stands; it is not closed."""

    def read(self, size: int, /) -> bytes: ...


Picture: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile | Array | Image.Image
)
"""One picture:

* a path, an address ("https://...", "s3://...") or a data URL ("data:image/png;base64,..."),
* the content of a picture file (JPEG, PNG, WebP, ...), as bytes or as a file opened for reading bytes,
* an array, RGB where it has colours: (H, W, 3), (H, W, 4) with transparency over white, grey (H, W) or
  (H, W, 1); uint8, uint16 (the bits in use, as of files), or floats in [0, 1],
* a picture of Pillow's, upright by its EXIF orientation.
"""
_KINDS = "a path, an address, bytes, a file opened with 'rb', an array (H, W, 3) RGB or a picture of Pillow's"
_DATA = "data:"
_HEAD = re.compile(r"data:[a-z0-9.+;=/-]{1,60},", re.IGNORECASE)
"""What may be shown of a data URL: its media type."""
_BASE64 = re.compile(r";\s*base64\s*\Z", re.IGNORECASE)
_SPACE = re.compile(rb"[ \t\r\n\f]+")
_LONGEST_DATA_URL = 3 * MAX_BYTES
"""Characters; quoted, a byte takes three."""
_BYTES = (bytes, bytearray, memoryview)
_READING_ERRORS = (
    *(OSError, ValueError, EOFError, zlib.error),
    *(zipfile.BadZipFile, http.client.HTTPException),
)
"""Of files that are open: closed meanwhile, cut short, or lost."""
_CHUNK = 1 << 20
_CHANNELS = (1, 3, 4)
_ROUNDING = 1e-3
"""So far beyond [0, 1] floats are slips of computing."""


def picture_name(given: object) -> str:
    """What rows and messages call it: a path or address without passwords, "bytes", "array", ...

    Of a data URL the head alone.
    """
    if isinstance(given, str) and is_data_url(given):
        head = _HEAD.match(given)
        return f"{head[0] if head else _DATA}..."
    if isinstance(given, str | os.PathLike):
        return shown(os.fsdecode(given))
    if isinstance(given, _BYTES):
        return "bytes"
    if isinstance(given, np.ndarray):
        return "array"
    called = getattr(given, "filename" if isinstance(given, Image.Image) else "name", None)
    if isinstance(called, str | os.PathLike) and os.fspath(called):
        return shown(os.fsdecode(called))
    return "picture" if isinstance(given, Image.Image) else "file"


def is_data_url(given: str) -> bool:
    """Does it hold its content itself (RFC 2397)? A file of such a name is given as a `Path`."""
    return given[: len(_DATA)].lower() == _DATA


def read_picture(
    given: object, name: str, allow_private: bool = False, storage: bool = False
) -> bytes | Array:
    """The content of a `Picture`: bytes of a picture file, not yet decoded, or (H, W, 3) uint8 RGB.

    Args:
        given: see `Picture`; it is not changed, but a file stands at its end afterwards.
        name: what error messages call it.
        allow_private: ask addresses of the own network and machine, too.
        storage: addresses of object storage ("s3://...") are read, with the credentials of this process.

    Raises:
        InputError: it is no `Picture`, or an address that cannot be one.
        ImageError: it cannot be read, is empty, too large, or an array of another shape, type or range.
    """
    if isinstance(given, str) and is_data_url(given):
        return decode_data_url(given, name)
    if isinstance(given, str) and is_url(given):
        return _fetched(given, allow_private)
    if storage and isinstance(given, str) and is_storage_address(given):
        from facecli.sources.cloud import read_object

        return read_object(given)
    if isinstance(given, str | os.PathLike):
        return _of_path(os.fsdecode(given))
    if isinstance(given, _BYTES):
        return _of_bytes(given, name)
    if isinstance(given, np.ndarray):
        return rgb_of_array(given, name)
    if isinstance(given, Image.Image):
        return rgb_of_pillow(given, name)
    if callable(read := getattr(given, "read", None)):
        return _of_file(read, name)
    raise InputError(f"a picture is {_KINDS}, not {type(given).__name__}")


def decode_picture(given: Picture, name: str) -> Array:
    """The pixels of a `Picture`, (H, W, 3) uint8 RGB. Raises as `read_picture` does, and for damage."""
    content = read_picture(given, name)
    return decode_image(content, name) if isinstance(content, bytes) else content


def can_be_read_again(given: Picture) -> bool:
    """Does it give the same picture a second time, without a server?"""
    if isinstance(given, str):
        return is_data_url(given) or not (is_url(given) or is_storage_address(given))
    return isinstance(given, os.PathLike | np.ndarray | Image.Image | bytes | bytearray | memoryview)


def _of_path(path: str) -> bytes:
    if not path:
        raise InputError("an empty name is not a picture; give a path")
    if os.path.isdir(path):
        raise ImageError(f"{shown(path)} is a folder, not a picture; give the pictures in it")
    check_regular(Path(path))
    return read_bytes(Path(path))


def _fetched(url: str, allow_private: bool) -> bytes:
    check_url(url)
    try:
        return fetch(url, allow_private)
    except PrivateAddressError as error:
        raise PrivateAddressError(f"{error}; FaceAnalyzer(allow_private=True) allows it") from error


def _of_bytes(given: bytes | bytearray | memoryview, name: str) -> bytes:
    try:
        return bytes(given)
    except ValueError as error:
        # Of a memoryview that was released.
        raise ImageError(f"cannot read {name}: {one_line(error)}") from error


def _of_file(read: Callable[[int], object], name: str) -> bytes:
    """All from where the file stands on."""
    data = bytearray()
    try:
        while chunk := read(_CHUNK):
            if not isinstance(chunk, _BYTES):
                raise InputError(f"{name} was opened to read text; open it with 'rb'")
            data += chunk
            if len(data) > MAX_BYTES:
                raise ImageError(f"{name} has more than {MAX_BYTES:,} bytes; make the picture smaller")
    except _READING_ERRORS as error:
        raise ImageError(f"cannot read {name}: {one_line(error)}") from error
    if not data:
        raise ImageError(
            f"{name} has nothing after its current position; call seek(0) to go back to its start"
        )
    return bytes(data)


def decode_data_url(given: str, name: str = _DATA) -> bytes:
    """The content of a data URL (RFC 2397), base64 or quoted.

    Raises ImageError, which does not repeat the content, when it cannot be decoded.
    """
    if len(given) > _LONGEST_DATA_URL:
        raise ImageError(f"{name} has more than {MAX_BYTES:,} bytes; make the picture smaller")
    head, comma, content = given.partition(",")
    if not comma:
        raise ImageError(f"{name} is not a data URL: there is no comma before its content")
    data = unquote_to_bytes(content)
    if _BASE64.search(head):
        # As browsers do: spaces do not count, and the end need not be filled up.
        data = _SPACE.sub(b"", data).rstrip(b"=")
        try:
            data = base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
        except binascii.Error as error:
            raise ImageError(f"{name} cannot be decoded: its content is not base64") from error
    if not data:
        raise ImageError(f"{name} is empty (0 bytes)")
    return data


def rgb_of_array(image: Array, name: str = "array") -> Array:
    """An array as `Picture` allows it -> (H, W, 3) uint8 RGB, perhaps the very same.

    Raises ImageError, with what to do, for another shape or type, for floats that are no numbers or lie
    outside of [0, 1] (by more than 0.001), and for what is too large.
    """
    image = np.asarray(image)
    _check_shape(image, name)
    if image.dtype.kind == "f":
        image = _checked_floats(image, name)
    elif image.dtype.kind != "u" or image.dtype.itemsize > 2:
        raise ImageError(
            f"{name} must be uint8, uint16 or floats in [0, 1], not {image.dtype}; "
            "array.astype('uint8') makes it of values from 0 to 255"
        )
    image = to_8_bit(image, name)
    if image.ndim == 2:
        image = image[:, :, np.newaxis]
    if image.shape[2] == 1:
        return np.repeat(image, 3, axis=2)
    if image.shape[2] == 4:
        return over_white(image[:, :, [2, 1, 0, 3]])
    return np.ascontiguousarray(image)


def _check_shape(image: Array, name: str) -> None:
    shape = image.shape
    wrong = f"{name} must be (H, W, 3) RGB, (H, W, 4) RGBA, (H, W) or (H, W, 1) grey, not {shape}"
    if not (image.ndim == 2 or (image.ndim == 3 and shape[2] in _CHANNELS)):
        last = image.ndim == 3 and shape[0] in _CHANNELS
        raise ImageError(f"{wrong}; array.transpose(1, 2, 0) moves its channels last" if last else wrong)
    if not image.size:
        raise ImageError(f"{name} is empty: it has no pixels, {shape}")
    check_size((shape[1], shape[0]), name)


def _checked_floats(image: Array, name: str) -> Array:
    low, high = float(image.min()), float(image.max())
    # A minimum is NaN where one value is.
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError(f"{name} has values that are not numbers (NaN or infinite); replace them")
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ImageError(
            f"{name} has floats from {low:g} to {high:g}, not in [0, 1]; divide by the value of white, "
            "or give array.astype('uint8') of values from 0 to 255"
        )
    return np.clip(image, 0, 1) if low < 0 or high > 1 else image


def rgb_of_pillow(image: Image.Image, name: str = "picture") -> Array:
    """A picture of Pillow's -> (H, W, 3) uint8 RGB, upright, in sRGB, transparency over white.

    Raises ImageError when it is empty, too large, damaged or closed, or of values without a range (32 bits).
    """
    if not (image.width and image.height):
        raise ImageError(f"{name} is empty: it has no pixels, {image.width} x {image.height}")
    check_size(image.size, name)
    with pillow_errors(name):
        upright = ImageOps.exif_transpose(image)
        if image.mode.startswith(("I", "F")):
            return rgb_of_array(_values_of(upright, name), name)
        image_rgb = rows_of(upright)
        profile = image.info.get("icc_profile")
        if isinstance(profile, bytes) and image.mode in ("RGB", "RGBA", "RGBX"):
            convert_to_srgb(image_rgb, profile, name)
        return image_rgb


def _values_of(image: Image.Image, name: str) -> Array:
    """Of more than eight bits; Pillow reads pictures of 16 bits as 32, too."""
    values = np.asarray(image)
    if values.dtype.kind != "i":
        return values
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise ImageError(f"{name} has values of 32 bits, from {values.min()} to {values.max()}; make them 16")
    return values.astype(np.uint16)
