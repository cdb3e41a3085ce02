"""Names of files made of pictures: never twice, never outside."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.files import TargetNames, UnclaimedNames, harmless_name


def test_first_comer_keeps_the_name():
    assert TargetNames().claim(("sub", "a.jpg")) == "sub/a.jpg"


def test_second_comers_get_numbers_also_when_only_the_case_or_the_composition_differs():
    names = TargetNames()
    given_names = ["a.jpg", "A.JPG", "a.jpg", "ü.png", "u\u0308.png"]
    assert [names.claim((name,)) for name in given_names] == [
        "a.jpg", "A-2.JPG", "a-3.jpg", "ü.png", "u\u0308-2.png",
    ]  # fmt: skip


def test_what_cannot_be_written_becomes_png():
    names = TargetNames()
    assert [names.claim((name,)) for name in ("a.gif", "a.gif.png", "b", "c.heic")] == [
        "a.gif.png", "a.gif-2.png", "b.png", "c.heic.png",
    ]  # fmt: skip


def test_a_file_is_never_where_a_folder_must_be():
    names = TargetNames()
    assert names.claim(("a.jpg",)) == "a.jpg"
    assert names.claim(("a.jpg", "b.png")) == "a-2.jpg/b.png"
    assert names.claim(("a.jpg", "c.png")) == "a-2.jpg/c.png"
    assert names.claim(("sub.png", "b.png")) == "sub.png/b.png"
    assert names.claim(("sub.png",)) == "sub-2.png"


@given(st.lists(st.lists(st.text(max_size=300), min_size=1, max_size=4), min_size=1, max_size=12))
def test_names_are_inside_short_and_no_two_are_one_file_or_folder(many):
    names = TargetNames()
    claimed = [PurePosixPath(names.claim(parts)) for parts in many]
    keys = {str(path).casefold() for path in claimed}
    assert len(keys) == len(claimed)
    for path in claimed:
        assert not path.is_absolute() and not {"..", "."} & set(path.parts)
        assert all(0 < len(part.encode()) < 240 and "\0" not in part for part in path.parts)
        assert not {str(parent).casefold() for parent in path.parents} & keys


def test_same_inputs_get_the_same_names():
    one, two = TargetNames(), TargetNames()
    many = [("a.jpg",), ("x" * 400 + ".jpg",), ("a.jpg",), ("..", "b")]
    assert [one.claim(parts) for parts in many] == [two.claim(parts) for parts in many]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("a\nb.jpg", "a_b.jpg"),
        ("..", "_"),
        (".hidden", "hidden"),
        ("C:x", "C_x"),
        ("\x1b[2J", "_[2J"),
        ("ü", "ü"),
    ],
)
def test_names_from_elsewhere_are_harmless(part, expected):
    assert harmless_name(part) == expected


def test_where_no_files_are_made_names_are_not_kept():
    names = UnclaimedNames()
    assert [names.claim(("sub", "a.jpg")) for _ in range(2)] == ["sub/a.jpg", "sub/a.jpg"]
    assert names.claim(("..", "a/b.jpg")) == "_/a_b.jpg"
    assert vars(names) == vars(UnclaimedNames())
