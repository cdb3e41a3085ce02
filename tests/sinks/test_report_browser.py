"""The page in a real browser: it runs without an error and asks nobody for anything."""

import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from facecli.core.faces import Face, FrameResult
from facecli.models.checkpoint import Checkpoint
from facecli.sinks.html import ReportSink
from facecli.sinks.table import face_table

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom",
)  # fmt: skip
ODD = '<img src="http://127.0.0.1:9/x" onerror="document.title=1">&amp;.jpg'

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")


def open_page(path, profile):
    """The page's elements after its script ran, and what the console said."""
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def faces(years):
    curve = tuple(float(year == years) for year in range(117))
    plain = Face((2, 2, 30, 30), 0.9, float(years), (years - 5, years + 5), {"male": 0.25, "female": 0.75})
    full = Face(
        (2, 2, 30, 30), 0.9, float(years), (years - 5, years + 5), {"male": 0.7, "female": 0.3},
        emotion_probabilities={"happy": 0.6, "sad": 0.4},
        race_7_probabilities={"indian": 0.6, "middle_eastern": 0.4}, age_bands={"0-24": 0.2, "25+": 0.8},
        age_distribution=curve, by_model={"one": plain, "other": Face((2, 2, 30, 30), 0.9, 50.0, (40, 60))},
    )  # fmt: skip
    return (
        plain,
        full,
        Face((2, 2, 30, 30), 0.9, face_probability=0.02, rejected=True),
        Face((0, 0, 9, 9), 0.5),
    )


@pytest.mark.parametrize("count", [0, 1, 60])
def test_the_script_runs_and_shows_every_kind_of_picture(tmp_path, count):
    page = tmp_path / "report.html"
    models = [(name, Checkpoint(None, {"name": name, "heads": ["age"]}), {}) for name in ("one", "other")]
    image = np.full((40, 60, 3), 90, np.uint8)
    with ReportSink(page, models) as sink:
        for number in range(count):
            result = FrameResult(f"{number}{ODD}", 60, 40, faces(20 + number))
            sink.write(SimpleNamespace(result=result, image_rgb=image))
            result = FrameResult(f"broken {number}{ODD}", None, None, error=f"{ODD} is broken")
            sink.write(SimpleNamespace(result=result, image_rgb=None))
    elements, console = open_page(page, tmp_path / "profile")
    assert console == []
    assert "<title>facecli report</title>" in elements
    assert f"of {2 * count}, " in re.search(r'<h2 id="found"[^>]*>([^<]*)<', elements)[1]
    assert elements.count('<article class="card">') == min(count, 48)
    assert "one and other, " in elements
    assert "http://127.0.0.1:9" not in re.sub(r"&lt;img.*?&gt;|title=\"[^\"]*\"|alt=\"[^\"]*\"", "", elements)


def test_the_report_reads_as_table_and_overlay_do(tmp_path):
    """One rule: whole years and whole per cents of the row, halves up."""
    page = tmp_path / "report.html"
    found = [
        Face((2, 2, 30, 30), 0.9, age, (8, 25), {"male": 1 - share, "female": share})
        for age, share in ((17.5, 0.985), (18.44, 0.98499), (16.5, 0.625))
    ]
    models = [("one", Checkpoint(None, {"name": "one", "heads": ["age"]}), {})]
    with ReportSink(page, models) as sink:
        result = FrameResult("a.jpg", 60, 40, tuple(found))
        sink.write(SimpleNamespace(result=result, image_rgb=np.zeros((40, 60, 3), np.uint8)))
    elements, _ = open_page(page, tmp_path / "profile")
    _, *table = face_table([result])
    for face, row in zip(found, table, strict=True):
        years, label = str(face.whole_years), face.label("gender")
        assert row[1:4] == (years, "8-25", label)
        assert f"{years} years" in elements and f">{label.split()[1]}<" in elements


MOVED = """new Promise((done) => {
  let moved = 0;
  new PerformanceObserver((seen) => {
    for (const entry of seen.getEntries()) moved += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(moved), 800);
})"""


def _moved(browser, path, width):
    """Layout shift of a page while it loads and is scrolled through; all of its pictures have a size."""
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(path.as_uri())
    for _ in range(6):
        page.evaluate("scrollBy({ top: 700, behavior: 'instant' })")
        page.wait_for_timeout(50)
    assert page.evaluate("document.images.length") > 30
    assert page.evaluate("[...document.images].every((one) => one.width > 0 && one.height > 0)")
    moved = page.evaluate(MOVED)
    page.close()
    return moved


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_moves_when_pictures_come(tmp_path, width):
    """Loading, and each screen that is scrolled to, where pictures are decoded late."""
    playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = tmp_path / "report.html"
    models = [("one", Checkpoint(None, {"name": "one", "heads": ["age"]}), {})]
    random = np.random.default_rng(0)
    with ReportSink(path, models) as sink:
        for number in range(30):
            size = (400, 300) if number % 3 else (200, 500)
            image = random.integers(0, 255, (size[1], size[0], 3), np.uint8)
            found = faces(20 + number)[: number % 3]
            sink.write(SimpleNamespace(result=FrameResult(f"{number}.jpg", *size, found), image_rgb=image))
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        # On a busy machine a scroll by script may count as a shift; what really moves does so each time.
        assert min(_moved(browser, path, width) for _ in range(4)) == 0
        browser.close()
