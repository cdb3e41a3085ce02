"""Detectors by name: those of facecli, and those that other packages bring."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Optional

import numpy as np
import pytest
from plugin_fixtures import EXAMPLE

from facecli import FaceAnalyzer, InputError
from facecli.cli import main
from facecli.core.images import save_image
from facecli.detect import registry
from facecli.detect.cnn import LandmarkFinder
from facecli.detect.registry import (
    FREE,
    WHOLE_PICTURE,
    DetectorEntry,
    build_detector,
    built_in_names,
    choose_detector,
    detector_names,
    find_entry,
    may_refine,
    parse_options,
)
from facecli.models.terms import COMMERCIAL, OPEN, Terms


def test_a_file_of_the_package_is_a_detector():
    assert built_in_names() == ("cnn", "haar", "yunet", "none")
    assert detector_names()[:4] == built_in_names()
    assert (FREE, WHOLE_PICTURE) == ("haar", "none")


@pytest.mark.parametrize("name", built_in_names())
def test_every_one_has_terms_a_crop_and_options_with_defaults(name):
    entry = find_entry(name)
    assert isinstance(entry, DetectorEntry) and entry.terms.licence and entry.chip_crop is not None
    assert entry.options() == entry.options(**parse_options(name, entry, {}))


def test_names_are_known_before_anything_is_imported():
    code = (
        "import sys; from facecli.detect.registry import detector_names; detector_names();"
        "assert not {'cv2', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_package_brings_one(example, astronaut, tmp_path, capsys, tiny_checkpoint):
    assert detector_names() == (*built_in_names(), "example")
    xyxy, scores, *_ = build_detector("example", {"share": "0.25"}).detect(np.zeros((100, 200, 3), np.uint8))
    assert xyxy.tolist() == [[87, 37, 112, 62]] and scores.tolist() == [1]
    save_image(tmp_path / "a.png", astronaut)
    arguments = ["run", "--img", str(tmp_path / "a.png"), "--detector", "example", "--json", "-"]
    arguments += ["--detector-option", "score=0.5", "--model-path", str(tiny_checkpoint.folder)]
    assert main(arguments) == 0
    (face,) = json.loads(capsys.readouterr().out)["faces"]
    assert (face["box_xyxy"], face["detector_confidence"]) == ([128, 128, 384, 384], 0.5)


def test_it_works_from_python(example, astronaut, tiny_checkpoint):
    record = FaceAnalyzer(detector="example", model_path=tiny_checkpoint.folder).analyze(astronaut)
    assert record["faces"][0]["box_xyxy"] == [128, 128, 384, 384]


def test_it_is_served(example, astronaut):
    pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
    import cv2
    from starlette.testclient import TestClient

    from facecli.web.app import build_app
    from facecli.web.settings import Settings

    with TestClient(build_app(Settings(workers=1, hosts=()))) as client:
        assert "example" in client.get("/api/v1/models").json()["detectors"]
        data = cv2.imencode(".png", astronaut[..., ::-1])[1].tobytes()
        answer = client.post("/api/v1/analyze?detector=example&show_rejected=true", files={"file": data})
        assert answer.json()["faces"][0]["box_xyxy"] == [128, 128, 384, 384]


def test_it_is_installed_by_pip(tmp_path, astronaut):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in EXAMPLE.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    subprocess.run([*pip, "--no-index", "--target", str(site), str(copy)], check=True, capture_output=True)
    save_image(tmp_path / "a.png", astronaut)
    command = [sys.executable, "-m", "facecli", "run", "--img", "a.png", "--json", "-"]
    command += ["--detector", "example", "--show-rejected"]
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=True
    )
    assert json.loads(done.stdout)["faces"][0]["box_xyxy"] == [128, 128, 384, 384]


def test_one_that_cannot_be_imported_is_named_and_the_rest_works(install, capsys, tmp_path, astronaut):
    install("plugged_broken", "raise RuntimeError('no camera driver')", ("broken",))
    with pytest.raises(InputError, match="'broken' of plugged_broken cannot be loaded: no camera driver"):
        build_detector("broken")
    save_image(tmp_path / "a.png", astronaut)
    assert main(["run", "--img", str(tmp_path / "a.png"), "--detector", "broken", "--json", "-"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "plugged_broken" in said
    assert len(build_detector("haar").detect(astronaut)[0]) == 1


def test_what_is_no_detector_is_refused(install):
    install("plugged_wrong", "DETECTOR = 3", ("wrong",))
    with pytest.raises(InputError, match="plugged_wrong is not a DetectorEntry"):
        build_detector("wrong")


def test_two_of_one_name_are_refused_by_both_names(install):
    install("plugged_one", "DETECTOR = 1", ("twin",))
    install("plugged_two", "DETECTOR = 2", ("twin",))
    with pytest.raises(InputError, match="plugged_one and plugged_two both bring a detector 'twin'"):
        build_detector("twin")


def test_a_name_of_facecli_is_not_taken_over(install):
    install("plugged_thief", "DETECTOR = 1", ("haar",))
    assert detector_names() == built_in_names()
    assert build_detector("haar").name == "haar"


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("haar", {"scale": "1.2"}, "haar detector has no option 'scale'; it has scale_factor, min_neighbors"),
        ("haar", {"min_size": "big"}, "option 'min_size' of the haar detector is of type int, not 'big'"),
        ("none", {"x": "1"}, "none detector has no option 'x'; it has none"),
        (
            "yunet",
            {"weights": "a", "score_threshold": ""},
            "'score_threshold' of the yunet detector is of type float",
        ),
    ],
)
def test_an_unknown_option_and_a_wrong_value_are_named(name, given, said):
    with pytest.raises(InputError, match=said):
        build_detector(name, given)


@pytest.mark.parametrize("pair", ["min_size", "=", "min_size=", "x=1"])
def test_the_command_line_refuses_them_in_one_line(pair, tmp_path, astronaut, capsys):
    save_image(tmp_path / "a.png", astronaut)
    code = main(["run", "--img", str(tmp_path / "a.png"), "--json", "-", "--detector-option", pair])
    said = capsys.readouterr()
    assert (code, said.out, said.err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        *(("haar", "scale_factor", value) for value in ("0.5", "1.0", "nan", "inf")),
        *(("haar", option, "-1") for option in ("min_neighbors", "min_size", "longest_side")),
        *(("yunet", "score_threshold", value) for value in ("-0.1", "1.5", "nan")),
        ("yunet", "longest_side", "0"),
    ],
)
def test_a_value_that_cannot_find_faces_is_refused(name, option, value):
    with pytest.raises(InputError, match=f"option '{option}' of the {name} detector is .* not "):
        build_detector(name, {option: value, **({"weights": "x.onnx"} if name == "yunet" else {})})


def test_options_of_another_detector_are_a_mistake_of_the_caller():
    with pytest.raises(TypeError, match="options of none are NoOptions, not HaarOptions"):
        build_detector("none", find_entry("haar").options())


@dataclass(frozen=True)
class OldStyle:
    size: Optional[int] = None  # noqa: UP045  (as others may write it)


def test_optional_is_read_in_either_spelling():
    entry = DetectorEntry(lambda options: None, find_entry("haar").terms, OldStyle)
    assert parse_options("old", entry, {"size": "7"}) == {"size": 7}


def test_text_becomes_values_of_the_options_types():
    entry = find_entry("haar")
    parsed = parse_options("haar", entry, {"min_size": "40", "scale_factor": "1.2", "longest_side": 320})
    assert parsed == {"min_size": 40, "scale_factor": 1.2, "longest_side": 320}


@pytest.mark.parametrize(
    ("name", "configs", "wanted"),
    [
        ("auto", [{"terms": OPEN.to_config()}], "haar"),
        ("auto", [{"terms": OPEN.to_config()}, {}], "cnn"),
        ("auto", [{}], "cnn"),
        ("yunet", [{"terms": OPEN.to_config()}], "yunet"),
    ],
)
def test_auto_is_the_best_one_that_may_be_used_for_what_the_model_may(name, configs, wanted):
    assert choose_detector(name, configs) == wanted


def test_threads_are_told_to_those_that_can_be_told(monkeypatch):
    @dataclass(frozen=True)
    class Told:
        threads: int | None = None

    entry = DetectorEntry(lambda options: options, Terms("MIT", COMMERCIAL), Told)
    monkeypatch.setattr(registry, "find_entry", lambda name: entry)
    assert build_detector("any", threads=3).threads == 3
    assert build_detector("any", {"threads": 1}, threads=3).threads == 1
    assert build_detector("any").threads is None


@pytest.mark.parametrize(
    ("name", "configs", "may"),
    [
        ("haar", [{"terms": OPEN.to_config()}], False),
        ("haar", [], False),
        ("haar", [{"terms": OPEN.to_config()}, {}], True),
        ("haar", [{}], True),
        ("cnn", [{"terms": OPEN.to_config()}], True),
        ("none", [{"terms": OPEN.to_config()}], False),
    ],
)
def test_what_is_free_stays_free_of_the_network_of_landmarks(name, configs, may):
    assert may_refine(name, configs) is may


@pytest.mark.parametrize("name", ["haar", "cnn"])
def test_a_closer_look_gives_landmarks_to_every_detector(name, astronaut):
    plain, refined = (build_detector(name, refine=refine).detect(astronaut) for refine in (False, True))
    assert plain.landmark_errors is None and refined.landmark_errors.shape == (1,)
    assert (plain.xyxy == refined.xyxy).all() and refined.landmarks.shape == (1, 5, 2)
    left, right, *_ = refined.landmarks[0]
    assert np.abs((left, right) - np.array([(206, 101), (246, 104)])).max() < 6


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_landmarks_turn_with_the_picture(turns, astronaut):
    """What a head looks like from any side, boxes being where they are."""
    finder = LandmarkFinder()
    box = np.array([[177, 62, 275, 175]], np.int32)
    upright = finder.find(astronaut, box, (0.0, 0.0))
    picture, boxes, points = astronaut, box, upright.landmarks
    for _ in range(turns):
        # Counter-clockwise: x becomes y, and y what is left of the width.
        side = picture.shape[1]
        picture = np.ascontiguousarray(np.rot90(picture))
        points = np.stack([points[..., 1], side - points[..., 0]], axis=-1)
        boxes = np.stack([boxes[:, 1], side - boxes[:, 2], boxes[:, 3], side - boxes[:, 0]], axis=1)
    found = finder.find(picture, boxes, (0.0, 0.0))
    assert np.abs(found.landmarks - points).max() < 6
    assert np.abs(found.errors - upright.errors).max() < 0.1
