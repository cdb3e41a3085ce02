"""Decoders in processes of their own: they give what `core.images` gives, and end alone."""

import io
import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from web_pictures import encoded, with_faults

from facecli.core import images
from facecli.core.errors import ImageError, ImageTooLargeError
from facecli.core.images import DecodingMemory
from facecli.web import decoder
from facecli.web.decoder import DecoderLostError, DecoderPool, HeavyPicture


@pytest.fixture(scope="module")
def pool():
    pool = DecoderPool(2, 20.0)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def lane(pool):
    return pool.lane(False)


@pytest.fixture
def faulty(monkeypatch):
    """Children that do what the picture is called."""
    monkeypatch.setattr(decoder, "_START", with_faults(decoder._START))
    pool = DecoderPool(2, 2.0)
    yield pool
    pool.close()


def children(pool):
    return [child for child in (*pool._idle, *pool._busy) if child is not None]


# --- what they give -------------------------------------------------------------------------------


def turned(image_rgb):
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image_rgb, exif=exif)


@pytest.fixture(scope="module")
def pictures(astronaut):
    some = np.ascontiguousarray(astronaut[:120, :200])
    clear = np.dstack([some, some[..., 0]])
    return {
        "a JPEG": encoded(some),
        "a JPEG on its side": turned(some),
        "a progressive JPEG": encoded(some, progressive=True),
        "a large JPEG": encoded(np.tile(some, (14, 14, 1))),
        "a PNG": encoded(some, "PNG"),
        "a clear PNG": encoded(clear, "PNG"),
        "a deep PNG": encoded(some[..., 0].astype(np.uint16) * 257, "PNG"),
        "a WebP": encoded(some, "WEBP"),
        "a TIFF": encoded(some, "TIFF"),
        "a GIF": encoded(some, "GIF"),
        "an AVIF": encoded(some, "AVIF"),
        "one pixel": encoded(some[:1, :1], "PNG"),
    }


def test_a_picture_that_is_sent_elsewhere_is_not_answered_to_the_next(pool, pictures, monkeypatch):
    """Whatever its kind: a child that went on with it would give its answer to somebody else."""
    for name, data in pictures.items():
        with monkeypatch.context() as patch:
            patch.setattr(decoder, "HEAVY_BYTES", 0)
            patch.setattr(decoder, "_ALLOWED_BYTES", 0)
            for _ in children(pool):
                with pytest.raises(HeavyPicture):
                    pool.lane(False).decode_image(data, name)
        for other in ("a PNG", "one pixel"):
            found = pool.lane(False).decode_image(pictures[other], other)
            assert (found == images.decode_image(pictures[other], other)).all(), f"{other} after {name}"


def test_they_give_the_same_pixels(lane, pictures):
    for name, data in pictures.items():
        expected = images.decode_image(data, name)
        assert (lane.decode_image(data, name) == expected).all(), name
        reduced, size = lane.decode_reduced(data, name, 640)
        expected_reduced, expected_size = images.decode_reduced(data, name, 640)
        assert size == expected_size and (reduced == expected_reduced).all(), name
        assert reduced.flags.writeable


def outcome(decode, data):
    try:
        return decode(data, "a picture", 1_000_000).tolist()
    except ImageError as error:
        return type(error), str(error)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_pictures_are_refused_in_the_same_words(lane, pictures, data):
    content = bytearray(pictures[data.draw(st.sampled_from(sorted(pictures)))][:4000])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    assert outcome(lane.decode_image, bytes(content)) == outcome(images.decode_image, bytes(content))


def test_a_picture_of_more_pixels_is_too_large(lane, pictures):
    with pytest.raises(ImageTooLargeError, match="more than 1,000 pixels"):
        lane.decode_image(pictures["a JPEG"], "a.jpg", 1000)


# --- hanging, dying -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("hang", "takes too long to be decoded"),
        ("crash", "the decoder crashed"),
        ("leave", "the decoder crashed"),
        ("fail", "the decoder crashed"),
        ("swell", "needs more memory"),
        ("large", "the decoder crashed"),
    ],
)
def test_a_picture_that_ends_its_decoder_is_refused_and_the_next_is_decoded(faulty, pictures, word, told):
    lane = faulty.lane(False)
    with pytest.raises(ImageError, match=told):
        lane.decode_image(pictures["a JPEG"], f"{word}.jpg", 1_000_000)
    assert lane.decode_image(pictures["a JPEG"], "good.jpg").shape == (120, 200, 3)
    assert (faulty.timeouts, faulty.deaths) == (word == "hang", told == "the decoder crashed")
    assert faulty.trouble is None


def test_what_native_code_prints_is_no_answer(faulty, pictures):
    assert faulty.lane(False).decode_image(pictures["a JPEG"], "print.jpg").shape == (120, 200, 3)


def test_beside_one_that_hangs_others_are_decoded(faulty, pictures):
    refused = []

    def hang():
        with pytest.raises(ImageError):
            faulty.lane(False).decode_image(pictures["a JPEG"], "hang.jpg")
        refused.append(True)

    thread = threading.Thread(target=hang)
    thread.start()
    while not faulty._busy:
        pass
    assert faulty.lane(False).decode_image(pictures["a JPEG"], "good.jpg").shape == (120, 200, 3)
    assert not refused
    thread.join(30)
    assert refused


def test_a_child_that_somebody_ended_is_replaced_before_a_picture_meets_it(pool, lane, pictures):
    lane.decode_image(pictures["a JPEG"], "a.jpg")
    for child in children(pool):
        os.kill(child._process.pid, signal.SIGKILL)
        child._process.wait()
    assert lane.decode_image(pictures["a JPEG"], "a.jpg").shape == (120, 200, 3)
    assert pool.deaths == 0


