"""What callers from Python may give as a picture, kind by kind; refusals say what to do."""

import io
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageCms

from facecli.core.errors import FacecliError, ImageError, ImageTooLargeError, InputError
from facecli.core.images import decode_image
from facecli.sources import given as room
from facecli.sources.given import (
    can_be_read_again,
    decode_data_url,
    decode_picture,
    picture_name,
    read_picture,
    rgb_of_array,
    rgb_of_pillow,
)

RGB = np.random.default_rng(4).integers(0, 256, (6, 5, 3), np.uint8)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (0, 5, 3), (5, 0, 4), (0, 0, 1)])
def test_what_has_no_pixels_is_empty(shape):
    with pytest.raises(ImageError, match="is empty: it has no pixels"):
        rgb_of_array(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("size", [(0, 0), (0, 4), (4, 0)])
def test_so_is_one_of_pillows(size):
    with pytest.raises(ImageError, match="is empty: it has no pixels"):
        rgb_of_pillow(Image.new("RGB", size))


# Arrays


def test_colours_of_eight_bits_are_taken_as_they_are():
    assert rgb_of_array(RGB) is RGB
    view = RGB[::-1, ::-2]
    assert (rgb_of_array(view) == view).all() and rgb_of_array(view).flags.c_contiguous


@pytest.mark.parametrize(
    "same",
    [RGB.astype("<u2") * 257, RGB.astype(">u2") * 257]
    + [(RGB / 255).astype(kind) for kind in ("f2", "f4", ">f4", "f8", "g")],
    ids=lambda array: str(array.dtype),
)
def test_deeper_ones_show_the_same(same):
    before = same.copy()
    assert (rgb_of_array(same) == RGB).all()
    assert (same == before).all()


def test_grey_becomes_colour_and_transparency_lies_on_white():
    grey = RGB[..., 0]
    for one in (grey, grey[..., None], grey / 255, grey.astype(np.uint16) * 257):
        assert (rgb_of_array(one) == grey[..., None]).all()
    clear, dense = (np.dstack([RGB, np.full((6, 5), alpha, np.uint8)]) for alpha in (0, 255))
    assert (rgb_of_array(clear) == 255).all() and (rgb_of_array(dense) == RGB).all()
    half = np.dstack([np.zeros((1, 1, 3)), np.full((1, 1), 0.5)])
    assert rgb_of_array(half).ravel().tolist() == [127] * 3


def test_sixteen_bits_are_read_as_those_of_a_file():
    """Those in use: cameras have 10 or 12; eight bits in an array of sixteen are eight."""
    assert (rgb_of_array(RGB.astype(np.uint16)) == RGB).all()
    deep = (np.arange(30, dtype=np.uint16) * 100).reshape(6, 5)
    data = io.BytesIO()
    Image.fromarray(deep).save(data, "PNG")
    assert (rgb_of_array(deep) == decode_image(data.getvalue())).all()


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.full((2, 2), np.nan), "not numbers"), (np.full((2, 2), np.inf), "not numbers"),
        (np.full((2, 2), -np.inf, np.float32), "not numbers"),
        (np.full((2, 2), 255.0), r"from 255 to 255, not in \[0, 1\]; divide"),
        (np.full((2, 2), -0.5), r"from -0.5 to -0.5, not in \[0, 1\]"),
        (np.full((2, 2), 1.01), "from 1.01 to"),
        (np.zeros((2, 2), np.int64), r"not int64; array.astype\('uint8'\)"),
        (np.zeros((2, 2), bool), "not bool"), (np.zeros((2, 2), np.uint32), "not uint32"),
        (np.zeros((2, 2), complex), "not complex128"), (np.zeros((2, 2), object), "not object"),
        (np.zeros((2, 2), "S2"), "not |S2"), (np.zeros((2, 2), [("a", "u1")]), "not "),
        (np.zeros((2, 2, 2), np.uint8), r"must be .* not \(2, 2, 2\)"),
        (np.zeros((3, 9, 8), np.uint8), r"transpose\(1, 2, 0\) moves its channels last"),
        (np.zeros((1, 9, 9, 3), np.uint8), r"not \(1, 9, 9, 3\)"), (np.zeros(9, np.uint8), r"not \(9,\)"),
        (np.uint8(3) + np.zeros((), np.uint8), r"not \(\)"),
    ],
)  # fmt: skip
def test_other_arrays_are_refused_with_what_to_do(array, said):
    with pytest.raises(ImageError, match=said) as refused:
        rgb_of_array(np.asarray(array))
    assert len(str(refused.value).splitlines()) == 1


