"""Large pictures in tiles: every face once, none cut off. A network that finds white squares stands in."""

import numpy as np
import pytest

from facecli.core.crops import CELL_OUTPUTS, cell_centres, encode_boxes, encode_landmarks, overlaps
from facecli.core.errors import InputError
from facecli.detect.cnn import CnnDetector, CnnOptions


def white_squares(image):
    """What a perfect network says of a picture with white squares of 12 pixels and more."""
    import cv2

    picture = image[0]
    size = picture.shape[:2]
    centres, strides = cell_centres(size)
    said = {name: np.zeros((len(centres), n), np.float32) for name, n in CELL_OUTPUTS.items()}
    said["score"][:] = -9
    mask = (picture[..., 0] > 127).astype(np.uint8)
    _, _, boxes, _ = cv2.connectedComponentsWithStats(mask)
    for left, top, width, height, _ in boxes[1:].tolist():
        if max(width, height) < 12:
            continue
        box = np.array([[left, top, left + width, top + height]], np.float32)
        stride = next((s for s in (8, 16, 32) if max(width, height) < 6 * s), 64)
        here = np.flatnonzero(strides == stride)
        cell = here[[np.abs(centres[here] - (box[0, :2] + box[0, 2:]) / 2).sum(axis=1).argmin()]]
        said["score"][cell] = 4
        said["box"][cell] = encode_boxes(box, centres[cell], strides[cell])
        points = box[:, None, :2] + np.array([[0, 0], [1, 0], [0.5, 0.5], [0, 1], [1, 1]]) * (width, height)
        said["landmarks"][cell] = encode_landmarks(points, centres[cell], strides[cell])
    return {name: values[None] for name, values in said.items()}


@pytest.fixture
def build(monkeypatch):
    def made(**options):
        detector = CnnDetector.__new__(CnnDetector)
        detector.options = CnnOptions(**{"longest_side": 1280, **options})
        detector.score_threshold = detector._search_threshold = 0.5
        detector._finder = detector._calibration = None
        detector._runner = detector._tile_runner = white_squares
        return detector

    return made


def picture(size, *squares):
    image = np.zeros((*size, 3), np.uint8)
    for left, top, side in squares:
        image[top : top + side, left : left + side] = 255
    return image


def test_a_picture_without_a_face_has_none(build):
    found = build().detect(picture((3000, 4000)))
    assert found.xyxy.shape == (0, 4) and found.landmarks.shape == (0, 5, 2)


SMALL = [(40, 50, 30), (1990, 1480, 30), (3960, 2960, 30), (1300, 20, 30)]


def test_small_faces_of_a_large_picture_are_found_once_each_by_tiles(build):
    found = build().detect(picture((3000, 4000), *SMALL))
    truth = np.array([[x, y, x + s, y + s] for x, y, s in SMALL])
    assert len(found.scores) == len(SMALL)
    assert (overlaps(found.xyxy, truth).max(axis=0) > 0.7).all()
    off = np.abs(found.landmarks[:, 0] - found.xyxy[:, :2]).max()
    assert off < 4
    assert len(build(tiles=False).detect(picture((3000, 4000), *SMALL)).scores) == 0


@pytest.mark.parametrize("square", [(900, 500, 2000), (1850, 1300, 300), (0, 0, 2990), (2030, 1000, 160)])
def test_a_face_that_lies_across_tiles_is_found_once_and_whole(build, square):
    x, y, side = square
    found = build().detect(picture((3000, 4000), square))
    assert len(found.scores) == 1
    assert overlaps(found.xyxy, np.array([[x, y, x + side, y + side]]))[0, 0] > 0.9


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 8000), (8000, 1), (64, 64), (65, 63), (2240, 1280), (5000, 300)]
)
def test_pictures_of_any_shape_are_searched(build, size):
    found = build().detect(picture(size))
    assert len(found.scores) == 0


def test_a_picture_that_is_searched_whole_needs_no_tiles(build, monkeypatch):
    monkeypatch.setattr(CnnDetector, "_search", lambda *_: pytest.fail("a tile"))
    assert build()._search_tiles(picture((1280, 1280))) == []


@pytest.mark.parametrize(
    "options",
    [{"score_threshold": 0.0}, {"score_threshold": 1.5}, {"longest_side": 3}, {"threads": 0}],
)
def test_options_that_find_nothing_are_refused(options):
    with pytest.raises(InputError, match="of the cnn detector"):
        CnnOptions(**options)
