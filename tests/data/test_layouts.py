"""Kinds of data sets by name: those of facecli, and those that other packages bring."""

import hashlib
import sys

import cv2
import numpy as np
import pytest

from facecli.core.errors import FacecliError
from facecli.data import sources
from facecli.data.sources import LAYOUTS, crop_of, open_dataset
from facecli.data.table import COLUMNS, Layout

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


def utkface_like(folder, write):
    for number in range(2):
        write(folder / f"{30 + number}_0_1_2017{number:010d}.png", number)
    return folder, "31_0_1_20170000000001.png"


def fairface_like(folder, write):
    for number in range(2):
        write(folder / "train" / f"{number}.png", number)
    rows = ["file,age,gender,race", "train/0.png,0-2,Male,White", "train/1.png,20-29,Female,Black"]
    (folder / "fairface_label_train.csv").write_text("\n".join(rows))
    return folder, "train/1.png"


def fer2013_like(folder, write):
    for number, emotion in enumerate(("angry", "happy")):
        write(folder / "train" / emotion / "1.png", number)
    return folder, "train/happy/1.png"


def not_face_like(folder, write):
    for number in range(2):
        write(folder / "not_face" / f"{number}.png", number)
    return folder, "not_face/1.png"


def wiki_like(folder, write):
    savemat = pytest.importorskip("scipy.io").savemat
    paths = np.empty(2, object)
    for number in range(2):
        paths[number] = f"01/{number}.png"
        write(folder / paths[number], number)
    born, taken = np.full(2, 723000.0), np.full(2, 2010.0)
    record = {"full_path": paths, "dob": born, "photo_taken": taken, "gender": np.array([0.0, 1.0])}
    record |= {"face_score": np.full(2, 3.0), "second_face_score": np.full(2, np.nan)}
    savemat(folder / "wiki.mat", {"wiki": record})
    return folder, "01/1.png"


def ages_like(folder, write):
    for number in range(2):
        write(folder / f"{number}.png", number)
    (folder / "ages.txt").write_text("0.png,30\n1.png,40\n")
    return folder, "1.png"


SETS = {
    "utkface": utkface_like,
    "fairface": fairface_like,
    "fer2013": fer2013_like,
    "not_face": not_face_like,
    "wiki": wiki_like,
    "ages": ages_like,
}
"""Layout -> writes a set of two pictures; gives its folder and the second picture."""


def test_no_layout_is_left_out(install):
    install("plugged_ages", PLUGIN, "ages")
    assert set(SETS) == set(LAYOUTS.names())


@pytest.fixture(params=SETS)
def written(request, tmp_path, write_picture, install):
    install("plugged_ages", PLUGIN, "ages")
    folder = tmp_path / "given" / "set"
    folder.mkdir(parents=True)
    return request.param, *SETS[request.param](folder, write_picture)


def test_every_set_is_read_by_its_layout_into_the_common_columns(written):
    name, place, _ = written
    folder, table = open_dataset(place)
    frame = table.frame
    assert list(frame.columns[: len(COLUMNS)]) == list(COLUMNS) and set(frame["source"]) == {name}
    assert len(frame) == 2 and frame["file"].is_monotonic_increasing and table.problems == []
    digests = [hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in frame["file"]]
    assert frame["sha256"].tolist() == digests
    labels = frame[["age_years", "gender", "race"]]
    assert (labels >= -1).all(axis=None) and all(kind.kind == "i" for kind in labels.dtypes)
    above, same = open_dataset(place.parent)
    assert [above / file for file in same.frame["file"]] == [folder / file for file in frame["file"]]


def test_a_picture_that_is_none_is_left_out_with_its_reason(written):
    _, place, second = written
    (place / second).write_bytes(b"no picture")
    _, table = open_dataset(place)
    assert len(table.frame) == 1
    assert [(file, bool(reason)) for file, reason in table.problems] == [(second, True)]


def test_without_pictures_there_is_one_error(written):
    _, place, _ = written
    for file in place.rglob("*.png"):
        file.unlink()
    with pytest.raises(FacecliError, match=r"\w"):
        open_dataset(place)


def test_every_crop_is_a_margin_and_a_shift(written):
    margin, shift_y = crop_of(written[0])
    assert -0.5 < margin < 1 and -0.5 < shift_y < 0.5


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
