"""Shards and parts: each picture in one shard, each row in one part, whatever was interrupted."""

import json
import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_fakes import FACE, record

from facecli.core.errors import InputError, OutputError
from facecli.sinks.parts import PartsSink, Shard, account, find_parts, parse_shard, parts_in, rows_of
from facecli.sources.files import Entry

pytest.importorskip("pyarrow", reason="the extra [parquet] is not here")
NAMES = [f"{number:03}.jpg" for number in range(40)]


def records(names=NAMES):
    for name in names:
        yield record(name, [FACE] * (len(name) % 3), error="it is broken" if name.startswith("00") else None)


def write(folder, shard=Shard(), names=NAMES, **more):  # noqa: B008
    with PartsSink(str(folder), shard, **more) as sink:
        for one in records(names):
            if shard.has(one.source) and not sink.journal.take(one.source):
                sink.write(one)
    return sink


def rows(folder):
    return list(rows_of(account(find_parts([str(folder)]))))


@given(st.text(max_size=30), st.integers(1, 50))
def test_every_name_is_in_one_shard(name, total):
    assert [Shard(number, total).has(name) for number in range(1, total + 1)].count(True) == 1


def test_shards_are_the_same_on_every_machine_and_of_about_one_size():
    """Written down: a run that is gone on with tomorrow must divide as today's did."""
    shards = [Shard(number, 4) for number in range(1, 5)]
    recorded = {"a.jpg": 2, "s3://b/ü.jpg": 3, "c": 4, "": 1}
    assert {name: shard.number for name in recorded for shard in shards if shard.has(name)} == recorded
    counts = Counter(shard for name in map(str, range(4000)) for shard in shards if shard.has(name))
    assert set(counts) == set(shards) and min(counts.values()) > 900


@pytest.mark.parametrize(("text", "shard"), [("1/1", (1, 1)), ("3/16", (3, 16)), ("16/16", (16, 16))])
def test_a_shard_is_a_number_of_a_number(text, shard):
    assert parse_shard(text, {}) == Shard(*shard)


@pytest.mark.parametrize(
    "text",
    [
        "5/3",
        "0/4",
        "0/0",
        "x",
        "",
        "1",
        "1/",
        "/4",
        "-1/4",
        "1/4/2",
        "1.5/4",
        "auto/",
        "auto/x",
        "٣/4",
        "AUTO",
    ],
)
def test_no_shard_is_one_line(text):
    with pytest.raises(InputError, match="(is not a|no) shard") as raised:
        parse_shard(text, {"JOB_COMPLETION_INDEX": "0"})
    assert "\n" not in str(raised.value)


