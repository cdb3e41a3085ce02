"""Text files of paths."""

import io

import pytest

from facecli.core.errors import InputError
from facecli.sources.inputs import read_list


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_empty_list_is_refused(tmp_path, content):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(InputError, match="empty list"):
        read_list(str(tmp_path / "list.txt"))


@pytest.mark.parametrize(
    ("content", "entries"),
    [
        (b"a.jpg\n\nb c.png", ["a.jpg", "b c.png"]),
        (b"\xef\xbb\xbfa.jpg\r\n\xc3\xbc.jpg\r\n", ["a.jpg", "ü.jpg"]),
        (b"a\nb.jpg\0-c.jpg\0", ["a\nb.jpg", "-c.jpg"]),
        (b"\xff.jpg\n", ["\udcff.jpg"]),
        (b" a.jpg\n#b.jpg", [" a.jpg", "#b.jpg"]),
    ],
)
def test_a_path_on_each_line_or_before_each_zero(content, entries):
    assert read_list("-", io.BytesIO(content)) == entries


@pytest.mark.parametrize("content", [b"\xff\xfea\0", b"\x89PNG\r\n\x1a\n"])
def test_other_files_are_refused(content):
    with pytest.raises(InputError, match="not a list in UTF-8"):
        read_list("-", io.BytesIO(content))


def test_list_that_cannot_be_read(tmp_path, monkeypatch):
    for name in (tmp_path / "none.txt", tmp_path, "/dev/zero"):
        with pytest.raises(InputError, match="no list"):
            read_list(str(name))
    monkeypatch.setattr("facecli.sources.inputs._MAX_BYTES", 5)
    with pytest.raises(InputError, match="more than 5 bytes"):
        read_list("-", io.BytesIO(b"abcdef"))
