"""Tiny data sets that the tests write."""

import cv2
import numpy as np
import pandas as pd
import pytest


def picture(seed, side=24):
    """A smooth random picture: unlike others of another seed, also after JPEG."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def write_picture():
    """write_picture(path, seed): the same seed gives the same bytes."""

    def write(path, seed, side=24):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix, picture(seed, side))[1].tobytes())
        return path

    return write


@pytest.fixture
def utkface(tmp_path, write_picture):
    """utkface(count): a folder of `count` different chips that covers every class."""

    def write(count, folder=None):
        folder = folder or tmp_path / "UTKFace"
        folder.mkdir(parents=True, exist_ok=True)
        for row in range(count):
            name = f"{row * 7 % 90}_{row % 2}_{row % 5}_2017{row:010d}.jpg.chip.jpg"
            write_picture(folder / name, row)
        return folder

    return write


@pytest.fixture
def make_frame():
    """make_frame(ages, ...): a table without files."""

    def make(ages, genders=None, races=None, hashes=None, groups=None):
        count = len(ages)
        return pd.DataFrame(
            {
                "file": [f"{row}.jpg" for row in range(count)],
                "sha256": hashes if hashes is not None else [f"{row:064x}" for row in range(count)],
                "age_years": np.asarray(ages, np.int64),
                "gender": np.asarray(genders if genders is not None else [0] * count, np.int64),
                "race": np.asarray(races if races is not None else [0] * count, np.int64),
                "group": np.asarray(groups if groups is not None else range(count), np.int64),
            }
        )

    return make


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """Where archives are unpacked to, below `data/`."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("FACECLI_HOME", str(folder))
    return folder
