"""Kinds of data sets by name: those of facecli, and those that other packages bring."""

import sys

import cv2
import numpy as np
import pytest

from facecli.data import sources
from facecli.data.sources import LAYOUTS, crop_of, open_dataset
from facecli.data.table import Layout

PLUGIN = """
from facecli.data.table import Layout, build_table

def read(table):
    rows = [line.split(",") for line in table.read_text().splitlines()]
    labels = [{"file": file, "age_years": int(age)} for file, age in rows]
    return table.parent, build_table(table.parent, labels, [], source="ages")

LAYOUT = Layout(read, is_table=lambda name: name == "ages.txt", crop=(0.1, 0.0))
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a package with an entry point where Python finds it."""

    def installed(package, source, name):
        info = tmp_path / package / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (tmp_path / package / f"{package}.py").write_text(source, encoding="utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[facecli.datasets]\n{name} = {package}:LAYOUT\n")
        monkeypatch.syspath_prepend(str(tmp_path / package))
        sources.layouts.cache_clear()

    yield installed
    sources.layouts.cache_clear()
    for module in [module for module in sys.modules if module.startswith("plugged_")]:
        del sys.modules[module]


@pytest.fixture
def ages(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("a", "b"):
        cv2.imwrite(str(folder / f"{name}.png"), np.full((20, 20, 3), ord(name), np.uint8))
    (folder / "ages.txt").write_text("a.png,30\nb.png,40\n")
    return folder


def test_a_file_of_the_package_is_a_layout():
    assert LAYOUTS.built_in_names() == ("fairface", "fer2013", "not_face", "wiki", "utkface")
    assert all(isinstance(LAYOUTS.find(name), Layout) for name in LAYOUTS.built_in_names())


def test_a_source_that_nobody_knows_is_cut_whole():
    assert crop_of("elsewhere") == (0.0, 0.0) and crop_of("fer2013") == (-0.039, 0.082)


def test_another_package_brings_one(install, ages):
    install("plugged_ages", PLUGIN, "ages")
    for place in (ages, ages / "ages.txt"):
        folder, table = open_dataset(place)
        assert folder == ages and table.frame["age_years"].tolist() == [30, 40]
    assert crop_of("ages") == (0.1, 0.0)


def test_one_that_cannot_be_imported_is_named_and_the_rest_is_read(install, ages, caplog):
    install("plugged_bad", "raise ImportError('no such reader')", "bad")
    cv2.imwrite(str(ages / "30_0_1_20170101000000000.png"), np.zeros((20, 20, 3), np.uint8))
    _, table = open_dataset(ages)
    assert table.frame["age_years"].tolist() == [30]
    assert "the data set 'bad' of plugged_bad cannot be loaded: no such reader" in caplog.text
