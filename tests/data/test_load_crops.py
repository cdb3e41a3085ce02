import numpy as np
import pytest

from facecli.core.crops import crop_face
from facecli.core.errors import ImageError
from facecli.core.images import load_image
from facecli.data import sources
from facecli.data.layouts.utkface import read_utkface
from facecli.data.sources import load_crops


def test_no_rows_give_no_crops(tmp_path):
    crops = load_crops(read_utkface(tmp_path).frame, tmp_path, (8, 6), cache=tmp_path / "cache")
    assert crops.shape == (0, 8, 6, 3) and crops.dtype == np.uint8


def test_crops_follow_the_rows_and_are_kept(utkface, tmp_path):
    folder = utkface(5)
    frame = read_utkface(folder).frame
    first = load_crops(frame, folder, (16, 16), cache=tmp_path / "cache")
    assert first.shape == (5, 16, 16, 3)
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 1
    backwards = load_crops(frame[::-1], folder, (16, 16), cache=tmp_path / "cache")
    assert (backwards == first[::-1]).all()
    for path in folder.iterdir():
        path.unlink()
    assert (load_crops(frame, folder, (16, 16), cache=tmp_path / "cache") == first).all()


def test_another_size_or_margin_is_another_cache(utkface, tmp_path):
    folder = utkface(2)
    frame = read_utkface(folder).frame
    for size, margin in (((16, 16), 0.0), ((16, 16), -0.1), ((8, 8), 0.0)):
        load_crops(frame, folder, size, margin, cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_picture_that_vanished_is_named_and_nothing_is_kept(utkface, tmp_path):
    folder = utkface(2)
    frame = read_utkface(folder).frame
    (folder / frame["file"][1]).unlink()
    with pytest.raises(ImageError, match=frame["file"][1].split(".")[0]):
        load_crops(frame, folder, (8, 8), cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_chips_of_other_data_sets_are_cut_to_look_like_utkface(utkface, tmp_path, monkeypatch):
    monkeypatch.setattr(
        sources, "crop_of", lambda source: (-0.1, 0.05) if source == "elsewhere" else (0.0, 0.0)
    )
    folder = utkface(1)
    frame = read_utkface(folder).frame
    image = load_image(folder / frame["file"][0])
    height, width = image.shape[:2]
    plain = load_crops(frame, folder, (16, 16), cache=tmp_path / "cache")
    moved = load_crops(frame.assign(source="elsewhere"), folder, (16, 16), cache=tmp_path / "cache")
    assert (plain[0] == crop_face(image, (0, 0, width, height), 0.0, (16, 16))).all()
    assert (moved[0] == crop_face(image, (0, 0, width, height), -0.1, (16, 16), 0.05)).all()
    assert not (plain == moved).all()
