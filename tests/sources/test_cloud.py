"""Object storage: what a server that speaks S3 gives, and what it refuses, delays, cuts and changes."""

import sys
import time

import pytest

from facecli.core.errors import ImageError, InputError, OutputError, SourceError
from facecli.sources import cloud
from facecli.sources.files import Entry
from facecli.sources.given import can_be_read_again, read_picture
from facecli.sources.inputs import Rules, find_inputs
from facecli.sources.web import FetchLimits

SHORT = FetchLimits(whole_s=1.0, max_bytes=1 << 16)
TYPED = Rules(storage=True)


def names(*given):
    return [item.source for item in find_inputs(given, TYPED)]


def read(address, limits=SHORT):
    return cloud.storage_of(address).read(Entry(address), limits)


def listed(address):
    (entry,) = cloud.find_objects(address).entries()
    return entry


@pytest.mark.parametrize("given", ["s3://photos", "s3://photos/", "s3://photos/a", "s3://photos/*.jpg"])
def test_nothing_there_is_said_at_once(s3, given):
    s3.put("photos", "notes.txt", b"no picture")
    with pytest.raises(InputError, match="s3://photos.*check the address"):
        find_inputs([given], TYPED)


@pytest.mark.parametrize("given", ["s3://", "s3:///a.jpg", "s3://*/a.jpg", "gs://"])
def test_an_address_names_a_bucket(given):
    with pytest.raises(InputError, match="names no bucket"):
        find_inputs([given], TYPED)


@pytest.mark.parametrize("given", ["s3://AKIA:se/cret@photos/a.jpg", "s3://secret@photos/a.jpg"])
def test_a_login_is_refused_and_not_shown(given):
    with pytest.raises(InputError, match="contains a login") as raised:
        find_inputs([given], TYPED)
    assert "cret" not in str(raised.value) and "AWS_PROFILE" in raised.value.hint


def test_a_bucket_that_does_not_exist_is_one_line(s3):
    for given in ("s3://nowhere/a.jpg", "s3://nowhere/*.jpg", "s3://nowhere"):
        with pytest.raises(InputError, match="check the address"):
            find_inputs([given], TYPED)
    with pytest.raises(InputError, match="no such bucket"):
        cloud.check_target("s3://nowhere/rows.jsonl")
    with pytest.raises(InputError, match="no object in it"):
        cloud.check_target("s3://photos/")


def test_a_folder_is_all_pictures_below_in_order_without_hidden_ones(s3, png):
    keys = ("a/z.jpg", "a/b/c.PNG", "a/.thumbs/x.jpg", "a/.x.jpg", "a/notes.txt", "ab/other.jpg", "a/folder/")
    for key in keys:
        s3.put("photos", key, png)
    assert (
        names("s3://photos/a") == names("s3://photos/a/") == ["s3://photos/a/b/c.PNG", "s3://photos/a/z.jpg"]
    )
    items = {item.source: item.target_name for item in find_inputs(["s3://photos/a"], TYPED)}
    assert items["s3://photos/a/b/c.PNG"] == "b/c.PNG"
    assert find_inputs(["s3://photos/a"], TYPED).has_remote


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("s3://photos/*.jpg", ["a.jpg"]),
        ("s3://photos/**/*.jpg", ["2024/b.jpg", "2024/may/c.jpg", "a.jpg"]),
        ("s3://photos/2024/?.jpg", ["2024/b.jpg"]),
        ("s3://photos/2024/**", ["2024/b.jpg", "2024/may/c.jpg"]),
    ],
)
def test_patterns_stand_for_what_fits(s3, png, pattern, expected):
    for key in ("a.jpg", "2024/b.jpg", "2024/may/c.jpg", "2024/d.txt"):
        s3.put("photos", key, png)
    assert names(pattern) == [f"s3://photos/{key}" for key in expected]


def test_thousands_are_listed_in_order_and_from_any_place_on(s3):
    keys = [f"many/{number:05}.jpg" for number in range(3500)]
    for key in reversed(keys):
        s3.put("photos", key, b"x")
    found = names("s3://photos/many")
    assert found == [f"s3://photos/{key}" for key in keys]
    after = cloud.find_objects("s3://photos/many").entries(after=found[3000])
    assert [entry.source for entry in after] == found[3001:]


