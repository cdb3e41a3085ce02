"""`FaceAnalyzer`: the same records as the command line writes, of everything that is a picture."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

import facecli
from facecli import FaceAnalyzer
from facecli.cli import app
from facecli.core.errors import CheckpointError, FacecliError, ImageError, InputError
from facecli.core.images import save_image

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def analyzer(tiny_checkpoint):
    return FaceAnalyzer(model_path=tiny_checkpoint.folder, detector="none", threads=1)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a ü.png"
    save_image(path, np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8))
    return path


def test_no_pictures_no_records(analyzer):
    assert list(analyzer.analyze_many([])) == []


def test_it_is_what_the_command_line_writes(analyzer, tiny_checkpoint, picture, capsys):
    options = ["--detector", "none", "--model-path", str(tiny_checkpoint.folder), "--json", "-"]
    assert app.main(["run", "--img", str(picture), *options]) == 0
    written = json.loads(capsys.readouterr().out)
    assert json.loads(json.dumps(analyzer.analyze(picture))) == written
    assert list(analyzer.analyze_many([str(picture)])) == [written]


def test_a_password_in_what_is_no_path_is_not_said(analyzer):
    for given in ("http://me:hunter2@host/a.jpg", "rtsp://me:x@hunter2/y@host"):
        with pytest.raises(ImageError) as caught:
            analyzer.analyze(given)
        assert "hunter2" not in str(caught.value)
        assert "hunter2" not in str(next(analyzer.analyze_many([given])))


def test_a_path_bytes_and_an_array_are_one_picture(analyzer, picture):
    from facecli.core.images import load_image

    records = [
        analyzer.analyze(one) for one in (str(picture), picture, picture.read_bytes(), load_image(picture))
    ]
    assert [record.pop("source") for record in records] == [str(picture), str(picture), "bytes", "array"]
    assert all(record == records[0] for record in records)
    assert (records[0]["width"], records[0]["height"], len(records[0]["faces"])) == (30, 40, 1)
    assert analyzer.analyze(picture.read_bytes(), source="mine")["source"] == "mine"


def test_a_real_face(astronaut):
    (face,) = FaceAnalyzer().analyze(astronaut)["faces"]
    assert face["gender"] == "female" and face["emotion"] == "happy" and 20 < face["age_years"] < 45


def test_details_give_the_distribution(tiny_checkpoint, picture):
    (face,) = FaceAnalyzer(model_path=str(tiny_checkpoint.folder), detector="none", details=True).analyze(
        picture
    )["faces"]
    assert len(face["age_distribution"]) == 117 and sum(face["age_distribution"]) == pytest.approx(
        1, abs=0.02
    )


def test_many_go_on_past_what_is_broken_and_keep_their_order(analyzer, picture, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    given = [picture, tmp_path / "bad.jpg", b"", "nowhere.png", *[picture] * 40]
    records = list(analyzer.analyze_many(iter(given)))
    assert len(records) == len(given)
    assert [record["error"] is None for record in records] == [True, False, False, False, *[True] * 40]
    assert (
        records[1]["source"].endswith("bad.jpg") and records[1]["width"] is None and records[1]["faces"] == []
    )
    assert records[0] == records[-1]


@pytest.mark.parametrize("odd", [None, 3, {}, np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32)])
def test_many_go_on_past_what_is_no_picture(analyzer, picture, odd):
    records = list(analyzer.analyze_many([picture, odd, picture]))
    assert [record["error"] is None for record in records] == [True, False, True]
    assert "array (H, W, 3) uint8 RGB" in records[1]["error"] or "uint8 RGB, not" in records[1]["error"]


def test_many_go_on_past_errors_of_opencv_and_of_memory(analyzer, picture, monkeypatch):
    odd = cv2.error("odd size")
    odd.err = "odd size"
    errors = iter([odd, MemoryError()])
    look = FaceAnalyzer._look

    def failing(self, given, source):
        if given == b"odd":
            raise next(errors)
        return look(self, given, source)

    monkeypatch.setattr(FaceAnalyzer, "_look", failing)
    records = list(analyzer.analyze_many([b"odd", picture, b"odd", picture]))
    assert [record["error"] for record in records] == [
        "bytes cannot be searched (odd size); save it again",
        None,
        "not enough memory for bytes; make it smaller",
        None,
    ]


def test_errors_of_the_code_itself_are_not_taken_for_those_of_a_picture(analyzer, picture, monkeypatch):
    def broken(self, given, source):
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(FaceAnalyzer, "_look", broken)
    with pytest.raises(ValueError, match="of ours"):
        list(analyzer.analyze_many([picture]))


def test_threads_share_an_analyzer(tiny_checkpoint, astronaut):
    analyzer = FaceAnalyzer(model_path=str(tiny_checkpoint.folder))
    pictures = [np.roll(astronaut, 7 * shift, axis=1) for shift in range(8)]
    alone = [analyzer.analyze(given) for given in pictures]
    with ThreadPoolExecutor(4) as pool:
        shared = list(pool.map(analyzer.analyze, pictures * 20))
    assert shared == alone * 20


def test_many_are_read_as_they_are_asked_for(analyzer, picture):
    def endless():
        while True:
            yield picture

    assert next(iter(analyzer.analyze_many(endless())))["error"] is None


@pytest.mark.parametrize(
    "picture", [b"", b"x", "nowhere.png", Path("nowhere.png"), "with\0nul", "/dev/null", "/"]
)
def test_what_cannot_be_read_is_an_image_error(analyzer, picture):
    with pytest.raises(ImageError):
        analyzer.analyze(picture)


@pytest.mark.parametrize("picture", [None, 3, ["a.jpg"], {}])
def test_what_is_no_picture_is_a_type_error(analyzer, picture):
    with pytest.raises(TypeError, match="array .H, W, 3. uint8 RGB"):
        analyzer.analyze(picture)


@pytest.mark.parametrize(
    "shape_and_type",
    [((9, 9), "u1"), ((9, 9, 4), "u1"), ((9, 9, 3), "f4"), ((0, 9, 3), "u1"), ((1, 9, 9, 3), "u1")],
)
def test_arrays_of_another_kind_are_refused(analyzer, shape_and_type):
    with pytest.raises(ValueError, match="uint8 RGB"):
        analyzer.analyze(np.zeros(*shape_and_type))


def test_an_array_that_is_a_view_and_read_only(analyzer):
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    view = image[::2, ::-2]
    view.flags.writeable = False
    assert analyzer.analyze(view) == analyzer.analyze(view.copy())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model_type": "resnet"}, InputError), ({"detector": "dlib"}, InputError),
        ({"threads": 0}, InputError),
        ({"threads": True}, InputError), ({"threads": "2"}, InputError),
        ({"model_path": "/nowhere"}, CheckpointError),
    ],
)  # fmt: skip
def test_wrong_options(options, error):
    with pytest.raises(error) as refused:
        FaceAnalyzer(**options)
    assert isinstance(refused.value, FacecliError)


def test_options_have_names():
    with pytest.raises(TypeError):
        FaceAnalyzer("facenet")


def test_importing_facecli_is_cheap_and_an_analysis_needs_no_training_packages(astronaut, tmp_path):
    np.save(tmp_path / "a.npy", astronaut)
    code = f"""
