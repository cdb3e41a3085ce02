"""Whatever stands in a config.json: it is fit for all that reads it, or its first wrong key is named."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecli.cli.models import describe_lines, json_entry, list_rows
from facecli.core import paths
from facecli.core.errors import CheckpointError
from facecli.models.checkpoint import (
    CALIBRATION,
    CONFIG,
    first_wrong,
    is_count,
    is_number,
    is_text,
    load_checkpoint,
    read_json,
)
from facecli.models.registry import describe, verify

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.just(10**400)
    | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
SHIPPED = ("normal_model", "facenet_model", "open_model")


def shipped_config(name):
    return json.loads((paths.find_model(name) / "config.json").read_text(encoding="utf-8"))


def places(value, path=()):
    """Where in a JSON value something lies: tuples of keys, the value itself left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def replaced(value, path, new):
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return value


@pytest.mark.parametrize("name", SHIPPED)
def test_what_facecli_writes_fits(name):
    config = shipped_config(name)
    assert first_wrong(CONFIG, config) is None
    if "calibration" in config:
        assert first_wrong(CALIBRATION, config["calibration"], "calibration") is None


@pytest.mark.parametrize("value", [None, [], "x", 5, True, float("nan")])
def test_what_is_no_object_is_wrong(value):
    assert first_wrong(CONFIG, value).wanted == "an object"


@pytest.mark.parametrize("value", [True, None, "1", float("nan"), float("inf"), 10**400, -(10**400), [1]])
def test_what_is_no_number(value):
    assert not is_number(value) and not is_count(value)


@pytest.mark.parametrize("value", [0, 1, 5.5, -2.0])
def test_numbers(value):
    assert is_number(value) and is_count(value) is (isinstance(value, int) and value >= 0)


def test_text_can_be_written():
    assert is_text("ü 写") and not is_text("\ud800") and not is_text(b"x")


def test_the_wrong_key_is_told_on_one_short_line():
    config = {**shipped_config("normal_model"), "labels": {"a\n\x1b" * 50: 5}}
    told = str(first_wrong(CONFIG, config))
    assert told.isascii() and told.isprintable() and len(told) < 200


@pytest.fixture(scope="module")
def model(tmp_path_factory, tiny_checkpoint):
    """A folder with a network that runs, and the config that belongs to it."""
    folder = tmp_path_factory.mktemp("saved_model") / "odd"
    folder.mkdir()
    (folder / "model.tflite").write_bytes((tiny_checkpoint.folder / "model.tflite").read_bytes())
    further = {
        key: value
        for key, value in shipped_config("facenet_model").items()
        if key not in tiny_checkpoint.config
    }
    calibration = {**further["calibration"], "temperatures": {"gender": 1.5}}
    return folder, {**further, **tiny_checkpoint.config, "calibration": calibration}


def test_the_model_itself_is_sound(model):
    folder, config = model
    (folder / "config.json").write_text(json.dumps(config))
    assert describe(folder).problem is None


@given(st.data())
@settings(max_examples=300)
def test_wrong_types_are_a_problem_and_never_another_error(model, data):
    """Replaces a value somewhere in config.json by any other JSON."""
    from facecli.models.litert import Predictor
    from facecli.web.app import describe_model
    from facecli.web.pages import model_sections

    folder, config = model
    path = data.draw(st.sampled_from(sorted(places(config), key=str)))
    (folder / "config.json").write_text(json.dumps(replaced(config, path, data.draw(JSON))))
    entry = describe(folder)
    told = [*list_rows([entry])[1], *describe_lines(entry), json.dumps(json_entry(entry, whole=True))]
    "".join(told).encode("utf-8")
    if entry.problem is None:
        json.dumps(describe_model("odd", entry), allow_nan=False, ensure_ascii=False).encode("utf-8")
        model_sections({"odd": entry})
    else:
        assert len(entry.problem.splitlines()) == 1 and str(folder / "config.json") in entry.problem
    try:
        verify(entry)
        Predictor(load_checkpoint(folder), 1).checkpoint.crop_of("haar")
    except CheckpointError as error:
        assert str(folder) in str(error) and len(str(error).splitlines()) == 1


@given(
    st.dictionaries(
        st.sampled_from(["age", "gender", "count", "split"]),
        JSON | st.dictionaries(st.sampled_from(["mae", "accuracy", "mae_ci95"]), JSON),
    )
)
@settings(max_examples=100)
def test_odd_metrics_are_shown_or_left_out(model, metrics):
    from facecli.web.app import describe_model

    folder, config = model
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    entry = describe(folder)
    "".join([*list_rows([entry])[1], *describe_lines(entry)]).encode("utf-8")
    json.dumps(describe_model("odd", entry), allow_nan=False, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "[" * 9999, '{"a": "\\ud800"}'])
def test_an_object_that_cannot_be_read_is_empty(tmp_path, text):
    assert read_json(tmp_path / "none.json") == {}
    (tmp_path / "a.json").write_text(text)
    assert read_json(tmp_path / "a.json") == {}


def test_numbers_that_cannot_be_computed_with_are_null(tmp_path):
    (tmp_path / "a.json").write_text(
        '{"a": NaN, "b": 1e999, "c": 1' + 400 * "0" + ', "d": -3, "e": 0.5, "f": -Infinity}'
    )
    assert read_json(tmp_path / "a.json") == {"a": None, "b": None, "c": None, "d": -3, "e": 0.5, "f": None}