@pytest.mark.parametrize(
    "key",
    [
        "ü 写真.jpg", "a?b=c&d#e.jpg", "100%25 sure+more.jpg", "[1]*.jpg", "a//b.jpg", "user=7/a@2x.jpg",
        "quo'te\"s.jpg", "a" * 200 + "/b.jpg", "back\\slash.jpg",
    ],
)  # fmt: skip
def test_keys_of_any_characters_are_read_and_told_apart(s3, png, key):
    s3.put("photos", f"in/{key}", png)
    (item,) = find_inputs(["s3://photos/in"], TYPED)
    assert item.source == f"s3://photos/in/{key}" and item.load() == png
    (single,) = find_inputs([f"s3://photos/in/{key}"], TYPED)
    assert single.load() == png and "/" not in single.target_name


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("denied/a.jpg", "access to .* is denied; check the credentials"),
        ("slow/a.jpg", "does not answer completely within 1 s"),
        ("broken/a.jpg", "does not answer completely within 1 s|cannot read"),
        ("short/a.jpg", "does not answer completely within 1 s|comes cut short"),
        ("large/a.jpg", "more than 65,536 bytes"),
        ("gone/a.jpg", "no such object or bucket"),
    ],
)
def test_what_cannot_be_read_is_an_error_and_soon(s3, key, reason):
    size = (1 << 16) + 1 if "large" in key else 100
    if "gone" not in key:
        s3.put("photos", key, b"x" * size)
    begin = time.monotonic()
    with pytest.raises(ImageError, match=reason) as raised:
        read(f"s3://photos/{key}")
    assert time.monotonic() - begin < 8 and "\n" not in str(raised.value)


def test_what_is_too_large_by_its_listing_is_not_asked_for(s3):
    with pytest.raises(ImageError, match="more than 65,536 bytes"):
        cloud.storage_of("s3://photos/a.jpg").read(Entry("s3://photos/a.jpg", 1 << 20), SHORT)
    assert s3.asked == []


def test_an_object_without_content_is_no_picture(s3):
    s3.put("photos", "a.jpg", b"")
    (item,) = find_inputs(["s3://photos/a.jpg"], TYPED)
    with pytest.raises(ImageError, match="is empty"):
        item.load()


@pytest.mark.parametrize("now", [b"new!", b"more than there was", b""])
def test_what_was_changed_since_it_was_listed_is_an_error(s3, now):
    address = s3.put("photos", "a.jpg", b"old!")
    entry = listed(address)
    assert cloud.storage_of(address).read(entry) == b"old!"
    s3.put("photos", "a.jpg", now)
    with pytest.raises(ImageError, match="changed"):
        cloud.storage_of(address).read(entry)


def test_an_etag_that_is_no_digest_is_asked_for_again(s3, monkeypatch):
    """Of what was written in parts, or encrypted."""
    address = s3.put("photos", "a.jpg", b"data")
    storage = cloud.storage_of(address)
    call = storage._call

    def encrypted(method, *given, **named):
        found = call(method, *given, **named)
        return {**found, "ETag": '"0123-2"'} if method == "info" else found

    monkeypatch.setattr(storage, "_call", encrypted)
    assert storage.read(Entry(address, 4, "0123-2")) == b"data"
    with pytest.raises(ImageError, match="was changed since it was listed"):
        storage.read(Entry(address, 4, "4567-2"))


def test_a_listing_that_breaks_off_is_said(s3, monkeypatch):
    for number in range(1200):
        s3.put("photos", f"{number:05}.jpg", b"x")
    inputs = find_inputs(["s3://photos"], TYPED)
    call, asked = cloud.storage_of("s3://photos")._files.call_s3, []

    def breaking(method, **named):
        asked.append(named)
        if len(asked) == 2:
            raise ConnectionResetError("reset by peer")
        return call(method, **named)

    monkeypatch.setattr(cloud.storage_of("s3://photos")._files, "call_s3", breaking)
    taken = []
    with pytest.raises(SourceError, match="cannot read s3://photos/: reset by peer"):
        for item in inputs:
            taken.append(item.source)
    assert len(taken) == 1000


