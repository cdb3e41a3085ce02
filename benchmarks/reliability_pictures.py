"""Large and hostile pictures for reliability.py, made in a process of their own.

    python benchmarks/reliability_pictures.py NAME FILE

A process that has held a large picture hands its peak memory on to its children, where it would be measured.
"""

import argparse
import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, features
from skimage import data

SIDES = {12: (4000, 3000), 50: (8660, 5773), 100: (12_000, 8333)}
"""Megapixels -> width and height."""
Image.MAX_IMAGE_PIXELS = None


def photo(megapixels: int) -> np.ndarray:
    """(height, width, 3) uint8 RGB: a face of a tenth of the height on a coloured gradient with a texture."""
    width, height = SIDES[megapixels]
    row = np.linspace(40, 200, width, dtype=np.float32).astype(np.uint8)
    image = np.empty((height, width, 3), np.uint8)
    image[...] = row[None, :, None]
    # A tile of grain: a plain picture would pack, and decode, as no photo does.
    grain = np.random.default_rng(0).integers(0, 24, (512, 512, 3), np.uint8)
    for top in range(0, height, 512):
        for left in range(0, width, 512):
            part = image[top : top + 512, left : left + 512]
            part += grain[: part.shape[0], : part.shape[1]]
    side = height // 5
    image[side : 2 * side, side : 2 * side] = cv2.resize(data.astronaut()[30:290, 90:350], (side, side))
    return image


def _saved(file_format: str, megapixels: int, mode: str = "RGB", **options) -> bytes:
    image = Image.fromarray(photo(megapixels))
    if mode == "RGBA":
        image.putalpha(200)
    elif mode != "RGB":
        image = image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _by_opencv(suffix: str, megapixels: int, kind: type, channels: int, *options: int) -> bytes:
    image = photo(megapixels)
    image = image[..., 0] if channels == 1 else image
    deep = image.astype(kind)
    deep *= 257 if kind is np.uint16 else 1 / 255
    return cv2.imencode(suffix, deep, list(options))[1].tobytes()


def _zeros(count: int) -> bytes:
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(1 << 20)) for _ in range(count >> 20)]
    return b"".join([*parts, packer.compress(bytes(count % (1 << 20))), packer.flush()])