def test_slips_of_computing_are_no_other_range():
    floats = np.array([[-1e-7, 1 + 1e-7], [0.0, 1.0]])
    assert rgb_of_array(floats)[..., 0].tolist() == [[0, 255], [0, 255]]


def test_an_array_that_is_too_large_is_refused_before_it_is_looked_at():
    with pytest.raises(ImageTooLargeError, match="100,000,000 pixels"):
        rgb_of_array(np.broadcast_to(np.uint8(0), (20_000, 20_000, 3)))
    with pytest.raises(ImageTooLargeError, match="side"):
        rgb_of_array(np.broadcast_to(np.uint8(0), (1, 1 << 21)))


@settings(max_examples=80)
@given(
    arrays.arrays(
        st.sampled_from(["u1", "u2", ">u2", "i4", "f2", "f4", "f8", "?", "O", "c8"]),
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    )
)
def test_any_array_is_a_picture_or_one_line(array):
    with np.errstate(all="ignore"):
        try:
            image_rgb = rgb_of_array(array)
        except FacecliError as error:
            assert len(str(error).splitlines()) == 1
        else:
            assert image_rgb.shape == (*array.shape[:2], 3) and image_rgb.dtype == np.uint8


# Pictures of Pillow's


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"])
def test_every_mode_shows_what_pillow_shows(mode):
    picture = Image.fromarray(RGB)
    # Pillow converts to LAB by way of a profile alone.
    made = Image.new("LAB", (5, 6), (128, 128, 128)) if mode == "LAB" else picture.convert(mode)
    assert (rgb_of_pillow(made) == np.asarray(made.convert("RGB"))).all()


def test_deep_modes():
    deep = (np.arange(30, dtype=np.uint16) * 2000).reshape(6, 5)
    expected = rgb_of_array(deep)
    assert (rgb_of_pillow(Image.fromarray(deep)) == expected).all()
    assert (rgb_of_pillow(Image.fromarray(deep.astype(np.int32))) == expected).all()
    assert (rgb_of_pillow(Image.fromarray((RGB[..., 0] / 255).astype(np.float32))) == RGB[..., :1]).all()
    for wrong in (np.full((2, 2), 1 << 20, np.int32), np.full((2, 2), -1, np.int32)):
        with pytest.raises(ImageError, match="values of 32 bits"):
            rgb_of_pillow(Image.fromarray(wrong))
    with pytest.raises(ImageError, match="divide by"):
        rgb_of_pillow(Image.fromarray(np.full((2, 2), 200, np.float32)))


def test_transparency_lies_on_white_and_orientation_is_undone():
    clear = Image.new("RGBA", (3, 2), (10, 20, 30, 0))
    assert (rgb_of_pillow(clear) == 255).all()
    turned = Image.fromarray(RGB)
    turned.getexif()[0x0112] = 6
    assert (rgb_of_pillow(turned) == np.rot90(RGB, -1)).all()
    assert turned.size == (5, 6)


def test_colours_of_a_profile_become_those_of_a_file_with_it():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    data = io.BytesIO()
    Image.fromarray(RGB).save(data, "PNG", icc_profile=profile)
    with Image.open(io.BytesIO(data.getvalue())) as opened:
        assert (rgb_of_pillow(opened) == decode_image(data.getvalue())).all()


def test_a_picture_that_is_not_yet_read_may_be_damaged_or_closed(tmp_path):
    path = tmp_path / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    opened = Image.open(path)
    with pytest.raises(ImageError, match=r"cut.png cannot be read as a picture"):
        read_picture(opened, picture_name(opened))
    opened.close()
    with pytest.raises(ImageError, match="cannot be read"):
        rgb_of_pillow(opened)


def test_a_lazy_picture_that_is_too_large_is_refused_before_it_is_read(monkeypatch):
    class Huge(Image.Image):
        size, width, height = (20_000, 20_000), 20_000, 20_000

        def load(self):
            raise AssertionError("read")

    with pytest.raises(ImageTooLargeError, match="pixels"):
        rgb_of_pillow(Huge())


# Files, data URLs, names