SLURM = {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "4"}


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        ("auto", {**SLURM, "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "6"}, (2, 4)),
        ("auto", SLURM, (2, 4)),
        ("auto/16", SLURM, (6, 16)),
        ("auto/16", {"SLURM_ARRAY_TASK_ID": "16"}, (1, 16)),
        ("auto", {"AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "10"}, (1, 10)),
        ("auto/10", {"AWS_BATCH_JOB_ARRAY_INDEX": "9"}, (10, 10)),
        ("auto/8", {"JOB_COMPLETION_INDEX": "7"}, (8, 8)),
    ],
)
def test_array_jobs_know_their_shard(text, environment, shard):
    assert parse_shard(text, environment) == Shard(*shard)


@pytest.mark.parametrize(
    ("text", "environment", "reason"),
    [
        ("auto", {}, "no array job"),
        ("auto", {"JOB_COMPLETION_INDEX": "1"}, "write auto/N"),
        ("auto/4", {**SLURM, "JOB_COMPLETION_INDEX": "1"}, "both say which"),
        ("auto/4", {"JOB_COMPLETION_INDEX": "one"}, "no number"),
        ("auto/4", {"JOB_COMPLETION_INDEX": "-1"}, "no number"),
        ("auto", {**SLURM, "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "9"}, "4 jobs only"),
        ("auto/0", {"JOB_COMPLETION_INDEX": "1"}, "(is not a|no) shard"),
    ],
)  # fmt: skip
def test_who_cannot_know_its_shard_is_told(text, environment, reason):
    with pytest.raises(InputError, match=reason):
        parse_shard(text, environment)


@given(st.integers(1, 40), st.integers(0, 1))
def test_the_jobs_of_an_array_have_all_shards(total, first):
    """Counted from 0 or from 1."""
    indices = range(first, first + total)
    said = {parse_shard(f"auto/{total}", {"JOB_COMPLETION_INDEX": str(index)}) for index in indices}
    assert said == {Shard(number, total) for number in range(1, total + 1)}


def test_without_pictures_there_are_no_parts(tmp_path):
    sink = write(tmp_path / "parts", names=[])
    assert parts_in(str(tmp_path / "parts")) == [] and sink.made() is None
    assert parts_in(str(tmp_path / "nowhere")) == []


def test_rows_come_back_as_they_were_written(tmp_path):
    sink = write(tmp_path / "parts", size=15)
    there = parts_in(str(tmp_path / "parts"))
    assert [part.place.rpartition("/")[2] for part in there] == [
        f"shard-00001-of-00001-part-{number:06}.parquet" for number in (1, 2, 3)
    ]
    expected = [json.loads(json.dumps(one.result.to_json())) for one in records()]
    assert rows(tmp_path / "parts") == expected
    assert sink.made() == f"{tmp_path}/parts/ (3 parts)"


@pytest.mark.parametrize("total", [1, 3])
def test_shards_together_have_every_row_once(tmp_path, total):
    for number in range(1, total + 1):
        write(tmp_path, Shard(number, total), size=7)
    found = account(find_parts([str(tmp_path)]), [Entry(name) for name in NAMES])
    assert found.is_whole and found.rows == len(NAMES) and found.errors == 10
    assert sorted(row["source"] for row in rows(tmp_path)) == NAMES


def test_interrupted_anywhere_and_gone_on_with_every_picture_has_one_row(tmp_path):
    for end in (0, 3, 7, 8, 20, 39, 40, 40):
        write(tmp_path, names=NAMES[:end], resume=True, size=7)
        found = account(find_parts([str(tmp_path)]), [Entry(name) for name in NAMES]) if end else None
        assert found is None or (found.rows == end and not found.repeated)
    assert found.is_whole and [row["source"] for row in rows(tmp_path)] == NAMES
    sink = PartsSink(str(tmp_path), Shard(), resume=True)
    with sink:
        assert sink.journal.failures == {name: "it is broken" for name in NAMES[:10]}


def test_another_number_of_shards_goes_on_with_what_there_is(tmp_path):
    write(tmp_path, Shard(1, 3), size=7)
    write(tmp_path, Shard(2, 3), size=7)
    for number in (1, 2):
        write(tmp_path, Shard(number, 2), resume=True, size=7)
    assert account(find_parts([str(tmp_path)]), [Entry(name) for name in NAMES]).is_whole


def test_parts_that_are_there_are_not_begun_again_without_a_word(tmp_path):
    write(tmp_path, Shard(1, 2))
    with pytest.raises(InputError, match="holds parts of shard 1/2 already") as raised:
        write(tmp_path, Shard(1, 2))
    assert "--resume" in raised.value.hint
    write(tmp_path, Shard(2, 2))


def test_one_run_at_a_time_writes_a_shard(tmp_path):
    with PartsSink(str(tmp_path), Shard(1, 2)):
        with pytest.raises(InputError, match=r"shard 1/2 in .* is being written by another run"):
            write(tmp_path, Shard(1, 2), resume=True)
        write(tmp_path, Shard(2, 2))
    write(tmp_path, Shard(1, 2), resume=True)


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "other"])
def test_a_damaged_part_is_named_and_costs_nothing_else(tmp_path, damage):
    write(tmp_path, size=10)
    part = tmp_path / "shard-00001-of-00001-part-000002.parquet"
    content = part.read_bytes()
    place = content.index(b"010.jpg")
    changed = {
        "cut": content[:-20],
        "empty": b"",
        "flipped": content[:place] + b"x" + content[place + 1 :],
        "other": b"PAR1 no Parquet PAR1",
    }
    part.write_bytes(changed[damage])
    with pytest.raises(InputError, match=r"part-000002.parquet is damaged or cut short.*delete it"):
        write(tmp_path, resume=True)
    found = account(find_parts([str(tmp_path)]), [Entry(name) for name in NAMES])
    assert [entry.source for entry in found.missing] == NAMES[10:20] and len(found.damaged) == 1
    assert len(list(rows_of(found))) == 30 and not found.is_whole
    part.unlink()
    write(tmp_path, resume=True)
    assert account(find_parts([str(tmp_path)]), [Entry(name) for name in NAMES]).is_whole


def test_other_tables_are_no_parts(tmp_path):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"source": ["a"]}), tmp_path / "a.parquet")
    assert "holds no rows of pictures" in account(find_parts([str(tmp_path)])).damaged[0]
    with pytest.raises(InputError, match="no parts in"):
        find_parts([str(tmp_path / "nothing*")])


