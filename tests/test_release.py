"""What `make release` and `make constraints` decide, without building or installing anything."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

import facecli

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / "docs" / "release"
DOCUMENT = (ROOT / "docs" / "releasing.md").read_text(encoding="utf-8")


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


make_release, make_constraints = loaded("make_release"), loaded("make_constraints")
ReleaseError = make_release.ReleaseError
NOTES = (
    "* Something new that is told of in more words than a hundred letters hold, so that users learn of it.\n"
)


# --- words ----------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path):
    """Writes the three files that name a version."""

    def write(changelog, version="1.0.0", cited="1.0.0"):
        (tmp_path / "src/facecli").mkdir(parents=True, exist_ok=True)
        (tmp_path / "src/facecli/__init__.py").write_text(f'__version__ = "{version}"\n', encoding="utf-8")
        (tmp_path / "CITATION.cff").write_text(f"title: facecli\nversion: {cited}\n", encoding="utf-8")
        (tmp_path / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
        return tmp_path

    return write


def test_notes_are_those_of_the_version(tree):
    found = make_release.read_words(
        tree(
            f"# Log\n\n## Unreleased\n\n## 1.0.0 - 2026-12-24\n\n### Added\n\n{NOTES}\n## 0.9.0 - x\n\nold\n"
        )
    )
    assert (found.version, found.heading) == ("1.0.0", "1.0.0 - 2026-12-24")
    assert found.notes == f"### Added\n\n{NOTES}"


def test_until_somebody_puts_the_version_there_they_are_the_unreleased_ones(tree):
    assert make_release.read_words(tree(f"## Unreleased\n\n{NOTES}")).heading == "Unreleased"


@pytest.mark.parametrize(
    "changelog", ["", "# Changelog\n", "## Unreleased\n\n", f"## 1.0.0b1 - x\n\n{NOTES}"]
)
def test_a_release_without_notes_is_none(tree, changelog):
    with pytest.raises(ReleaseError, match="says nothing of 1.0.0"):
        make_release.read_words(tree(changelog))


@pytest.mark.parametrize("more", [{"cited": "0.9.0"}, {"version": ""}, {"cited": ""}])
def test_two_versions_are_none(tree, more):
    with pytest.raises(ReleaseError, match="name no version, or two"):
        make_release.read_words(tree(f"## Unreleased\n\n{NOTES}", **more))


def test_this_checkout_could_be_released():
    assert make_release.read_words(ROOT).version == facecli.__version__
    assert (ROOT / make_release.PICTURE).is_file()


# --- Pythons --------------------------------------------------------------------------------------


@pytest.fixture
def pythons(monkeypatch):
    """Pretends that the machine has these: path -> minor version."""

    def pretend(**known):
        monkeypatch.setattr(make_release, "candidates", lambda: map(Path, known))
        monkeypatch.setattr(make_release, "minor_version", lambda python: known.get(str(python)))

    return pretend


def test_the_oldest_and_the_newest_are_taken_each_where_it_was_found_first(pythons):
    pythons(own=11, broken=None, old=10, also_old=10, new=13, too_old=9, too_new=15)
    assert make_release.choose_pythons([]) == {10: Path("old"), 13: Path("new")}


def test_a_machine_of_one_python_has_one(pythons):
    pythons(own=12)
    assert make_release.choose_pythons([]) == {12: Path("own")}


def test_those_that_are_asked_for_are_all_taken_or_it_is_said(pythons):
    pythons(a=10, b=11, c=12, broken=None)
    assert list(make_release.choose_pythons(["c", "a", "b"])) == [10, 11, 12]
    with pytest.raises(ReleaseError, match="broken does not run"):
        make_release.choose_pythons(["a", "broken"])


def test_what_is_no_python_is_not_one(tmp_path):
    assert make_release.minor_version(tmp_path / "gone") is None
    assert make_release.minor_version("false") is None
    assert make_release.minor_version(sys.executable) == sys.version_info.minor


def test_commands_see_nothing_of_the_checkout_and_tell_what_they_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("FACECLI_HOME", str(ROOT))
    code = (
        "import os; print(os.environ.get('PYTHONPATH'), os.environ.get('FACECLI_HOME'), os.environ['MINE'])"
    )
    assert make_release.run(sys.executable, "-c", code, cwd=tmp_path, MINE="1") == "None None 1\n"
    with pytest.raises(ReleaseError, match="exit code 3\nwhy"):
        make_release.run(sys.executable, "-c", "import sys; print('why'); sys.exit(3)", cwd=tmp_path)


# --- files ----------------------------------------------------------------------------------------


def archive(path, files, date=(2020, 1, 1, 0, 0, 0)):
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in files.items():
            packed.writestr(zipfile.ZipInfo(name, date), text)
    return path


def test_wheels_differ_by_names_and_contents_and_not_by_times(tmp_path):
    one = archive(tmp_path / "a.whl", {"a.py": "1", "b.py": "2"})
    later = archive(tmp_path / "b.whl", {"b.py": "2", "a.py": "1"}, (2026, 1, 1, 0, 0, 0))
    other = archive(tmp_path / "c.whl", {"a.py": "1", "b.py": "3", "c.py": ""})
    assert make_release.differences(one, later) == []
    assert make_release.differences(one, other) == ["b.py", "c.py"]


def test_models_are_packed_whole_and_the_same_files_give_the_same_zip(tmp_path):
    folder = tmp_path / "saved_model" / "normal_model"
    folder.mkdir(parents=True)
    for name in ("model.keras", "config.json"):
        (folder / name).write_text(name, encoding="utf-8")
    (tmp_path / "saved_model" / ".gitkeep").touch()
    make_release.pack_models(tmp_path, tmp_path / "a.zip")
    os.utime(folder / "model.keras", (time.time() - 9e6,) * 2)
    make_release.pack_models(tmp_path, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert sorted(make_release.digests(tmp_path / "a.zip")) == [
        "saved_model/normal_model/config.json",
        "saved_model/normal_model/model.keras",
    ]


def test_sums_are_as_sha256sum_reads_them(tmp_path):
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "a").write_bytes(b"abc")
    make_release.write_sums(tmp_path)
    make_release.write_sums(tmp_path)
    assert (tmp_path / "SHA256SUMS").read_text(encoding="utf-8").splitlines() == [
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b",
    ]


def test_what_an_earlier_call_made_goes_and_the_rest_of_the_folder_stays(tmp_path):
    made, dist = tmp_path / "made", tmp_path / "dist"
    for folder, names in ((made, ("facecli-2.whl", "SHA256SUMS")), (dist, ("facecli-1.whl", "mine.txt"))):
        folder.mkdir()
        for name in names:
            (folder / name).write_text(name, encoding="utf-8")
    make_release.lay_out(made, dist)
    assert sorted(path.name for path in dist.iterdir()) == ["SHA256SUMS", "facecli-2.whl", "mine.txt"]


def test_the_bill_is_about_facecli_and_names_no_folder_of_this_machine():
    part = {"name": "click", "version": "8.1"}
    own = {"name": "facecli", "version": "1.0", "bom-ref": "facecli==1.0", "type": "library"}
    own["externalReferences"] = [{"url": "file:///tmp/x"}]
    bill = {"bomFormat": "CycloneDX", "metadata": {"tools": {}}, "components": [part, own]}
    found = make_release.rooted(bill, "1.0")
    assert found["components"] == [part] and "file:" not in str(found)
    about = found["metadata"]["component"]
    assert (about["bom-ref"], about["type"], about["purl"]) == (
        "facecli==1.0",
        "application",
        "pkg:pypi/facecli@1.0",
    )
    for wrong in ({**bill, "components": [part]}, {**bill, "components": [{**own, "version": "0.9"}]}):
        with pytest.raises(ReleaseError, match="no facecli 1.0"):
            make_release.rooted(wrong, "1.0")


@pytest.mark.parametrize("failing", ["changed_files", "make"])
def test_when_a_check_fails_nothing_is_laid_out(failing, monkeypatch, tmp_path, caplog):
    def fail(*_):
        raise ReleaseError("so it is")

    monkeypatch.setattr(make_release, "changed_files", lambda: [])
    monkeypatch.setattr(make_release, failing, fail)
    assert make_release.main(["--output", str(tmp_path / "dist")]) == 1
    assert "No release: so it is" in caplog.text and not list(tmp_path.iterdir())


def test_what_is_not_committed_is_not_released(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(make_release, "changed_files", lambda: [" M setup.py"])
    assert make_release.main(["--output", str(tmp_path)]) == 1
    assert "not committed" in caplog.text and "setup.py" in caplog.text


def test_the_document_names_every_file():
    for suffix in ("-models.zip", ".cdx.json", "-notes.md", ".tar.gz", "-py3-none-any.whl"):
        assert f"`facecli-VERSION{suffix}`" in DOCUMENT
    assert "`SHA256SUMS`" in DOCUMENT


def test_the_groups_that_the_document_calls_public_are_those_of_the_code():
    calls = (
        node
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("Registry")
    )
    # Its fifth argument: the group of entry points.
    groups = {ast.literal_eval(call.args[4]) for call in calls}
    assert len(groups) == 4 and {group for group in groups if f"`{group}`" not in DOCUMENT} == set()


# --- constraints ----------------------------------------------------------------------------------


def test_a_line_is_a_version_and_a_digest():
    item = {"metadata": {"name": "A_b.C", "version": "1.0"}, "download_info": {"url": "x"}}
    item["download_info"]["archive_info"] = {"hashes": {"sha256": "f" * 64}}
    assert make_constraints.lines_of({"install": []}) == []
    assert make_constraints.lines_of({"install": [item]}) == [f"a-b-c==1.0 --hash=sha256:{'f' * 64}"]


def test_what_has_no_digest_is_not_written():
    item = {"metadata": {"name": "a", "version": "1"}, "download_info": {"url": "file:///a", "dir_info": {}}}
    with pytest.raises(ValueError, match="a has no digest"):
        make_constraints.lines_of({"install": [item]})


def test_lists_are_read_without_running_setup():
    text = 'A = ["a>=1"]\nB = ["b>=2", "c"]\nsetup(x=1)\n'
    assert make_constraints.requirements(text, ("B", "A")) == ["b>=2", "c", "a>=1"]
    with pytest.raises(KeyError):
        make_constraints.requirements(text, ("C",))


def test_the_lists_are_those_that_make_test_installs():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (extras,) = (found for found in re.findall(r"--editable '\.\[([\w,]+)\]'", makefile) if "dev" in found)
    assert {name.lower() for name in make_constraints.LISTS} == {"run", *extras.split(",")}


@pytest.mark.parametrize("name", ["make_release", "make_constraints"])
def test_help_needs_nothing(name):
    done = subprocess.run([sys.executable, TOOLS / f"{name}.py", "--help"], text=True, capture_output=True)
    assert done.returncode == 0 and "--output" in done.stdout
