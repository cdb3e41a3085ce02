"""Pictures of every format that is read, changed byte by byte and by their own structure."""

import io
import random
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features
from skimage import data

from campaign.bench import QUICK
from campaign.child import Ended
from campaign.judge import rows_in
from campaign.mutations import Mutated, mutated, renumbered
from campaign.together import FileKind

SIDE = 160
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Base:
    """A whole picture file."""

    suffix: str
    content: bytes


@cache
def face() -> Image.Image:
    """A face of SIDE x SIDE pixels."""
    return Image.fromarray(data.astronaut()[40:220, 130:310]).resize((SIDE, SIDE))


def encoded(image: Image.Image, file_format: str, **options) -> bytes:
    """The picture as a file's content."""
    buffer = io.BytesIO()
    # A copy: Pillow keeps the settings of one encoder in the picture and gives them to the next.
    image.copy().save(buffer, file_format, **options)
    return buffer.getvalue()


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x0131] = 6, "a face", "facecli"
    return exif.tobytes()


_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


@cache
def _profile() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@cache
def bases() -> tuple[Base, ...]:
    """One file of each format and mode."""
    image = face()
    grey, alpha, cmyk = image.convert("L"), image.convert("RGBA"), image.convert("CMYK")
    alpha.putalpha(grey)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    float_grey = Image.fromarray(np.asarray(grey).astype(np.float32) / 255)
    small = image.resize((40, 40))
    found: list[tuple[str, Image.Image, str, dict[str, Any]]] = [
        (".jpg", image, "JPEG", {}),
        (".jpg", image, "JPEG", {"progressive": True}),
        (".jpg", image, "JPEG", {"restart_marker_blocks": 2, "subsampling": 2}),
        (".jpg", grey, "JPEG", {}),
        (".jpg", cmyk, "JPEG", {}),
        (".png", image, "PNG", {}),
        (".png", alpha, "PNG", {}),
        (".png", deep, "PNG", {}),
        (".png", image.convert("P"), "PNG", {"transparency": 3}),
        (".png", grey.convert("1"), "PNG", {}),
        (".png", image, "PNG", {"save_all": True, "append_images": [small.resize((SIDE, SIDE))]}),
        (".webp", image, "WEBP", {"quality": 80}),
        (".webp", alpha, "WEBP", {"lossless": True}),
        (".webp", image, "WEBP", {"save_all": True, "append_images": [alpha]}),
        *(
            (".tif", kind, "TIFF", {"compression": packing} if packing else {})
            for kind in (image, alpha)
            for packing in ("", "tiff_lzw", "tiff_deflate", "packbits")
        ),
        (".tif", image, "TIFF", {"compression": "jpeg"}),
        (".tif", grey.convert("1"), "TIFF", {"compression": "group4"}),
        (".tif", cmyk, "TIFF", {}),
        (".tif", deep, "TIFF", {}),
        (".tif", float_grey, "TIFF", {}),
        (".tif", image, "TIFF", {"save_all": True, "append_images": [small, grey]}),
        (".gif", image, "GIF", {}),
        (".gif", image, "GIF", {"save_all": True, "append_images": [small.resize((SIDE, SIDE))]}),
        (".bmp", image, "BMP", {}),
        (".bmp", alpha, "BMP", {}),
        (".bmp", image.convert("P"), "BMP", {}),
        (".jp2", image, "JPEG2000", {}),
        (".jp2", alpha, "JPEG2000", {"irreversible": True, "quality_layers": [40]}),
        (".jp2", grey, "JPEG2000", {"tile_size": (64, 64)}),
        (".ppm", image, "PPM", {}),
        (".pgm", grey, "PPM", {}),
        (".pgm", deep, "PPM", {}),
        (".pbm", grey.convert("1"), "PPM", {}),
    ]
    if features.check("avif"):
        found += [(".avif", image, "AVIF", {"quality": 60}), (".avif", alpha, "AVIF", {"quality": 60})]
    return tuple(Base(suffix, encoded(kind, name, **options)) for suffix, kind, name, options in found)


