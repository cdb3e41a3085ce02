"""What arguments mean."""

import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from facecli.core.errors import ImageError, InputError
from facecli.sources.inputs import Rules, find_inputs


@pytest.fixture
def here(tmp_path, monkeypatch, png):
    """The current folder, with pictures whose base names are alike, archives and a list."""
    monkeypatch.chdir(tmp_path)
    for name in ("one/a.png", "two/a.png", "two/deep/b.png", "-.png", "[x].png", "two/photo"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png)
    (tmp_path / "two" / "notes.txt").write_text("no picture")
    with zipfile.ZipFile("z.zip", "w") as archive:
        archive.writestr("a.png", png)
    with tarfile.open("t.tar.gz", "w:gz") as archive:
        archive.add("one/a.png")
    return tmp_path


def sources(*given):
    return [one.source for one in find_inputs(given)]


@pytest.mark.parametrize("given", ["none.jpg", "none*.jpg", "@none.txt", "http://", "x\0y", "a" * 5000, ""])
def test_an_only_source_that_is_not_there_is_refused(here, given):
    with pytest.raises(InputError):
        find_inputs([given])


def test_among_several_it_is_a_picture_that_fails(here):
    inputs = find_inputs(["none.jpg", "one/a.png", "/dev/zero", "two/notes.zip"])
    assert inputs.total == 4 and not inputs.is_single
    first, good, device, _ = inputs
    assert good.load()
    for one, reason in ((first, "no such picture"), (device, "is a device")):
        with pytest.raises(ImageError, match=reason):
            one.load()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("one/a.png", ["one/a.png"]),
        ("./-.png", ["-.png"]),
        ("-.png", ["-.png"]),
        ("[x].png", ["[x].png"]),
        ("two", ["two/a.png", "two/deep/b.png", "two/photo"]),
        ("*/a.png", ["one/a.png", "two/a.png"]),
        ("two/*", ["two/a.png", "two/deep/b.png", "two/photo"]),
        ("**/*.png", ["-.png", "[x].png", "one/a.png", "two/a.png", "two/deep/b.png"]),
        ("two/n*", ["two/notes.txt"]),
        ("z.zip", ["z.zip/a.png"]),
        ("t.tar.gz", ["t.tar.gz/one/a.png"]),
        ("*.zip", ["z.zip/a.png"]),
        ("http://example.org/x?y", ["http://example.org/x?y"]),
    ],
)
def test_what_one_argument_means(here, given, expected):
    assert sources(given) == expected


def test_every_archive_that_can_be_opened_is_taken_for_one():
    from facecli.sources import archives, inputs

    assert {*inputs._ARCHIVES} == {archives.ZIP_SUFFIX, *archives.TAR_SUFFIXES}


def test_order_is_that_of_the_arguments_and_names_are_never_twice(here):
    inputs = find_inputs(["two", "one/a.png", "two/a.png", "z.zip", "t.tar.gz"])
    assert [one.source for one in inputs] == [
        "two/a.png", "two/deep/b.png", "two/photo", "one/a.png", "two/a.png", "z.zip/a.png",
        "t.tar.gz/one/a.png",
    ]  # fmt: skip
    assert [one.target_name for one in inputs] == [
        "two/a.png", "two/deep/b.png", "two/photo.png", "a.png", "a-2.png", "z/a.png", "t/one/a.png",
    ]  # fmt: skip
    assert [one.target_name for one in inputs] == [one.target_name for one in inputs]


def test_list_with_missing_files(here):
    names = [f"missing{number}.png" if number % 4 == 1 else "one/a.png" for number in range(10)]
    (here / "list.txt").write_text("\n".join(names))
    inputs = find_inputs(["@list.txt"])
    assert inputs.total == 10 and [one.source for one in inputs] == names
    failed = 0
    for one in inputs:
        try:
            one.load()
        except ImageError:
            failed += 1
    assert failed == 3


