"""The pages in headless Chromium: what a person does with them, without a foreign request or an error."""

import base64
import csv
import functools
import json
import os
import re
import shutil
import socket
import subprocess
import threading

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")
import playwright.sync_api as playwright_api
import uvicorn
from clip_corpus import KINDS
from web_pictures import encoded

from facecli.core.attributes import CLASS_NAMES
from facecli.core.faces import percent, round_years
from facecli.sinks.video import VideoFileSink, VideoOptions
from facecli.sources.sound import open_sound
from facecli.sources.video import open_source
from facecli.web.app import build_app
from facecli.web.settings import Settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
expect = playwright_api.expect
# Test machines are shared: a slow moment is no failure.
expect.set_options(timeout=30_000)
PAGES = ("/", "/live", "/dataset", "/how", "/api")


@pytest.fixture(scope="module")
def address():
    """Of a server on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(build_app(Settings(workers=2)), log_level="warning", ws_max_size=(1 << 20) + 8)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def clip(tmp_path_factory, astronaut):
    """A camera's film: the portrait moves to and fro over a plain wall."""
    path = tmp_path_factory.mktemp("camera") / "clip.mjpeg"
    portrait = cv2.resize(np.ascontiguousarray(astronaut[:300, 60:390]), (330, 300))
    with open(path, "wb") as file:
        for number in range(40):
            frame = np.full((480, 640, 3), 120, np.uint8)
            x = int(155 + 140 * np.sin(number / 40 * 2 * np.pi))
            frame[90:390, x : x + 330] = portrait
            file.write(cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1].tobytes())
    return path