def make_picture(rng: random.Random, path: Path) -> str:
    """A file of any format with one to three faults."""
    base = rng.choice(bases())
    structured = _STRUCTURED.get(base.suffix)
    if rng.random() < 0.15:
        suffix, content, how = _with_metadata(rng)
    elif structured and rng.random() < 0.5:
        suffix, (content, how) = base.suffix, structured(rng, base.content)
    else:
        others = [other.content for other in bases()]
        suffix, (content, how) = base.suffix, mutated(rng, base.content, others)
    if rng.random() < 0.05:
        suffix = rng.choice(bases()).suffix
    path.with_suffix(suffix).write_bytes(content)
    return f"{base.suffix[1:]} ({len(base.content)} bytes): {how}"


# ---------------------------------------------------------------- by structure


def png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """(kind, body) of every chunk."""
    place, chunks = len(_PNG), []
    while place < len(content):
        (size,) = struct.unpack(">I", content[place : place + 4])
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += 12 + size
    return chunks


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """The file, with right checksums: decoders believe what is in it."""
    return _PNG + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _changed_png(rng: random.Random, content: bytes) -> Mutated:
    chunks = png_chunks(content)
    number = 0 if rng.random() < 0.4 else rng.randrange(len(chunks))
    kind, body = chunks[number]
    act = rng.choice(("change", "change", "change", "leave out", "double", "move"))
    how = act
    if act == "change":
        body, how = (
            renumbered(rng, body) if kind == b"IHDR" else mutated(rng, body) if body else (b"x", "filled")
        )
        chunks[number] = kind, body
    elif act == "leave out":
        del chunks[number]
    elif act == "double":
        chunks[number:number] = [chunks[number]] * rng.choice((1, 2, 500))
    else:
        chunks.insert(rng.randrange(len(chunks)), chunks.pop(number))
    return png_of(chunks), f"{kind.decode()} with right checksums: {how}"


def jpeg_segments(content: bytes) -> tuple[list[bytes], bytes]:
    """The segments before the first scan, each with its marker, and all that follows."""
    place, segments = 2, []
    while content[place + 1] != 0xDA:
        (size,) = struct.unpack(">H", content[place + 2 : place + 4])
        segments.append(content[place : place + 2 + size])
        place += 2 + size
    return segments, content[place:]


def _changed_jpeg(rng: random.Random, content: bytes) -> Mutated:
    segments, rest = jpeg_segments(content)
    number = rng.randrange(len(segments))
    marker, body = segments[number][:2], segments[number][4:]
    act = rng.choice(("change", "change", "change", "leave out", "double", "move", "marker"))
    how = act
    if act == "change":
        body, how = (renumbered if rng.random() < 0.6 else mutated)(rng, body)
        segments[number] = marker + struct.pack(">H", (len(body) + 2) & 0xFFFF) + body
    elif act == "leave out":
        del segments[number]
    elif act == "double":
        segments[number:number] = [segments[number]] * rng.choice((1, 300))
    elif act == "move":
        segments.insert(rng.randrange(len(segments)), segments.pop(number))
    else:
        marker = bytes((0xFF, rng.randrange(0xC0, 0xFF)))
        segments[number] = marker + segments[number][2:]
    return b"\xff\xd8" + b"".join(segments) + rest, f"segment {marker.hex()}: {how}"


