"""Manifests: written and read in three formats, listed in order, gone on with, held against what is there."""

import json
import os
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facecli.core.errors import ImageError, InputError, SourceError
from facecli.sources.files import Entry
from facecli.sources.inputs import Rules, find_inputs
from facecli.sources.manifest import (
    COLUMNS,
    Listing,
    ManifestSource,
    is_manifest,
    read_manifest,
    sorted_entries,
    write_manifest,
)

SUFFIXES = [".csv", ".jsonl", pytest.param(".parquet", id=".parquet")]
TYPED = Rules(storage=True)
NUMBERS = st.none() | st.integers(0, 2**62)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
ENTRIES = st.lists(st.builds(Entry, TEXT, NUMBERS, st.none() | TEXT, NUMBERS), max_size=5)


def need(suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="the extra [parquet] is not here")


def write(path, *entries):
    need(path.suffix)
    write_manifest(path, entries, path.suffix)
    return path


class Stream:
    """A source of entries that are there."""

    name = "stream"

    def __init__(self, *sources):
        self.sources, self.asked = sources, []

    def entries(self, after=""):
        self.asked.append(after)
        return (Entry(source, 1) for source in self.sources if source > after)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_manifest_of_nothing_is_read_and_no_source(tmp_path, suffix):
    path = write(tmp_path / f"m{suffix}")
    assert list(read_manifest(path)) == []
    with pytest.raises(InputError, match="names no pictures"):
        ManifestSource(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(entries=ENTRIES)
def test_what_is_written_is_read(tmp_path, suffix, entries):
    path = write(tmp_path / f"m{suffix}", *entries)
    assert list(read_manifest(path)) == entries
    assert is_manifest(path) or not entries


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_manifest_that_is_cut_short_is_refused(tmp_path, suffix):
    path = write(tmp_path / f"m{suffix}", Entry("a.jpg", 3), Entry("b.jpg", 12345, "etag", 1))
    content = path.read_bytes()
    for cut in (content[:-1], content[:-3], content[: len(content) // 2]):
        path.write_bytes(cut)
        with pytest.raises(InputError, match="cut short"):
            read_manifest(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.csv", "source,size\na.jpg,3\n"),
        ("m.jsonl", '{"source": "a.jpg", "faces": []}\n'),
        ("m.csv", ""),
        ("m.parquet", "no Parquet\n"),
    ],
)
def test_other_files_are_no_manifests(tmp_path, name, content):
    need(Path(name).suffix)
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match="not a manifest|not a Parquet"):
        read_manifest(tmp_path / name)
    assert not is_manifest(tmp_path / name)


def test_a_table_of_rows_is_no_manifest(tmp_path):
    pyarrow = pytest.importorskip("pyarrow.parquet", reason="the extra [parquet] is not here")
    from facecli.schema import to_arrow

    pyarrow.write_table(to_arrow([]), tmp_path / "rows.parquet")
    with pytest.raises(InputError, match=r"is not a manifest \(no etag, mtime_ns, size\)"):
        find_inputs([str(tmp_path / "rows.parquet")])


@pytest.mark.parametrize(
    "row",
    [
        '{"source": "", "size": 1, "etag": null, "mtime_ns": null}',
        '{"source": 3, "size": 1, "etag": null, "mtime_ns": null}',
        '{"source": "a", "size": -1, "etag": null, "mtime_ns": null}',
        '{"source": "a", "size": "many", "etag": null, "mtime_ns": null}',
        '{"source": "a", "size": true, "etag": null, "mtime_ns": null}',
        '{"source": "a", "size": 1, "etag": 7, "mtime_ns": null}',
        "[1]", "no JSON", "9" * 5000,
    ],
)  # fmt: skip
def test_a_row_that_is_no_entry_is_named_when_its_turn_comes(tmp_path, row):
    path = write(tmp_path / "m.jsonl", Entry("good.jpg", 3))
    path.write_text(path.read_text() + row + "\n")
    entries = read_manifest(path)
    assert next(entries).source == "good.jpg"
    with pytest.raises(SourceError, match="m.jsonl.*entry"):
        next(entries)


@pytest.mark.parametrize("line", ["a.jpg,1,2", "a.jpg,x,,", "a.jpg,-1,,", "a.jpg,1,,1.5", ",1,,", '"a.jpg'])
def test_a_line_of_csv_that_is_no_entry_is_named(tmp_path, line):
    path = write(tmp_path / "m.csv", Entry("good.jpg", 3))
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(SourceError, match="m.csv.*entry"):
        list(read_manifest(path))


def test_without_pyarrow_other_formats_do(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"needs pyarrow: pip install .*\[parquet\].*\.csv and \.jsonl do"):
        Listing(tmp_path / "m.parquet", ["a"])
    Listing(tmp_path / "m.csv", ["a"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pictures_of_a_manifest_are_read_as_they_were(folder, tmp_path, suffix, png):
    sources = find_inputs([str(folder)]).sources
    path = write(tmp_path / f"m{suffix}", *sorted_entries(sources))
    inputs = find_inputs([str(path)])
    found = {item.source: item for item in inputs}
    assert sorted(found) == list(found) == sorted(item.source for item in find_inputs([str(folder)]))
    assert not inputs.is_single and not inputs.has_remote
    assert inputs.total == (3 if suffix == ".parquet" else None)
    good = found[str(folder / "sub dir" / "ü.png")]
    assert good.load() == (folder / "sub dir" / "ü.png").read_bytes()
    (folder / "a.jpg").write_bytes(png)
    with pytest.raises(ImageError, match=r"a\.jpg was changed since it was listed"):
        found[str(folder / "a.jpg")].load()
    os.utime(folder / "sub dir" / "ü.png", (1, 1))
    with pytest.raises(ImageError, match="was changed since"):
        good.load()
    (folder / "bad.jpg").unlink()
    with pytest.raises(ImageError, match="cannot read"):
        found[str(folder / "bad.jpg")].load()


def test_what_is_made_of_pictures_of_a_manifest_lies_where_these_do(tmp_path):
    path = write(tmp_path / "m.jsonl", Entry("/a/../b.jpg"), Entry("s3://photos/x/b.jpg"), Entry("B.jpg"))
    assert [item.target_name for item in find_inputs([str(path)])] == [
        "a/b.jpg",
        "s3/photos/x/b.jpg",
        "B.jpg",
    ]
    assert find_inputs([str(path)]).has_remote is False


def test_an_address_of_a_manifest_obeys_the_rules_of_addresses(server, tmp_path, png):
    path = write(
        tmp_path / "m.jsonl", Entry(f"{server.url}/a.png", len(png)), Entry(f"{server.url}/a.png", 1)
    )
    (item, changed) = find_inputs([str(path)], Rules(allow_private=True))
    assert item.load() == png
    with pytest.raises(ImageError, match="was changed since"):
        changed.load()
    (item, _) = find_inputs([str(path)])
    with pytest.raises(ImageError, match="a private address"):
        item.load()


@given(st.lists(st.lists(TEXT, max_size=6), max_size=4), TEXT)
def test_sources_are_listed_in_order_and_each_once(lists, after):
    streams = [Stream(*sorted(one)) for one in lists]
    every = sorted({source for one in lists for source in one})
    assert [entry.source for entry in sorted_entries(streams)] == every
    rest = [entry.source for entry in sorted_entries(streams, after)]
    assert rest == [source for source in every if source > after]


def test_storage_without_order_is_said():
    with pytest.raises(SourceError, match="a.jpg comes after b.jpg"):
        list(sorted_entries([Stream("b.jpg", "a.jpg")]))


def test_what_cannot_be_listed_is_named(tmp_path, png):
    (tmp_path / "a.png").write_bytes(png)
    with pytest.raises(InputError, match="stdin.png cannot be listed"):
        list(sorted_entries(find_inputs(["-"]).sources))
    with pytest.raises(InputError, match="gone.png"):
        list(sorted_entries(find_inputs([str(tmp_path), "gone.png"]).sources))
    with pytest.raises(InputError, match="contains a secret"):
        list(sorted_entries(find_inputs(["https://example.org/a.jpg?token=abc"]).sources))


def test_a_name_must_say_the_format(tmp_path):
    with pytest.raises(InputError, match=r"use a name that ends in \.parquet, \.csv, \.jsonl"):
        Listing(tmp_path / "m.txt", ["a"])


class Broken(Stream):
    """Breaks off after some entries."""

    def __init__(self, after, *sources):
        super().__init__(*sources)
        self.left = after

    def entries(self, after=""):
        yield from islice(super().entries(after), self.left)
        raise SourceError("the line was cut")


@pytest.mark.parametrize("at", [0, 1, 999, 1000, 1500])
@pytest.mark.parametrize("damage", [b"", b'{"source": "half'])
def test_broken_off_and_gone_on_with_it_is_as_an_unbroken_one(tmp_path, at, damage):
    names = [f"{number:05}.jpg" for number in range(2000)]
    target, whole = tmp_path / "m.jsonl", tmp_path / "whole.jsonl"
    Listing(whole, ["x"]).make(Stream(*names).entries, lambda count: None)
    broken = Listing(target, ["x"])
    with pytest.raises(SourceError, match="was cut"):
        broken.make(Broken(at, *names).entries, lambda count: None)
    assert not target.exists()
    with open(broken.path, "ab") as file:
        file.write(damage)
    rest, again = Stream(*names), Listing(target, ["x"], resume=True)
    again.make(rest.entries, lambda count: None)
    assert target.read_bytes() == whole.read_bytes() and again.count == again.bytes == 2000
    listed = at // 1000 * 1000
    assert rest.asked == [names[listed - 1] if listed else ""]
    assert sorted(tmp_path.iterdir()) == [target, whole]


def test_a_listing_of_something_else_is_not_gone_on_with(tmp_path):
    with pytest.raises(SourceError):
        Listing(tmp_path / "m.csv", ["x"]).make(Broken(1500, *map(str, range(10**4))).entries, print)
    with pytest.raises(InputError, match="was begun with other sources"):
        Listing(tmp_path / "m.csv", ["y"], resume=True).make(Stream("a").entries, lambda count: None)
    Listing(tmp_path / "m.csv", ["y"]).make(Stream("a").entries, lambda count: None)
    assert (tmp_path / "m.csv").read_text() == f"{','.join(COLUMNS)}\na,1,,\n"


def test_two_do_not_make_one_manifest(tmp_path):
    def meanwhile(after):
        with pytest.raises(InputError, match="is being written by another run"):
            Listing(tmp_path / "m.csv", ["x"], resume=True).make(Stream("a").entries, lambda count: None)
        yield Entry("b")

    Listing(tmp_path / "m.csv", ["x"]).make(meanwhile, lambda count: None)
    assert (tmp_path / "m.csv").read_text().endswith("b,,,\n")


def test_a_bucket_is_listed_once_page_by_page(s3, tmp_path):
    for number in range(2100):
        s3.put("photos", f"{number:05}.jpg", b"x" * (number % 3))
    s3.asked.clear()
    sources = find_inputs(["s3://photos"], TYPED).sources
    write(tmp_path / "m.jsonl", *sorted_entries(sources))
    rows = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert [row["source"] for row in rows] == [f"s3://photos/{number:05}.jpg" for number in range(2100)]
    assert rows[4]["size"] == 1 and rows[4]["etag"] == s3.etag("photos", "00004.jpg")
    assert len(s3.asked) <= 5, "three pages, and one to look whether there is anything"


def test_a_manifest_may_lie_in_storage(s3, tmp_path, png):
    address = s3.put("photos", "a.png", png)
    path = write(tmp_path / "m.csv", *sorted_entries(find_inputs([address], TYPED).sources))
    s3.put("out", "m.csv", path.read_bytes())
    inputs = find_inputs(["s3://out/m.csv"], TYPED)
    (copy,) = inputs.files()
    (item,) = inputs
    assert (item.source, item.load()) == (address, png) and copy.exists()
    del inputs, item
    assert not copy.parent.exists(), "the copy is left behind"
    with pytest.raises(InputError, match="no such object"):
        find_inputs(["s3://out/gone.csv"], TYPED)
