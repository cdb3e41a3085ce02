"""What holds for everything that gives pictures, and for everything that gives frames."""

import importlib
import inspect
import io
import pkgutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

import facecli.sources
from facecli.core.errors import ImageError
from facecli.core.files import TargetNames
from facecli.sources.archives import TarSource, ZipSource
from facecli.sources.capture import CaptureSource
from facecli.sources.clip import ClipSource
from facecli.sources.cloud import ObjectSource, PrefixSource, storage_of
from facecli.sources.files import Entry, FileSource, FolderSource, StdinSource
from facecli.sources.inputs import FailedSource
from facecli.sources.manifest import ManifestSource, write_manifest
from facecli.sources.video import ReconnectingSource
from facecli.sources.web import WebSource

NAMES = ("a.png", "deep/a.png")
"""Of the pictures of each source that holds several: what is made of them must not meet."""


def folder(place, png):
    for name in NAMES:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(png)
    return place


def zip_of(place, png):
    with zipfile.ZipFile(place / "z.zip", "w") as archive:
        for name in NAMES:
            archive.writestr(name, png)
    return place / "z.zip"


def tar_of(place, png):
    with tarfile.open(place / "t.tar.gz", "w:gz") as archive:
        archive.add(folder(place / "in", png), ".")
    return place / "t.tar.gz"


def manifest_of(place, png):
    path = place / "m.csv"
    write_manifest(path, [Entry(str(folder(place / "in", png) / name)) for name in NAMES], ".csv")
    return path


SOURCES = {
    FileSource: lambda place, png: FileSource(folder(place, png) / "a.png"),
    FolderSource: lambda place, png: FolderSource(folder(place, png)),
    ZipSource: lambda place, png: ZipSource(zip_of(place, png)),
    TarSource: lambda place, png: TarSource(tar_of(place, png)),
    StdinSource: lambda place, png: StdinSource(io.BytesIO(png)),
    ManifestSource: lambda place, png: ManifestSource(manifest_of(place, png)),
    FailedSource: lambda place, png: FailedSource(str(place / "gone.png"), "no such file"),
    WebSource: lambda place, png: WebSource("http://127.0.0.1:9/b/a.png?key=secret", True),
}
STORED = {
    ObjectSource: lambda: ObjectSource(storage_of("s3://photos").entry("s3://photos/in/a.png")),
    PrefixSource: lambda: PrefixSource("s3://photos/in/"),
}
NOT_THERE = (FailedSource, WebSource)


def classes_with(*members):
    """Classes of `facecli.sources` with all of these, protocols left out."""
    for found in pkgutil.iter_modules(facecli.sources.__path__, "facecli.sources."):
        for _, known in inspect.getmembers(importlib.import_module(found.name), inspect.isclass):
            is_protocol = getattr(known, "_is_protocol", False)
            if (
                known.__module__ == found.name
                and not is_protocol
                and all(hasattr(known, one) for one in members)
            ):
                yield known


KINDS = [*SOURCES, *(pytest.param(kind, marks=pytest.mark.server) for kind in STORED)]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def source(request, tmp_path, png):
    kind = request.param
    if kind not in STORED:
        return SOURCES[kind](tmp_path, png)
    s3 = request.getfixturevalue("s3")
    for name in NAMES:
        s3.put("photos", f"in/{name}", png)
    return STORED[kind]()


def test_no_source_of_pictures_is_left_out():
    assert set(classes_with("items", "files")) == {*SOURCES, *STORED}


def test_it_says_what_it_is(source):
    assert source.is_single in (True, False) and source.name and isinstance(source.name, str)
    assert source.path is None or isinstance(source.path, Path)
    assert all(isinstance(file, Path) for file in source.files())


def test_there_are_as_many_pictures_as_it_says_and_each_is_called_otherwise(source):
    found = list(source.items(TargetNames(), ("p",)))
    assert len(found) == (1 if source.is_single else len(NAMES))
    assert source.total in (None, len(found))
    assert len({one.source for one in found}) == len({one.target_name for one in found}) == len(found)
    for one in found:
        assert "secret" not in one.source + one.target_name and one.source.encode("utf-8")
        target = PurePosixPath(one.target_name)
        assert not target.is_absolute() and ".." not in target.parts and target.suffix


def test_a_name_that_is_taken_is_not_given_again(source):
    names = TargetNames()
    first = [one.target_name for one in source.items(names, ())]
    assert not set(first) & {one.target_name for one in source.items(names, ())}


def test_each_picture_is_given_or_said_why_not(source, png):
    for one in source.items(TargetNames(), ()):
        if isinstance(source, NOT_THERE):
            with pytest.raises(ImageError, match=r"\w"):
                one.load()
        else:
            assert one.load() == png


@pytest.fixture
def open_clip(face_clip):
    return lambda: ClipSource(str(face_clip))


@pytest.fixture
def open_capture(fake_capture, frames):
    return lambda: CaptureSource("frames", fake_capture(frames(12)))


@pytest.fixture
def open_again(open_capture):
    return lambda: ReconnectingSource(open_capture, print)


@pytest.fixture
def open_pictures(tmp_path):
    from facecli.sources.video import open_source

    for number in range(12):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(tmp_path / f"{number:03d}.png")
    return lambda: open_source(str(tmp_path / "%03d.png"))


OPENERS = {
    "open_clip": ClipSource,
    "open_capture": CaptureSource,
    "open_again": ReconnectingSource,
    "open_pictures": None,
}


def test_no_source_of_frames_is_left_out():
    assert set(classes_with("__iter__", "__exit__")) == set(OPENERS.values()) - {None}


@pytest.fixture(params=OPENERS)
def opened(request):
    return request.getfixturevalue(request.param)


def test_frames_come_in_order_and_are_rgb(opened):
    with opened() as source:
        assert source.name and source.given and source.spec and source.fps > 0 and source.stall_s > 0
        assert source.promised in (0, 12) and source.bits_per_s >= 0
        assert {source.live, source.has_sound} <= {True, False}
        found = list(source)
        assert source.broken == 0
    assert [frame.index for frame in found] == list(range(12))
    assert found[0].time_s >= 0 and np.all(np.diff([frame.time_s for frame in found]) > 0)
    shapes = {(frame.image_rgb.shape, frame.image_rgb.dtype) for frame in found}
    assert (
        len(shapes) == 1
        and next(iter(shapes))[0][2:] == (3,)
        and {np.dtype(np.uint8)} == {one for _, one in shapes}
    )


def test_it_may_be_closed_before_its_end_and_twice(opened, no_thread_left):
    with opened() as source:
        next(iter(source))
    source.__exit__(None, None, None)