_ENTRY = ((0, "H", "tag"), (2, "H", "type"), (4, "I", "count"), (8, "I", "value"))
_VALUES = (0, 1, 2, 3, 4, 5, 8, 12, 16, 64, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def _changed_tiff(rng: random.Random, content: bytes) -> Mutated:
    """An entry of the first directory with another tag, type, count or value."""
    order = "<" if content[:2] == b"II" else ">"
    (place,) = struct.unpack(f"{order}I", content[4:8])
    (count,) = struct.unpack(f"{order}H", content[place : place + 2])
    changed = bytearray(content)
    words = []
    for _ in range(rng.choice((1, 1, 2))):
        entry = place + 2 + 12 * rng.randrange(count)
        (tag,) = struct.unpack(f"{order}H", content[entry : entry + 2])
        start, form, field = rng.choice(_ENTRY)
        value = rng.choice((*_VALUES, place, rng.getrandbits(32)))
        value &= 0xFFFF if form == "H" else 0xFFFFFFFF
        changed[entry + start : entry + start + struct.calcsize(form)] = struct.pack(order + form, value)
        words.append(f"{field} of tag {tag} = {value:#x}")
    if rng.random() < 0.1:
        following = place + 2 + 12 * count
        changed[following : following + 4] = struct.pack(f"{order}I", place)
        words.append("the next directory is this one")
    return bytes(changed), ", ".join(words)


_STRUCTURED: dict[str, Callable[[random.Random, bytes], Mutated]] = {
    ".png": _changed_png,
    ".jpg": _changed_jpeg,
    ".tif": _changed_tiff,
}


def _with_metadata(rng: random.Random) -> tuple[str, bytes, str]:
    """EXIF, XMP or a profile that is not what it says, in a whole picture."""
    name, suffix = rng.choice((("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("TIFF", ".tif")))
    option, content = rng.choice((("exif", _exif()), ("icc_profile", _profile()), ("xmp", _XMP)))
    change = rng.choice((mutated, renumbered))
    wrong, how = change(rng, content)
    if name == "PNG" and option == "xmp":
        chunks = png_chunks(encoded(face(), "PNG"))
        chunks.insert(1, (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + wrong))
        return suffix, png_of(chunks), f"{option}: {how}"
    if name == "TIFF" and option == "exif":
        option = "xmp"
    if option == "xmp" and name == "TIFF":
        return suffix, encoded(face(), "TIFF", tiffinfo={700: wrong or b"x"}), f"{option}: {how}"
    return suffix, encoded(face(), name, **{option: wrong[:60_000]}), f"{name} with {option}: {how}"


# ---------------------------------------------------------------- the kind


def look_at_rows(ended: Ended, folder: Path, count: int) -> list[str]:
    """A row for each picture, and each of them whole."""
    rows, faults = rows_in(ended.stdout.decode(errors="replace"))
    sources = Counter(Path(row["source"]).name for row in rows)
    files = [path.name for path in folder.iterdir()]
    lost = [name for name in files if sources[name] == 0]
    twice = [name for name, times in sources.items() if times > 1]
    if lost or twice or len(rows) != count:
        faults.append(f"{len(rows)} rows of {count} pictures: lost {lost[:3]}, twice {twice[:3]}")
    if (ended.code == 1) != any(row["error"] for row in rows):
        faults.append(f"exit code {ended.code} with {sum(bool(row['error']) for row in rows)} errors in rows")
    return faults


def run_pictures(folder: Path) -> list[str]:
    """The words of the command."""
    return ["run", "--img", str(folder), "--json", "-", *QUICK]


PICTURES = FileKind(
    "pictures",
    "JPEG, PNG, WebP, AVIF, TIFF, GIF, BMP, JPEG 2000, PNM; bits, stretches, headers, chunks, EXIF, XMP, ICC",
    200,
    make_picture,
    run_pictures,
    look_at_rows,
)


def _draw_pictures(folder: Path) -> list[str]:
    drawn, crops = folder.parent / "drawn", folder.parent / "crops"
    return [*run_pictures(folder), "--output", str(drawn), "--crops", str(crops), "--details"]


def _look_at_drawn(ended: Ended, folder: Path, count: int) -> list[str]:
    """As of rows; and a drawn picture for each row without an error."""
    rows, _ = rows_in(ended.stdout.decode(errors="replace"))
    read = sum(row["error"] is None for row in rows)
    drawn = [path for path in (folder.parent / "drawn").rglob("*") if path.is_file()]
    faults = look_at_rows(ended, folder, count)
    if len(drawn) != read:
        faults.append(f"{len(drawn)} drawn pictures of {read} that were read")
    return faults


DRAWN_PICTURES = FileKind(
    "drawn",
    "the same, with `--output`, `--crops` and `--details`",
    100,
    make_picture,
    _draw_pictures,
    _look_at_drawn,
)