@pytest.mark.parametrize("content", ["@other.txt", "-", "@-"])
def test_lists_hold_neither_lists_nor_standard_input(here, content):
    (here / "list.txt").write_text(content)
    with pytest.raises(InputError, match="within a list"):
        find_inputs(["@list.txt", "one/a.png"])


def test_file_whose_name_begins_like_a_list(here, png):
    (here / "@a.png").write_bytes(png)
    assert sources("@a.png") == ["@a.png"]


@pytest.mark.parametrize(
    ("given", "single", "total"),
    [("one/a.png", True, 1), ("-", True, 1), ("one", False, 1), ("z.zip", False, 1), ("one/*", False, 1),
     ("t.tar.gz", False, None), ("http://example.org/", True, 1)],
)  # fmt: skip
def test_what_can_only_be_one_picture(here, given, single, total):
    inputs = find_inputs([given])
    assert (inputs.is_single, inputs.total) == (single, total)
    assert inputs.has_remote is given.startswith("http")


def test_standard_input_is_given_once(here):
    with pytest.raises(InputError, match="once"):
        find_inputs(["-", "@-"])


def test_pictures_that_could_be_written_over_are_told(here):
    inputs = find_inputs(
        ["one/a.png", "two", "z.zip", "http://example.org/a.png"], Rules(excluded=(here / "two",))
    )
    assert [path.name for path in inputs.in_place] == ["a.png"]


@pytest.mark.parametrize(
    ("url", "source", "name"),
    [
        ("http://h.org/a.jpg?token=hunter2/b.jpg", "http://h.org/a.jpg?token=***", "a.jpg"),
        ("http://h.org/get_password=hunter2.jpg", "http://h.org/get_password=***", "get_password=___.png"),
        ("http://me:80/hunter2@h.org", "http://***@h.org", "___@h.org.png"),
        ("http://me:80/hunter2@[x]", "http://***@[x]", "___@[x].png"),
    ],
)
def test_names_of_what_is_made_hold_no_password(url, source, name):
    (one,) = find_inputs([url])
    assert (one.source, one.target_name) == (source, name)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h.org/x/photo.jpg?size=1", "photo.jpg"), ("http://h.org", "h.org.png"),
        ("http://h.org/..%2F..%2Fetc%2Fpasswd", "passwd.png"), ("http://h.org/a%0Ab.png", "a_b.png"),
    ],
)  # fmt: skip
def test_what_is_made_of_an_address_has_a_harmless_name(url, name):
    (one,) = find_inputs([url])
    assert (one.source, one.target_name) == (url, name)


@pytest.fixture
def linked(tmp_path):
    """A folder with links: to a folder beside it, to a folder in it, and to itself."""
    root, beside = tmp_path / "photos", tmp_path / "beside"
    for folder in (root / "a", beside):
        folder.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / "one.png")
    (root / "beside").symlink_to(beside)
    (root / "again").symlink_to(root / "a")
    (root / "a" / "loop").symlink_to(root)
    return root


def test_linked_folders_are_looked_through_once_by_folder_and_pattern(linked, monkeypatch):
    monkeypatch.chdir(linked.parent)
    names = sorted(item.source for item in find_inputs(["photos"]))
    assert len(names) == 2 and "photos/beside/one.png" in names
    assert len({Path(name).resolve() for name in names}) == 2
    by_pattern = [item.source for item in find_inputs(["photos/**/*.png"])]
    assert len(by_pattern) == 2 == len({Path(name).resolve() for name in by_pattern})


def test_what_is_left_out_of_a_folder_is_counted_and_said(here):
    said = []
    find_inputs(["two"], Rules(notify=said.append))
    assert said == ["two: 1 file is no picture and is left out"]
    (here / "two" / "more.txt").write_text("no picture")
    find_inputs(["two"], Rules(notify=said.append))
    assert said[1:] == ["two: 2 files are not pictures and are left out"]
