import io
import json
import os
import struct
import subprocess
import sys
import threading
import time
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

from facecli.core import images
from facecli.core.errors import EncodingError, ImageError, InputError, OutputError
from facecli.core.image_header import has_more_scans, read_header
from facecli.core.images import (
    check_image,
    decode_image,
    decode_reduced,
    decode_truncated,
    find_images,
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
        decode_image(data[:-3])


@pytest.mark.parametrize(
    "options", [{}, {"optimize": True}, {"restart_marker_blocks": 2}, {"subsampling": 0}]
)
@pytest.mark.parametrize("size", [(8, 8), (120, 90), (33, 17)])
def test_jpeg_that_lacks_nothing_but_its_end_marker_is_read_with_a_word(options, size, caplog):
    data = encode(smooth(*size), "JPEG", **options)
    name = f"{size} {options}.jpg"
    for missing in (1, 2):
        assert (decode_image(data[:-missing], name) == decode_image(data)).all()
    assert [record.getMessage() for record in caplog.records] == [
        f"{name} lacks its end marker; every line is there"
    ]
    for missing in (3, 4, 5, 8, 13, 21, 40):
        with pytest.raises(ImageError):
            check_image(data[:-missing], name)


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
    with pytest.raises(OutputError, match="is not a picture format"):
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


PEAKS = """
import json, sys
from pathlib import Path
from facecli.core import images
from facecli.core.image_header import read_header

def high_water(reset=False):
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

said = []
reserved = images.DecodingMemory.reserved
def noted(self, count, name):
    said.append(count)
    return reserved(self, count, name)
images.DecodingMemory.reserved = noted
peaks = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    data = path.read_bytes()
    images.decode_image(data)  # What is set up once.
    before = high_water(reset=True)
    images.decode_image(data)
    peaks[path.name] = (high_water() - before) / said[-1]
print(json.dumps(peaks))
"""


def large_kinds():
    """(name, content) of a picture of 2 megapixels in kinds whose decoders hold different things beside."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 75, 3), np.uint8))
    picture = picture.resize((1800, 1200), Image.Resampling.BICUBIC)
    grey, clear = picture.convert("L"), picture.copy()
    clear.putalpha(grey)
    deep = np.asarray(picture).astype(np.uint16) * 257
    return [
        ("a.jpg", encode(picture, "JPEG", quality=95, subsampling=0)),
        ("progressive.jpg", encode(picture, "JPEG", quality=95, subsampling=0, progressive=True)),
        ("grey.jpg", encode(grey, "JPEG")),
        ("a.png", encode(picture, "PNG", compress_level=1)),
        ("alpha.png", encode(clear, "PNG", compress_level=1)),
        ("deep.png", cv2.imencode(".png", deep)[1].tobytes()),
        ("palette.png", encode(picture.convert("P"), "PNG")),
        ("a.webp", encode(picture, "WEBP", method=0)),
        ("alpha.webp", encode(clear, "WEBP", method=0)),
        ("lossless.webp", encode(picture, "WEBP", lossless=True, quality=0, method=0)),
        ("a.tif", encode(picture, "TIFF")),
        ("alpha.tif", encode(clear, "TIFF")),
        ("deep.tif", cv2.imencode(".tiff", deep)[1].tobytes()),
        ("float.tif", cv2.imencode(".tiff", np.asarray(picture, np.float32) / 255)[1].tobytes()),
        ("a.gif", encode(picture.convert("P"), "GIF")),
        ("a.bmp", encode(picture, "BMP")),
        ("a.ppm", encode(picture, "PPM")),
        ("a.jp2", encode(picture, "JPEG2000")),
    ]


class TestMemory:
    """What decoding takes is known before it begins, and bounded for all pictures together."""

    def test_what_needs_more_is_refused_by_its_header(self, monkeypatch):
        data = encode(smooth(100, 100), "PNG")
        needed = 6 * 100 * 100 + len(data)
        monkeypatch.setattr(images, "DECODING", images.DecodingMemory(needed - 1))
        with pytest.raises(
            ImageError, match="needs 0 MB to be decoded, more than 0; make it smaller"
        ) as refused:
            decode_image(data, "a.png")
        assert "--max-memory" in refused.value.hint
        monkeypatch.setattr(images, "DECODING", images.DecodingMemory(needed))
        assert decode_image(data).shape == (100, 100, 3)

    def test_a_reduced_jpeg_needs_less(self, monkeypatch):
        data = encode(smooth(800, 800), "JPEG")
        monkeypatch.setattr(images, "DECODING", images.DecodingMemory(400_000))
        assert decode_reduced(data, "a.jpg", 200)[0].shape == (200, 200, 3)
        with pytest.raises(ImageError, match="MB to be decoded"):
            decode_image(data, "a.jpg")

    def test_who_finds_too_little_left_waits(self):
        memory, order = images.DecodingMemory(10), []
        held = memory.reserved(8, "a")
        held.__enter__()

        def second():
            with memory.reserved(5, "b"):
                order.append("b")

        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.05)
        order.append("a done")
        held.__exit__(None, None, None)
        waiting.join(10)
        assert order == ["a done", "b"]

    @pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
    def test_pictures_that_are_given_away_are_written_alike(self, tmp_path, suffix):
        picture = smooth(400, 60)
        for name, given_away in (("a", False), ("b", True)):
            save_image(tmp_path / f"{name}{suffix}", picture, given_away)
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()

    @pytest.mark.skipif(
        not os.access("/proc/self/clear_refs", os.W_OK), reason="no high-water mark to set back"
    )
    def test_no_kind_takes_more_than_is_said_before(self, tmp_path):
        """Peaks of a process of its own, against `decoding_bytes`."""
        kinds = large_kinds()
        for name, data in kinds:
            (tmp_path / name).write_bytes(data)
        child = subprocess.run(
            [sys.executable, "-c", PEAKS, str(tmp_path)], capture_output=True, text=True, check=True
        )
        peaks = json.loads(child.stdout)
        assert len(peaks) == len(kinds) > 12
        # A page here and there, and what decoders set up once.
        over = {name: ratio for name, ratio in peaks.items() if ratio > 1.08}
        assert over == {}

    def test_transparency_and_depth_are_the_same_in_every_strip(self):
        tall = smooth(700, 5)
        clear = np.dstack([tall, np.full((700, 5), 128, np.uint8)])
        read = decode_image(encode(Image.fromarray(clear), "PNG"))
        assert np.abs(read.astype(int) - (tall.astype(int) * 128 + 255 * 127) // 255).max() <= 1
        deep = cv2.imencode(".png", tall[:, :, ::-1].astype(np.uint16) * 257)[1].tobytes()
        assert (decode_image(deep) == tall).all()


@pytest.mark.parametrize(("bits", "told"), [(8, True), (10, True), (12, True), (15, False), (16, False)])
def test_few_bits_in_sixteen_are_stretched_with_a_word(bits, told, caplog):
    deep = np.linspace(0, 2**bits - 1, 256).round().astype(np.uint16).reshape(16, 16)
    read = decode_image(cv2.imencode(".png", deep)[1].tobytes(), f"{bits}.png")
    expected = np.linspace(0, 255 if told or bits == 16 else 127, 256).reshape(16, 16)
    assert np.abs(read[..., 0] - expected).max() <= 1
    assert bool(caplog.records) == told


def test_a_black_picture_of_sixteen_bits_is_black_and_not_spoken_of(caplog):
    assert (decode_image(cv2.imencode(".png", np.zeros((9, 9), np.uint16))[1].tobytes()) == 0).all()
    assert not caplog.records


@pytest.mark.parametrize("top", [1.0, 255.0, 4000.0])
def test_floats_are_read(top):
    values = np.linspace(0, top, 256, dtype=np.float32).reshape(16, 16)
    plain = [cv2.IMWRITE_TIFF_COMPRESSION, 1]
    read = decode_image(cv2.imencode(".tiff", np.dstack([values] * 3), plain)[1].tobytes(), f"{top}.tif")
    assert np.abs(read[..., 1] - np.arange(256).reshape(16, 16)).max() <= 1


def test_colours_of_a_profile_become_srgb():
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red = np.full((8, 8, 3), (200, 40, 40), np.uint8)
    assert (decode_image(encode(red, "PNG", icc_profile=swapped)) == red).all()
    assert (decode_image(encode(red, "PNG", icc_profile=b"no profile")) == red).all()
    wide = wide_gamut_profile()
    read = decode_image(encode(red, "PNG", icc_profile=wide))
    assert read[0, 0, 0] > 210 and read[0, 0, 1] <= 40


def wide_gamut_profile():
    """An RGB profile with Adobe RGB's primaries, made from sRGB's by replacing them."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {
        b"rXYZ": (0.60974, 0.31111, 0.01947),
        b"gXYZ": (0.20528, 0.62567, 0.06087),
        b"bXYZ": (0.14919, 0.06322, 0.74457),
    }
    for number in range(int.from_bytes(profile[128:132], "big")):
        entry = 132 + 12 * number
        if (tag := bytes(profile[entry : entry + 4])) in primaries:
            place = int.from_bytes(profile[entry + 4 : entry + 8], "big") + 8
            struct.pack_into(">3i", profile, place, *(round(65536 * value) for value in primaries[tag]))
    return bytes(profile)


