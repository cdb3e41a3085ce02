"""Pictures and the page of heat maps."""

import re

import numpy as np
import pytest

pytest.importorskip("keras")
from facecli.core.images import decode_image  # noqa: E402
from facecli.explain.face import (
    Deletion,  # noqa: E402
    Explained,  # noqa: E402
)
from facecli.explain.heat_map import HeatMap, Target
from facecli.explain.page import FaceOnPage, Shown, build_page, overlaid, render_png  # noqa: E402  # noqa: E402

CROP = np.full((24, 20, 3), 128, np.uint8)


def explained(values, target=None, signed=True, additive=(20.0, 31.4)):
    check = (
        Deletion(31.4, 44.0, 33.0, 12.6, 1.6, 1.0) if target is None else Deletion(0.98, 0.5, 0.97, 3, 0, 0)
    )
    heat = HeatMap(np.asarray(values, np.float32), signed, additive)
    interval = (24, 40) if target is None else None
    return Explained(CROP, target or Target("age"), "shap", "blur", heat, check, interval)


def lit_corner():
    values = np.zeros((24, 20))
    values[:8, :8], values[16:, 12:] = 1, -1
    return values


def test_a_map_of_nothing_is_drawn():
    image = decode_image(render_png(explained(np.zeros((24, 20)))))
    assert image.shape[1] > 2 * image.shape[0] > 800


def test_red_is_more_and_blue_is_less():
    image = decode_image(render_png(explained(lit_corner()))).astype(int)
    red, _, blue = np.moveaxis(image, 2, 0)
    middle = slice(image.shape[1] // 3, 2 * image.shape[1] // 3)
    reddest = np.argwhere((red - blue)[:, middle] > 80).mean(axis=0)
    bluest = np.argwhere((blue - red)[:, middle] > 80).mean(axis=0)
    assert np.all(reddest < bluest)


def test_overlay_keeps_the_face_where_nothing_is_hot():
    crop = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    grey = overlaid(crop, np.ones((5, 6, 3)), np.zeros((5, 6)))
    assert np.ptp(grey, axis=2).max() == pytest.approx(0, abs=1e-6)
    coloured = overlaid(crop, np.zeros((5, 6, 3)) + (1, 0, 0), np.full((5, 6), 9.0))
    assert np.all(coloured[..., 0] > coloured[..., 1])
    assert coloured.min() >= 0
    assert coloured.max() <= 1


def test_words():
    age = explained(lit_corner())
    assert age.prediction() == "age: 31.4 years (90 %: 24 to 40)"
    assert "+11.4 years" in age.sum_line()
    assert "44.0 years" in age.check_line()
    female = explained(lit_corner(), Target("gender", 1), False, None)
    assert female.prediction() == "gender: female 98 %"
    assert female.sum_line() is None
    assert "score" not in female.to_json()
    assert female.to_json()["class"] == "female"
    assert age.to_json()["residual"] == pytest.approx(11.4)


def test_an_empty_page():
    page = build_page("tiny", "blur", [])
    assert page.startswith("<!doctype html>")
    assert "<figure" not in page


def test_the_page_is_whole_and_loads_nothing():
    one = explained(lit_corner())
    png = render_png(one)
    page = build_page("tiny", "blur", [FaceOnPage("photo.jpg, face 1", [Shown(one, png)])])
    assert page.count("<img") == 1
    assert re.findall(r'(?:src|href)="(?!data:image/png;base64,)', page) == []
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page
    assert "31.4 years" in page
    assert "SHAP" in page
    assert "Grad-CAM" not in page


def test_names_are_text():
    name = '<script>alert("$name")</script> & ü'
    page = build_page(name, "blur", [FaceOnPage(name, (), f"no face found in {name}")])
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 3
    assert "$name" in page
