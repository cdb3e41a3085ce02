"""`facecli manifest`, `run --shard` and `facecli merge`: many machines, each an own process here."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from picture_fixtures import numbered_pictures

from facecli.core.images import save_image

parquet = pytest.importorskip("pyarrow.parquet", reason="the extra [parquet] is not here")


@pytest.fixture
def many(tmp_path):
    return numbered_pictures(tmp_path / "photos", 30)


@pytest.fixture
def unbroken(facecli, many, tmp_path):
    """The rows of one run over all, by source."""
    facecli("run", many, "--json", tmp_path / "unbroken.jsonl")
    return rows_by_source(tmp_path / "unbroken.jsonl")


def rows_by_source(path):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    found = {row["source"]: row for row in rows}
    assert len(found) == len(rows), "a picture has two rows"
    return found


def test_nothing_to_list_or_to_join_is_one_line(facecli, tmp_path):
    for command in (
        ("manifest", tmp_path / "gone", "-o", tmp_path / "m.csv"),
        ("manifest", tmp_path, "-o", tmp_path / "m.csv"),
        ("merge", tmp_path, "-o", tmp_path / "rows.jsonl"),
        ("merge", tmp_path / "gone*", "-o", tmp_path / "rows.jsonl"),
        ("run", tmp_path / "gone.parquet"),
    ):
        code, out, err = facecli(*command)
        assert (code, out) == (2, "") and err.startswith("Error: ") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_manifest_is_listed_run_and_joined(facecli, many, tmp_path, unbroken, suffix):
    listed = tmp_path / f"m{suffix}"
    code, _, err = facecli("manifest", many, "-o", listed)
    assert code == 0 and "31 pictures" in err
    for number in (1, 2, 3):
        code, _, err = facecli("run", listed, "--shard", f"{number}/3", "--parts", tmp_path / "parts")
    joined = tmp_path / "rows.jsonl"
    code, out, err = facecli("merge", tmp_path / "parts", "--manifest", listed, "-o", joined)
    assert (code, out) == (0, "") and "31 rows of 3 parts" in err and "1 of the rows have an error" in err
    assert rows_by_source(joined) == unbroken


def test_joined_tables_are_those_of_one_run(facecli, many, tmp_path):
    facecli("run", many, "--csv", tmp_path / "one.csv", "--parquet", tmp_path / "one.parquet")
    facecli("run", many, "--parts", tmp_path / "parts", "--part-size", 8)
    assert len(list((tmp_path / "parts").glob("*.parquet"))) == 4
    for suffix in (".csv", ".parquet"):
        code, _, _ = facecli("merge", tmp_path / "parts", "-o", tmp_path / f"all{suffix}")
        assert code == 0
    assert (tmp_path / "all.csv").read_text() == (tmp_path / "one.csv").read_text()
    one, joined = (parquet.read_table(tmp_path / f"{name}.parquet") for name in ("one", "all"))
    assert one.equals(joined)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--shard", "5/3", "--json", "x"), "there is no shard 5/3"),
        (("--shard", "0/4", "--json", "x"), "there is no shard 0/4"),
        (("--shard", "x", "--json", "x"), "'x' is not a shard"),
        (("--shard", "auto", "--json", "x"), "nothing here says which"),
        (("--part-size", "3", "--json", "x"), "--part-size needs --parts"),
        (("--parts", "-"), "name a folder"),
        (("--parts", "p", "--overwrite"), "--overwrite does not apply to --parts"),
        (("--parts", "m.csv"), "m.csv is a file"),
        (("--crops", "s3://photos/crops"), "--crops cannot write to object storage"),
        (("--report", "s3://photos/a.html"), "--report"),
    ],
)
def test_wrong_arguments_are_one_line(facecli, many, tmp_path, monkeypatch, arguments, reason):
    monkeypatch.chdir(tmp_path)
    for name in ("SLURM_ARRAY_TASK_ID", "AWS_BATCH_JOB_ARRAY_INDEX", "JOB_COMPLETION_INDEX"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "m.csv").write_text("x")
    code, out, err = facecli("run", many, *arguments)
    assert (code, out) == (2, "") and reason in err and err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.csv", "photos"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("merge", "p", "-o", "rows.txt"), "must end in one of .parquet, .jsonl, .csv"),
        (("merge", "p", "-o", "rows.csv", "--missing", "m.csv"), "--missing needs --manifest"),
        (("merge", "p", "-o", "rows.csv", "--manifest", "l.csv", "--missing", "m.txt"), "not a file here"),
        (("merge", "p", "-o", "rows.csv", "--manifest", "gone.csv"), "cannot read gone.csv"),
        (("merge", "p/a.parquet", "-o", "p/a.parquet"), "among what is read"),
        (("merge", "p", "-o", "l.csv"), "l.csv is there already"),
        (("manifest", "photos", "-o", "m.txt"), "use a name that ends in"),
        (("manifest", "photos", "-o", "l.csv"), "l.csv is there already"),
        (("manifest", "l.csv", "-o", "l.csv", "--overwrite"), "among what is listed"),
        (("manifest", "photos", "gone", "-o", "m.csv"), "no such picture or folder: gone"),
    ],
)
def test_wrong_names_are_one_line(facecli, many, tmp_path, monkeypatch, arguments, reason):
    monkeypatch.chdir(tmp_path)
    facecli("manifest", "photos", "-o", "l.csv")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.parquet").write_bytes(b"x")
    code, out, err = facecli(*arguments)
    assert (code, out) == (2, "") and reason in err and err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] != ".") == ["l.csv", "p", "photos"]


def test_what_is_missing_several_and_strange_is_said_and_can_be_run(facecli, many, tmp_path, unbroken):
    listed, parts = tmp_path / "m.csv", tmp_path / "parts"
    facecli("manifest", many, "-o", listed)
    facecli("run", many / "000.png", many / "001.png", "--parts", parts / "one")
    facecli("run", many / "001.png", "--parts", parts / "two")
    joined, rest = tmp_path / "rows.jsonl", tmp_path / "rest.csv"
    given = (parts / "one", parts / "two", "--manifest", listed, "-o", joined, "--missing", rest)
    code, _, err = facecli("merge", *given)
    assert code == 1 and "29 pictures without a row, 1 pictures with several" in err
    assert "002.png has no row" in err and "... and 9 more" in err and "001.png has more than one row" in err
    assert len(rows_by_source(joined)) == 2
    facecli("run", rest, "--parts", parts / "three")
    again = ("--manifest", listed, "-o", joined, "--overwrite")
    code, _, err = facecli("merge", parts / "one", parts / "three", *again)
    assert code == 0 and rows_by_source(joined) == unbroken
    listed.write_text("source,size,etag,mtime_ns\n" + f"{many / '000.png'},,,\n")
    code, _, err = facecli("merge", parts / "one", *again)
    assert code == 1 and "001.png has a row and is not in the manifest" in err


def test_a_damaged_part_is_left_out_and_said(facecli, many, tmp_path):
    facecli("run", many, "--parts", tmp_path / "parts", "--part-size", 8)
    part = tmp_path / "parts" / "shard-00001-of-00001-part-000002.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    code, _, err = facecli("merge", tmp_path / "parts", "-o", tmp_path / "rows.jsonl")
    assert code == 1 and "part-000002.parquet is damaged or cut short" in err and "1 damaged parts" in err
    assert len(rows_by_source(tmp_path / "rows.jsonl")) == 23
    code, _, err = facecli("run", many, "--parts", tmp_path / "parts", "--resume")
    assert code == 2 and "delete it to analyse its pictures again" in err


def test_a_picture_that_was_changed_is_a_row_with_an_error(facecli, many, tmp_path):
    facecli("manifest", many, "-o", tmp_path / "m.csv")
    save_image(many / "003.png", np.zeros((50, 50, 3), np.uint8))
    code, _, err = facecli("run", tmp_path / "m.csv", "--json", tmp_path / "rows.jsonl")
    rows = rows_by_source(tmp_path / "rows.jsonl")
    assert code == 1 and "was changed since it was listed" in rows[str(many / "003.png")]["error"]
    assert sum(row["error"] is not None for row in rows.values()) == 2


def test_each_sink_goes_on_where_it_ended(facecli, many, tmp_path, unbroken):
    """Rows of a picture that only one of two has are written to the other alone."""
    parts, rows = tmp_path / "parts", tmp_path / "rows.jsonl"
    facecli("run", many / "001.png", many / "002.png", "--json", rows)
    facecli("run", many / "002.png", many / "003.png", "--parts", parts)
    facecli("run", many, "--json", rows, "--parts", parts, "--resume")
    facecli("merge", parts, "-o", tmp_path / "joined.jsonl")
    assert rows_by_source(rows) == rows_by_source(tmp_path / "joined.jsonl") == unbroken


def environment(**more):
    names = ("SLURM_", "AWS_BATCH_", "JOB_COMPLETION_", "DISPLAY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    return {**kept, "CUDA_VISIBLE_DEVICES": "-1", **more}


def start(*arguments, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "facecli", *map(str, arguments)],
        env=environment(**more),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


SLURM = {"SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "3"}


@pytest.mark.parametrize(
    ("shard", "jobs"),
    [
        ("auto", [{"SLURM_ARRAY_TASK_ID": str(number), **SLURM} for number in (1, 2, 3)]),
        ("auto", [{"AWS_BATCH_JOB_ARRAY_INDEX": str(n), "AWS_BATCH_JOB_ARRAY_SIZE": "3"} for n in range(3)]),
        ("auto/3", [{"JOB_COMPLETION_INDEX": str(number)} for number in range(3)]),
    ],
    ids=["slurm", "batch", "kubernetes"],
)
def test_jobs_of_an_array_share_the_pictures(facecli, many, tmp_path, unbroken, tiny_checkpoint, shard, jobs):
    """As docs/scale.md starts them, each its own process with the environment of the engine."""
    listed, parts = tmp_path / "pictures.parquet", tmp_path / "rows"
    facecli("manifest", many, "-o", listed)
    run = ("run", listed, "--shard", shard, "--parts", parts, "--resume", "--no-show", "--detector", "none")
    processes = [start(*run, "--model-path", tiny_checkpoint.folder, **job) for job in jobs]
    codes = [process.wait(60) for process in processes]
    assert sorted(codes) == [0, 0, 1], [process.stderr.read() for process in processes]
    code, _, err = facecli("merge", parts, "--manifest", listed, "-o", tmp_path / "rows.jsonl")
    assert code == 0, err
    assert rows_by_source(tmp_path / "rows.jsonl") == unbroken


@pytest.mark.parametrize("after", [1, 3])
def test_killed_and_gone_on_with_each_picture_has_one_row(
    facecli, many, tmp_path, unbroken, tiny_checkpoint, after
):
    """kill -9 of a shard: whole parts stay, what was begun is analysed again."""
    parts = tmp_path / "parts"
    run = ("run", many, "--parts", parts, "--part-size", 2, "--resume", "--no-show", "--detector", "none")
    process = start(*run, "--workers", 1, "--batch-size", 1, "--model-path", tiny_checkpoint.folder)
    end = time.monotonic() + 60
    while len(list(parts.glob("shard-*.parquet"))) < after and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    facecli("run", many, "--parts", parts, "--resume")
    code, _, _ = facecli("merge", parts, "-o", tmp_path / "rows.jsonl")
    assert code == 0 and rows_by_source(tmp_path / "rows.jsonl") == unbroken
    assert [path.name for path in parts.glob(".*") if not path.name.endswith(".lock")] == []


def test_two_runs_do_not_write_one_shard(facecli, many, tmp_path):
    from facecli.sinks.parts import PartsSink, Shard

    with PartsSink(str(tmp_path / "parts"), Shard(2, 4)):
        code, _, err = facecli("run", many, "--shard", "2/4", "--parts", tmp_path / "parts", "--resume")
    assert code == 2 and "shard 2/4" in err and "written by another run" in err and err.count("\n") == 1


CHECK = """
import sys
from facecli.cli.app import main
code = main(sys.argv[1:])
heavy = {"fsspec", "s3fs", "botocore", "aiohttp", "pyarrow", "gcsfs", "adlfs", "huggingface_hub", "pandas"}
print(sorted(heavy & set(sys.modules)), file=sys.stderr)
raise SystemExit(code)
"""


def test_who_asks_for_nothing_of_it_imports_nothing_of_it(many, tmp_path, tiny_checkpoint):
    run = ("run", many / "000.png", "--json", tmp_path / "rows.jsonl", "--no-show", "--detector", "none")
    done = subprocess.run(
        [sys.executable, "-c", CHECK, *map(str, run), "--model-path", str(tiny_checkpoint.folder)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0 and done.stderr.splitlines()[-1] == "[]"


def test_from_storage_to_storage(facecli, s3, many, tmp_path, unbroken):
    """Every kind of result becomes an object when it is whole, and rows can be gone on with."""
    for path in many.iterdir():
        s3.put("photos", f"set/{path.name}", path.read_bytes())
    s3.put("photos", "set/denied/x.png", b"x")
    targets = ("--json", "s3://out/r.jsonl", "--csv", "s3://out/r.csv", "--parquet", "s3://out/r.parquet")
    code, _, err = facecli("run", "s3://photos/set", *targets, "--output", "s3://out/drawn")
    assert code == 1 and "2 of 32 pictures" in err and "s3://out/drawn/ (30 pictures)" in err
    rows = [json.loads(line) for line in s3.get("out", "r.jsonl").decode().splitlines()]
    names = {row["source"].rpartition("/")[2]: row for row in rows}
    for source, row in unbroken.items():
        assert names[os.path.basename(source)]["faces"] == row["faces"]
    assert "access to s3://photos/set/denied/x.png is denied" in names["x.png"]["error"]
    table = list(csv.DictReader(s3.get("out", "r.csv").decode().splitlines()))
    assert len(table) == 32 and s3.get("out", "r.parquet")[:4] == b"PAR1"
    drawn = cv2.imdecode(np.frombuffer(s3.get("out", "drawn/003.png"), np.uint8), cv2.IMREAD_COLOR)
    assert drawn.shape == (24, 24, 3)
    code, _, err = facecli("run", "s3://photos/set", "--json", "s3://out/r.jsonl")
    assert code == 2 and "s3://out/r.jsonl is there already" in err
    s3.put("photos", "set/new.png", (many / "004.png").read_bytes())
    code, _, err = facecli("run", "s3://photos/set", "--json", "s3://out/r.jsonl", "--resume")
    assert "32 of 33 pictures already had rows" in err
    assert len(s3.get("out", "r.jsonl").decode().splitlines()) == 33


def test_pictures_of_storage_are_never_written_over(facecli, s3, many, tmp_path):
    for name in ("000.png", "001.png"):
        s3.put("photos", f"set/{name}", (many / name).read_bytes())
    facecli("manifest", "s3://photos/set", "-o", tmp_path / "m.csv")
    for source in ("s3://photos/set", "s3://photos/set/*.png", tmp_path / "m.csv"):
        for output in ("s3://photos/set", "s3://photos/", "s3://photos/set/000.png/"):
            code, _, err = facecli("run", source, "--output", output)
            assert code == 2 and err.count("\n") == 1, (source, output, err)
    assert s3.keys("photos") == ["set/000.png", "set/001.png"]


def test_results_that_cannot_be_put_are_refused_before_anything_is_read(facecli, s3, many):
    for target in ("s3://nowhere/r.jsonl", "s3://", "s3://out/", "s3://key:secret@out/r.jsonl"):
        code, out, err = facecli("run", many, "--json", target)
        assert (code, out) == (2, "") and err.count("\n") == 1 and "secret" not in err


def test_a_manifest_in_storage_is_gone_on_with(facecli, s3, tmp_path, monkeypatch):
    from facecli.sources import cloud

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FACECLI_HOME", raising=False)
    for number in range(2500):
        s3.put("photos", f"{number:05}.jpg", b"x")
    files = cloud.storage_of("s3://photos")._files
    call, pages = files.call_s3, []

    def breaking(method, **named):
        pages.append(named)
        if len(pages) == 3:
            raise ConnectionResetError("reset by peer")
        return call(method, **named)

    monkeypatch.setattr(files, "call_s3", breaking)
    command = ("manifest", "s3://photos", "-o", "s3://out/m.csv")
    code, _, err = facecli(*command)
    assert code == 1 and "reset by peer; --resume goes on with the 1,000 that are listed" in err
    assert s3.keys("out") == []
    code, _, err = facecli(*command, "--resume")
    assert code == 0 and "2,500 pictures" in err
    assert [page["StartAfter"] for page in pages if "StartAfter" in page] == ["00999.jpg"]
    lines = s3.get("out", "m.csv").decode().splitlines()
    assert len(lines) == 2501 and lines[1:] == sorted(lines[1:])
