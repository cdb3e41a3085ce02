"""Daft itself: rows as threads give them, a lost worker, and no process that is left behind.

Daft takes 150 MB and Ray 240 MB: they are no part of what `make test` installs. With them
(`pip install -e '.[daft,ray]'`) these tests run; `make scale` tries far more.
"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from picture_fixtures import numbered_pictures

from facecli.core.errors import InputError, SourceError
from facecli.detect.registry import find_entry
from facecli.pipeline.batch import EXECUTORS, Batch, ExecutorEntry, Job
from facecli.sources.files import Item


def test_executors_are_found_by_name():
    assert EXECUTORS.names()[:2] == ("threads", "daft")
    assert not EXECUTORS.find("threads").is_elsewhere
    with pytest.raises(InputError, match="no executor 'spark'; choose one of threads, daft"):
        EXECUTORS.find("spark")


def test_an_executor_of_another_package_is_found(monkeypatch):
    from importlib import metadata

    point = metadata.EntryPoint("other", "facecli.pipeline.batch:EXECUTOR", "facecli.executors")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] * (group == "facecli.executors"))
    assert EXECUTORS.names() == ("threads", "daft", "other")
    assert isinstance(EXECUTORS.find("other"), ExecutorEntry)


def test_threads_are_a_batch(analyzer):
    job = Job(lambda workers: Batch(lambda: analyzer, analyzer))
    assert isinstance(EXECUTORS.find("threads").build(job), Batch)


def command(tiny_checkpoint, folder, parts, *more):
    words = ["run", folder, "--parts", parts, "--resume", "--no-show", "--detector", "none", "-q", *more]
    words += ["--model-path", tiny_checkpoint.folder]
    return [sys.executable, "-m", "facecli", *map(str, words)]


def rows(folder):
    from facecli.sinks.parts import account, find_parts, rows_of

    found = list(rows_of(account(find_parts([str(folder)]))))
    by_source = {row["source"]: row for row in found}
    assert len(by_source) == len(found)
    return json.loads(json.dumps(by_source))


@pytest.fixture
def many(tmp_path):
    return numbered_pictures(tmp_path / "photos", 40)


@pytest.fixture(params=["native", "ray"])
def runner(request):
    pytest.importorskip("daft", reason="the extra [daft] is not here: 150 MB")
    if request.param == "ray":
        pytest.importorskip("ray", reason="the extra [ray] is not here: 240 MB")
    return request.param


def test_rows_are_those_of_threads(tiny_checkpoint, many, tmp_path, runner):
    threads = subprocess.run(command(tiny_checkpoint, many, tmp_path / "threads"), timeout=300)
    more = ("--engine", "daft", "--runner", runner, "--workers", 2, "--part-size", 30)
    done = subprocess.run(
        command(tiny_checkpoint, many, tmp_path / "daft", *more), stderr=subprocess.PIPE, timeout=600
    )
    assert (threads.returncode, done.returncode) == (1, 1)
    assert b"1 of 41 pictures could not be analysed" in done.stderr.splitlines()[-1]
    assert rows(tmp_path / "daft") == rows(tmp_path / "threads")
    assert len(list((tmp_path / "daft").glob("*.parquet"))) == 2


def test_a_worker_that_is_killed_is_one_line_and_gone_on_with(tiny_checkpoint, many, tmp_path):
    pytest.importorskip("daft", reason="the extra [daft] is not here: 150 MB")
    more = ("--engine", "daft", "--workers", 2, "--part-size", 8)
    run = command(tiny_checkpoint, many, tmp_path / "p", *more)
    process = subprocess.Popen(run, stderr=subprocess.PIPE)
    for worker in workers_of(process):
        os.kill(worker, signal.SIGKILL)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 1 and b"a worker was lost" in said and b"Traceback" not in said
    assert subprocess.run(run, timeout=300).returncode == 1
    subprocess.run(command(tiny_checkpoint, many, tmp_path / "threads"), timeout=300)
    assert rows(tmp_path / "p") == rows(tmp_path / "threads")


def workers_of(process):
    """Those of Daft, as soon as there is one."""
    while process.poll() is None:
        listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True).stdout
        found = [line.split(None, 2) for line in listed.splitlines()]
        if there := [int(one) for one, of, args in found if int(of) == process.pid and "udf_worker" in args]:
            return there
        time.sleep(0.05)
    raise AssertionError("it ended before a worker began")


def test_a_model_that_is_not_there_is_said_before_anything_is_started(many, tmp_path, tiny_checkpoint):
    pytest.importorskip("daft", reason="the extra [daft] is not here: 150 MB")
    run = command(tiny_checkpoint, many, tmp_path / "p", "--engine", "daft")
    run[-1] = str(tmp_path / "nowhere")
    done = subprocess.run(run, stderr=subprocess.PIPE, timeout=300)
    assert done.returncode != 0 and done.stderr.count(b"\n") == 1 and not (tmp_path / "p").exists()


def test_what_no_other_process_can_read_is_one_line(analyzer):
    pytest.importorskip("daft", reason="the extra [daft] is not here: 150 MB")
    job = Job(Batch)
    item = Item("-", "-", lambda: b"")
    with pytest.raises(InputError, match="can be read by this process alone"):
        list(EXECUTORS.find("daft").build(job).tables([item]))
    assert list(EXECUTORS.find("daft").build(job).tables([])) == []


def test_what_a_worker_says_is_said_here():
    pytest.importorskip("daft", reason="the extra [daft] is not here: 150 MB")
    # Any function that another process can find by its name, and that refuses a number.
    with pytest.raises(SourceError, match="no detector"):
        list(EXECUTORS.find("daft").build(Job(find_entry, workers=1)).tables([Item("a", "a", bytes)]))
