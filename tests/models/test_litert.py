"""Files of strangers are opened elsewhere first; no number that is none comes out."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from facecli.core.errors import CheckpointError
from facecli.core.paths import cache_dir
from facecli.models import litert
from facecli.models.checkpoint import LITERT_FILE, load_checkpoint, write_config

BLACK = np.zeros((1, 32, 24, 3), np.uint8)


@pytest.fixture
def strange(age_checkpoint, tmp_path, monkeypatch):
    """`Checkpoint` of a folder whose file nobody here has made or tried."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FACECLI_HOME", raising=False)
    return load_checkpoint(shutil.copytree(age_checkpoint.folder, tmp_path / "strange"))


def reseal(checkpoint, content):
    """Another file with the digest that it has."""
    (checkpoint.folder / LITERT_FILE).write_bytes(content)
    return write_config(checkpoint.folder, checkpoint.config, (LITERT_FILE,))


def test_a_file_of_a_stranger_is_tried_once_and_remembered(strange, monkeypatch):
    assert litert.open_network(strange)(BLACK)["age"].shape == (1, 117)
    assert len(list((cache_dir() / "tried").iterdir())) == 1
    monkeypatch.setattr(litert, "isolated_python", lambda _: ["a command that is not there"])
    litert.open_network(strange)


def test_a_file_that_was_made_here_is_not_tried(strange, monkeypatch):
    monkeypatch.setattr(litert, "isolated_python", lambda _: ["a command that is not there"])
    with pytest.raises(CheckpointError, match=r"model\.tflite cannot be tried: No such file"):
        litert.open_network(strange)
    litert.vouch_for(strange.folder / LITERT_FILE)
    litert.open_network(strange)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os.abort()", r"crashes the process that opens it \(status -6\): it is damaged"),
        ("import os; os.kill(os.getpid(), 11)", r"crashes the process that opens it \(status -11\)"),
        ("print('an operator is unknown'); raise SystemExit(1)", r"of facecli \(an operator is unknown\)"),
        ("raise SystemExit(1)", r"of facecli \(no reason given\)"),
    ],
)
def test_a_file_that_ends_its_process_is_not_opened_here(strange, monkeypatch, code, said):
    monkeypatch.setattr(litert, "_TRIAL", code)
    monkeypatch.setattr(litert, "_runner", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(CheckpointError, match=said):
        litert.open_network(strange)
    assert not (cache_dir() / "tried").exists()


def test_a_file_that_computes_for_ever_is_given_up(strange, monkeypatch):
    monkeypatch.setattr(litert, "_TRIAL", "import time; time.sleep(600)")
    monkeypatch.setattr(litert, "TRIAL_S", 0.2)
    with pytest.raises(CheckpointError, match=r"did not compute within 0\.2 seconds"):
        litert.open_network(strange)


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", bytes(5000)])
def test_what_is_no_network_is_said_by_the_trial(strange, content):
    with pytest.raises(CheckpointError, match=r"is not a LiteRT model of facecli \([^)]{5,}"):
        litert.open_network(reseal(strange, content))


def test_a_place_that_cannot_be_written_is_no_reason_to_refuse(strange, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    assert litert.open_network(strange)(BLACK)["age"].shape == (1, 117)


def test_numbers_that_are_none_are_refused(strange):
    class Broken:
        get_input_details = get_output_details = dict

        def __call__(self, image):
            return {"age": np.full((len(image), 117), np.nan, np.float32)}

    network = litert.LiteRtNetwork(strange.folder / LITERT_FILE, Broken())
    with pytest.raises(CheckpointError, match=r"model\.tflite: output 'age' gives no finite numbers"):
        network(BLACK)


def test_a_trial_imports_nothing_from_the_folder_that_it_is_in(strange, tmp_path, monkeypatch):
    for name in ("numpy", "facecli", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('it was run')")
    monkeypatch.chdir(tmp_path)
    assert litert.open_network(strange)(BLACK)["age"].shape == (1, 117)


def test_what_ships_is_not_tried(monkeypatch):
    monkeypatch.setattr(litert, "isolated_python", lambda _: ["a command that is not there"])
    from facecli.core.paths import shipped_places

    folder = next(place / "open_model" for place in shipped_places("saved_model") if place.is_dir())
    litert.open_network(load_checkpoint(folder))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
@pytest.mark.parametrize("allowed", [10**9 // 2, 64 * 10**9])
def test_too_few_addresses_are_told_and_not_waited_for(allowed):
    """With half a gigabyte LiteRT's threads did not start, and the process never ended."""
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_AS, ({allowed}, {allowed}))
from facecli.core.errors import FacecliError
from facecli.core.paths import find_model
from facecli.models.checkpoint import load_checkpoint
from facecli.models.litert import open_network
try:
    open_network(load_checkpoint(find_model("normal_model")), 2)
    print("opened")
except FacecliError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    told = "not enough memory: 500 MB of address space are allowed (ulimit -v), but the networks need 800"
    assert done.stdout.strip() == ("opened" if allowed > 10**9 else told)
