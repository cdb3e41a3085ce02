import io
import struct
import time
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from facecli.core import images
from facecli.core.errors import ImageError, InputError, OutputError
from facecli.core.images import (
    check_image,
    decode_image,
    decode_reduced,
    find_images,
    has_more_scans,
    load_image,
    save_image,
)


def smooth(height=20, width=30):
    """(h, w, 3) uint8 RGB: every corner another colour, soft enough for JPEG."""
    corners = np.array([[[220, 30, 30], [30, 200, 30]], [[30, 30, 220], [230, 230, 60]]], np.uint8)
    return cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)


def encode(image, format_, **options):
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, format_, **options)
    return buffer.getvalue()


def png_header(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("read", [decode_image, check_image])
class TestRefused:
    """What is no whole picture is refused before it is decoded."""

    def test_empty_file(self, read):
        with pytest.raises(ImageError, match=r"a.jpg is empty \(0 bytes\)"):
            read(b"", "a.jpg")

    @pytest.mark.parametrize(
        "data", [b"hello", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF    WEBP"]
    )
    def test_no_picture(self, read, data):
        with pytest.raises(ImageError, match="a.jpg"):
            read(data, "a.jpg")

    def test_too_many_pixels_for_pillow(self, read):
        with pytest.raises(ImageError, match="pixels; make it smaller"):
            read(png_header(30_000, 30_000))

    def test_too_many_pixels_for_us_without_a_warning(self, read, recwarn):
        with pytest.raises(ImageError, match="10001 x 10000, more than 100,000,000 pixels"):
            read(png_header(10_001, 10_000))

    def test_png_with_missing_rows_or_wrong_checksum(self, read):
        data = bytearray(encode(smooth(), "PNG"))
        with pytest.raises(ImageError):
            read(bytes(data[:-20]))
        data[60] ^= 255
        with pytest.raises(ImageError):
            read(bytes(data))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}])
def test_jpeg_cut_anywhere_is_refused(options):
    data = encode(smooth(120, 90), "JPEG", **options)
    assert decode_image(data).shape == (120, 90, 3)
    for length in range(0, len(data) - 1, 41):
        with pytest.raises(ImageError):
            decode_image(data[:length])
    with pytest.raises(ImageError, match="cut short"):
        decode_image(data[:-2])


def test_cut_jpeg_with_a_whole_thumbnail_is_refused():
    thumbnail = encode(smooth(8, 8), "JPEG")
    data = encode(smooth(120, 90), "JPEG", exif=b"Exif\0\0" + thumbnail)
    assert decode_image(data).shape == (120, 90, 3)
    with pytest.raises(ImageError, match="cut short"):
        decode_image(data[:-100])


@pytest.mark.parametrize("read", [decode_image, check_image, lambda data: decode_reduced(data, "it", 16)])
class TestScans:
    """A JPEG of hundreds of scans takes for ever; which it has is known by its markers."""

    @pytest.mark.parametrize("scans", [101, 500, 20_000])
    def test_too_many_are_refused_soon(self, read, scan_bomb, scans):
        begin = time.perf_counter()
        with pytest.raises(ImageError, match="more than 100 scans; save it again"):
            read(scan_bomb(scans, 1024))
        assert time.perf_counter() - begin < 2

    def test_of_a_large_picture_fewer_are_too_many(self, read, scan_bomb):
        with pytest.raises(ImageError, match="more than 20 scans"):
            read(scan_bomb(21, 10_000))

    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    def test_what_encoders_write_is_read(self, read, mode):
        read(encode(Image.fromarray(smooth()).convert(mode), "JPEG", progressive=True))

    def test_as_many_as_allowed_are_read(self, read, scan_bomb):
        read(scan_bomb(100))

    def test_markers_of_scans_that_are_none_do_not_count(self, read, scan_bomb):
        plain = scan_bomb(20)
        thumbnail = b"\xff\xe1\x03\xea" + b"\xff\xda" * 500
        read(plain[:2] + thumbnail + plain[2:])
        read(plain[:-2] + thumbnail + plain[-2:])
        read(plain + scan_bomb(200))

    @pytest.mark.parametrize("hide", [b"\xff\x02\xff\xff", b"\xff\xfe\x00\x02", b"\xff", b"\xff\xd0"])
    def test_no_marker_hides_the_scans_behind_it(self, read, scan_bomb, hide):
        head, *scans = scan_bomb(200).split(b"\xff\xda")
        with pytest.raises(ImageError, match="more than 100 scans"):
            read(head + b"\xff\xda" + (hide + b"\xff\xda").join(scans))

    def test_a_baseline_picture_with_a_scan_for_each_component(self, read):
        data = one_scan_a_component(smooth(64, 96))
        assert data.count(b"\xff\xda") == 3
        read(data)


