"""Tiny model folders: the run lane needs a `model.tflite`, not a good one."""

import io
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from facecli.core.attributes import CLASS_NAMES, HEAD_CLASSES
from facecli.core.console import OUTPUT_POLICY
from facecli.detect.registry import built_in_names, find_entry

# As `facecli` itself does, before OpenCV opens its first clip in this process.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
pytest_plugins = ["picture_fixtures", "plugin_fixtures", "s3_fixtures", "stream_fixtures", "glasses_fixtures"]
TESTS = Path(__file__).resolve().parent
TINY_SIZE = (32, 24)
# Test machines are shared: a slow moment is no failure.
settings.register_profile("facecli", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("facecli")


_MARKS = {
    "train": (
        *("training/", "explain/", "data/", "models/", "crowd/test_crowd_plot.py"),
        *(
            f"cli/test_{name}_command.py"
            for name in (
                "calibrate",
                "data",
                "detector",
                "evaluate",
                "explain",
                "export",
                "list",
                "own_head",
                "train",
            )
        ),
    ),
    "server": ("web/test_web_server.py", "web/test_web_live_server.py", "web/test_web_rest.py"),
    "browser": ("web/test_web_browser.py", "sinks/test_report_browser.py"),
    "slow": (
        *("cli/test_run.py", "cli/test_benchmark_command.py", "pipeline/test_stream_engine.py"),
        *("web/test_web_openapi.py", "test_packaging.py", "campaign/"),
        *("test_docs_pages.py", "test_docs_site.py", "test_docs_demonstration.py"),
        *("cli/test_run_events.py", "cli/test_run_videos.py", "sinks/test_event_kills.py"),
        *("sources/test_clips.py", "sinks/test_video_sound.py", "web/test_web_decoder.py"),
    ),
}
"""Mark -> the folders and files of its tests, below tests/; `make test-fast` leaves them all out."""


def pytest_collection_modifyitems(items):
    for item in items:
        place = item.path.relative_to(TESTS).as_posix()
        for mark, places in _MARKS.items():
            if place.startswith(places):
                item.add_marker(mark)
        if "s3" in item.fixturenames:
            item.add_marker("server")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """What tests print and say may be no UTF-8, which processes of pytest-xdist cannot tell each other."""
    report = yield
    report.sections = [(name, _as_utf8(text)) for name, text in report.sections]
    if report.longrepr is not None and not isinstance(report.longrepr, tuple):
        told = str(report.longrepr)
        report.longrepr = report.longrepr if _as_utf8(told) == told else _as_utf8(told)
    return report


def _as_utf8(text):
    return text.encode("utf-8", "backslashreplace").decode()


def build_checkpoint(folder, heads=("age", "gender", "race"), whole=False, further=None, **changes):
    """A model folder with random weights.

    `changes` replace keys of its `config.json`; `whole`: its file holds folded heads, too; `further`: heads
    that facecli does not know, with the names of their classes.
    """
    keras = pytest.importorskip("keras")
    from facecli.models.checkpoint import LITERT_FILE, write_config
    from facecli.models.export import export_tflite
    from facecli.models.readout import stored_heads

    keras.utils.set_random_seed(3)
    image = keras.Input((*TINY_SIZE, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 64, offset=-2)(image)
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(8)(x))
    further = further or {}
    heads = (*heads, *further)
    sizes = HEAD_CLASSES | {head: len(names) for head, names in further.items()}
    there = heads if whole else stored_heads(heads)
    outputs = {head: keras.layers.Dense(sizes[head], "softmax", name=head)(x) for head in there}
    folder.mkdir(parents=True, exist_ok=True)
    export_tflite(keras.Model(image, outputs), folder / LITERT_FILE)
    names = CLASS_NAMES | further
    labels = {head: list(names.get(head, map(str, range(sizes[head])))) for head in heads}
    config = {
        "name": folder.name,
        "model_type": "facenet",
        "heads": list(heads),
        "labels": labels,
        "image_size": list(TINY_SIZE),
        "detectors": {
            name: {"margin": margin, "shift_y": shift_y}
            for name, (margin, shift_y) in ((name, find_entry(name).chip_crop) for name in built_in_names())
        },
    }
    return write_config(folder, {**config, **changes}, (LITERT_FILE,))


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory):
    """What is computed once and kept is not kept among the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def spoken_to_as_by_default(monkeypatch):
    """A command line that a test has run leaves its --quiet and --log-json behind."""
    monkeypatch.setattr(OUTPUT_POLICY, "quiet", False)
    monkeypatch.setattr(OUTPUT_POLICY, "log_json", False)


@pytest.fixture(scope="session")
def make_checkpoint():
    """The function `build_checkpoint`, for models of a test's own."""
    return build_checkpoint


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """`Checkpoint` of a tiny model with all heads; its folder must not be changed."""
    return build_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def age_checkpoint(tmp_path_factory):
    """`Checkpoint` of a tiny model with the age head alone; its folder must not be changed."""
    return build_checkpoint(tmp_path_factory.mktemp("models") / "age", heads=("age",))


@pytest.fixture(scope="session")
def glasses_checkpoint(tmp_path_factory):
    """`Checkpoint` of a tiny model that brings the head `glasses`; its folder must not be changed."""
    folder = tmp_path_factory.mktemp("models") / "glasses"
    return build_checkpoint(folder, ("age", "gender"), further={"glasses": ("no", "yes", "sun glasses")})


@pytest.fixture(scope="session")
def emotion_checkpoint(tmp_path_factory):
    """`Checkpoint` of a tiny model that reads emotions and no race; its folder must not be changed."""
    heads = ("age", "gender", "emotion", "face")
    return build_checkpoint(tmp_path_factory.mktemp("models") / "emotion", heads=heads)


def build_scan_bomb(scans, side=64):
    """A progressive JPEG of side x side pixels in which the last scan stands again and again."""
    buffer = io.BytesIO()
    Image.new("L", (side, side), 128).save(buffer, "JPEG", progressive=True)
    plain = buffer.getvalue()
    last = plain[plain.rindex(b"\xff\xda") : -2]
    return plain[:-2] + last * (scans - plain.count(b"\xff\xda")) + plain[-2:]


@pytest.fixture(scope="session")
def scan_bomb():
    """`build_scan_bomb`, for tests of what reads pictures."""
    return build_scan_bomb


@pytest.fixture(scope="session")
def races_checkpoint(tmp_path_factory):
    """`Checkpoint` of a tiny model that knows seven races; its folder must not be changed."""
    heads = ("age", "gender", "race", "race_7", "face")
    return build_checkpoint(tmp_path_factory.mktemp("models") / "races", heads=heads)


@pytest.fixture(scope="session")
def astronaut():
    """(512, 512, 3) uint8 RGB: a real face, near the box 177,69,272,164."""
    return pytest.importorskip("skimage.data").astronaut()
