"""`facecli benchmark` from its arguments to table, JSON and chart."""

import importlib.util
import json
import sys
from types import SimpleNamespace

import pytest

from facecli.cli.app import main
from facecli.measure import stages
from facecli.measure.stages import Timing, write_scene


@pytest.fixture
def bench(tiny_checkpoint, capfd, monkeypatch):
    """Runs the command with the tiny model and without starting processes: (code, stdout, stderr)."""
    monkeypatch.setattr(stages, "measure_startup", lambda *_: {"python": Timing(1.0, 1.0, 1.0)})

    def bench(*arguments):
        code = main(["benchmark", "--repeats", "1", "--model-path", str(tiny_checkpoint.folder), *arguments])
        said = capfd.readouterr()
        return code, said.out, said.err

    return bench


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip [1].mp4"
    write_scene(path, (320, 240), 1, 4)
    return path


def test_table_of_the_drawn_scene(bench):
    code, out, err = bench()
    assert (code, err) == (0, "")
    for word in ("480p", "720p", "1080p", "predict 1 face", "predict 8 faces", "detect", "start: python"):
        assert word in out


def test_json_of_a_clip(bench, clip, tmp_path):
    path = tmp_path / "new" / "out.json"
    code, out, _ = bench("--video", str(clip), "--json", str(path))
    assert code == 0 and "[1].mp4" in out
    row = json.loads(path.read_text(encoding="utf-8"))
    assert list(row) == ["conditions", "startup_ms", "predict_ms", "scenes"]
    assert row["conditions"]["cores"] >= 1 and row["conditions"]["detector"] == "cnn"
    assert list(row["predict_ms"]) == ["1", "2", "4", "8"]
    (scene,) = row["scenes"]
    assert (scene["name"], scene["width"], scene["height"]) == (clip.name, 320, 240)


def test_json_on_stdout_is_alone_there(bench, clip):
    code, out, err = bench("--video", str(clip), "--json", "-")
    assert (code, err) == (0, "") and json.loads(out)["scenes"]


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs matplotlib")
def test_chart(bench, clip, tmp_path):
    code, _, err = bench("--video", str(clip), "--plot", str(tmp_path / "chart.png"))
    assert code == 0 and "chart.png" in err
    assert (tmp_path / "chart.png").stat().st_size > 1000


def test_chart_without_matplotlib_is_one_line_before_anything_is_measured(bench, monkeypatch, tmp_path):
    def find_spec(name, *_):
        if name == "matplotlib":
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")

    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=find_spec), *sys.meta_path])
    code, out, err = bench("--plot", str(tmp_path / "chart.png"))
    assert (code, out) == (1, "") and "[plot]'" in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--video", "nowhere.mp4"),
        ("--detector-weights", "x.onnx"),
        ("--repeats", "0"),
        ("--detector", "nobody"),
    ],
)
def test_wrong_arguments_are_refused_at_once(bench, arguments):
    code, out, err = bench(*arguments)
    assert (code, out) == (2, "") and "Traceback" not in err