def _png_of(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _plain_png(width: int, height: int, bits: int, colour: int, interlaced: int = 0) -> bytes:
    """All pixels zero."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    lines = height * (1 + (width * channels * bits + 7) // 8)
    # Adam7 has seven smaller pictures, with a byte more for each of their lines.
    data_bytes = _zeros(lines + (2 * height if interlaced else 0))
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    return _png_of((b"IHDR", header), (b"IDAT", data_bytes), (b"IEND", b""))


def _packed_text(kind: bytes, head: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)
    text = (kind, head + _zeros(1 << 30))
    return _png_of((b"IHDR", header), text, (b"IDAT", _zeros(64 * 65)), (b"IEND", b""))


def _scans(side: int, scans: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (side, side), 128).save(buffer, "JPEG", progressive=True)
    plain = buffer.getvalue()
    last = plain[plain.rindex(b"\xff\xda") : -2]
    return plain[:-2] + last * (scans - plain.count(b"\xff\xda")) + plain[-2:]


def _plain_webp(side: int) -> bytes:
    buffer = io.BytesIO()
    options = {"lossless": True, "quality": 0, "method": 0}
    Image.new("RGB", (side, side)).save(buffer, "WEBP", **options)
    return buffer.getvalue()


def _plain_gif(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("P", (width, height)).save(buffer, "GIF")
    return buffer.getvalue()


def _tiff_pages(pages: int) -> bytes:
    buffer = io.BytesIO()
    small = Image.new("L", (8, 8))
    small.save(buffer, "TIFF", save_all=True, append_images=[small] * (pages - 1))
    return buffer.getvalue()


def _jpeg_that_says(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "JPEG", progressive=True)
    content = bytearray(buffer.getvalue())
    place = content.index(b"\xff\xc2") + 5
    content[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(content)


Make = Callable[[], bytes]


def _photos() -> dict[str, tuple[str, Make]]:
    ways: list[tuple[str, str, Callable[[int], bytes]]] = [
        ("JPEG", ".jpg", partial(_saved, "JPEG")),
        ("JPEG, progressive", ".jpg", partial(_saved, "JPEG", progressive=True)),
        ("JPEG, CMYK", ".jpg", partial(_saved, "JPEG", mode="CMYK")),
        ("PNG, RGB", ".png", partial(_saved, "PNG", compress_level=1)),
        ("PNG, RGBA", ".png", partial(_saved, "PNG", mode="RGBA", compress_level=1)),
        ("PNG, 16 bits grey", ".png", lambda size: _by_opencv(".png", size, np.uint16, 1)),
        ("PNG, 16 bits RGB", ".png", lambda size: _by_opencv(".png", size, np.uint16, 3)),
        ("WebP", ".webp", partial(_saved, "WEBP", quality=70, method=0)),
        ("JPEG 2000", ".jp2", partial(_saved, "JPEG2000", quality_mode="rates", quality_layers=[20])),
        ("TIFF", ".tif", partial(_saved, "TIFF")),
        ("TIFF, LZW", ".tif", partial(_saved, "TIFF", compression="tiff_lzw")),
        ("TIFF, deflate, RGBA", ".tif", partial(_saved, "TIFF", mode="RGBA", compression="tiff_deflate")),
        ("TIFF, JPEG", ".tif", partial(_saved, "TIFF", compression="jpeg")),
        ("TIFF, float RGB", ".tif", lambda size: _by_opencv(".tif", size, np.float32, 3)),
        ("GIF", ".gif", partial(_saved, "GIF", mode="P")),
        ("BMP", ".bmp", partial(_saved, "BMP")),
        ("PPM", ".ppm", partial(_saved, "PPM")),
    ]
    if features.check("avif"):
        ways.append(("AVIF", ".avif", partial(_saved, "AVIF", quality=50, speed=10)))
    found = {}
    for name, suffix, make in ways:
        # Slow to make, and 12 says what is to be said of each megapixel.
        for size in (12, 50) if suffix in (".avif", ".jp2") else SIDES:
            found[f"{name}, {size} MP"] = (suffix, partial(make, size))
    return found


def pictures() -> dict[str, tuple[str, Make]]:
    """Name -> suffix, and what makes it."""
    return {
        **_photos(),
        "bomb: JPEG, 1,000 scans": (".jpg", partial(_scans, 64, 1000)),
        "bomb: JPEG, 99 scans, 16 MP": (".jpg", partial(_scans, 4000, 99)),
        "bomb: JPEG, 99 scans, 64 MP": (".jpg", partial(_scans, 8000, 99)),
        "bomb: JPEG, 20 scans, 100 MP": (".jpg", partial(_scans, 10_000, 20)),
        "bomb: JPEG that says 65500x65500": (".jpg", partial(_jpeg_that_says, 65_500, 65_500)),
        "bomb: JPEG that says 10000x10000": (".jpg", partial(_jpeg_that_says, 10_000, 10_000)),
        "bomb: PNG, 65535x65535, 1 bit": (".png", partial(_plain_png, 65_535, 65_535, 1, 0)),
        "bomb: PNG, RGBA, 49 MP": (".png", partial(_plain_png, 7000, 7000, 8, 6)),
        "bomb: PNG, RGBA, 16 bits, 100 MP": (".png", partial(_plain_png, 10_000, 10_000, 16, 6)),
        "bomb: PNG, RGB, 100 MP": (".png", partial(_plain_png, 10_000, 10_000, 8, 2)),
        "bomb: PNG, RGB, interlaced, 100 MP": (".png", partial(_plain_png, 10_000, 10_000, 8, 2, 1)),
        "bomb: PNG, 1 bit, 100 MP": (".png", partial(_plain_png, 10_000, 10_000, 1, 0)),
        "bomb: PNG, 1 x 30,000,000": (".png", partial(_plain_png, 1, 30_000_000, 8, 0)),
        "bomb: PNG, text of 1 GB": (".png", partial(_packed_text, b"zTXt", b"a\0\0")),
        "bomb: PNG, XMP of 1 GB": (".png", partial(_packed_text, b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0")),
        "bomb: PNG, profile of 1 GB": (".png", partial(_packed_text, b"iCCP", b"a\0\0")),
        "bomb: WebP, 49 MP": (".webp", partial(_plain_webp, 7000)),
        "bomb: WebP, 99 MP": (".webp", partial(_plain_webp, 9950)),
        "bomb: GIF, 99 MP": (".gif", partial(_plain_gif, 9950, 9950)),
        "bomb: TIFF, 1,000 pages": (".tif", partial(_tiff_pages, 1000)),
    }


def main() -> None:
    """Writes one picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    _, make = pictures()[given.name]
    given.file.write_bytes(make())


if __name__ == "__main__":
    main()
