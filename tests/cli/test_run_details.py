"""`facecli run --img` with --details, --compare and --age-groups."""

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from facecli.cli.app import main
from facecli.cli.run_setup import compared_folders
from facecli.core.errors import InputError
from facecli.core.images import load_image, save_image

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schema" / "row-1.schema.json"
BANDS = "0-24,25-49,50-74,75-99"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch, tiny_checkpoint, age_checkpoint):
    """Two models of the user's own: `tiny` reads all, `years` the age alone."""
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    for name, checkpoint in {"tiny": tiny_checkpoint, "years_model": age_checkpoint}.items():
        shutil.copytree(checkpoint.folder, tmp_path / "home" / "saved_model" / name)
    return tmp_path / "home"


@pytest.fixture
def face(tmp_path, astronaut):
    path = tmp_path / "face.png"
    save_image(path, astronaut)
    return path


@pytest.fixture
def run(capfd):
    """Runs `facecli run`: (exit code, stdout, stderr)."""

    def run(*arguments):
        code = main(["run", "--no-show", *map(str, arguments)])
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def own(home):
    return "--model-path", home / "saved_model" / "tiny"


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_picture_without_a_face_has_nothing_more_to_tell(run, own, tmp_path):
    blank = tmp_path / "blank.png"
    save_image(blank, np.zeros((50, 70, 3), np.uint8))
    drawn = tmp_path / "drawn.png"
    code, out, _ = run("--img", blank, *own, "--details", "--age-groups", "life", "--output", drawn)
    assert code == 0 and out.splitlines()[1].startswith("none ")
    assert (load_image(drawn) == load_image(blank)).all()
    code, out, _ = run("--img", blank, "--compare", "tiny,years", "--json", "-")
    assert (code, rows(out)[0]["faces"]) == (0, [])


def test_details_are_in_json_table_and_picture(run, own, face, tmp_path):
    drawn, lines = tmp_path / "drawn.png", tmp_path / "rows.jsonl"
    code, out, _ = run("--img", face, *own, "--details", "--output", drawn, "--json", lines)
    (found,) = rows(lines.read_text())[0]["faces"]
    assert code == 0
    assert len(found["age_distribution"]) == 117
    assert sum(found["age_distribution"]) == pytest.approx(1, abs=1e-3)
    assert "age_band" not in found
    for name in (*found["gender_probabilities"], *found["race_probabilities"]):
        assert f"{name} " in out
    height, width = load_image(drawn).shape[:2]
    assert height > 512 or width > 512


def test_without_the_options_rows_are_as_ever(run, own, face):
    _, out, _ = run("--img", face, *own, "--json", "-")
    (found,) = rows(out)[0]["faces"]
    assert not {"age_distribution", "age_band", "age_band_probability", "models"} & set(found)


def test_bands_are_summed_from_the_distribution(run, own, face):
    _, out, _ = run("--img", face, *own, "--json", "-", "--details", "--age-groups", BANDS)
    (found,) = rows(out)[0]["faces"]
    years = found["age_distribution"]
    assert list(found["age_band_probabilities"]) == ["0-24", "25-49", "50-74", "75-99", "100+"]
    assert found["age_band_probabilities"]["25-49"] == pytest.approx(sum(years[25:50]), abs=1e-3)
    assert found["age_band_probability"] == max(found["age_band_probabilities"].values())
    _, out, _ = run("--img", face, *own, "--json", "-", "--age-groups", BANDS)
    (plain,) = rows(out)[0]["faces"]
    assert plain["age_band"] == found["age_band"] and "age_band_probabilities" not in plain


def test_joint_and_single_task_models_stand_side_by_side(run, face, tmp_path):
    drawn, lines = tmp_path / "drawn.png", tmp_path / "rows.jsonl"
    code, out, _ = run("--img", face, "--compare", "tiny,years", "--json", lines, "--output", drawn)
    (found,) = rows(lines.read_text())[0]["faces"]
    assert code == 0
    assert list(found["models"]) == ["tiny", "age"]
    assert found["models"]["tiny"]["age_years"] == found["age_years"]
    assert "gender" in found["models"]["tiny"] and "gender" not in found["models"]["age"]
    table = out.splitlines()
    assert [line.split()[1] for line in table[:3]] == ["model", "tiny", "age"]
    assert table[-1].startswith("tiny and age, 1 face: ages ")
    assert load_image(drawn).size > load_image(face).size


def test_copies_of_a_model_are_told_apart(run, home, face):
    shutil.copytree(home / "saved_model" / "tiny", home / "saved_model" / "copy")
    _, out, _ = run("--img", face, "--compare", "tiny,copy", "--json", "-")
    models = rows(out)[0]["faces"][0]["models"]
    assert list(models) == ["tiny", "copy"] and models["tiny"] == models["copy"]