def test_lists_and_who_did_not_ask_for_it_do_not_reach_storage(s3, png, tmp_path):
    address = s3.put("photos", "a.png", png)
    (tmp_path / "list.txt").write_text(f"{address}\n")
    s3.asked.clear()
    (item,) = find_inputs([f"@{tmp_path / 'list.txt'}"], TYPED)
    with pytest.raises(ImageError, match="in object storage, which lists may not name"):
        item.load()
    with pytest.raises(InputError, match="in object storage"):
        find_inputs([address])
    with pytest.raises(ImageError):
        read_picture(address, "it")
    assert s3.asked == []


def test_from_python_an_address_is_a_picture(s3, png):
    address = s3.put("photos", "a.png", png)
    assert read_picture(address, "it", storage=True) == png
    assert not can_be_read_again(address)


def test_an_archive_in_storage_has_to_be_fetched(s3):
    with pytest.raises(InputError, match="archive.*download it first"):
        find_inputs([s3.put("photos", "a.zip", b"PK")], TYPED)


@pytest.mark.parametrize(
    ("scheme", "package", "extra"),
    [
        ("s3", "s3fs", "cloud"),
        ("gs", "gcsfs", "gcs"),
        ("az", "adlfs", "azure"),
        ("hf", "huggingface_hub", "hf"),
    ],
)
def test_a_library_that_is_not_here_is_named_with_its_extra(scheme, package, extra, monkeypatch):
    monkeypatch.setattr(cloud, "_storage", cloud.Storage)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"^{scheme}:// needs packages.*pip install .*\[{extra}\]"):
        find_inputs([f"{scheme}://bucket/a.jpg"], TYPED)


def test_without_credentials_it_is_said_what_to_set(new_clients, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(InputError, match="no credentials for s3://photos/a.jpg") as raised:
        find_inputs(["s3://photos/a.jpg"], TYPED)
    assert "AWS_PROFILE" in raised.value.hint


def test_a_result_is_an_object_when_it_is_whole(s3):
    spool = cloud.Spool("s3://photos/out/rows.jsonl")
    spool.path.write_bytes(b"all of it")
    assert s3.keys("photos") == []
    spool.keep()
    assert s3.get("photos", "out/rows.jsonl") == b"all of it" and not spool.path.parent.exists()
    other = cloud.Spool("s3://photos/out/rows.jsonl")
    other.fetch()
    assert other.path.read_bytes() == b"all of it"
    other.path.write_bytes(b"half")
    other.discard()
    assert s3.get("photos", "out/rows.jsonl") == b"all of it" and not other.path.parent.exists()


def test_what_cannot_be_put_there_stays_here(s3):
    spool = cloud.Spool("s3://photos/denied/rows.jsonl")
    spool.path.write_bytes(b"hours of work")
    with pytest.raises(OutputError, match="access to .* is denied.*the result stays in") as raised:
        spool.keep()
    assert str(spool.path) in str(raised.value) and spool.path.read_bytes() == b"hours of work"
    spool.discard()


def test_what_is_new_never_takes_the_place_of_another(s3, tmp_path):
    s3.put("photos", "part", b"first")
    (tmp_path / "part").write_bytes(b"second")
    storage = cloud.storage_of("s3://photos/part")
    with pytest.raises(FileExistsError):
        storage.put(tmp_path / "part", "s3://photos/part", is_new=True)
    assert s3.get("photos", "part") == b"first"
    storage.put(tmp_path / "part", "s3://photos/part")
    assert s3.get("photos", "part") == b"second"


def test_an_address_of_a_file_is_the_file(tmp_path, png):
    (tmp_path / "ü b.png").write_bytes(png)
    (item,) = find_inputs([f"file://{tmp_path}/%C3%BC%20b.png"], TYPED)
    assert item.load() == png and item.source == str(tmp_path / "ü b.png")
    with pytest.raises(InputError, match="no such picture"):
        find_inputs([f"file://{tmp_path}/gone.png"], TYPED)