import sys, facecli
assert not {{"numpy", "cv2", "click", "rich", "PIL"}} & set(sys.modules), "slow import"
import numpy
assert facecli.FaceAnalyzer().analyze(numpy.load({str(tmp_path / "a.npy")!r}))["faces"]
assert not {{"tensorflow", "keras", "pandas", "sklearn", "matplotlib", "scipy"}} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_package_says_what_it_has():
    assert "FaceAnalyzer" in dir(facecli) and facecli.FaceAnalyzer is FaceAnalyzer
    with pytest.raises(AttributeError, match="Nonsense"):
        facecli.Nonsense  # noqa: B018


def test_it_is_marked_as_typed_and_the_types_are_those_of_the_records(analyzer, picture):
    from facecli.core.faces import FaceRow, PictureRow

    assert (Path(facecli.__file__).parent / "py.typed").is_file()
    record = analyzer.analyze(picture)
    assert set(PictureRow.__annotations__) >= set(record)
    assert set(FaceRow.__annotations__) >= set(record["faces"][0])


def test_errors_name_no_options_of_the_command_line(analyzer, tiny_checkpoint, tmp_path):
    """Who calls from Python has none: the command line adds its own hint."""
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(400))
    failures = [
        lambda: FaceAnalyzer(model_path="gone"),
        lambda: FaceAnalyzer(model_path=str(tiny_checkpoint.folder), detector="yunet"),
        lambda: analyzer.analyze(tmp_path / "clip.mp4"),
    ]
    for fail in failures:
        with pytest.raises(FacecliError) as failed:
            fail()
        assert "--" not in str(failed.value) and "--" in failed.value.hint
    (row,) = analyzer.analyze_many([tmp_path / "clip.mp4"])
    assert "is a video, no picture" in row["error"] and "--" not in row["error"]


def test_the_command_line_says_what_to_do(tiny_checkpoint, picture, tmp_path, capsys):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"\0\0\0\x18ftypisom" + bytes(400))
    command = ["run", "--model-path", str(tiny_checkpoint.folder), "--no-show", "--img", str(clip)]
    assert app.main(command) == 1
    assert capsys.readouterr().err == f"Error: {clip} is a video, no picture; use --video\n"
    assert app.main([*command, "--img", str(picture), "--json", "-"]) == 1
    said = capsys.readouterr()
    assert "use --video" in said.err and "use --video" in said.out.splitlines()[0]
    assert app.main(["run", "--no-show", "--video", str(picture)]) == 2
    said = capsys.readouterr().err
    assert "is a picture" in said and "give it to --img" in said
