"""setup.py, Pipfile and environment.yml name the same packages, and the code needs those and no others."""

import ast
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import facecli

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
# Name to install -> name to import, where they differ.
IMPORT_NAMES = {
    "ai-edge-litert": "ai_edge_litert",
    "opencv-python": "cv2",
    "paho-mqtt": "paho",
    "pillow": "PIL",
    "pillow-heif": "pillow_heif",
    "scikit-learn": "sklearn",
    "scikit-image": "skimage",
    "prometheus-client": "prometheus_client",
    "python-multipart": "python_multipart",
    "griffelib": "griffe",
    "pyyaml": "yaml",
    "flask-cors": "flask_cors",
}
# Lists of setup.py that Pipfile and environment.yml hold.
EVERYTHING = ("RUN", "TRAIN", "EXPORT", "HEIF", "PARQUET", "CLOUD", "EXPLAIN", "WEB", "MQTT")
# Large, and for few: Pipfile and environment.yml leave them out.
BESIDE = ("TORCH", "DAFT", "RAY")
# Needed by another package of the list rather than by a line of ours.
NEEDED_BY_OTHERS = {
    "s3fs": "fsspec opens s3:// with it",
    "h5py": "keras reads and writes weights through it",
    "python_multipart": "starlette reads forms through it",
    "websockets": "uvicorn speaks WebSocket through it",
}

Wanted = dict[str, str]  # package -> version range, its parts sorted


def wanted(requirements: list[str]) -> Wanted:
    """The first line of a package counts; others narrow it for some Pythons, and reach all who install."""
    ranges: Wanted = {}
    for item in map(Requirement, requirements):
        ranges.setdefault(item.name.lower(), ",".join(sorted(str(item.specifier).split(","))))
    return ranges


def setup_lists() -> dict[str, list[str]]:
    """The lists of literals at the top of setup.py, by name."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    assigned = (node for node in tree.body if isinstance(node, ast.Assign))
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in assigned
        if isinstance(node.value, ast.List)
    }


def pipfile(section: str) -> Wanted:
    packages = tomllib.loads((ROOT / "Pipfile").read_text(encoding="utf-8"))[section]
    packages.pop("facecli", None)
    ranges = {name: value if isinstance(value, str) else value["version"] for name, value in packages.items()}
    return wanted([f"{name}{version}" for name, version in ranges.items()])


def environment_lines() -> list[str]:
    """Items of environment.yml's two lists, in order; it needs no more of YAML than that."""
    lines = (line.strip() for line in (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines())
    return [line.removeprefix("- ") for line in lines if line.startswith("- ")]


def environment() -> Wanted:
    skipped = {"conda-forge", "pip", "pip:", "-e ."}
    lines = [line for line in environment_lines() if line not in skipped]
    return wanted([line for line in lines if not line.startswith("python>")])


def imported(folder: str) -> set[str]:
    """Top names that the Python files of a folder import, the standard library and our own left out."""
    names = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"facecli"}


def sibling_modules() -> set[str]:
    """Helper modules beside the tests, of docker/ and docs/site/, which tests import by their name."""
    return {
        path.stem for folder in ("tests", "docker", "docs/site") for path in (ROOT / folder).rglob("*.py")
    }


def import_names(requirements: list[str]) -> set[str]:
    return {IMPORT_NAMES.get(name, name) for name in wanted(requirements)}


def test_pipfile_and_environment_agree_with_setup():
    lists = setup_lists()
    everything = wanted(sum((lists[name] for name in EVERYTHING), []))
    assert pipfile("packages") == everything
    assert environment() == everything


def test_development_packages_agree():
    lists = setup_lists()
    assert pipfile("dev-packages") == wanted(lists["DEV"] + lists["DOCS"])


def test_environment_installs_the_checkout():
    assert environment_lines()[-1] == "-e ."


def test_oldest_python_is_the_same_everywhere():
    assert 'python_requires=">=3.10"' in (ROOT / "setup.py").read_text(encoding="utf-8")
    assert "python>=3.10" in environment_lines()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["ruff"]["target-version"] == "py310"


@pytest.mark.parametrize("requirement", sum(setup_lists().values(), []))
def test_range_has_a_floor(requirement):
    assert any(part.operator == ">=" for part in Requirement(requirement).specifier)