def test_what_is_in_a_folder_is_looked_at(tmp_path):
    picture = Image.fromarray(smooth(8, 8))
    for name, kind in (
        ("a.jfif", "JPEG"),
        ("b.jp2", "JPEG2000"),
        ("c.pbm", "PPM"),
        ("photo", "PNG"),
        ("d.dat", "WEBP"),
    ):
        (tmp_path / name).write_bytes(encode(picture, kind))
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("P1, P2 and P3 are pages")
    (tmp_path / ".hidden.png").write_bytes(encode(picture, "PNG"))
    (tmp_path / "link").symlink_to("nowhere")
    assert [path.name for path in find_images(tmp_path)] == ["a.jfif", "b.jp2", "c.pbm", "d.dat", "photo"]
    assert all(load_image(path).shape == (8, 8, 3) for path in find_images(tmp_path))


@pytest.mark.parametrize("largest", [1.0, 1.012, 2.5])
def test_floats_a_little_above_white_are_white(largest):
    values = np.full((20, 30, 3), 0.65, np.float32)
    values[0, 0] = largest
    found = decode_image(cv2.imencode(".tiff", values)[1].tobytes())
    assert found[0, 0].min() >= 250 and abs(int(found[9, 9, 1]) - round(255 * 0.65)) <= 3


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_none_are_black_without_a_word_of_numpy():
    values = np.full((4, 5), 0.5, np.float32)
    values[0] = np.nan, np.inf, -np.inf, 3e38, -1
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF")
    found = decode_image(buffer.getvalue())[0, :, 0].tolist()
    assert found[0] == found[2] == found[4] == 0 and found[1] == 255


