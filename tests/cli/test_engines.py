"""`run --engine`: rows that other processes give are those of the threads here, whatever is interrupted."""

import json
import pickle
import subprocess
import sys
import types

import pytest
from picture_fixtures import numbered_pictures

from facecli.core.errors import SourceError
from facecli.pipeline.batch import EXECUTORS, ExecutorEntry
from facecli.schema import to_arrow

pytest.importorskip("pyarrow", reason="the extra [parquet] is not here")


class Elsewhere:
    """What an engine does, in this process: a build and items that were pickled, a few rows at a time."""

    lost_after = None

    def __init__(self, job):
        self.settings = job.settings
        self._build = pickle.dumps(job.build)

    def tables(self, items):
        batch = pickle.loads(self._build)(1)
        held = [pickle.loads(pickle.dumps(item)) for item in items]
        for number, begin in enumerate(range(0, len(held), 3)):
            if number == self.lost_after:
                raise SourceError("a worker was lost", "--resume goes on with what is there")
            rows = [record.result.to_json() for record in batch.records(held[begin : begin + 3])]
            yield to_arrow(rows[::-1])


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    module = types.ModuleType("elsewhere_module")
    module.EXECUTOR = ExecutorEntry(Elsewhere, settings=("runner",))
    monkeypatch.setitem(sys.modules, "elsewhere_module", module)
    monkeypatch.setitem(EXECUTORS.modules, "elsewhere", "elsewhere_module")
    monkeypatch.setattr(Elsewhere, "lost_after", None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return Elsewhere


@pytest.fixture
def many(tmp_path):
    return numbered_pictures(tmp_path / "photos", 20)


def joined(facecli, folder, target):
    assert facecli("merge", folder, "-o", target)[0] == 0
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    found = {row["source"]: row for row in rows}
    assert len(found) == len(rows), "a picture has two rows"
    return found


def test_a_folder_without_pictures_is_one_line(facecli, tmp_path):
    (tmp_path / "none").mkdir()
    code, out, err = facecli("run", tmp_path / "none", "--engine", "elsewhere", "--parts", tmp_path / "p")
    assert (code, out) == (2, "") and err.count("\n") == 1 and not (tmp_path / "p").exists()


@pytest.mark.parametrize("engine", ["elsewhere", "threads"])
def test_every_engine_gives_the_rows_of_threads(facecli, many, tmp_path, engine):
    here = facecli("run", many, "--parts", tmp_path / "threads")
    there = facecli("run", many, "--engine", engine, "--parts", tmp_path / "there", "--part-size", 8)
    assert (here[0], here[2].splitlines()[-1]) == (there[0], there[2].splitlines()[-1])
    assert "1 of 21 pictures could not be analysed" in there[2] and "bad.jpg" in there[2]
    assert len(list((tmp_path / "there").glob("*.parquet"))) == 3
    rows = joined(facecli, tmp_path / "there", tmp_path / "there.jsonl")
    assert rows == joined(facecli, tmp_path / "threads", tmp_path / "threads.jsonl") and len(rows) == 21


def test_what_was_lost_is_gone_on_with(facecli, many, tmp_path, elsewhere):
    run = ("run", many, "--engine", "elsewhere", "--parts", tmp_path / "p", "--part-size", 4, "--resume")
    elsewhere.lost_after = 3
    code, _, err = facecli(*run)
    assert code == 1 and "a worker was lost; --resume goes on" in err
    assert len(list((tmp_path / "p").glob("*.parquet"))) == 2
    elsewhere.lost_after = None
    code, _, err = facecli(*run)
    assert "8 of 21 pictures already had rows" in err
    facecli("run", many, "--parts", tmp_path / "threads")
    rows = joined(facecli, tmp_path / "p", tmp_path / "p.jsonl")
    assert rows == joined(facecli, tmp_path / "threads", tmp_path / "threads.jsonl")
    again = facecli(*run)
    assert again[0] == 1 and "21 of 21 pictures already had rows" in again[2]


def test_shards_of_engines_and_of_threads_share_their_parts(facecli, many, tmp_path):
    for shard, engine in (("1/3", "elsewhere"), ("2/3", "threads"), ("3/3", "elsewhere")):
        facecli("run", many, "--shard", shard, "--engine", engine, "--parts", tmp_path / "p")
    assert len(joined(facecli, tmp_path / "p", tmp_path / "p.jsonl")) == 21


def test_two_runs_do_not_write_the_same_parts(facecli, many, tmp_path):
    from facecli.sinks.parts import PartsSink, Shard

    run = ("run", many, "--engine", "elsewhere", "--parts", tmp_path / "p")
    with PartsSink(str(tmp_path / "p"), Shard()):
        code, _, err = facecli(*run, "--resume")
    assert code == 2 and "written by another run" in err and err.count("\n") == 1
    assert facecli(*run)[0] == 1
    code, _, err = facecli(*run)
    assert code == 2 and "continue them with --resume" in err and err.count("\n") == 1


def test_a_part_cut_short_is_one_line_and_costs_nothing_else(facecli, many, tmp_path):
    run = ("run", many, "--engine", "elsewhere", "--parts", tmp_path / "p", "--part-size", 8, "--resume")
    facecli(*run)
    part = tmp_path / "p" / "shard-00001-of-00001-part-000002.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    code, _, err = facecli(*run)
    assert code == 2 and "damaged or cut short" in err and err.count("\n") == 1
    part.unlink()
    facecli(*run)
    assert len(joined(facecli, tmp_path / "p", tmp_path / "p.jsonl")) == 21


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--engine", "nonsense", "--parts", "p"), "no executor 'nonsense'; choose one of threads, daft"),
        (("--engine", "elsewhere"), "--engine elsewhere writes --parts; add --parts DIR"),
        (("--engine", "elsewhere", "--parts", "p", "--json", "r.jsonl"), "leave --json out"),
        (("--engine", "elsewhere", "--parts", "p", "--output", "drawn"), "leave --output out"),
        (("--engine", "elsewhere", "--parts", "p", "--anonymize", "box"), "leave --anonymize out"),
        (("--engine", "elsewhere", "--parts", "p", "--ray-address", "x:1"), "--ray-address is not known to"),
        (("--parts", "p", "--runner", "ray"), "--runner is of --engine daft"),
        (
            ("--engine", "threads", "--parts", "p", "--ray-address", "x:1"),
            "--ray-address is of --engine daft",
        ),
        (("--parts", "p", "--workers", "65"), "64 threads at most"),
    ],
)
def test_wrong_arguments_are_one_line(facecli, many, tmp_path, monkeypatch, arguments, reason):
    monkeypatch.chdir(tmp_path)
    code, out, err = facecli("run", many, *arguments)
    assert (code, out) == (2, "") and reason in err and err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.parametrize(
    ("arguments", "missing", "extra"), [((), "daft", "daft"), (("--runner", "ray"), "ray", "ray")]
)
def test_an_engine_that_is_not_installed_names_its_extra(
    facecli, many, tmp_path, monkeypatch, arguments, missing, extra
):
    for name in ("daft", "ray"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, missing, None)
    code, out, err = facecli("run", many, "--engine", "daft", *arguments, "--parts", tmp_path / "p")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert f"needs {missing}" in err and f"[{extra}]" in err
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--ray-address", "127.0.0.1:1"), "no Ray cluster answers at 127.0.0.1:1"),
        (("--ray-address", "ray://127.0.0.1:1"), "no Ray cluster answers at ray://127.0.0.1:1"),
        (("--ray-address", "nowhere"), "'nowhere' is no address of a Ray cluster"),
        (("--ray-address", "http://127.0.0.1:1"), "is no address of a Ray cluster"),
        (("--ray-address", "[:1"), "is no address of a Ray cluster"),
        (("--ray-address", "127.0.0.1:1", "--runner", "native"), "is of the runner 'ray', not 'native'"),
        (("--runner", "spark"), "no runner 'spark'; choose one of native, ray"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line(facecli, many, tmp_path, monkeypatch, arguments, reason):
    for name in ("daft", "ray"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    code, out, err = facecli("run", many, "--engine", "daft", *arguments, "--parts", tmp_path / "p")
    assert (code, out) == (2, "") and reason in err and err.count("\n") == 1
    assert not (tmp_path / "p").exists()


CHECK = """
import sys
from facecli.cli.app import main
code = main(sys.argv[1:])
print(sorted({"daft", "ray", "pyspark", "facecli.pipeline.daft_engine"} & set(sys.modules)), file=sys.stderr)
raise SystemExit(code)
"""


def test_who_asks_for_no_engine_imports_none(many, tmp_path, tiny_checkpoint):
    run = ("run", many / "000.png", "--parts", tmp_path / "p", "--no-show", "--detector", "none")
    done = subprocess.run(
        [sys.executable, "-c", CHECK, *map(str, run), "--model-path", str(tiny_checkpoint.folder)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0 and done.stderr.splitlines()[-1] == "[]"
