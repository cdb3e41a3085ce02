"""Folders of pictures, and an analyzer without a model."""

import numpy as np
import pytest

from facecli.faces import Face
from facecli.images import save_image


@pytest.fixture
def folder(tmp_path):
    """Two pictures, one that is empty, one file that is none."""
    for name in ("a.jpg", "sub dir/ü.png"):
        save_image(tmp_path / name, np.full((20, 30, 3), 90, np.uint8))
    (tmp_path / "bad.jpg").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


@pytest.fixture
def analyzer():
    """Finds the same face in every picture."""

    class OneFace:
        def analyze(self, image_rgb):
            return [Face((1, 1, 9, 9), 0.5, 30.0, (20, 40))]

    return OneFace()
