"""One contract for every detector, then what is special about each."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from facecli.core.errors import CheckpointError, InputError
from facecli.core.images import load_image
from facecli.core.paths import find_cascade
from facecli.detect.haar import HaarDetector, HaarOptions, squash
from facecli.detect.registry import build_detector, built_in_names

SHARED = Path(__file__).resolve().parents[3] / "shared"
YUNET = SHARED / "weights" / "face_detection_yunet_2026may.onnx"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
FACE_XYXY = (177, 69, 272, 164)


WHOLE = ("none", "example")
"""Those that take a part of any picture for a face."""


@cache
def built(name):
    return build_detector(name, weights=YUNET if name == "yunet" else None)


@pytest.fixture(params=[*built_in_names(), "example"])
def detector(request, example):
    if request.param == "yunet" and not SHARED.exists():
        pytest.skip("needs ../shared")
    return built(request.param)


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (13, 17), (240, 320), (3000, 40)])
def test_blank_frames_of_any_size_give_well_formed_arrays(detector, shape):
    found = detector.detect(np.full((*shape, 3), 128, np.uint8))
    expected = 1 if detector.name in WHOLE else 0
    assert found.xyxy.shape == (expected, 4) and found.xyxy.dtype == np.int32
    assert found.scores.shape == (expected,) and found.scores.dtype == np.float32
    assert found.landmarks is None or found.landmarks.shape == (expected, 5, 2)


def test_each_is_called_what_it_is_asked_for_by(detector, request):
    assert detector.name == request.node.callspec.params["detector"]


def test_the_same_picture_gives_the_same_faces(detector, astronaut):
    first, *_ = detector.detect(astronaut)
    detector.detect(astronaut[:200])
    assert detector.detect(astronaut).xyxy.tolist() == first.tolist()


@needs_shared
def test_yunet_remembers_nothing_of_earlier_frames(astronaut):
    yunet = build_detector("yunet", weights=YUNET)
    for size in (1, 13, 31, 32, 33, 64) * 3:
        assert len(yunet.detect(astronaut)[0]) == 1
        assert len(yunet.detect(np.full((size, size, 3), 128, np.uint8))[0]) == 0


def test_boxes_lie_inside_and_scores_in_0_1(detector, astronaut):
    xyxy, scores, *_ = detector.detect(astronaut)
    assert len(xyxy) == 1
    assert 0 <= xyxy.min() and (xyxy[:, 2:] <= 512).all() and (xyxy[:, 2:] > xyxy[:, :2]).all()
    assert 0 < scores[0] <= 1


def test_frame_is_not_changed_and_may_be_a_view(detector, astronaut):
    flipped = astronaut[:, ::-1]
    before = flipped.copy()
    detector.detect(flipped)
    assert (flipped == before).all()


@pytest.mark.parametrize("name", ["haar", pytest.param("yunet", marks=needs_shared)])
@pytest.mark.parametrize("scale", [0.5, 1, 3])
def test_face_is_found_where_it_is_at_any_resolution(name, scale, astronaut):
    size = round(512 * scale)
    xyxy, *_ = build_detector(name, weights=YUNET).detect(cv2.resize(astronaut, (size, size)))
    assert len(xyxy) == 1
    assert overlap(xyxy[0] / scale, FACE_XYXY) > 0.6


@pytest.mark.parametrize("name", ["haar", pytest.param("yunet", marks=needs_shared)])
def test_every_face_is_found_from_left_to_right(name, astronaut):
    xyxy, *_ = build_detector(name, weights=YUNET).detect(np.hstack([astronaut, astronaut]))
    assert len(xyxy) == 2
    assert xyxy[0, 0] + 500 < xyxy[1, 0]


def test_smaller_faces_than_min_size_are_left_out(astronaut):
    assert len(build_detector("haar", HaarOptions(min_size=200)).detect(astronaut)[0]) == 0
    assert len(build_detector("haar", HaarOptions(min_size=60)).detect(astronaut)[0]) == 1


def test_min_size_counts_pixels_of_the_given_frame(astronaut):
    large = cv2.resize(astronaut, (1536, 1536))
    assert len(build_detector("haar", HaarOptions(min_size=200)).detect(large)[0]) == 1


def test_squash_keeps_the_order_within_0_1():
    values = squash(np.array([-3.0, 0.0, 0.5, 2.0, 900.0]))
    assert values.dtype == np.float32
    assert (np.diff(values) >= 0).all() and values[0] == 0 and values[-1] == 1
    assert squash(np.empty(0)).shape == (0,)


def test_unknown_detector_is_refused_by_name():
    with pytest.raises(InputError, match="dlib.*cnn, haar, yunet, none"):
        build_detector("dlib")


def test_yunet_without_weights_says_how_to_get_them():
    with pytest.raises(InputError, match="weights get yunet"):
        build_detector("yunet")


@pytest.mark.parametrize(
    "content", [b"", b"<?xml version='1.0'?><opencv_storage></opencv_storage>", b"\x00\xff" * 99]
)
def test_damaged_cascade_is_refused(tmp_path, content):
    path = tmp_path / "broken.xml"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="broken.xml"):
        HaarDetector(path)


@pytest.mark.parametrize("content", [b"", b"not an onnx file"])
def test_damaged_yunet_is_refused(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="broken.onnx"):
        build_detector("yunet", weights=path)


def test_missing_yunet_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no detector weights"):
        build_detector("yunet", weights=tmp_path / "none.onnx")


@pytest.mark.parametrize("name", ["haarcascade_frontalface_alt2.xml", "haarcascade_frontalface_default.xml"])
def test_shipped_cascades_load_and_keep_their_licence(name):
    HaarDetector(find_cascade(name))
    assert "License Agreement" in find_cascade(name).read_text(encoding="utf-8")[:3000]


@needs_shared
@pytest.mark.parametrize(
    ("name", "people"), [("two_people.jpg", 2), ("obama_720p.jpg", 1), ("multiface.jpg", 6)]
)
def test_default_haar_counts_people(name, people):
    assert len(build_detector("haar").detect(load_image(SHARED / "pictures" / name))[0]) == people
