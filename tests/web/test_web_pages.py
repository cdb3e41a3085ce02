"""The pages as they are sent: whole, escaped, and with nothing inline or foreign."""

import csv
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
from facecli.core.faces import Face, FrameResult
from facecli.sinks.base import Record
from facecli.sinks.rows import CsvSink
from facecli.web.pages import (
    curl_examples,
    dataset_charts,
    list_routes,
    model_sections,
    render,
    static_files,
    texts,
)
from facecli.web.settings import Limits

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("/", "/live", "/dataset", "/how", "/api")
SCRIPTS = {"/": "analyze.js", "/live": "live.js"}


class Elements(HTMLParser):
    """All elements of a page with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def ids(self):
        return [attributes["id"] for _, attributes in self.found if "id" in attributes]


@pytest.fixture(params=PAGES)
def page(request, client):
    answer = client.get(request.param)
    assert answer.status_code == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
    return request.param, answer.text


def test_a_page_is_whole_and_in_english(page):
    path, text = page
    elements = Elements(text)
    tags = [tag for tag, _ in elements.found]
    assert text.startswith("<!doctype html>") and text.rstrip().endswith("</html>")
    assert ("html", {"lang": "en"}) in elements.found
    assert tags.count("h1") == tags.count("main") == tags.count("title") == 1
    assert len(elements.ids()) == len(set(elements.ids()))
    current = [attributes["href"] for _, attributes in elements.found if "aria-current" in attributes]
    assert current == [path]
    assert "built-in method" not in text and "object at 0x" not in text and "None" not in text


def test_nothing_is_inline_or_foreign(page):
    for tag, attributes in Elements(page[1]).found:
        assert tag != "style" and "style" not in attributes
        assert tag != "script" or attributes.get("src", "").startswith("/static/")
        assert not [name for name in attributes if name.startswith("on")]
        assert all(attributes.get(name, "/").startswith(("/", "#")) for name in ("href", "src", "action"))


def test_every_field_has_a_label(page):
    elements = Elements(page[1])
    labelled = {attributes.get("for") for tag, attributes in elements.found if tag == "label"}
    inside = len(re.findall(r"<label[^>]*>[^<]*<(?:input|select)", page[1]))
    fields = [attributes for tag, attributes in elements.found if tag in ("input", "select")]
    alone = [attributes for attributes in fields if attributes.get("id") not in labelled]
    assert len(alone) <= inside + page[1].count('<label class="check"><input')


@pytest.mark.parametrize("path, script", SCRIPTS.items())
def test_scripts_find_their_elements(client, path, script):
    ids = set(Elements(client.get(path).text).ids())
    wanted = set(re.findall(r'byId\("([\w-]+)"\)', static_files()[script].decode()))
    assert wanted and wanted <= ids


def test_scripts_say_only_words_that_exist():
    words = texts()["script"]
    for name, content in static_files().items():
        if name.endswith(".js") and name != "texts.js":
            text = content.decode()
            used = set(re.findall(r"(?<!/)\btexts\.(\w+)", text)) | set(re.findall(r'\bsay\("(\w+)"', text))
            assert used <= words.keys(), name
            assert not re.search(r"https?://(?!www\.w3\.org)", text), name
            assert "innerHTML" not in text and "eval(" not in text, name


def test_scripts_know_the_heads_by_one_list():
    told = static_files()["heads.js"].decode()
    assert "race_7" in json.loads(told.removeprefix("export default ").rstrip(";\n"))["all"]
    for name in ("common.js", "panel.js", "downloads.js"):
        assert '"emotion"' not in static_files()[name].decode(), name


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here")
def test_the_page_offers_the_table_of_the_command_line(tmp_path):
    face = Face((1, 2, 3, 4), 0.5, 30.0, (20, 41), {"male": 0.25, "female": 0.75}, face_probability=0.9)
    bare = Face((1, 2, 3, 4), 0.5, track=2)
    rows = [FrameResult("a, b.jpg", 30, 20, (face, bare)), FrameResult("none.jpg", 30, 20)]
    rows.append(FrameResult("bad.jpg", None, None, error="it is damaged"))
    with CsvSink(str(tmp_path / "all.csv")) as sink:
        for row in rows:
            sink.write(Record(row))
    for name, content in static_files().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    script = (
        "import { table } from './downloads.js'; process.stdout.write(table(JSON.parse(process.argv[1])));"
    )
    given = json.dumps([row.to_json() for row in rows])
    command = ["node", "--input-type=module", "-e", script, given]
    said = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    # JavaScript writes 1.0 as 1.
    ours = list(csv.reader(io.StringIO((tmp_path / "all.csv").read_text())))
    assert list(csv.reader(io.StringIO(said))) == [
        [re.sub(r"^(\d+)\.0$", r"\1", cell) for cell in row] for row in ours
    ]


def test_scripts_load_only_what_is_here():
    for name, content in static_files().items():
        for loaded in re.findall(r'from "\./([\w.]+)"', content.decode(errors="replace")):
            assert loaded in static_files(), name


def test_files_are_sent_once(client):
    answer = client.get("/static/page.css")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/css")
    again = client.get("/static/page.css", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304 and not again.content
    assert client.head("/live").status_code == 200 and not client.head("/live").content
    assert client.get("/favicon.ico").headers["content-type"].startswith("image/svg+xml")


@pytest.mark.parametrize(
    "name", ["none.js", "..%2fpages.py", "%2e%2e/pages.py", "../app.py", "page.css%00", ".", "", "texts.json"]
)
def test_nothing_else_is_sent(client, name):
    answer = client.get(f"/static/{name}")
    assert answer.status_code == 404 and "def " not in answer.text


def test_people_get_a_page_for_what_is_missing(client):
    answer = client.get("/<b>nowhere", headers={"accept": "text/html"})
    assert answer.status_code == 404 and answer.headers["content-type"].startswith("text/html")
    assert "<b>nowhere" not in answer.text


def test_names_of_models_are_escaped():
    model = {"name": "<b>x</b>", "facts": "&", "measured": "", "structure": "<i>", "groups": [("<u>",) * 6]}
    text = render("how", "How", path="/how", models=[model], cautions=[])
    assert "<b>" not in text and "<u>" not in text and "<i>" not in text and "&lt;b&gt;x" in text


# --- data set -------------------------------------------------------------------------------------


@pytest.fixture
def places(monkeypatch, tmp_path):
    monkeypatch.setattr("facecli.web.pages.statistics_places", lambda: [tmp_path])
    monkeypatch.setattr("facecli.web.pages.statistics_places", lambda: [tmp_path])
    return tmp_path


def write(folder, side, name, text):
    path = folder / "data_stats" / side / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_without_statistics_it_is_said_how_to_make_them(client, places):
    assert dataset_charts() == []
    assert "train --eval" in client.get("/dataset").text


def test_tables_become_rows(places):
    write(places, "raw", "gender", "class,count,share\nmale,30.0,0.75\nfemale,10.0,0.25\nmissing,0.0,\n")
    write(places, "training", "gender", "class,count,share\nmale,20.0,0.5\nfemale,20.0,0.5\nmissing,0.0,\n")
    (chart,) = dataset_charts()
    assert (chart.name, chart.sides) == ("gender", ("raw", "training"))
    assert [row.name for row in chart.rows] == ["male", "female"]
    assert chart.rows[1].cells == [
        {"count": "10", "share": "25.0 %", "fill": 0.3333},
        {"count": "20", "share": "50.0 %", "fill": 1.0},
    ]


def told_of_rebalancing(client):
    return re.search(r'id="told">([^<]*)<', client.get("/dataset").text)[1]


def test_rebalancing_is_what_it_changed_of_the_training_rows(client, places):
    head = "class,count,share\n"
    write(places, "raw", "gender", f"{head}male,30.0,0.75\nfemale,10.0,0.25\n")
    write(places, "adjusted", "gender", f"{head}male,15.0,0.5\nfemale,15.0,0.5\n")
    assert "cannot be told" in told_of_rebalancing(client)
    write(places, "training", "gender", f"{head}male,20.0,0.8\nfemale,5.0,0.2\n")
    assert dataset_charts()[0].sides == ("raw", "training", "adjusted")
    assert "were rebalanced" in told_of_rebalancing(client)
    write(places, "training", "gender", f"{head}male,15.0,0.5\nfemale,15.0,0.5\n")
    assert dataset_charts()[0].sides == ("raw", "training")
    assert "Nothing was rebalanced" in told_of_rebalancing(client)


def test_single_years_are_shown_in_steps_of_five(places):
    lines = "".join(f"{year},1.0,\n" for year in range(12))
    write(places, "raw", "age", f"class,count,share\n{lines}missing,7.0,\n")
    (chart,) = dataset_charts()
    assert [(row.name, row.cells[0]["count"]) for row in chart.rows] == [
        ("0-4", "5"),
        ("5-9", "5"),
        ("10-14", "2"),
    ]


@pytest.mark.parametrize(
    "text",
    ["", "\0", "a,b\n1,2\n", "class,count,share\nmale,many,\n", "class,count,share\nmale,-1,\n",
     "class,count,share\nmale,inf,\n", "class,count,share\nmale\n"],
)  # fmt: skip
def test_a_damaged_table_is_left_out(client, places, text):
    write(places, "raw", "gender", text)
    assert [chart for chart in dataset_charts() if chart.rows] == []
    assert client.get("/dataset").status_code == 200


def test_groups_of_a_model_are_shown_as_measured(app, places):
    folder = places / "model_metrics" / "facenet_model"
    folder.mkdir(parents=True)
    head = "slice,group,count,age_mae,bias,gender_accuracy,race_accuracy\n"
    lines = "all,everybody,2014,4.7952,-0.1279,0.935,\nnamed,few,99,1,1,1,1\n"
    (folder / "fairness_report.csv").write_text(head + lines, encoding="utf-8")
    first = model_sections(app.state.registry.entries)[0]
    assert first["groups"] == [("everybody", "2,014", "4.8", "-0.1", "93.5", "")]
    (folder / "fairness_report.csv").write_text(head + "all,x,many,1,1,1,1\n", encoding="utf-8")
    assert model_sections(app.state.registry.entries)[0]["groups"] == []


# --- for programs ---------------------------------------------------------------------------------


def test_every_route_is_listed(app):
    listed = {(route.method, route.path) for route in list_routes(app.openapi())}
    assert (
        ("POST", "/api/v1/analyze") in listed
        and ("GET", "/metrics") in listed
        and ("POST", "/predict") in listed
    )
    assert not [path for _, path in listed if path in PAGES]


def test_limits_are_told_as_they_are(client):
    limits = Limits()
    told = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
    size, pixels = f"{limits.body_bytes >> 20} MiB", f"{limits.pixels // 10**6} megapixels"
    assert size in told and pixels in told and f"up to {limits.pictures}" in told
    assert f"too slow ({limits.body_s:g} s)" in told and f"after {limits.head_s:g} seconds" in told
    assert f"reads after {limits.send_s:g}" in told and f"{limits.connections} connections" in told
    page = client.get("/api").text
    assert size in page and pixels in page


def test_examples_name_the_server_that_was_asked():
    plain = curl_examples("https://faces.example/", False)
    assert "https://faces.example/api/v1/analyze" in plain and "Bearer" not in plain
    assert curl_examples("http://h/", True).count("Bearer TOKEN") == plain.count("curl")
