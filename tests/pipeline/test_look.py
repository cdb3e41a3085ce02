"""Reading and searching one picture; large JPEGs reduced while they are decoded."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_fakes import OneFace, item

from facecli.core.images import decode_image, decode_reduced
from facecli.core.paths import find_cascade
from facecli.detect.haar import HaarDetector
from facecli.infer.analyzer import FoundFaces
from facecli.pipeline.batch import UnreadablePicture, find_faces_in, prepare_picture


class Seen(OneFace):
    """Remembers the size of what it searched; its face takes a share of the picture."""

    def __init__(self, crop_side, share=0.5):
        super().__init__(crop_side)
        self.sizes, self.share = [], share

    def find(self, image_rgb):
        height, width = image_rgb.shape[:2]
        self.sizes.append((width, height))
        box = np.array([[0, 0, round(width * self.share), round(height * self.share)]], np.int32)
        points = np.tile(box.reshape(2, 2).mean(axis=0), (1, 5, 1)).astype(np.float32)
        return FoundFaces(box, np.ones(1, np.float32), points, None, super().find(image_rgb).crops)


def jpeg(width, height, **exif):
    image = cv2.resize(np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8), (width, height))
    return cv2.imencode(".jpg", image)[1].tobytes()


def test_empty_bytes_are_an_error():
    given = item("a.jpg")
    assert prepare_picture(given, OneFace(), wants_image=True) == UnreadablePicture(
        given, "a.jpg is empty (0 bytes)"
    )


def test_small_pictures_are_searched_whole():
    seen = Seen(8)
    found, size = find_faces_in(jpeg(2000, 1000), "a.jpg", seen)
    assert seen.sizes == [(2000, 1000)] and size == (2000, 1000)


@pytest.mark.parametrize(("width", "factor"), [(2560, 2), (4001, 2), (5120, 4), (10_300, 8)])
def test_large_jpegs_are_reduced_and_boxes_are_those_of_the_whole(width, factor):
    seen = Seen(8)
    found, size = find_faces_in(jpeg(width, 333), "a.jpg", seen)
    assert size == (width, 333)
    assert seen.sizes == [(-(-width // factor), -(-333 // factor))]
    assert np.abs(found.xyxy[0] - (0, 0, width / 2, 333 / 2)).max() <= factor
    assert np.abs(found.landmarks[0] - (width / 4, 333 / 4)).max() <= factor


def test_faces_with_too_few_pixels_are_cut_from_the_whole():
    seen = Seen(crop_side=100, share=0.05)
    found, size = find_faces_in(jpeg(3000, 2000), "a.jpg", seen)
    assert seen.sizes == [(1500, 1000), (3000, 2000)]
    assert found.xyxy[0].tolist() == [0, 0, 150, 100]


def test_other_formats_are_never_reduced():
    data = cv2.imencode(".png", np.zeros((10, 4000, 3), np.uint8))[1].tobytes()
    assert decode_reduced(data, "a.png", 100)[0].shape == (10, 4000, 3)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300))
def test_reduced_pictures_are_no_smaller_than_said_and_tell_their_size(width, height, longest):
    image_rgb, size = decode_reduced(jpeg(width, height), "a.jpg", longest)
    assert size == (width, height)
    assert max(image_rgb.shape[:2]) >= min(longest, max(width, height))


def test_reduced_pictures_show_the_same(astronaut):
    large = cv2.resize(astronaut, (3072, 3072), interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode(".jpg", cv2.cvtColor(large, cv2.COLOR_RGB2BGR))[1].tobytes()
    detector = HaarDetector(find_cascade())

    class Real:
        def find(self, image_rgb):
            xyxy, scores, *_ = detector.detect(image_rgb)
            return FoundFaces(xyxy, scores, None, None, (np.zeros((len(xyxy), 88, 88, 3), np.uint8),))

    found, _ = find_faces_in(data, "a.jpg", Real())
    whole = Real().find(decode_image(data, "a.jpg"))
    assert len(found.xyxy) == len(whole.xyxy) == 1
    assert np.abs(found.xyxy - whole.xyxy).max() < 0.02 * 3072