def run_lines(name: str, python: str) -> list[Requirement]:
    """What `pip install facecli` asks of a package under a version of Python."""
    lines = (item for item in map(Requirement, setup_lists()["RUN"]) if item.name == name)
    return [item for item in lines if item.marker is None or item.marker.evaluate({"python_version": python})]


@pytest.mark.parametrize("version", ["4.13.0.92", "4.14.0.94", "5.0.0"])
def test_opencv_is_none_that_shows_black_frames_or_lacks_cascades(version):
    """4.13 and 4.14 decode interlaced video to black frames, 5 has no cv2.CascadeClassifier."""
    (opencv,) = run_lines("opencv-python", "3.11")
    assert "4.12.0.88" in opencv.specifier
    assert version not in opencv.specifier


@pytest.mark.parametrize(("python", "version"), [("3.10", "2.2.6"), ("3.13", "2.2.6"), ("3.14", "2.4.6")])
def test_numpy_has_a_version_that_fits_opencv_and_has_wheels(python, version):
    """OpenCV 4.12 wants numpy<2.3, which has no wheels for Python 3.14; 4.11 takes any numpy 2."""
    assert all(version in numpy.specifier for numpy in run_lines("numpy", python))
    if python == "3.14":
        assert not all("2.2.6" in numpy.specifier for numpy in run_lines("numpy", python))


def test_the_code_imports_what_is_listed():
    lists = setup_lists()
    listed = import_names(sum((lists[name] for name in (*EVERYTHING, *BESIDE)), []))
    # Results are handed on to these; who calls for them has them (docs/python.md).
    assert imported("src") - listed - {"fiftyone", "supervision"} == set()
    beside = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} | {"facenet_pytorch"}
    beside |= sibling_modules()
    # facenet_pytorch is the other side of a comparison and tensorboard an option of Keras.
    assert imported("benchmarks") - listed - import_names(lists["DEV"]) - beside == set()
    assert imported("tests") - listed - import_names(lists["DEV"]) - sibling_modules() == set()
    site = import_names(lists["RUN"] + lists["DOCS"]) | sibling_modules()
    assert imported("docs/site") - site == set()


def test_everything_listed_is_used():
    lists = setup_lists()
    unused = import_names(sum((lists[name] for name in EVERYTHING), [])) - imported("src")
    assert unused - set(NEEDED_BY_OTHERS) == set()


def constrained() -> list[tuple[Requirement, list[str]]]:
    """The lines of constraints.txt: what is pinned, and its digests."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    parts = (line.split(" --hash=") for line in lines if not line.startswith("#"))
    return [(Requirement(pinned), digests) for pinned, *digests in parts]


def test_constraints_are_versions_with_digests_each_once_and_in_order():
    pinned = constrained()
    names = [item.name for item, _ in pinned]
    assert names == sorted(set(names))
    assert all(re.fullmatch(r"==[\w.+!]+", str(item.specifier)) for item, _ in pinned)
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", *digests) for _, digests in pinned)


@pytest.mark.parametrize("name", ["RUN", "TRAIN", "WEB", "DEV"])
def test_constraints_hold_every_package_within_its_range(name):
    """For Python 3.11 on Linux, for which they are: `make constraints` after a change of setup.py."""
    versions = {canonicalize_name(item.name): next(iter(item.specifier)).version for item, _ in constrained()}
    of_311 = {"python_version": "3.11", "python_full_version": "3.11.7", "sys_platform": "linux"}
    wanted_here = [
        item
        for item in map(Requirement, setup_lists()[name])
        if item.marker is None or item.marker.evaluate(of_311)
    ]
    assert wanted_here
    assert [
        str(item)
        for item in wanted_here
        if versions.get(canonicalize_name(item.name), "0") not in item.specifier
    ] == []


def test_the_version_is_one():
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited.group(1) == facecli.__version__
    assert f"{facecli.__version__} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_workflow_tries_every_python_that_is_promised():
    workflow = (ROOT / ".github" / "workflows" / "checks.yml").read_text(encoding="utf-8")
    tried = {(int(major), int(minor)) for major, minor in re.findall(r'"(3)\.(\d+)"', workflow)}
    lowest = re.search(r'python_requires=">=(\d+)\.(\d+)', (ROOT / "setup.py").read_text(encoding="utf-8"))
    assert tried == {(3, minor) for minor in range(int(lowest[2]), 14)}