def test_a_child_knows_no_secret(faulty, pictures, monkeypatch):
    monkeypatch.setenv("FACECLI_TOKEN", "hunter2hunter2")
    with pytest.raises(ImageError) as said:
        faulty.lane(False).decode_image(pictures["a JPEG"], "secret.jpg")
    assert "PATH" in str(said.value) and "FACECLI_TOKEN" not in str(said.value)


def test_a_child_imports_nothing_of_the_server():
    asked = "import json, sys, facecli.web.decoder; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True, timeout=120)
    here = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "cv2" in here
    assert not here & {"fastapi", "starlette", "uvicorn", "pydantic", "ai_edge_litert", "tensorflow", "av"}


def test_children_end_with_the_server(pictures):
    pool = DecoderPool(2, 20.0)
    pool.start()
    pool.lane(False).decode_image(pictures["a JPEG"], "a.jpg")
    first, second = children(pool)
    # What a server that was killed leaves: pipes that end.
    first._to.close()
    assert first._process.wait(30) == 0
    pool.close()
    assert second.has_ended
    with pytest.raises(DecoderLostError):
        pool.lane(False).decode_image(pictures["a JPEG"], "a.jpg")


def test_without_a_child_it_is_said_until_there_is_one(pictures, monkeypatch):
    pool = DecoderPool(2, 20.0)
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/nowhere/python")
        for _ in range(3):
            with pytest.raises(DecoderLostError):
                pool.lane(False).decode_image(pictures["a JPEG"], "a.jpg")
        assert "cannot start" in pool.trouble
    with monkeypatch.context() as broken:
        broken.setattr(decoder, "_START", "raise SystemExit(3)")
        for _ in range(3):
            with pytest.raises(DecoderLostError, match="ended with 3"):
                pool.lane(False).decode_image(pictures["a JPEG"], "a.jpg")
    # Children that were begun before may be among those that do not wake.
    for _ in range(3):
        try:
            shape = pool.lane(False).decode_image(pictures["a JPEG"], "a.jpg").shape
        except DecoderLostError:
            continue
    assert shape == (120, 200, 3) and pool.trouble is None
    pool.close()


def test_one_child_that_cannot_be_started_is_no_trouble_while_another_works(faulty, pictures, monkeypatch):
    lane = faulty.lane(False)
    lane.decode_image(pictures["a JPEG"], "a.jpg")
    other = next(child for child in children(faulty) if child.is_awake)
    lane.decode_image(pictures["a JPEG"], "b.jpg")
    faulty._busy.add(other)
    faulty._idle.remove(other)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DecoderLostError):
        lane.decode_image(pictures["a JPEG"], "a.jpg")
    assert faulty.trouble is None
    other.kill()
    other._process.wait()
    assert faulty.trouble is not None


# --- memory, and turns ----------------------------------------------------------------------------


def flat_png(side, mode="RGBA"):
    buffer = io.BytesIO()
    Image.new(mode, (side, side)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_large_picture_is_decoded_where_it_keeps_nobody_waiting(pool, lane):
    data = flat_png(3000)
    with pytest.raises(HeavyPicture):
        lane.decode_image(data, "a.png")
    assert pool.lane(True).decode_image(data, "a.png").shape == (3000, 3000, 3)


@pytest.mark.parametrize("file_format", ["WEBP", "PNG", "TIFF", "JPEG", "GIF", "AVIF", "JPEG2000", "BMP"])
def test_a_large_picture_of_any_kind_fits_into_the_memory_of_a_child(pool, file_format):
    """Which is bounded by what its header lets expect."""
    buffer = io.BytesIO()
    Image.new("RGB", (5000, 4000), (120, 90, 60)).save(buffer, file_format)
    image_rgb, size = pool.lane(True).decode_reduced(buffer.getvalue(), "a picture", 1280, 50_000_000)
    assert size == (5000, 4000) and np.abs(image_rgb[::100, ::100].astype(int) - (120, 90, 60)).max() < 4


def test_so_is_a_jpeg_of_many_scans(pool, lane, scan_bomb):
    few, many = scan_bomb(12, 64), scan_bomb(40, 64)
    assert lane.decode_image(few, "a.jpg").shape == images.decode_image(few).shape
    with pytest.raises(HeavyPicture):
        lane.decode_image(many, "a.jpg")
    assert (pool.lane(True).decode_image(many, "a.jpg") == images.decode_image(many)).all()


def test_the_memory_of_all_is_bounded(pool, monkeypatch):
    monkeypatch.setattr(images, "DECODING", DecodingMemory(100_000_000))
    with pytest.raises(ImageTooLargeError, match="needs 72 MB to be decoded, more than 68"):
        pool.lane(True).decode_image(flat_png(3000), "a.png")


def test_a_picture_waits_for_memory_and_that_is_not_its_time(monkeypatch):
    memory = DecodingMemory(200_000_000)
    monkeypatch.setattr(images, "DECODING", memory)
    pool = DecoderPool(2, 3.0)
    pool.lane(True).decode_image(flat_png(10), "small.png")
    shapes = []
    with memory.reserved(150_000_000, "others"):
        thread = threading.Thread(
            target=lambda: shapes.append(pool.lane(True).decode_image(flat_png(3000), "a.png").shape)
        )
        thread.start()
        thread.join(7.0)
        assert thread.is_alive() and not shapes
    thread.join(30)
    assert shapes == [(3000, 3000, 3)] and pool.timeouts == 0
    pool.close()
    with memory.reserved(200_000_000, "all of it is free again"):
        pass