def one_scan_a_component(image_rgb):
    """A baseline JPEG that is not interleaved: three scans."""
    planes = Image.fromarray(image_rgb).convert("YCbCr").split()
    grey = [encode(plane, "JPEG", quality=90) for plane in planes]
    frame, scan = grey[0].index(b"\xff\xc0"), grey[0].index(b"\xff\xda")
    tables = grey[0].index(b"\xff\xc4")
    size = grey[0][frame + 4 : frame + 9]
    components = b"".join(bytes((number, 0x11, 0)) for number in (1, 2, 3))
    head = grey[0][:frame] + b"\xff\xc0\x00\x11" + size + b"\x03" + components + grey[0][tables:scan]
    coded = [data[data.index(b"\xff\xda") + 10 : -2] for data in grey]
    scans = (
        b"\xff\xda\x00\x08\x01" + bytes((number, 0, 0, 63, 0)) + data
        for number, data in enumerate(coded, start=1)
    )
    return head + b"".join(scans) + b"\xff\xd9"


def test_scans_of_a_component_are_put_together():
    image = smooth(64, 96)
    difference = decode_image(one_scan_a_component(image)).astype(int) - image
    assert np.abs(difference).mean() < 4


@given(st.binary(max_size=200), st.integers(0, 3))
def test_counting_scans_ends_whatever_the_bytes(data, most):
    marked = data.replace(b"\x00", b"\xff\xda").replace(b"\x01", b"\xff\xc0")
    assert has_more_scans(marked, most) <= (marked.count(b"\xff\xda") > most)


def test_jpeg_with_trailing_bytes_or_restart_markers_is_whole():
    data = encode(smooth(64, 64), "JPEG", restart_marker_blocks=1)
    assert b"\xff\xd0" in data
    assert (decode_image(data + b"\0" * 64) == decode_image(data)).all()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_bytes_are_decoded_or_refused_but_never_crash(data):
    whole = bytearray(
        encode(smooth(), data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])))
    )
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = decode_image(bytes(whole))
    except ImageError:
        return
    assert image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8


@pytest.mark.parametrize("format_", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_come_back_as_rgb(format_):
    assert (decode_image(encode(smooth(), format_)) == smooth()).all()


@pytest.mark.parametrize("format_", ["JPEG", "WEBP", "GIF"])
def test_lossy_formats_come_back_near(format_):
    difference = np.abs(decode_image(encode(smooth(), format_)).astype(int) - smooth())
    assert difference.mean() < 12


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "TIFF"])
def test_grey_becomes_three_equal_channels(format_):
    grey = smooth()[..., 0]
    image = decode_image(encode(grey, format_))
    assert image.shape == (20, 30, 3)
    assert np.ptp(image, axis=2).max() == 0
    assert np.abs(image[..., 0].astype(int) - grey).mean() < 2


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bits_become_8(channels, suffix):
    values = np.linspace(0, 65535, 20 * 30 * channels).reshape(20, 30, channels).astype(np.uint16)
    if channels == 4:
        values[..., 3] = 65535
    image = decode_image(cv2.imencode(suffix, values)[1].tobytes())
    expected = (values[..., :3][..., ::-1] >> 8) if channels > 1 else np.repeat(values >> 8, 3, axis=2)
    assert np.abs(image.astype(int) - expected).max() <= 1


