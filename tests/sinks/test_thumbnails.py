"""Small pictures, and how many there may be."""

import base64

import cv2
import numpy as np
import pytest

from facecli.sinks import html
from facecli.sinks.html import ThumbnailBudget, ThumbnailSize, face_thumbnail, picture_thumbnail


def decoded(address):
    kind, _, data = address.partition(",")
    assert kind == "data:image/jpeg;base64"
    bgr = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((1, 1), (1, 1)),
        ((100, 60), (100, 60)),
        ((240, 240), (240, 240)),
        ((1000, 500), (240, 120)),
        ((3, 4000), (1, 240)),
    ],
)
def test_pictures_keep_their_shape_and_never_grow(size, small):
    width, height = size
    image = np.full((height, width, 3), (200, 30, 30), np.uint8)
    found = decoded(picture_thumbnail(image, 240))
    assert found.shape == (small[1], small[0], 3)
    assert found[0, 0, 0] > 150 > found[0, 0, 2]


def test_a_face_is_a_square_of_its_box():
    image = np.zeros((100, 200, 3), np.uint8)
    image[20:60, 100:140] = (30, 200, 30)
    found = decoded(face_thumbnail(image, (100, 20, 140, 60), 72))
    assert found.shape == (72, 72, 3) and found[36, 36, 1] > 150
    with pytest.raises(ValueError):
        face_thumbnail(image, (5, 5, 5, 5), 72)


def test_thumbnails_shrink_and_end_as_the_page_fills(monkeypatch):
    monkeypatch.setattr(html, "_SIZES", ((100, ThumbnailSize(240, 72)), (200, ThumbnailSize(120, 48))))
    budget, sizes = ThumbnailBudget(), []
    for _ in range(8):
        sizes.append(budget.next_size())
        if sizes[-1] is not None:
            budget.take("x" * 40)
    assert sizes == [ThumbnailSize(240, 72)] * 3 + [ThumbnailSize(120, 48)] * 2 + [None] * 3
    assert (budget.smaller_from, budget.none_from, budget.bytes) == (3, 5, 200)


def test_a_small_page_has_nothing_to_tell():
    budget = ThumbnailBudget()
    assert budget.next_size() is not None
    assert (budget.smaller_from, budget.none_from, budget.bytes) == (None, None, 0)
