"""`make docs` from this checkout: links lead somewhere, nothing is loaded from elsewhere, all is there."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from facecli.cli.app import COMMANDS
from facecli.core.paths import SHIPPED_MODELS
from facecli.detect.registry import built_in_names

pytest.importorskip("zensical", reason="the extra 'docs' is not installed (it needs Python 3.11)")
pytest.importorskip("griffe", reason="the extra 'docs' is not installed (it needs Python 3.11)")
ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "docs" / "site"


@pytest.fixture(scope="module")
def links() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_links", SCRIPTS / "links.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def build(into: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPTS / "build_site.py"), "--without-demonstration", "--into", str(into)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def text_of(site: Path, page: str) -> str:
    return (site / page).read_text(encoding="utf-8")


def test_no_link_is_broken_and_nothing_is_loaded_from_elsewhere(site, links):
    assert links.wrong_links(site) == []
    assert "unpkg.com" not in text_of(site, "index.html")


def test_every_page_of_the_repository_is_on_the_site(site):
    for page in [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "how_to").glob("*.md")]:
        assert (site / page.relative_to(ROOT / "docs").with_suffix(".html")).is_file(), page


def test_every_command_model_and_detector_has_its_place(site):
    for command in COMMANDS:
        assert "--quiet" in text_of(site, f"reference/commands/facecli_{command}.html")
    models, detectors = text_of(site, "reference/models.html"), text_of(site, "reference/detectors.html")
    assert all(f'id="{name}"' in models for name in SHIPPED_MODELS)
    assert all(f'id="{name}"' in detectors for name in built_in_names())
    assert 'id="faceanalyzeranalyze"' in text_of(site, "reference/python.html")


def test_the_index_of_the_search_knows_words_of_the_pages(site):
    assert "Anonymise a clip" in text_of(site, "search.json")


def test_code_in_tables_has_its_bars_and_no_backslashes(site):
    assert "--anonymize blur|pixelate|box</code>" in text_of(site, "options.html")
    assert "Path | None</code>" in text_of(site, "reference/detectors.html")


def test_a_page_without_the_runtime_says_so(site):
    assert "built without" in text_of(site, "demo.html")


def write(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<html><body>{body}</body></html>", encoding="utf-8")


def test_an_empty_site_has_no_wrong_link(links, tmp_path):
    assert links.wrong_links(tmp_path) == []


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ('<a href="other.html">', 0),
        ('<a href="other.html#there">', 0),
        ('<a href="other.html#nowhere">', 1),
        ('<a href="missing.html">', 1),
        ('<a href="deep/../other.html#there">', 0),
        ('<a href="../outside.html">', 1),
        ('<a href="#own"><i id="own"></i>', 0),
        ('<a href="#none">', 1),
        ('<a href="https://example.org/">', 0),
        ('<a href="mailto:a@example.org">', 0),
        ('<img src="https://example.org/a.png">', 1),
        ('<script src="//example.org/a.js"></script>', 1),
        ('<link rel="stylesheet" href="https://example.org/a.css">', 1),
        ('<link rel="canonical" href="https://example.org/">', 0),
        ('<img src="data:image/png;base64,AA==">', 0),
        ('<img src="missing.png">', 1),
    ],
)
def test_links_are_followed(links, tmp_path, body, wrong):
    write(tmp_path, "index.html", body)
    write(tmp_path, "other.html", '<b id="there"></b>')
    assert len(links.wrong_links(tmp_path)) == wrong


def test_styles_that_load_from_elsewhere_are_named(links, tmp_path):
    (tmp_path / "a.css").write_text("@import 'https://example.org/b.css'; a { background: url(own.png) }")
    assert links.wrong_links(tmp_path) == ["a.css: loads https://example.org/b.css"]