def test_transparency_lies_on_white():
    rgba = np.dstack([smooth(), np.full((20, 30), 255, np.uint8)])
    rgba[:, :10, 3], rgba[:, 10:20, 3] = 0, 128
    image = decode_image(encode(rgba, "PNG")).astype(int)
    assert (image[:, :10] == 255).all()
    assert np.abs(image[:, 10:20] - (smooth()[:, 10:20] / 2 + 127.5)).max() <= 1.5
    assert (image[:, 20:] == smooth()[:, 20:]).all()


@pytest.mark.parametrize("mode", ["LA", "P"])
def test_other_kinds_of_transparency(mode):
    image = Image.new(mode, (6, 4))
    options = {"transparency": 0} if mode == "P" else {}
    assert (decode_image(encode(image, "PNG", **options)) == 255).all()


def test_cmyk_jpeg_keeps_its_colours():
    image = decode_image(encode(Image.fromarray(smooth()).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(image.astype(int) - smooth()).mean() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "transparent PNG"])
def test_exif_orientation_is_undone(orientation, kind):
    upright = smooth(16, 32)
    # Pillow's own reading of the standard says how a picture of this orientation is stored.
    stored = {
        1: lambda image: image,
        2: np.fliplr,
        3: lambda image: np.rot90(image, 2),
        4: np.flipud,
        5: lambda image: image.swapaxes(0, 1),
        6: lambda image: np.rot90(image, 1),
        7: lambda image: np.rot90(image.swapaxes(0, 1), 2),
        8: lambda image: np.rot90(image, -1),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind == "JPEG":
        data = encode(np.ascontiguousarray(stored), "JPEG", exif=exif, quality=95, subsampling=0)
    else:
        alpha = np.full(stored.shape[:2], 255, np.uint8)
        data = encode(np.dstack([stored, alpha]), "PNG", exif=exif)
    image = decode_image(data)
    assert image.shape == upright.shape and image.flags.c_contiguous
    assert np.abs(image.astype(int) - upright).mean() < 6


def test_load_names_the_file_that_is_missing(tmp_path):
    with pytest.raises(ImageError, match="nobody.jpg"):
        load_image(tmp_path / "nobody.jpg")
    with pytest.raises(ImageError, match="cannot read"):
        load_image(tmp_path)


def test_file_larger_than_the_bound_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    (tmp_path / "a.png").write_bytes(b"0" * 11)
    with pytest.raises(ImageError, match="11 bytes, more than 10"):
        load_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "ü & 写真 .PNG", "b.bmp"])
def test_save_and_load_give_the_same_pixels(tmp_path, name):
    save_image(tmp_path / name, smooth())
    assert (load_image(tmp_path / name) == smooth()).all()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a", "a.xyz", "a.mp4"])
def test_save_refuses_an_unknown_format_and_keeps_the_old_file(tmp_path, name):
    (tmp_path / name).write_text("old")
    with pytest.raises(OutputError, match="is no picture format"):
        save_image(tmp_path / name, smooth())
    assert (tmp_path / name).read_text() == "old"


def test_find_images_in_an_empty_and_a_missing_folder(tmp_path):
    assert find_images(tmp_path) == []
    with pytest.raises(InputError, match="no such folder"):
        find_images(tmp_path / "nowhere")


def test_find_images_is_recursive_sorted_and_skips_hidden_files(tmp_path):
    for name in ("b.JPG", "a/z.png", "a/ü x.webp", "notes.txt", "._b.jpg", ".hidden/c.jpg", "no_suffix"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)]
    assert found == ["a/z.png", "a/ü x.webp", "b.JPG"]