def test_files_in_small_pieces_are_read_whole_and_endless_ones_are_not(monkeypatch, png):
    class Drops(io.RawIOBase):
        def __init__(self, data):
            self._left = list(data)

        def read(self, _=-1):
            return bytes([self._left.pop(0)]) if self._left else b""

    assert read_picture(Drops(png), "file") == png
    monkeypatch.setattr(room, "MAX_BYTES", 1000)
    with pytest.raises(ImageError, match="file has more than 1,000 bytes"):
        read_picture(type("Endless", (), {"read": lambda self, size: b"x" * 300})(), "file")


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("closed"), EOFError()])
def test_files_that_fail_are_one_line(error):
    def read(self, size):
        raise error

    with pytest.raises(ImageError, match="cannot read file"):
        read_picture(type("Broken", (), {"read": read})(), "file")


def test_memory_that_was_released():
    memory = memoryview(b"x")
    memory.release()
    with pytest.raises(ImageError, match="cannot read bytes"):
        read_picture(memory, "bytes")


@pytest.mark.parametrize(
    ("url", "data"),
    [
        ("data:,abc", b"abc"), ("data:image/png,%00%ff", b"\0\xff"), ("DATA:image/png;BASE64,YWJj", b"abc"),
        ("data:;base64,YWI", b"ab"), ("data:;base64,YW\n Jj", b"abc"), ("data:;base64,YWJj%0A", b"abc"),
        ("data:image/png;name=a.png;base64,YQ%3D%3D", b"a"), ("data:text/plain,a,b", b"a,b"),
    ],
)  # fmt: skip
def test_data_urls(url, data):
    assert decode_data_url(url) == data == read_picture(url, "it")


@pytest.mark.parametrize(
    "url", ["data:", "data:image/png;base64", "data:,", "data:;base64,", "data:;base64,===="]
)
def test_data_urls_without_content(url):
    with pytest.raises(ImageError, match="no comma|is empty"):
        decode_data_url(url)


@pytest.mark.parametrize("content", ["a", "YWJj!", "ä", "YWJj-_", "YQ==YQ=="])
def test_what_is_no_base64_is_not_repeated(content):
    with pytest.raises(ImageError, match="its content is not base64") as refused:
        decode_data_url(f"data:;base64,{content}")
    assert content not in str(refused.value) or content == "a"


def test_a_data_url_may_be_too_long(monkeypatch):
    monkeypatch.setattr(room, "_LONGEST_DATA_URL", 100)
    with pytest.raises(ImageError, match="more than"):
        decode_data_url("data:," + "x" * 100)


class Named(io.BytesIO):
    def __init__(self, name):
        super().__init__()
        self.name = name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a/ü.png", "a/ü.png"), (os.fsencode("a.png"), "bytes"), (bytearray(), "bytes"), (RGB, "array"),
        ("http://me:hunter2@host/a.png", "http://host/a.png"), (Named("b.png"), "b.png"),
        (Named(3), "file"), (Named(""), "file"), (Named("\udcff.png"), "\\udcff.png"), (None, "file"),
        (Image.new("L", (1, 1)), "picture"), ("data:,x", "data:..."), ("data:a\x85,x", "data:..."),
        (f"data:image/png;base64,{'x' * 99}", "data:image/png;base64,..."),
        (f"data:{'y' * 99},{'x' * 99}", "data:..."), ("data:image/png,x", "data:image/png,..."),
    ],
)  # fmt: skip
def test_names(given, name):
    assert picture_name(given) == name


def test_only_what_does_not_run_out_can_be_read_again(png, tmp_path):
    again = [tmp_path, "a.png", png, RGB, Image.new("L", (1, 1)), "data:,x"]
    assert all(can_be_read_again(one) for one in again)
    assert not any(can_be_read_again(one) for one in (io.BytesIO(png), "https://host/a.png"))


@pytest.mark.parametrize("odd", [None, 3, [], {}, object(), range(3)])
def test_what_is_no_picture_is_said_with_what_one_is(odd):
    with pytest.raises(InputError, match=r"a picture is a path, .* or a picture of Pillow's, not \w+$"):
        decode_picture(odd, "it")


def test_paths_are_files(tmp_path, png):
    path = tmp_path / "a.png"
    path.write_bytes(png)
    assert read_picture(path, "it") == read_picture(str(path), "it") == png
    assert (decode_picture(path, "it") == decode_image(png)).all()
    for bad in (tmp_path, tmp_path / "gone.png", "a\0b", ""):
        with pytest.raises(FacecliError):
            read_picture(bad, "it")
