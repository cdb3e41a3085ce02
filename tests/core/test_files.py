"""Folders and patterns: each folder once, whatever leads to it."""

import glob
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.files import expand_pattern, walk_folders

FILES = (
    "a.png",
    "-.png",
    "[x].png",
    "one/a.png",
    "one/b.jpg",
    "two/a.png",
    "two/deep/b.png",
    ".hidden/c.png",
)
PARTS = st.sampled_from(["*", "**", "one", "two", "*.png", "a.*", "deep", "[ab]*", "nowhere", "?.png"])


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


@given(st.lists(PARTS, min_size=1, max_size=4), st.booleans())
def test_without_links_a_pattern_means_what_it_means_everywhere(tree, parts, absolute):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tree)
        pattern = os.path.join(*([str(tree)] if absolute else []), *parts)
        # Two stars in a row are one; folders alone are no matter of `**` here.
        expected = {one for one in glob.glob(pattern, recursive=True) if os.path.isfile(one)}
        found = expand_pattern(pattern)
        assert [one for one in found if os.path.isfile(one)] == sorted(expected)
        assert len(found) == len(set(found))


def test_a_folder_with_a_name_like_a_pattern(tree, monkeypatch):
    monkeypatch.chdir(tree)
    (tree / "[o]ne").mkdir(exist_ok=True)
    (tree / "[o]ne" / "q.png").write_bytes(b"")
    assert "[o]ne/q.png" in expand_pattern("**/q.png")


def test_nothing_matches(tmp_path):
    assert expand_pattern(str(tmp_path / "*.png")) == expand_pattern(str(tmp_path / "**" / "*.png")) == []
    assert list(walk_folders(tmp_path)) == [(str(tmp_path), [])]


@pytest.mark.skipif(os.name != "posix", reason="links need rights there")
def test_links_that_go_round_are_followed_once(tmp_path):
    root = tmp_path / "photos"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "one.png").write_bytes(b"")
    for place in ("x", "a/x", "a/b/x"):
        (root / place).symlink_to(root)
    (root / "again").symlink_to(root / "a")
    assert sum(len(files) for _, files in walk_folders(root)) == 1
    assert [Path(one).name for one in expand_pattern(f"{root}/**/*.png")] == ["one.png"]
    # A top that is a link itself is looked through.
    assert len(expand_pattern(f"{root}/again/**/*.png")) == 1
