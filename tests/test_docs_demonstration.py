"""The page that runs in the browser, in Chromium: the command line's boxes and answers, clear words."""

import functools
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from facecli import FaceAnalyzer
from facecli.core.images import save_image

pytest.importorskip("zensical", reason="the extra 'docs' is not installed (it needs Python 3.11)")
pytest.importorskip("playwright", reason="playwright is not installed")
import playwright.sync_api as playwright_api

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here"),
]
SAMPLE = ("index.html", "demo.html", "comparison.html", "model_card.html", "reference/python.html")
"""Pages of every kind, to be looked at by axe."""
PIXELS, OF_SIDE, YEARS, SHARE = 2, 0.1, 2.0, 0.05
"""What docs/demo.md promises of corners, ages and probabilities."""
expect = playwright_api.expect
# Test machines are shared: a slow moment is no failure.
expect.set_options(timeout=120_000)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Folder of a build with the demonstration; npm's packages are in it, those of tests too."""
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, str(ROOT / "docs" / "site" / "build_site.py"), "--into", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "npm could not fetch" in done.stderr:
        pytest.skip("npm fetches nothing here")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def address(built) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(built / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def film(tmp_path_factory, astronaut) -> Path:
    """What the camera sees: a portrait that moves to and fro."""
    path = tmp_path_factory.mktemp("camera") / "film.mjpeg"
    portrait = np.ascontiguousarray(astronaut[:400, 20:420, ::-1])
    with open(path, "wb") as file:
        for number in range(20):
            frame = np.full((480, 640, 3), 120, np.uint8)
            left = 60 + 4 * min(number, 20 - number)
            frame[40:440, left : left + 400] = portrait
            file.write(cv2.imencode(".jpg", frame)[1].tobytes())
    return path


@pytest.fixture(scope="module")
def browser(film) -> Iterator[playwright_api.Browser]:
    arguments = [
        *(["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []),
        *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
        f"--use-file-for-fake-video-capture={film}",
    ]
    with playwright_api.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, address) -> Iterator[playwright_api.Page]:
    """The demonstration; at the end nothing was asked of anybody else, and no script had failed."""
    context = browser.new_context(color_scheme="dark")
    opened = context.new_page()
    foreign, failed = [], []
    own = (address, "data:", "blob:")
    opened.on("request", lambda request: None if request.url.startswith(own) else foreign.append(request.url))
    opened.on("pageerror", lambda error: failed.append(str(error)))
    opened.goto(f"{address}/demo.html")
    yield opened
    context.close()
    assert foreign == [] and failed == []


def told(page: playwright_api.Page) -> playwright_api.Locator:
    return page.locator("#demo-told")


def faces_of(page: playwright_api.Page, picture: Path) -> list[dict]:
    page.locator("#demo-file").set_input_files(picture)
    expect(told(page)).to_contain_text(f"{picture.name}: ")
    return json.loads(page.evaluate("JSON.stringify(window.facecliDemonstration.faces)"))


def assert_the_same(found: list[dict], picture: Path) -> None:
    rows = FaceAnalyzer(model_type="open", detector="cnn").analyze(picture)["faces"]
    assert len(found) == len(rows)
    for face, row in zip(found, rows, strict=True):
        left, top, right, bottom = row["box_xyxy"]
        near = max(PIXELS, OF_SIDE * max(right - left, bottom - top))
        assert np.abs(np.subtract(face["box_xyxy"], row["box_xyxy"])).max() <= near
        assert np.abs(np.subtract(face["landmarks"], row["landmarks"])).max() <= near
        assert abs(face["age_years"] - row["age_years"]) <= YEARS
        assert np.abs(np.subtract(face["age_interval_90"], row["age_interval_90"])).max() <= 2 * YEARS
        assert abs(face["face_probability"] - row["face_probability"]) <= SHARE
        for head in ("gender", "race", "race_7"):
            assert face[head] == row[head]
            assert abs(face[f"{head}_probability"] - row[f"{head}_probabilities"][row[head]]) <= SHARE
        assert set(face["uncertain"]) == set(row["uncertain"])


def turned(portrait: np.ndarray, angle: float) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((224, 140), angle, 1.0)
    return cv2.warpAffine(portrait, matrix, (512, 512), borderMode=cv2.BORDER_REFLECT)


def group(portrait: np.ndarray) -> np.ndarray:
    """Large enough to be searched in tiles: four heads, small and larger ones."""
    shown = np.full((1000, 1600, 3), 90, np.uint8)
    for left, top, side in ((20, 30, 500), (600, 100, 220), (900, 600, 120), (1200, 200, 380)):
        head = cv2.resize(portrait[:300, 80:380], (side, side), interpolation=cv2.INTER_AREA)
        shown[top : top + side, left : left + side] = head
    return shown


@pytest.mark.parametrize("kind", ["portrait.png", "portrait.jpg", "turned.png", "group.png", "small.png"])
def test_boxes_and_answers_are_those_of_the_command_line(page, kind, astronaut, tmp_path):
    shown = {
        "turned.png": lambda: turned(astronaut, 70),
        "group.png": lambda: group(astronaut),
        "small.png": lambda: cv2.resize(astronaut, (150, 150), interpolation=cv2.INTER_AREA),
    }
    save_image(tmp_path / kind, shown.get(kind, lambda: astronaut)())
    found = faces_of(page, tmp_path / kind)
    assert found
    assert_the_same(found, tmp_path / kind)


def test_a_picture_without_a_face_has_none(page, tmp_path):
    save_image(tmp_path / "wall.png", np.full((300, 400, 3), 120, np.uint8))
    assert faces_of(page, tmp_path / "wall.png") == []
    expect(page.locator("#demo-table")).to_be_hidden()


def test_the_camera_is_read_until_it_is_stopped(page):
    page.locator("#demo-camera").click()
    expect(told(page)).to_contain_text("frames a second")
    expect(page.locator("#demo-answers tr").first).to_contain_text("female")
    page.locator("#demo-camera").click()
    expect(told(page)).to_have_text("The camera is off.")


def refuse_camera(page: playwright_api.Page, error: str) -> None:
    page.evaluate(
        "name => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', name); } }",
        error,
    )


def test_a_refused_camera_is_said(page):
    refuse_camera(page, "NotAllowedError")
    page.locator("#demo-camera").click()
    expect(told(page)).to_contain_text("The camera was refused")
    expect(page.locator("#demo-camera")).to_have_text("Use the camera")


def test_a_browser_without_a_camera_is_told(page):
    refuse_camera(page, "NotFoundError")
    page.locator("#demo-camera").click()
    expect(told(page)).to_contain_text("There is no camera here")


def test_a_picture_of_fifty_megapixels_is_refused(page, tmp_path):
    Image.new("L", (10_000, 5_000)).save(tmp_path / "huge.png")
    page.locator("#demo-file").set_input_files(tmp_path / "huge.png")
    expect(told(page)).to_contain_text("huge.png has 50 megapixels; this page takes 24 at most")


def test_what_is_no_picture_is_refused(page):
    broken = {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": b"none"}
    page.locator("#demo-file").set_input_files(broken)
    expect(told(page)).to_contain_text("broken.jpg is not a picture")


def test_a_browser_without_simd_is_told(page, astronaut):
    page.evaluate("() => { WebAssembly.validate = () => false; }")
    bytes_of = io.BytesIO()
    Image.fromarray(astronaut).save(bytes_of, "PNG")
    page.locator("#demo-file").set_input_files(
        {"name": "photo.png", "mimeType": "image/png", "buffer": bytes_of.getvalue()}
    )
    expect(told(page)).to_contain_text("no WebAssembly SIMD")


@pytest.mark.parametrize("over", ["http", "file"])
def test_the_site_finds_words_without_a_network(browser, built, address, over):
    context = browser.new_context()
    shown = context.new_page()
    foreign = []
    start = address if over == "http" else (built / "site").as_uri()
    own = (start, "data:", "blob:")
    shown.on("request", lambda request: None if request.url.startswith(own) else foreign.append(request.url))
    shown.goto(f"{start}/index.html")
    shown.keyboard.press("Control+k")
    shown.keyboard.type("anonymise")
    expect(shown.get_by_role("link", name="Anonymise a clip").last).to_be_visible()
    context.close()
    assert foreign == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser, built, address, scheme):
    script = (built / "npm" / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    context = browser.new_context(color_scheme=scheme)
    shown = context.new_page()
    wrong = []
    for name in SAMPLE:
        shown.goto(f"{address}/{name}")
        shown.evaluate(script)
        found = shown.evaluate("axe.run()")["violations"]
        wrong += [(name, one["id"], one["nodes"][0]["html"]) for one in found]
    context.close()
    assert wrong == []
