"""Small files that ask for much: sizes, scans, pages, frames, texts that unpack to a thousand times."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from PIL import Image

from campaign.mutations import Mutated
from campaign.pictures import encoded, face, look_at_rows, png_of, run_pictures
from campaign.together import FileKind

_SIDES = (3000, 7000, 9900, 10_000, 30_000, 65_535)


def _size(rng: random.Random) -> tuple[int, int]:
    width = rng.choice(_SIDES)
    return width, rng.choice((1, 20, width, rng.choice(_SIDES)))


@cache
def _zeros(count: int) -> bytes:
    """So many zeros, packed."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    parts = [packer.compress(block) for _ in range(count >> 20)]
    return b"".join([*parts, packer.compress(bytes(count % (1 << 20))), packer.flush()])


def _png(rng: random.Random) -> Mutated:
    """All pixels are there, of one colour."""
    width, height = _size(rng)
    colour, channels, bits = rng.choice(((0, 1, 1), (0, 1, 8), (2, 3, 8), (6, 4, 8), (6, 4, 16), (2, 3, 16)))
    line = 1 + (width * channels * bits + 7) // 8
    there = min(height, 400_000_000 // line)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, rng.choice((0, 0, 1)))
    content = png_of([(b"IHDR", header), (b"IDAT", _zeros(line * there)), (b"IEND", b"")])
    return content, f"PNG of {width}x{height}, colour type {colour}, {bits} bits, {there} lines"


def _png_texts(rng: random.Random) -> Mutated:
    kind, head = rng.choice(
        ((b"zTXt", b"a\0\0"), (b"iCCP", b"a\0\0"), (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"))
    )
    size = rng.choice((1_000_000, 60_000_000, 300_000_000))
    times = rng.choice((1, 1, 40))
    header = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)
    text = (kind, head + _zeros(size))
    chunks = [(b"IHDR", header), *[text] * times, (b"IDAT", _zeros(65 * 64)), (b"IEND", b"")]
    return png_of(chunks), f"PNG with {times} {kind.decode()} of {size} bytes unpacked"


def _jpeg_scans(rng: random.Random) -> Mutated:
    side, scans = rng.choice((64, 500, 2000, 8000)), rng.choice((30, 99, 101, 1000, 20_000))
    plain = encoded(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    last = plain[plain.rindex(b"\xff\xda") : -2]
    return plain[:-2] + last * scans + plain[-2:], f"JPEG of {side}x{side} with {scans} more scans"


def _jpeg_size(rng: random.Random) -> Mutated:
    """The header says more than there is, in a baseline or a progressive one."""
    progressive = rng.random() < 0.5
    content = bytearray(encoded(face(), "JPEG", progressive=progressive))
    place = content.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    width, height = _size(rng)
    content[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(content), f"JPEG that says {width}x{height}, progressive {progressive}"


@cache
def _solid_webp(side: int) -> bytes:
    return encoded(
        Image.new("RGBA", (side, side), (9, 9, 9, 128)), "WEBP", lossless=True, method=0, quality=0
    )


def _webp(rng: random.Random) -> Mutated:
    side = rng.choice((2000, 5000, 9000))
    return _solid_webp(side), f"lossless WebP of {side}x{side}"


def _tiff_pages(rng: random.Random) -> Mutated:
    pages = rng.choice((100, 1000))
    buffer = io.BytesIO()
    small = Image.new("L", (8, 8))
    small.save(buffer, "TIFF", save_all=True, append_images=[small] * (pages - 1))
    return buffer.getvalue(), f"TIFF of {pages} pages"


def _tiff(rng: random.Random) -> Mutated:
    """A directory of our own: any size, strips or tiles, packed zeros."""
    width, height = _size(rng)
    channels, bits = rng.choice(((1, 1), (1, 8), (3, 8), (4, 8), (3, 16), (4, 32), (100, 8)))
    rows = rng.choice((1, 16, height, 0xFFFFFFFF))
    line = (width * channels * bits + 7) // 8
    data = _zeros(min(line * height, 400_000_000))
    strips = 1 if rows >= height else rng.choice((1, 1000))
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 8), (262, 3, 1 if channels != 3 else 2),
        (273, 4, 8), (277, 3, channels), (278, 4, rows), (279, 4, len(data)), (284, 3, rng.choice((1, 2))),
        (339, 3, 3 if bits == 32 else 1),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", tag, kind, strips if tag in (273, 279) else 1, value)
        for tag, kind, value in tags
    )
    head = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    how = f"TIFF of {width}x{height}, {channels} x {bits} bits, {rows:#x} rows a strip, {strips} strips"
    return head + data + directory + bytes(4), how


def _gif(rng: random.Random) -> Mutated:
    width, height = rng.choice(((65_535, 65_535), (9000, 9000), (10, 10)))
    frames = rng.choice((1, 5000))
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00"
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return head + frame * frames + b"\x3b", f"GIF of {width}x{height}, {frames} frames"


def _bmp(rng: random.Random) -> Mutated:
    width, height = rng.choice(((-1, 1), (1, -(2**31)), (30_000, 30_000), (2**31 - 1, 1), (9000, -9000)))
    bits, packing = rng.choice(((24, 0), (8, 1), (32, 3), (1, 0), (16, 0), (4, 2)))
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, 0, 0, 0, 0, 0)
    runs = b"\xff\x00" * 5000 if packing == 1 else bytes(5000)
    content = struct.pack("<2sIHHI", b"BM", 5054, 0, 0, 54) + head + runs
    return content, f"BMP of {width}x{height}, {bits} bits, packing {packing}"


def _pnm(rng: random.Random) -> Mutated:
    width, height = _size(rng)
    kind, largest = rng.choice(b"123456"), rng.choice((b"1", b"255", b"65535", b"99999999999"))
    head = b"P%c\n%d %d\n%s\n" % (kind, width, height, largest)
    return head + b"0 " * rng.choice((10, 500_000)), f"PNM {head!r}"


def _jp2(rng: random.Random) -> Mutated:
    """Sizes of picture and tiles in the code stream's header."""
    content = bytearray(encoded(face().resize((64, 64)), "JPEG2000"))
    place = content.index(b"\xff\x51") + 6
    width, height = _size(rng)
    tile = rng.choice((1, 64, width))
    content[place : place + 8] = struct.pack(">II", width, height)
    content[place + 16 : place + 24] = struct.pack(">II", tile, tile)
    return bytes(content), f"JPEG 2000 that says {width}x{height} in tiles of {tile}"


_BOMBS: tuple[Callable[[random.Random], Mutated], ...] = (
    _png, _png, _png_texts, _jpeg_scans, _jpeg_size, _webp, _tiff_pages, _tiff, _tiff, _gif, _bmp, _pnm, _jp2,
)  # fmt: skip


def bomb(rng: random.Random) -> Mutated:
    """The file and how it was made."""
    return rng.choice(_BOMBS)(rng)


def _make(rng: random.Random, path: Path) -> str:
    content, how = bomb(rng)
    path.with_suffix(f".{how.split()[0].lower()[:3]}").write_bytes(content)
    return how


BOMBS = FileKind(
    "bombs",
    "sizes up to 65535x65535 in small files, 20,000 scans, 1,000 pages, packed texts; one command each",
    1,
    _make,
    run_pictures,
    look_at_rows,
)
