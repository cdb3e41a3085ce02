"""Pages of TIFFs and frames of animations: each a picture of its own, or the first alone, with a word."""

import io
import logging

import numpy as np
import pytest
from PIL import Image

from facecli.core.errors import ImageError
from facecli.core.files import TargetNames
from facecli.core.images import decode_image
from facecli.sources import archives
from facecli.sources.archives import with_pages
from facecli.sources.files import Item
from facecli.sources.inputs import Rules, find_inputs

ALL = Rules(all_pages=True)


def page(number, mode="RGB", size=(30, 20)):
    """Of another colour for each number."""
    return Image.new("RGB", size, (40 * number % 256, 90, 200)).convert(mode)


def several(kind, pages, **options):
    buffer = io.BytesIO()
    first, *others = pages
    first.save(buffer, kind, save_all=True, append_images=others, **options)
    return buffer.getvalue()


def pages_of(data, name="a.tif"):
    return list(with_pages(Item(name, name, lambda: data), TargetNames()))


def colours(items):
    return [tuple(int(value) for value in decode_image(item.load())[5, 5]) for item in items]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("GIF", {}),
        ("WEBP", {"lossless": True}),
        ("PNG", {}),
    ],
)
def test_each_page_is_a_picture(kind, options):
    pages = [page(number) for number in range(4)]
    found = pages_of(several(kind, pages, **options))
    assert [item.source for item in found] == ["a.tif", "a.tif#page=2", "a.tif#page=3", "a.tif#page=4"]
    assert [item.target_name for item in found][1:] == ["a-page2.tif", "a-page3.tif", "a-page4.tif"]
    wanted = [np.array(one)[5, 5] for one in pages]
    assert np.abs(np.array(colours(found)) - wanted).max() <= 2


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_a_page_is_what_it_would_be_alone(mode):
    second = Image.fromarray(np.full((20, 30), 12_000, np.uint16)) if mode == "I;16" else page(3, mode)
    alone = io.BytesIO()
    second.save(alone, "TIFF")
    _, found = pages_of(several("TIFF", [page(1), second]))
    difference = decode_image(found.load()).astype(int) - decode_image(alone.getvalue())
    assert np.abs(difference).max() <= 2


def test_pages_may_be_asked_for_in_any_order_and_again():
    found = pages_of(several("GIF", [page(number) for number in range(5)]))
    assert colours(found[::-1]) == colours(found)[::-1] == colours(found[::-1])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "GIF"])
def test_one_picture_is_one(kind):
    buffer = io.BytesIO()
    page(1).save(buffer, kind)
    (only,) = pages_of(buffer.getvalue())
    assert only.source == "a.tif" and only.load() == buffer.getvalue()


def test_the_preview_of_a_photograph_is_no_page():
    (only,) = pages_of(several("MPO", [page(1), page(2)]), "a.jpg")
    assert only.source == "a.jpg"


def test_a_turned_page_is_upright_once():
    turned = Image.Exif()
    turned[0x0112] = 6
    buffer = io.BytesIO()
    page(1).save(buffer, "TIFF", save_all=True, append_images=[page(2)], exif=turned)
    shapes = [decode_image(item.load()).shape for item in pages_of(buffer.getvalue())]
    assert shapes[0] == (30, 20, 3) and shapes[1] in ((30, 20, 3), (20, 30, 3))


def test_what_is_no_picture_fails_once():
    (only,) = pages_of(b"nothing of the kind")
    with pytest.raises(ImageError, match="unknown format"):
        decode_image(only.load())

    def load():
        raise ImageError("it is gone")

    (only,) = with_pages(Item("a.tif", "a.tif", load), TargetNames())
    with pytest.raises(ImageError, match="it is gone"):
        only.load()


def test_a_damaged_page_fails_and_the_others_are_read():
    data = bytearray(several("TIFF", [page(number) for number in range(3)], compression="tiff_lzw"))
    with Image.open(io.BytesIO(data)) as image:
        image.seek(1)
        (place,) = image.tag_v2[273]
    data[place : place + 6] = b"\xff" * 6
    first, second, third = pages_of(bytes(data))
    with pytest.raises(ImageError, match=r"a\.tif#page=2 cannot be read"):
        second.load()
    assert len(colours([first, third])) == 2


@pytest.mark.parametrize("kind", ["TIFF", "GIF"])
def test_pages_without_end_are_left_out_with_a_word(kind, monkeypatch):
    monkeypatch.setattr(archives, "MOST_PAGES", 3)
    found = pages_of(several(kind, [page(number) for number in range(6)]))
    assert [item.source for item in found][2:] == ["a.tif#page=3", "a.tif#page=4"]
    with pytest.raises(ImageError, match=r"a\.tif has more than 3 pages; the others are left out"):
        found[-1].load()


def test_by_default_the_first_is_read_and_the_others_are_told_of(tmp_path, caplog):
    (tmp_path / "a.tif").write_bytes(several("TIFF", [page(1), page(2)]))
    inputs = find_inputs([str(tmp_path / "a.tif")])
    (only,) = inputs
    assert inputs.is_single and inputs.total == 1
    with caplog.at_level(logging.WARNING):
        decode_image(only.load(), only.source)
    assert "a.tif holds several pictures; the first is read" in caplog.text


def test_all_pages_of_a_folder(tmp_path):
    (tmp_path / "a.tif").write_bytes(several("TIFF", [page(1), page(2)]))
    page(3).save(tmp_path / "b.png")
    inputs = find_inputs([str(tmp_path)], ALL)
    assert [item.target_name for item in inputs] == ["a.tif", "a-page2.tif", "b.png"]
    assert inputs.total is None and not inputs.is_single
    assert not find_inputs([str(tmp_path / "b.png")], ALL).is_single
