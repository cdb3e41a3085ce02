"""`--sink NAME=TARGET`: another package's output takes pictures and frames as our own do."""

import shutil

import numpy as np
import pytest
from clip_corpus import KINDS

from facecli.cli.app import main
from facecli.core.errors import InputError
from facecli.core.images import save_image
from facecli.sinks.base import SINKS, parse_sink


@pytest.fixture
def run(tiny_checkpoint, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_image(tmp_path / "a.png", np.full((40, 60, 3), 90, np.uint8))

    def run(*arguments):
        given = ["run", "--no-show", "--model-path", str(tiny_checkpoint.folder), "--detector", "none"]
        return main([*given, *arguments]), capfd.readouterr().err

    return run


def test_without_a_package_there_is_none(run):
    assert SINKS.names() == ()
    code, err = run("--img", "a.png", "--sink", "example=counts.txt")
    assert code == 2 and "no sink 'example'; no package brings any" in err


def test_pictures_flow_into_it(example_sink, run, tmp_path):
    shutil.copy("a.png", "b.png")
    code, err = run("--img", "a.png", "--img", "b.png", "--sink", "example=counts.txt", "--show-rejected")
    assert code == 0, err
    assert (tmp_path / "counts.txt").read_text() == "a.png: 1\nb.png: 1\n"


def test_frames_flow_into_it(example_sink, run, tmp_path):
    (kind,) = (kind for kind in KINDS if kind.name == "h264_mp4")
    kind.make(tmp_path / "clip.mp4")
    code, err = run("--video", "clip.mp4", "--end", "0.1", "--show-rejected", "--sink", "example=counts.txt")
    assert code == 0, err
    assert (tmp_path / "counts.txt").read_text() == "clip.mp4: 1\n" * 3


@pytest.mark.parametrize(
    ("sink", "words"),
    [
        ("example=a.png", "is the picture itself"),
        ("example", "is not a NAME=TARGET"),
        ("=x", "is not a NAME=TARGET"),
        ("other=x", "no sink 'other'; choose one of example"),
    ],
)
def test_what_cannot_be_is_refused(example_sink, run, tmp_path, sink, words):
    before = (tmp_path / "a.png").read_bytes()
    code, err = run("--img", "a.png", "--sink", sink)
    assert code == 2 and words in err
    assert (tmp_path / "a.png").read_bytes() == before


def test_two_results_of_one_place_are_refused(example_sink, run):
    code, err = run("--img", "a.png", "--sink", "example=x.txt", "--json", "x.txt")
    assert code == 2 and "both write to x.txt" in err


def test_of_several_of_one_kind_each_is_looked_at(example_sink, run, tmp_path):
    before = (tmp_path / "a.png").read_bytes()
    for first, words in (("a.png", "is the picture itself"), ("x.txt", "both write to x.txt")):
        code, err = run("--img", "a.png", "--sink", f"example={first}", "--sink", "example=x.txt")
        assert code == 2 and words in err
    assert (tmp_path / "a.png").read_bytes() == before


def test_one_that_cannot_be_loaded_is_named(install):
    install("plugged", "raise RuntimeError('no luck')", group="facecli.sinks", attribute="SINK")
    with pytest.raises(InputError, match="the sink 'example' of plugged cannot be loaded: no luck"):
        parse_sink("example=x")


def test_two_packages_of_one_name_are_told_apart(install):
    for package in ("plugged_a", "plugged_b"):
        install(package, "", group="facecli.sinks", attribute="SINK")
    with pytest.raises(InputError, match="plugged_a and plugged_b both bring a sink 'example'"):
        parse_sink("example=x")
