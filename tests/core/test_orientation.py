"""Header and pixels go by one orientation, whoever wrote it down and wherever."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, TiffImagePlugin

from facecli.core.errors import ImageError
from facecli.core.image_header import for_opencv, read_header
from facecli.core.images import decode_image, decode_reduced

WIDTH, HEIGHT = 48, 32
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
XMP += '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{}"/></rdf:RDF>'
XMP += "</x:xmpmeta>"


def picture(channels):
    """(H, W, channels) uint8 with another grey in each corner; all opaque."""
    corners = np.array([[20, 90], [160, 230]], np.uint8)
    grey = cv2.resize(corners, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    stacked = np.stack([grey] * channels, axis=-1)
    if channels in (2, 4):
        stacked[..., -1] = 255
    return stacked[..., 0] if channels == 1 else stacked


def stored(image, orientation):
    """What is stored so that it shows `image` when it is turned: the inverse of each orientation."""
    turned = image.swapaxes(0, 1) if orientation >= 5 else image
    up, left = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    if orientation >= 5:
        up, left = left, up
    turned = turned[::-1] if up else turned
    return np.ascontiguousarray(turned[:, ::-1] if left else turned)


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def encoded(kind, image, orientation):
    """A picture that says its orientation in one of many ways."""
    buffer, pil = io.BytesIO(), Image.fromarray(image)
    format_, _, how = kind.partition("-")
    if format_ == "jpeg":
        told = {"exif": exif(orientation)} if how == "exif" else {"xmp": XMP.format(orientation).encode()}
        pil.save(buffer, "JPEG", quality=95, **told)
    elif format_ == "png":
        _save_png(buffer, pil, how, orientation)
    elif format_ == "webp":
        pil.save(buffer, "WEBP", lossless=True, exif=exif(orientation))
    else:
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[0x0112] = orientation
        if how == "long":
            tags.tagtype[0x0112] = 4
        pil.save(buffer, "TIFF", tiffinfo=tags)
    return buffer.getvalue()


def _save_png(buffer, pil, how, orientation):
    if how == "exif":
        pil.save(buffer, "PNG", exif=exif(orientation))
        return
    texts = PngImagePlugin.PngInfo()
    if how == "xmp":
        texts.add_itxt("XML:com.adobe.xmp", XMP.format(orientation))
    if how == "raw":
        raw = b"Exif\0\0" + exif(orientation).tobytes()[6:]
        lines = [raw.hex()[place : place + 72] for place in range(0, 2 * len(raw), 72)]
        texts.add_text("Raw profile type exif", f"\nexif\n{len(raw):8}\n" + "\n".join(lines) + "\n", zip=True)
    pil.save(buffer, "PNG", pnginfo=texts)
    if how == "late":
        data = buffer.getvalue()
        content = b"eXIf" + exif(orientation).tobytes()[6:]
        chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
        buffer.seek(0)
        buffer.write(data[:-12] + chunk + data[-12:])


KINDS = [
    *[(f"jpeg-{how}", channels) for how in ("exif", "xmp") for channels in (1, 3)],
    *[(f"png-{how}", channels) for how in ("exif", "xmp", "raw", "late") for channels in (1, 2, 3, 4)],
    *[("webp-exif", channels) for channels in (3, 4)],
    *[(f"tiff-{how}", channels) for how in ("short", "long") for channels in (1, 3, 4)],
]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "channels"), KINDS)
def test_header_and_pixels_agree_and_stand_upright(kind, channels, orientation):
    shown = picture(channels)
    data = encoded(kind, stored(shown, orientation), orientation)
    header = read_header(data, kind)
    image_rgb = decode_image(data, kind)
    assert header.upright_size == (image_rgb.shape[1], image_rgb.shape[0]) == (WIDTH, HEIGHT)
    grey = shown if channels == 1 else shown[..., 0]
    assert np.abs(image_rgb[..., 1].astype(int) - grey).max() <= 12
    small, size = decode_reduced(data, kind, 8)
    assert size == (WIDTH, HEIGHT) and (small.shape[1] > small.shape[0])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_deep_tiffs_stand_upright(orientation, deep, channels):
    shown = picture(channels)
    full = 65535 if deep == np.uint16 else 1.0
    image = (stored(shown, orientation).astype(np.float64) / 255 * full).astype(deep)
    data = cv2.imencode(".tiff", image, [cv2.IMWRITE_TIFF_COMPRESSION, 1])[1].tobytes()
    tagged = with_tag(data, orientation)
    image_rgb = decode_image(tagged, "a.tif")
    assert read_header(tagged, "a.tif").upright_size == (image_rgb.shape[1], image_rgb.shape[0])
    grey = shown if channels == 1 else shown[..., 0]
    assert np.abs(image_rgb[..., 1].astype(int) - grey).max() <= 2


def with_tag(data, orientation):
    """A little-endian TIFF with a directory that says its orientation."""
    (place,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, place)
    entries = [data[place + 2 + 12 * n : place + 14 + 12 * n] for n in range(count)]
    entries = [entry for entry in entries if struct.unpack_from("<H", entry)[0] != 0x0112]
    entries.append(struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0))
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry)[0])
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 0)
    padded = data + b"\0" * (len(data) % 2)
    return padded[:4] + struct.pack("<I", len(padded)) + padded[8:] + directory


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_an_orientation_that_is_none_turns_nothing(orientation):
    data = encoded("jpeg-exif", picture(3), orientation)
    assert read_header(data, "a.jpg").orientation == 1
    assert decode_image(data).shape == (HEIGHT, WIDTH, 3)


def test_what_is_no_tiff_is_left_as_it_is():
    for data in (b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\0\x09", b"\xff\xd8"):
        assert for_opencv(data) == data


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0MM\0*\0\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"nothing of the kind"]
)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG", "TIFF"])
def test_damaged_exif_says_nothing(kind, exif):
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(buffer, kind, **({} if kind == "TIFF" else {"exif": exif}))
    assert decode_image(buffer.getvalue()).shape == (20, 30, 3)


@given(st.integers(0, 200), st.binary(min_size=1, max_size=12))
def test_a_tiff_with_damaged_tags_is_read_or_refused(place, damage):
    buffer = io.BytesIO()
    Image.new("F", (30, 20)).save(buffer, "TIFF")
    data = bytearray(buffer.getvalue())
    # Tags stand at the end, behind the pixels, or at the start.
    (tags,) = struct.unpack_from("<I", data, 4)
    at = tags + 2 + place
    data[at : at + len(damage)] = damage
    try:
        decode_image(bytes(data))
    except ImageError:
        pass


def test_a_number_of_bits_that_is_text_is_refused():
    tag = struct.pack("<HHI4s", 258, 2, 4, b"abc\0")
    tags = [struct.pack("<HHII", number, 4, 1, 8) for number in (256, 257)]
    data = b"II*\0" + struct.pack("<IH", 8, 3) + b"".join([*tags, tag]) + struct.pack("<I", 0) + bytes(64)
    with pytest.raises(ImageError, match=r"the picture cannot be read as a picture"):
        decode_image(data)
