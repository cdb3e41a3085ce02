"""HEIC and AVIF pictures."""

import io
import sys

import numpy as np
import pytest
from PIL import Image, features

from facecli.core.errors import ImageError, ImageTooLargeError
from facecli.core.images import check_image, decode_image, decode_reduced, is_heif, load_image

COLOURS = np.zeros((40, 60, 3), np.uint8)
COLOURS[:, :30], COLOURS[:, 30:] = (200, 30, 30), (30, 30, 200)


def encoded(kind, image=COLOURS, **options):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    elif not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, quality=95, **options)
    return buffer.getvalue()


def test_nothing_is_no_heif():
    assert not is_heif(b"") and not is_heif(b"\xff\xd8\xff\xe0")


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_pictures_come_as_rgb(kind, tmp_path):
    data = encoded(kind)
    check_image(data)
    for image_rgb in (decode_image(data), decode_reduced(data, "x", 10)[0]):
        assert image_rgb.shape == (40, 60, 3) and image_rgb.dtype == np.uint8
        assert np.abs(image_rgb[20, [10, 50]].astype(int) - COLOURS[20, [10, 50]]).max() < 12
    (tmp_path / "a.heic").write_bytes(data)
    assert load_image(tmp_path / "a.heic").shape == (40, 60, 3)


def test_pictures_are_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(encoded("AVIF", exif=exif)).shape == (60, 40, 3)


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_transparency_lies_on_white(kind):
    rgba = np.zeros((32, 32, 4), np.uint8)
    assert decode_image(encoded(kind, rgba)).min() > 240


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
@pytest.mark.parametrize("share", [0.2, 0.9])
def test_cut_pictures_are_refused(kind, share):
    data = encoded(kind, np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    with pytest.raises(ImageError, match="cannot be read"):
        decode_image(data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", ["AVIF", "PNG"])
def test_too_many_pixels_are_refused(kind):
    data = encoded(kind)
    assert decode_image(data, max_pixels=2400).shape == (40, 60, 3)
    with pytest.raises(ImageTooLargeError, match="60 x 40, more than 2,399 pixels"):
        decode_image(data, max_pixels=2399)


def test_without_pillow_heif_the_remedy_is_named(monkeypatch):
    data = encoded("HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(Image, "OPEN", {key: value for key, value in Image.OPEN.items() if key != "HEIF"})
    with pytest.raises(ImageError, match=r"\[heif\]'"):
        decode_image(data, "a.heic")