def test_whatever_pillow_raises_is_an_error_of_the_picture(monkeypatch):
    """Its PNG reader asserts that the header is the first chunk, for one."""
    chunk = (
        struct.pack(">I", 4)
        + b"gAMA"
        + struct.pack(">II", 45455, zlib.crc32(b"gAMA" + struct.pack(">I", 45455)))
    )
    data = encode(smooth(), "PNG")
    for damaged in (data[:8] + chunk + data[8:], data[:8] + data[33:]):
        with pytest.raises(ImageError, match="a.png"):
            decode_image(damaged, "a.png")

    def fail(*_, **__):
        raise AssertionError("of all things")

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(ImageError, match=r"a.png cannot be read as a picture \(of all things\)"):
        decode_image(data, "a.png")


def test_a_side_that_no_decoder_takes_is_refused_by_the_header():
    with pytest.raises(ImageError, match="a.png has a side of more than 1,048,576 pixels"):
        decode_image(png_header(1, 30_000_000), "a.png")


def test_portable_pixmaps_are_deep_when_their_largest_value_says_so():
    flat = encode(smooth(), "PPM")
    deep = cv2.imencode(".ppm", smooth()[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    grey = b"P5 2 1 4095 " + struct.pack(">2H", 4095, 2048)
    assert not read_header(flat, "a").deep and read_header(deep, "a").deep
    assert (decode_image(flat) == smooth()).all() and (decode_image(deep) == smooth()).all()
    assert decode_image(grey)[0, :, 0].tolist() == [255, 128]


@pytest.mark.parametrize(("suffix", "least"), [(".jpg", 72_000), (".png", 122_000), (".webp", 165_000)])
def test_what_needs_too_much_to_be_encoded_is_refused_and_said(tmp_path, monkeypatch, suffix, least):
    picture = smooth(100, 100)
    monkeypatch.setattr(images, "DECODING", images.DecodingMemory(least - 1))
    with pytest.raises(
        EncodingError, match=rf"cannot write .*a{suffix}: as {suffix} it needs 0 MB"
    ) as refused:
        save_image(tmp_path / f"a{suffix}", picture)
    assert "--max-memory" in refused.value.hint and not list(tmp_path.iterdir())
    monkeypatch.setattr(images, "DECODING", images.DecodingMemory(least))
    save_image(tmp_path / f"a{suffix}", picture)


def test_an_animated_png_whose_sizes_disagree_crashes_nothing():
    """OpenCV's reader of animations writes beyond its canvas then."""
    buffer = io.BytesIO()
    frames = [Image.fromarray(np.roll(smooth(160, 240), 9 * shift, axis=1)) for shift in range(3)]
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    whole = buffer.getvalue()
    assert (decode_image(whole) == np.asarray(frames[0])).all()
    for width, height in ((255, 160), (200, 160), (240, 255), (240, 100), (4000, 160)):
        header = b"IHDR" + struct.pack(">II", width, height) + whole[24:29]
        damaged = whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:]
        code = "import sys; from facecli.core.images import *; decode_image(sys.stdin.buffer.read(), 'a.png')"
        done = subprocess.run([sys.executable, "-c", code], input=damaged, capture_output=True)
        assert done.returncode in (0, 1), f"{width}x{height}: {done.returncode}"


class TestTruncated:
    """What there is of a cut picture, when that is asked for."""

    @pytest.mark.parametrize(
        ("kind", "options"),
        [("JPEG", {"quality": 95}), ("JPEG", {"progressive": True}), ("PNG", {}), ("BMP", {})],
    )
    def test_the_upper_part_is_there(self, kind, options):
        noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
        data = encode(cv2.resize(noise, (400, 300), interpolation=cv2.INTER_CUBIC), kind, **options)
        cut = data[: len(data) * 2 // 3]
        if kind == "BMP":
            # Its rows lie upside down.
            cut = data[: len(data) - 200]
        with pytest.raises(ImageError):
            decode_image(cut)
        found, whole = decode_truncated(cut, "a"), decode_image(data)
        assert found.shape == whole.shape
        assert np.abs(found[8:96].astype(int) - whole[8:96]).mean() <= (20 if "progressive" in options else 3)
        assert not ImageFile.LOAD_TRUNCATED_IMAGES

    def test_what_has_no_header_is_refused(self):
        for data in (b"", b"nothing", encode(smooth(), "JPEG")[:20]):
            with pytest.raises(ImageError, match="a.jpg"):
                decode_truncated(data, "a.jpg")

    def test_it_is_upright_and_of_eight_bits(self):
        turned = Image.Exif()
        turned[0x0112] = 6
        data = encode(smooth(64, 48), "JPEG", exif=turned.tobytes())
        assert decode_truncated(data[:-40], "a").shape == (48, 64, 3)
        deep = cv2.imencode(".png", np.full((40, 30), 40_000, np.uint16))[1].tobytes()
        assert abs(int(decode_truncated(deep[:-20], "a")[5, 5, 0]) - 156) <= 1