def test_models_are_found_by_folder_too(home):
    folder = home / "saved_model" / "tiny"
    assert compared_folders(f"{folder} , years") == {
        str(folder): folder,
        "years": home / "saved_model/years_model",
    }


@pytest.mark.parametrize("spec", ["", "tiny", "tiny,", ",", "tiny,tiny", "tiny,nope", "tiny,.."])
def test_bad_comparisons_are_refused_in_one_line(spec, run, face):
    with pytest.raises(InputError):
        compared_folders(spec)
    code, out, err = run("--img", face, "--compare", spec)
    assert (code, out, len(err.splitlines())) == (2, "", 1)


@pytest.mark.parametrize("spec", ["", "0-24,24-49", "0-24,30-49", "49-25", "a-b", "teens"])
def test_bad_groups_are_refused_in_one_line(spec, run, face):
    code, out, err = run("--img", face, "--age-groups", spec)
    assert (code, out, len(err.splitlines())) == (2, "", 1)


@pytest.mark.parametrize(
    ("option", "needs"),
    [
        (["--details"], "--details"),
        (["--age-groups", "life"], "--age-groups"),
        (["--compare", "a,b"], "--compare"),
        (["--report", "page.html"], "--report"),
    ],
)
def test_videos_have_none_of_it(option, needs, run):
    code, _, err = run("--video", "clip.mp4", *option)
    assert code == 2 and f"{needs} needs --img" in err


def test_a_model_path_beside_a_comparison_is_refused(run, own, face):
    code, _, err = run("--img", face, *own, "--compare", "tiny,years")
    assert code == 2 and "--model-path" in err


def test_covered_faces_are_covered_on_the_panel(run, own, face, tmp_path):
    drawn = tmp_path / "drawn.png"
    own = [*own, "--detector", "haar"]
    run("--img", face, *own, "--details", "--anonymize", "box", "--output", drawn)
    plain = tmp_path / "plain.png"
    run("--img", face, *own, "--details", "--output", plain)
    covered, shown = load_image(drawn), load_image(plain)
    assert covered.shape == shown.shape
    # Wherever the panel lies, its crop is as dark as what covers the face.
    outside = covered[512:] if covered.shape[0] > 512 else covered[:, 512:]
    bright = shown[512:] if covered.shape[0] > 512 else shown[:, 512:]
    assert cv2.absdiff(outside, bright).max() > 50


def test_every_row_keeps_to_the_schema(run, face, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    save_image(tmp_path / "blank.png", np.zeros((50, 70, 3), np.uint8))
    wanted = "--details", "--age-groups", "adience", "--compare", "tiny,years"
    code, out, _ = run("--img", tmp_path, *wanted, "--json", "-")
    found = rows(out)
    assert (code, len(found)) == (1, 3)
    for row in found:
        validator.validate(row)


def page_rows(page):
    text = page.read_text(encoding="utf-8")
    found = re.findall(r'<script type="application/json" class="row">(.*?)</script>', text)
    return [json.loads(part) for part in found]


def test_a_report_holds_every_picture(run, own, face, tmp_path):
    (tmp_path / "photos").mkdir()
    shutil.copy(face, tmp_path / "photos")
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no picture")
    page, lines = tmp_path / "report.html", tmp_path / "rows.jsonl"
    code, _, _ = run("--img", tmp_path / "photos", *own, "--report", page, "--json", lines)
    shown = page_rows(page)
    assert (code, len(shown)) == (1, 2)
    for row, line in zip(shown, rows(lines.read_text()), strict=True):
        row.pop("thumb", None)
        row.pop("thumb_size", None)
        for found in row["faces"]:
            assert found.pop("crop").startswith("data:image/jpeg")
        assert row == line


def test_a_report_of_compared_models_names_them(run, face, tmp_path):
    page = tmp_path / "report.html"
    assert run("--img", face, "--compare", "tiny,years", "--report", page)[0] == 0
    assert list(page_rows(page)[0]["faces"][0]["models"]) == ["tiny", "age"]


@pytest.mark.parametrize("target", ["-", "report", "report.txt", "."])
def test_a_report_that_is_no_page_is_refused(run, own, face, target):
    code, _, err = run("--img", face, *own, "--report", target)
    assert code == 2 and "--report" in err and len(err.splitlines()) == 1


def test_a_report_over_the_picture_itself_is_refused(run, own, tmp_path, face):
    (tmp_path / "photo.html").write_bytes(face.read_bytes())
    code, _, err = run("--img", tmp_path / "photo.html", *own, "--report", tmp_path / "photo.html")
    assert code == 2 and "photo.html" in err
    assert (tmp_path / "photo.html").read_bytes() == face.read_bytes()
