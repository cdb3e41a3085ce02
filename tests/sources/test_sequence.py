"""Numbered pictures are a video, whatever their sizes; a broken one is left out."""

import numpy as np
import pytest

from facecli.core.errors import SourceError
from facecli.core.images import save_image
from facecli.sources.video import open_source
from facecli.sources.video_specs import CaptureOptions, sequence_pictures


@pytest.fixture
def folder(tmp_path):
    """Pictures 8 to 11, the last of another size, and what does not belong."""
    for number in range(8, 12):
        save_image(tmp_path / f"f{number}.png", np.full((4, 6 if number < 11 else 9, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("x")
    save_image(tmp_path / "cover.png", np.zeros((4, 6, 3), np.uint8))
    return tmp_path


@pytest.mark.parametrize("pattern", ["", "f%d.png", "f%04d.png"])
def test_frames_are_in_the_order_of_their_numbers(folder, pattern):
    with open_source(str(folder / pattern), CaptureOptions(fps=5)) as source:
        frames = list(source)
    assert [frame.image_rgb[0, 0, 0] for frame in frames] == [8, 9, 10, 11]
    assert [frame.time_s for frame in frames] == [0, 0.2, 0.4, 0.6]
    assert frames[3].image_rgb.shape == (4, 9, 3)
    assert (source.fps, source.promised, source.live) == (5, 4, False)


def test_colours_are_kept(tmp_path):
    save_image(tmp_path / "1.png", np.full((2, 2, 3), (200, 100, 0), np.uint8))
    (frame,) = open_source(str(tmp_path))
    assert frame.image_rgb[0, 0].tolist() == [200, 100, 0]


def test_broken_picture_is_left_out_and_its_number_is_not_used(folder):
    (folder / "f9.png").write_bytes(b"no picture")
    source = open_source(str(folder))
    assert [frame.index for frame in source] == [0, 2, 3]
    assert source.broken == 1


def test_nothing_but_broken_pictures_is_an_error(tmp_path):
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(SourceError, match="gave no frame"):
        list(open_source(str(tmp_path)))


def test_other_series_of_a_folder_are_not_mixed(folder):
    save_image(folder / "g9.png", np.zeros((4, 6, 3), np.uint8))
    assert [path.name for path in sequence_pictures(str(folder / "f%d.png"))] == [
        "f8.png",
        "f9.png",
        "f10.png",
        "f11.png",
    ]
    assert [path.name for path in sequence_pictures(str(folder))][-1] == "g9.png"