def test_what_is_not_as_it_should_be_is_counted(tmp_path):
    write(tmp_path / "one", names=["a.jpg", "b.jpg", "c.jpg"])
    write(tmp_path / "two", names=["b.jpg", "d.jpg"])
    wanted = [Entry("a.jpg"), Entry("b.jpg"), Entry("c.jpg"), Entry("e.jpg", 3, "etag", 4)]
    found = account(find_parts([str(tmp_path / "one"), str(tmp_path / "two")]), wanted)
    assert found.repeated == {"b.jpg": 2} and found.missing == [wanted[3]] and found.stray == ["d.jpg"]
    assert [row["source"] for row in rows_of(found)] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert not account([], wanted).is_whole and account([], []).is_whole


@pytest.mark.parametrize("error", [KeyboardInterrupt, OutputError])
def test_an_interruption_keeps_what_is_analysed_and_an_error_only_whole_parts(tmp_path, error):
    with pytest.raises(error), PartsSink(str(tmp_path), Shard(), size=7) as sink:
        for one in records(NAMES[:10]):
            sink.write(one)
        raise error
    assert len(rows(tmp_path)) == (10 if error is KeyboardInterrupt else 7)
    assert [
        name for name in os.listdir(tmp_path) if name.startswith(".") and not name.endswith(".lock")
    ] == []


def test_a_disk_that_is_full_is_one_line(tmp_path, monkeypatch):
    import pyarrow.parquet

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pyarrow.parquet.ParquetWriter, "write_table", full)
    with pytest.raises(OutputError, match=r"cannot write .*part-000001.parquet: No space left"):
        write(tmp_path)
    assert parts_in(str(tmp_path)) == []


def test_parts_in_storage(s3):
    folder = "s3://out/rows"
    write(folder, Shard(1, 2), size=7)
    write(folder, Shard(2, 2), names=NAMES[:20], size=7)
    write(folder, Shard(2, 2), resume=True, size=7)
    found = account(find_parts([folder]), [Entry(name) for name in NAMES])
    assert found.is_whole and {row["source"] for row in rows_of(found)} == set(NAMES)
    keys = s3.keys("out")
    assert all(key.startswith("rows/shard-0000") and key.endswith(".parquet") for key in keys)


def test_the_same_shard_twice_in_storage_writes_nothing_over(s3):
    """There are no locks there: who comes second cannot put a part in place of another."""
    first = PartsSink("s3://out/rows", Shard(), size=7)
    with first:
        with pytest.raises(
            OutputError, match="written by another run meanwhile: is the same shard run twice"
        ):
            with PartsSink("s3://out/rows", Shard(), size=7) as second:
                for one in records(NAMES[:7]):
                    first.write(one)
                for one in records(NAMES[:7]):
                    second.write(one)
    assert [row["source"] for row in rows("s3://out/rows")] == NAMES[:7]
