"""What a built package carries, and that it works installed elsewhere, from any folder.

The source archive is built from a copy of the tree, the wheel from that archive, and the
wheel is installed into a folder of its own: the way a user's package comes to be.
"""

import email
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import cv2
import pytest
from skimage import data

from facecli.core.paths import MODEL_FOLDERS

ROOT = Path(__file__).resolve().parent.parent
MODELS = tuple(folder for folder in MODEL_FOLDERS.values() if (ROOT / "saved_model" / folder).is_dir())
MODEL_FILES = ("config.json", "metrics.json", "model.tflite", "LICENSE.txt")
MAX_MODEL_BYTES, MAX_WHEEL_BYTES = 11_000_000, 12_000_000
CASCADE = "haarcascade_frontalface_alt2.xml"


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command without the environment that would let it find the checkout."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "FACECLI_HOME"}}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=kept | environment, text=True, capture_output=True, timeout=300
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def source_archive(tmp_path_factory) -> Path:
    tree = tmp_path_factory.mktemp("tree") / "facecli"
    tree.mkdir()
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "epochs", "weights", ".*")
    for name in ("src", "xml", "saved_model"):
        shutil.copytree(ROOT / name, tree / name, ignore=unwanted)
    for name in (
        "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "Pipfile", "environment.yml",
    ):  # fmt: skip
        shutil.copy2(ROOT / name, tree / name)
    build = "from setuptools import build_meta; print(build_meta.build_sdist('dist'))"
    run(sys.executable, "-c", build, cwd=tree)
    (archive,) = (tree / "dist").glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(source_archive, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    run(sys.executable, "-m", "pip", "wheel", *options, "-w", folder, source_archive, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    """Folder with the installed wheel and nothing else."""
    folder = tmp_path_factory.mktemp("installed") / "site"
    options = ("--no-deps", "--no-index", "--quiet")
    run(sys.executable, "-m", "pip", "install", *options, "--target", folder, wheel, cwd=folder.parent)
    return folder


def test_wheel_has_the_package_the_licence_and_the_console_script(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    sources = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src").rglob("*.py")}
    sources |= {f"facecli/sinks/page.{suffix}" for suffix in ("html", "css", "js")}
    assert sources <= set(names)
    assert any(name.endswith("LICENSE") for name in names)
    (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
    assert b"facecli = facecli.__main__:main" in zipfile.ZipFile(wheel).read(entry_points)
    assert not any(name.startswith("tests/") or "__pycache__" in name for name in names)


def test_wheel_carries_the_cascades(wheel):
    assert f"facecli/shipped/xml/{CASCADE}" in zipfile.ZipFile(wheel).namelist()


def test_wheel_needs_no_tensorflow_unless_asked(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
    lines = archive.read(name).decode().splitlines()
    (tensorflow,) = (line for line in lines if line.startswith("Requires-Dist: tensorflow"))
    assert "extra ==" in tensorflow and "train" in tensorflow


def test_source_archive_and_wheel_carry_the_models(source_archive, wheel):
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    in_source = {name.partition("/")[2] for name in tarfile.open(source_archive).getnames()}
    wanted = {f"saved_model/{model}/{file}" for model in MODELS for file in MODEL_FILES}
    assert wanted - in_source == set()
    assert {f"facecli/shipped/{name}" for name in wanted} - in_wheel == set()
    assert not any("/epochs/" in name or "/weights/" in name for name in in_wheel | in_source)
    assert "facecli/py.typed" in in_wheel and "src/facecli/py.typed" in in_source


def test_what_ships_stays_small(wheel):
    sizes = {info.filename: info.file_size for info in zipfile.ZipFile(wheel).infolist()}
    assert 0 < sum(size for name, size in sizes.items() if "/saved_model/" in name) < MAX_MODEL_BYTES
    assert wheel.stat().st_size < MAX_WHEEL_BYTES


def test_what_only_training_reads_is_in_the_source_archive_alone(source_archive, wheel):
    assert not any(name.endswith(".keras") for name in zipfile.ZipFile(wheel).namelist())
    assert sum(name.endswith("model.keras") for name in tarfile.open(source_archive).getnames()) >= len(
        MODELS
    )


def test_an_index_has_what_it_shows(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
    known = email.message_from_bytes(archive.read(name))
    assert known["License-Expression"] == "MIT" and known["Requires-Python"] == ">=3.10"
    assert known["Author"] and known["Keywords"] and known["Summary"]
    assert len(known.get_all("Classifier")) > 5 and "plot" in known.get_all("Provides-Extra")
    licences = known.get_all("License-File")
    assert "LICENSE" in licences and {f"saved_model/{model}/LICENSE.txt" for model in MODELS} <= set(licences)


def test_training_from_a_wheel_says_what_is_not_there(site, tmp_path):
    code = """
from facecli.core.errors import CheckpointError
from facecli.core.paths import find_model
from facecli.models.checkpoint import KERAS_FILE, load_checkpoint
try:
    load_checkpoint(find_model("normal_model")).verified(KERAS_FILE)
except CheckpointError as error:
    print(error)
"""
    said = run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(site)).stdout
    assert "take the folder saved_model/normal_model of a checkout" in said and len(said.splitlines()) == 1
    verified = run(sys.executable, "-m", "facecli", "models", "verify", cwd=tmp_path, PYTHONPATH=str(site))
    assert "missing" not in verified.stdout


def test_installed_command_shows_help_from_any_folder(site, tmp_path):
    script = site / "bin" / "facecli"
    assert "Usage" in run(sys.executable, script, "--help", cwd=tmp_path, PYTHONPATH=str(site)).stdout
    assert (
        "Usage" in run(sys.executable, "-m", "facecli", "--help", cwd=tmp_path, PYTHONPATH=str(site)).stdout
    )


def test_installed_package_finds_its_own_cascade(site, tmp_path):
    code = "from facecli.core import paths; print(paths.find_cascade()); print(paths.home())"
    found, home = run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(site)).stdout.split()
    assert Path(found) == site / "facecli" / "shipped" / "xml" / CASCADE
    assert not Path(home).is_relative_to(site)
    assert not Path(home).is_relative_to(ROOT)


@pytest.mark.parametrize("model_type", ["facenet", "normal"])
def test_installed_package_analyses_a_real_face_with_its_own_model(site, tmp_path, model_type):
    cv2.imwrite(str(tmp_path / "face.png"), data.astronaut()[:, :, ::-1])
    options = ("run", "--img", "face.png", "--no-show", "--json", "faces.jsonl", "--model-type", model_type)
    run(sys.executable, "-m", "facecli", *options, cwd=tmp_path, PYTHONPATH=str(site))
    (line,) = (tmp_path / "faces.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(json.loads(line)["faces"]) == 1