@pytest.fixture(scope="module")
def browser(clip):
    flags = [
        "--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={clip}",
    ]  # fmt: skip
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, address):
    """Opens a page; at the end nothing may have been asked elsewhere or said on the console."""
    contexts, wrong = [], []

    def is_foreign(url):
        return not url.startswith((address, "blob:", "data:"))

    def open_page(path="/", camera=True, **options):
        context = browser.new_context(permissions=["camera"] if camera else [], **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on(
            "request",
            lambda asked: (
                None if asked.url.startswith((address, "blob:", "data:")) else wrong.append(asked.url)
            ),
        )
        page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # What the tests do on purpose: bad pictures, and looking at pixels.
    assert [one for one in wrong if "422" not in one and "willReadFrequently" not in one] == []


@pytest.fixture(scope="module")
def couple(tmp_path_factory, astronaut):
    """A picture file with two faces."""
    path = tmp_path_factory.mktemp("pictures") / "couple.jpg"
    path.write_bytes(encoded(np.hstack([astronaut[:400], astronaut[:400, ::-1]])))
    return path


@pytest.fixture(scope="module")
def alone(tmp_path_factory, astronaut):
    """A picture file with one face."""
    path = tmp_path_factory.mktemp("pictures") / "alone.jpg"
    path.write_bytes(encoded(np.ascontiguousarray(astronaut[:400])))
    return path


def upload(page, *paths):
    expect(page.locator("#models input").first).to_be_visible()
    page.set_input_files("#files", [str(path) for path in paths])


def drop(page, path):
    """Lets a file fall on the page."""
    page.evaluate(
        """([name, data]) => {
          const items = new DataTransfer();
          items.items.add(new File([new Uint8Array(data)], name, {type: "image/jpeg"}));
          document.dispatchEvent(new DragEvent("drop", {dataTransfer: items, bubbles: true}));
        }""",
        [path.name, list(path.read_bytes())],
    )


def content(page, button):
    """What a download button gives."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button, exact=True).click()
    with open(download.value.path(), "rb") as file:
        return file.read()


def test_a_picture_with_two_faces(visit, couple):
    page = visit()
    upload(page, couple)
    boxes = page.locator("#boxes button")
    expect(boxes).to_have_count(2)
    # One for each class of each head, and one for the share of a face.
    bars = sum(len(names) for head, names in CLASS_NAMES.items() if head != "face") + 1
    for number in (0, 1):
        boxes.nth(number).click()
        expect(page.locator("#face h2")).to_have_text(f"Face {number + 1} of 2")
        expect(page.locator("#face svg.curve")).to_have_count(1)
        expect(page.locator("#face .bar")).to_have_count(bars)
    expect(boxes.nth(1)).to_have_attribute("aria-pressed", "true")

    page.get_by_label("normal").check()
    expect(page.locator("#face .columns h3")).to_have_text(["facenet", "normal"])
    before = boxes.nth(0).get_attribute("aria-label")
    page.get_by_label("Labels on the picture of").select_option("normal")
    expect(boxes.nth(0)).not_to_have_attribute("aria-label", before)

    row = json.loads(content(page, "JSON"))
    assert (
        row["source"] == "couple.jpg"
        and len(row["faces"]) == 2
        and set(row["faces"][0]["models"]) == {"facenet", "normal"}
    )
    rows = list(csv.DictReader(content(page, "CSV").decode().splitlines()))
    assert [(row["source"], row["face"], row["model"]) for row in rows] == [
        ("couple.jpg", "1", "facenet_model"),
        ("couple.jpg", "2", "facenet_model"),
    ], rows
    drawn = cv2.imdecode(np.frombuffer(content(page, "Annotated picture"), np.uint8), cv2.IMREAD_COLOR)
    assert drawn.shape[1] >= 1024


def test_labels_stand_beside_the_faces_and_say_what_pictures_say(visit, couple):
    page = visit()
    upload(page, couple)
    expect(page.locator(".box")).to_have_count(2)
    page.wait_for_function("() => [...document.querySelectorAll('.plate')].every((one) => one.dataset.side)")
    box, plate, stage = (
        [one.bounding_box() for one in page.locator(name).all()]
        for name in (".box", ".plate", ".stage canvas")
    )
    for own in plate:
        assert own["x"] >= stage[0]["x"] - 1 and own["y"] >= stage[0]["y"] - 1
        assert own["x"] + own["width"] <= stage[0]["x"] + stage[0]["width"] + 1
        for other in box:
            apart = max(
                own["x"] - other["x"] - other["width"], other["x"] - own["x"] - own["width"],
                own["y"] - other["y"] - other["height"], other["y"] - own["y"] - own["height"],
            )  # fmt: skip
            assert apart > -1
    lines = page.locator(".plate").first.locator(".line").all_inner_texts()
    assert re.fullmatch(r"\d+ \(\d+-\d+\)", lines[0]) and len(lines) <= 3


def test_pages_round_ages_and_percentages_as_pictures_do(visit):
    shares = [number / 10_000 for number in range(10_001)]
    ages = [number / 10 for number in range(1161)]
    read = visit().evaluate(
        "([shares, ages]) => import('/static/common.js').then(({ percent, years }) =>"
        " [shares.map(percent), ages.map((age_years) => years({ age_years }))])",
        [shares, ages],
    )
    assert read == [[percent(share) for share in shares], [str(round_years(age)) for age in ages]]


def test_covered_heads_are_covered_in_the_page(visit, couple):
    page = visit()
    upload(page, couple)
    expect(page.locator("#boxes button")).to_have_count(2)
    pixels = "document.getElementById('picture').getContext('2d').getImageData(215, 115, 20, 10).data"
    look = f"() => Array.from({pixels})"
    plain = np.array(page.evaluate(look)).reshape(-1, 4)
    assert plain[:, :3].std(axis=0).max() > 3
    page.get_by_label("Cover heads").select_option("box")
    page.wait_for_function(f"() => {pixels}[0] === 64")
    covered = np.array(page.evaluate(look)).reshape(-1, 4)
    assert (covered[:, :3] == 64).all()


def test_what_is_no_picture_is_said_and_the_next_one_is_read(visit, couple, tmp_path):
    bad = tmp_path / "notes.txt"
    bad.write_text("hello")
    page = visit()
    upload(page, bad)
    expect(page.locator("#status.bad")).to_contain_text("notes.txt")
    upload(page, couple)
    expect(page.locator("#boxes button")).to_have_count(2)
    expect(page.locator("#strip button")).to_have_count(2)


def slowly(page):
    """Answers take a while, so that a person is quicker."""
    page.evaluate(
        """() => {
          const ask = window.fetch;
          window.fetch = async (...question) => {
            await new Promise((done) => setTimeout(done, 800));
            return ask(...question);
          };
        }"""
    )


def test_two_pictures_chosen_at_once_are_read_to_the_end(visit, couple, alone):
    page = visit()
    upload(page, couple, alone)
    expect(page.locator("#status")).to_have_text("couple.jpg: 2 faces.")
    expect(page.locator("#strip canvas")).to_have_count(2)
    expect(page.locator("#status")).to_have_text("couple.jpg: 2 faces.")
    expect(page.locator("#boxes button")).to_have_count(2)
    page.locator("#strip button").nth(1).click()
    expect(page.locator("#status")).to_have_text("alone.jpg: 1 face.")
    expect(page.locator("#boxes button")).to_have_count(1)


def test_a_picture_given_while_another_is_read_is_shown_at_the_end(visit, couple, alone):
    page = visit()
    slowly(page)
    upload(page, couple)
    expect(page.locator("#status")).to_contain_text("Analysing couple.jpg")
    drop(page, alone)
    expect(page.locator("#strip canvas")).to_have_count(2)
    expect(page.locator("#status")).to_have_text("alone.jpg: 1 face.")
    expect(page.locator("#boxes button")).to_have_count(1)
    expect(page.locator("#strip button[aria-pressed=true]")).to_have_attribute("title", "alone.jpg")


def test_options_changed_while_pictures_are_read_hold_for_all(visit, couple, alone):
    page = visit()
    slowly(page)
    upload(page, couple, alone)
    expect(page.locator("#status")).to_contain_text("Analysing couple.jpg")
    page.get_by_label("normal").check()
    expect(page.locator("#strip canvas")).to_have_count(2)
    expect(page.locator("#status")).to_have_text("couple.jpg: 2 faces.")
    rows = json.loads(content(page, "JSON"))["pictures"]
    assert [row["source"] for row in rows] == ["couple.jpg", "alone.jpg"]
    assert all(set(row["faces"][0]["models"]) == {"facenet", "normal"} for row in rows)


@pytest.mark.parametrize("first", [True, False])
def test_of_two_pictures_the_bad_one_is_named_and_the_good_one_shown(visit, couple, tmp_path, first):
    bad = tmp_path / "notes.txt"
    bad.write_text("hello")
    page = visit()
    upload(page, *((bad, couple) if first else (couple, bad)))
    expect(page.locator("#status.bad")).to_contain_text("couple.jpg: 2 faces. notes.txt: ")
    expect(page.locator("#boxes button")).to_have_count(2)


def test_two_bad_pictures_are_both_named(visit, tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("hello")
    page = visit()
    upload(page, tmp_path / "a.txt", tmp_path / "b.txt")
    expect(page.locator("#status.bad")).to_have_text(re.compile("a.txt: .* b.txt: "))
    expect(page.locator("#result")).to_be_hidden()


def test_a_picture_is_pasted(visit, couple):
    page = visit()
    expect(page.locator("#models input").first).to_be_visible()
    data = list(couple.read_bytes())
    page.evaluate(
        """(data) => {
          const items = new DataTransfer();
          items.items.add(new File([new Uint8Array(data)], "pasted.jpg", {type: "image/jpeg"}));
          document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: items, bubbles: true}));
        }""",
        data,
    )
    expect(page.locator("#boxes button")).to_have_count(2)
    expect(page.locator("#status")).to_contain_text("pasted.jpg")


def test_private_addresses_are_refused_with_a_word(visit, address):
    page = visit()
    page.get_by_label("Address of a picture").fill(f"{address}/static/icon.svg")
    page.get_by_role("button", name="Analyse").click()
    expect(page.locator("#status.bad")).to_contain_text("must be public")


def test_a_picture_by_address_is_shown_drawn_with_its_faces_in_place(visit, couple, monkeypatch):
    monkeypatch.setattr("facecli.web.upload.fetch", lambda *_: couple.read_bytes())
    page = visit()
    page.get_by_label("normal").check()
    page.get_by_label("Address of a picture").fill("https://faces.example/couple.jpg")
    page.get_by_role("button", name="Analyse").click()
    expect(page.locator("#boxes button")).to_have_count(2)
    expect(page.locator("#face .columns h3")).to_have_text(["facenet", "normal"])
    assert page.evaluate("document.getElementById('picture').width") == 1024


def test_a_token_in_an_address_is_not_shown(visit, couple, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "facecli.web.upload.fetch", lambda url, *_: (asked.append(url), couple.read_bytes())[1]
    )
    page = visit()
    url = "https://faces.example/couple.jpg?token=hunter2"
    page.get_by_label("Address of a picture").fill(url)
    page.get_by_role("button", name="Analyse").click()
    expect(page.locator("#status")).to_have_text("https://faces.example/couple.jpg?…: 2 faces.")
    expect(page.locator("#boxes button")).to_have_count(2)
    assert set(asked) == {url}
    assert json.loads(content(page, "JSON"))["source"] == "https://faces.example/couple.jpg?token=***"


def test_faces_are_reached_by_keyboard(visit, couple):
    page = visit()
    upload(page, couple)
    boxes = page.locator("#boxes button")
    expect(boxes).to_have_count(2)
    boxes.nth(0).focus()
    page.keyboard.press("ArrowRight")
    expect(boxes.nth(1)).to_be_focused()
    expect(page.locator("#face h2")).to_have_text("Face 2 of 2")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#face h2")).to_have_text("Face 1 of 2")


def test_the_drawn_example_is_read_like_any_picture(visit):
    page = visit()
    expect(page.locator("#models input").first).to_be_visible()
    page.get_by_role("button", name="Try it with this drawing").click()
    expect(page.locator("#status")).to_have_text("drawing.png: 3 faces.")
    expect(page.locator(".box")).to_have_count(3)


def test_the_picture_is_drawn_anew_without_being_sent_again(visit, couple):
    page = visit()
    upload(page, couple)
    expect(page.locator(".box")).to_have_count(2)
    sent = []
    page.on("request", lambda asked: sent.append(asked.url) if asked.method == "POST" else None)
    plate = page.locator(".plate").first
    height = plate.bounding_box()["height"]
    page.get_by_label("Letters").select_option("very large")
    assert plate.bounding_box()["height"] > 1.4 * height
    page.get_by_label("Uncertain below").select_option("0%")
    assert "?" not in plate.inner_text()
    for name in ("Gender", "Race", "Emotion"):
        page.get_by_role("group", name="Labels tell").get_by_label(name).uncheck()
    assert re.fullmatch(r"\d+ \(\d+-\d+\)", plate.inner_text())
    page.get_by_role("group", name="Labels tell").get_by_label("Age").uncheck()
    expect(page.locator(".plate")).to_have_count(0)
    page.get_by_label("Boxes").uncheck()
    bare = cv2.imdecode(np.frombuffer(content(page, "Annotated picture"), np.uint8), cv2.IMREAD_COLOR)
    given = cv2.imread(str(couple))
    assert bare.shape == given.shape and np.abs(bare.astype(int) - given).mean() < 3
    page.get_by_label("Boxes").check()
    boxed = cv2.imdecode(np.frombuffer(content(page, "Annotated picture"), np.uint8), cv2.IMREAD_COLOR)
    assert (boxed != bare).any()
    page.get_by_label("Cover heads").select_option("box")
    page.get_by_label("What is taken for no face").check()
    assert "heads_xyxy" in json.loads(content(page, "JSON"))
    page.get_by_label("Cover heads").select_option("nothing")
    row = json.loads(content(page, "JSON"))
    assert "heads_xyxy" not in row and "head_xyxy" not in row["faces"][0]
    assert sent == []
    assert cv2.imdecode(np.frombuffer(content(page, "With panels"), np.uint8), 1).shape[1] > given.shape[1]


def test_what_a_model_brings_can_be_left_out_of_labels(visit, couple):
    page = visit()

    page.evaluate(
        """() => {
          const ask = window.fetch;
          window.fetch = async (...asked) => {
            const answer = await ask(...asked);
            const row = await answer.json();
            const glasses = { glasses: "yes", glasses_probabilities: { no: 0.1, yes: 0.9 } };
            row.faces = row.faces?.map((face) => ({ ...face, ...glasses }));
            return new Response(JSON.stringify(row), answer);
          };
        }"""
    )
    told = page.get_by_role("group", name="Labels tell")
    expect(told.get_by_label("glasses")).to_have_count(0)
    upload(page, couple)
    plate = page.locator(".plate").first
    expect(plate).to_contain_text("glasses yes")
    told.get_by_label("glasses").uncheck()
    expect(plate).not_to_contain_text("glasses")
    expect(told.locator("input")).to_have_count(5)


def test_docs_lead_to_routes_that_can_be_tried(visit, couple, address):
    page = visit("/docs")
    assert page.url == f"{address}/api"
    route = page.locator(".route[data-path='/api/v1/annotate']")
    route.locator("summary").click()
    route.locator("[type=file]").set_input_files(couple)
    route.get_by_label("format").select_option("png")
    route.get_by_role("button", name="Send").click()
    expect(route.locator(".answer strong")).to_contain_text("200")
    expect(route.locator(".answer img")).to_be_visible()
    models = page.locator(".route[data-path='/api/v1/models']")
    models.locator("summary").click()
    models.get_by_role("button", name="Send").click()
    expect(models.locator("pre")).to_contain_text('"default": "facenet"')


@pytest.fixture(scope="module")
def axe():
    """The script of axe-core: of `npm install --global axe-core`, or where AXE_CORE says."""
    place = os.environ.get("AXE_CORE")
    if place is None and (npm := shutil.which("npm")):
        root = subprocess.run([npm, "root", "--global"], capture_output=True, text=True, timeout=60).stdout
        place = os.path.join(root.strip(), "axe-core", "axe.min.js")
    if place is None or not os.path.isfile(place):
        pytest.skip("no axe-core here: npm install --global axe-core, or name axe.min.js in AXE_CORE")
    with open(place, encoding="utf-8") as file:
        return file.read()


def findings(page, axe):
    page.evaluate(axe)
    return page.evaluate(
        "axe.run().then((found) => found.violations.map((one) => [one.id, one.nodes[0].html]))"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing(visit, axe, couple, scheme, width):
    look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    for path in PAGES:
        page = visit(path, **look)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert findings(page, axe) == [], path
    page = visit(**look)
    upload(page, couple)
    expect(page.locator(".box")).to_have_count(2)
    assert findings(page, axe) == []
    page.get_by_label("normal").check()
    expect(page.locator("#face .columns h3")).to_have_text(["facenet", "normal"])
    assert findings(page, axe) == []


@pytest.mark.parametrize("path", PAGES)
def test_pages_fit_a_phone_and_follow_the_colours_of_the_system(visit, path):
    grounds = []
    for scheme in ("light", "dark"):
        page = visit(path, viewport={"width": 360, "height": 740}, color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        expect(page.locator("nav a[aria-current]")).to_have_attribute("href", path)
        expect(page.locator("h1")).to_have_count(1)
    assert grounds[0] != grounds[1]


# --- live -----------------------------------------------------------------------------------------


def boxes_of(page):
    return json.loads(page.locator("#picture").get_attribute("data-boxes") or "[]")


def start_camera(page):
    expect(page.locator("#model option").first).to_be_attached()
    page.get_by_role("button", name="Start the camera").click()
    page.wait_for_function("() => (document.getElementById('picture').dataset.boxes ?? '[]') !== '[]'")


def test_boxes_move_with_the_face_and_the_camera_is_released(visit):
    page = visit("/live")
    start_camera(page)
    first = json.dumps(boxes_of(page))
    page.wait_for_function(
        "(first) => { const now = JSON.parse(document.getElementById('picture').dataset.boxes);"
        " return now.length && Math.abs(now[0][0] - JSON.parse(first)[0][0]) > 40; }",
        arg=first,
    )
    expect(page.locator("#figures")).to_contain_text(
        re.compile(r"facenet · \d+ frames/s · \d+ ms · faces: 1")
    )

    page.keyboard.press("p")
    expect(page.locator("#status")).to_have_text("Paused.")
    page.keyboard.press("p")
    expect(page.locator("#status")).to_have_text("Running.")
    with page.expect_download() as download:
        page.keyboard.press("s")
    assert download.value.suggested_filename.endswith(".png")
    page.get_by_label("Model").select_option("normal")
    expect(page.locator("#figures")).to_contain_text("normal ·")

    stopped = "() => window.track.readyState === 'ended'"
    page.evaluate("() => { window.track = document.getElementById('video').srcObject.getVideoTracks()[0]; }")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_function(stopped)
    expect(page.locator("#status")).to_have_text("The camera is off.")
    start_camera(page)
    page.evaluate("() => { window.track = document.getElementById('video').srcObject.getVideoTracks()[0]; }")
    page.evaluate("() => dispatchEvent(new PageTransitionEvent('pagehide'))")
    page.wait_for_function(stopped)


def test_covered_live_heads(visit):
    page = visit("/live")
    expect(page.locator("#model option").first).to_be_attached()
    page.get_by_label("Cover heads").select_option("box")
    start_camera(page)
    page.wait_for_function(
        """() => {
          const canvas = document.getElementById('picture');
          const [left, top, right, bottom] = JSON.parse(canvas.dataset.boxes)[0];
          const x = (left + right) / 2, y = top + (bottom - top) / 3;
          const seen = canvas.getContext('2d').getImageData(x, y, 10, 10).data;
          return seen.every((value, index) => index % 4 === 3 || value === 64);
        }"""
    )


def test_a_refused_camera_is_said(browser, visit):
    page = visit("/live", camera=False)
    expect(page.locator("#model option").first).to_be_attached()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#status.bad")).to_contain_text("was refused")


def test_a_missing_camera_is_said(visit):
    page = visit("/live")
    expect(page.locator("#model option").first).to_be_attached()
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia ="
        " () => Promise.reject(new DOMException('none', 'NotFoundError')); }"
    )
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#status.bad")).to_have_text("There is no camera here.")


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_drawn_clip_with_sound_plays(browser, tmp_path, suffix):
    (kind,) = (kind for kind in KINDS if kind.name == "h264_mp4_aac")
    kind.make(tmp_path / "clip.mp4")
    drawn = tmp_path / f"drawn{suffix}"
    with open_source(str(tmp_path / "clip.mp4")) as source:
        options = VideoOptions(open_sound=functools.partial(open_sound, source))
        with VideoFileSink(drawn, source.fps, options) as sink:
            for frame in source:
                sink.append(np.repeat(np.repeat(frame.image_rgb, 4, 0), 4, 1), frame.time_s, frame.duration_s)
    content = base64.b64encode(drawn.read_bytes()).decode()
    page = browser.new_page()
    page.set_content(f'<video muted src="data:video/{suffix[1:]};base64,{content}"></video>')
    played = page.evaluate(
        """async () => {
            const video = document.querySelector('video')
            await video.play()
            await new Promise((done) => { video.onended = done })
            return [video.videoWidth, video.videoHeight, video.duration, video.currentTime,
                    video.webkitAudioDecodedByteCount, video.error]
        }"""
    )
    page.close()
    width, height, seconds, reached, sound_bytes, error = played
    assert error is None and (width, height) == (384, 256)
    assert seconds == pytest.approx(0.8, abs=0.1) and reached == pytest.approx(seconds, abs=0.05)
    assert sound_bytes > 0
