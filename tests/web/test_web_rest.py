"""REST: good requests answer as the command line does, bad ones with a problem, and the next is served."""

import dataclasses
import io
import json
import struct
import sys
import time
import zipfile
import zlib

import cv2
import jsonschema
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
from PIL import Image
from starlette.testclient import TestClient
from web_pictures import encoded, with_faults

from facecli import FaceAnalyzer, __version__
from facecli.core.errors import ImageError
from facecli.infer.analyzer import mark_rejected
from facecli.web import decoder
from facecli.web.app import build_app
from facecli.web.schemas import MODELS, PICTURE, PICTURES, PREDICTION, Problem
from facecli.web.service import Busy
from facecli.web.settings import Limits, Settings

ANALYZE, ANNOTATE, PREDICT = "/api/v1/analyze", "/api/v1/annotate", "/predict"


def files(*pictures, field="file"):
    return [(field, (f"{number}.jpg", data)) for number, data in enumerate(pictures)]


def problem_of(answer, status):
    """The problem of an answer, which must have that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status and problem["title"] and problem["type"] == "about:blank"
    assert "\n" not in problem["detail"] and "Traceback" not in answer.text
    return problem


# --- good requests --------------------------------------------------------------------------------


def test_no_face_is_an_answer(client, empty):
    answer = client.post(ANALYZE, files=files(empty))
    assert answer.status_code == 200
    assert answer.json() == {
        "source": "0.jpg", "frame": 0, "time_s": 0.0, "width": 64, "height": 48, "faces": [], "error": None,
        "model": "facenet_model", "facecli": __version__,
    }  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"model_type": "normal"}, {"detector": "none"}, {"details": True}])
def test_rows_are_those_of_the_command_line(client, photo, options):
    query = {"model" if key == "model_type" else key: value for key, value in options.items()}
    answer = client.post(ANALYZE, files=files(photo), params=query)
    assert answer.json() == FaceAnalyzer(**options).analyze(photo, source="0.jpg")
    jsonschema.validate(answer.json(), PICTURE)


@pytest.mark.parametrize("field", ["file", "image"])
def test_several_pictures_come_back_in_their_order(client, photo, empty, field):
    answer = client.post(ANALYZE, files=files(empty, photo, b"x", empty, field=field))
    jsonschema.validate(answer.json(), PICTURES)
    rows = answer.json()["pictures"]
    assert [len(row["faces"]) for row in rows] == [0, 1, 0, 0]
    assert [row["source"] for row in rows] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert [row["error"] is None for row in rows] == [True, True, False, True]


@pytest.mark.parametrize("kind", ["image/jpeg", "image/*", "application/octet-stream", "Image/PNG; q=1"])
def test_a_bare_picture_is_taken(client, photo, kind):
    answer = client.post(ANALYZE, content=photo, headers={"content-type": kind})
    assert answer.json()["source"] == "picture" and len(answer.json()["faces"]) == 1


def test_several_models_stand_side_by_side(client, photo):
    (face,) = client.post(ANALYZE, files=files(photo), params={"model": "normal, facenet"}).json()["faces"]
    assert set(face["models"]) == {"normal", "facenet"}
    assert (
        face["age_years"] == face["models"]["normal"]["age_years"] != face["models"]["facenet"]["age_years"]
    )


def test_anonymize_says_where_all_heads_are(client, photo):
    row = client.post(ANALYZE, files=files(photo), params={"anonymize": "blur"}).json()
    (face,) = row["faces"]
    x_min, y_min, x_max, y_max = face["head_xyxy"]
    assert row["heads_xyxy"] == [face["head_xyxy"]]
    assert x_min < face["box_xyxy"][0] and y_min < face["box_xyxy"][1] and x_max > face["box_xyxy"][2]
    assert y_max > face["box_xyxy"][3]


def test_what_is_no_face_is_covered_and_shown_on_request_only(client, photo, monkeypatch):
    monkeypatch.setattr("facecli.infer.analyzer.mark_rejected", lambda faces, _: mark_rejected(faces, 1.1))
    assert client.post(ANALYZE, files=files(photo)).json()["faces"] == []
    (face,) = client.post(ANALYZE, files=files(photo), params={"show_rejected": True}).json()["faces"]
    assert face["rejected"] and "age_years" not in face
    row = client.post(ANALYZE, files=files(photo), params={"anonymize": "box"}).json()
    assert row["faces"] == [] and len(row["heads_xyxy"]) == 1
    content = client.post(ANNOTATE, files=files(photo), params={"anonymize": "box", "format": "png"}).content
    drawn = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert (drawn[110:130, 210:235] == 64).all()


@pytest.mark.parametrize("picture_format, begins", [("jpeg", b"\xff\xd8\xff"), ("png", b"\x89PNG")])
def test_the_drawn_picture_comes_back(client, photo, portrait, picture_format, begins):
    answer = client.post(ANNOTATE, files=files(photo), params={"format": picture_format})
    assert answer.headers["content-type"] == f"image/{picture_format}" and answer.content.startswith(begins)
    drawn = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert drawn.shape == portrait.shape
    assert np.abs(drawn[60:170, 170:280].astype(int) - portrait[60:170, 170:280]).max() > 100


def test_details_add_panels_and_anonymize_covers(client, photo, portrait):
    params = {"details": True, "anonymize": "box", "format": "png"}
    content = client.post(ANNOTATE, files=files(photo), params=params).content
    drawn = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert drawn.shape[0] * drawn.shape[1] > portrait.shape[0] * portrait.shape[1]
    assert (drawn[110:130, 210:235] == 64).all()


def test_face2data_clients_are_served(client, photo):
    answer = client.post(PREDICT, files=files(photo, field="image")).json()
    jsonschema.validate(answer, PREDICTION)
    face = FaceAnalyzer().analyze(photo)["faces"][0]
    expected = {
        "age": face["age_years"],
        "gender": face["gender_probabilities"],
        "race": face["race_probabilities"],
    }
    assert answer == expected


def test_the_largest_face_is_predicted(client, portrait):
    small = cv2.resize(portrait, (256, 240))
    both = np.full((480, 800, 3), 90, np.uint8)
    both[:, :512], both[:240, 540:796] = portrait, small
    age = client.post(PREDICT, files=files(encoded(both), field="image")).json()["age"]
    rows = client.post(ANALYZE, files=files(encoded(both))).json()["faces"]
    assert len(rows) == 2
    assert age == max(rows, key=lambda face: face["box_xyxy"][2] - face["box_xyxy"][0])["age_years"]


def test_no_face_is_a_problem_where_one_is_needed(client, empty):
    assert problem_of(client.post(PREDICT, files=files(empty)), 422)["title"] == "No face"


def test_the_models_are_listed(client):
    listed = client.get("/api/v1/models").json()
    jsonschema.validate(listed, MODELS)
    assert listed["default"] == "facenet" and listed["default_detector"] == "cnn"
    assert {"facenet", "normal"} <= {model["name"] for model in listed["models"]}
    uses = {model["name"]: model["may_be_used_for"] for model in listed["models"]}
    assert uses["facenet"] == "non-commercial research" and uses["open"] == "commercial use"
    first = listed["models"][0]
    assert (
        first["name"] == "facenet" and first["metrics"]["age_mae"] < 6 and "test faces" in first["measured"]
    )


def test_health_and_metrics(client, photo):
    assert client.get("/healthz").json()["status"] == "ok"
    client.post(ANALYZE, files=files(photo))
    text = client.get("/metrics").text
    assert 'facecli_requests_total{method="POST",route="/api/v1/analyze",status="200"}' in text
    assert 'facecli_faces_total{model="facenet"}' in text
    assert 'facecli_model_calls_total{model="facenet"}' in text
    assert "facecli_queue_taken 0.0" in text and "facecli_live_viewers 0.0" in text


def test_unknown_addresses_share_one_counter(client):
    for number in range(3):
        problem_of(client.get(f"/nowhere/{number}"), 404)
    assert "nowhere" not in client.get("/metrics").text


# --- bad pictures ---------------------------------------------------------------------------------


def png_of(width, height):
    """A PNG that announces a size and holds next to nothing."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def large_png():
    """A whole PNG of 8000 x 6400 pixels in a few kilobytes."""
    buffer = io.BytesIO()
    Image.new("1", (8000, 6400)).save(buffer, "PNG")
    return buffer.getvalue()


def exif_bomb():
    """A JPEG whose EXIF points into itself and claims a billion entries."""
    plain = encoded(np.zeros((8, 8, 3), np.uint8))
    tiff = (
        b"MM\0*"
        + struct.pack(">I", 8)
        + struct.pack(">H", 0xFFFF)
        + b"\x01\x12\0\x03\x7f\xff\xff\xff\0\0\0\x08" * 50
    )
    segment = b"Exif\0\0" + tiff
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]


def animated():
    frames = [Image.new("RGB", (40, 30), (value, 0, 0)) for value in range(0, 250, 5)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


BAD = {
    "empty": (b"", 422),
    "text": (b"hello", 422),
    "html": (b"<html><script>alert(1)</script>", 422),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 422),
    "zip": (b"PK\x03\x04" + bytes(100), 422),
    "pdf": (b"%PDF-1.7\n" + bytes(100), 422),
    "zeros": (bytes(10_000), 422),
    "a JPEG's first bytes": (b"\xff\xd8\xff\xe0", 422),
    "a cut JPEG": (encoded(np.full((64, 64, 3), 9, np.uint8))[:-40], 422),
    "a cut PNG": (encoded(np.full((64, 64, 3), 9, np.uint8), "PNG")[:-20], 422),
    "100 megapixels": (png_of(10_000, 10_001), 413),
    "51 megapixels": (large_png(), 413),
    "2^31 pixels a side": (png_of(2**31 - 1, 2**31 - 1), 413),
    "no pixels": (png_of(0, 0), 422),
}


@pytest.mark.parametrize("path", [ANALYZE, ANNOTATE, PREDICT])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_a_problem_and_the_next_good_one_is_served(client, photo, path, name):
    data, status = BAD[name]
    problem_of(client.post(path, files=files(data, field="image")), status)
    assert client.post(path, files=files(photo, field="image")).status_code == 200


def test_a_jpeg_of_hundreds_of_scans_is_refused_soon(client, scan_bomb):
    """Three megapixels and some kilobytes, which would take a worker for seconds."""
    data = scan_bomb(5000, 1800)
    for path in (ANALYZE, ANNOTATE, PREDICT):
        begin = time.perf_counter()
        problem = problem_of(client.post(path, files=files(data, field="image")), 422)
        assert problem["title"] == "Unreadable picture" and "more than 100 scans" in problem["detail"]
        assert time.perf_counter() - begin < 2


@pytest.mark.parametrize("data", [exif_bomb(), animated()], ids=["EXIF bomb", "animation"])
def test_odd_pictures_are_read_or_refused_but_end(client, data):
    answer = client.post(ANALYZE, files=files(data))
    assert answer.status_code in (200, 422)


def test_a_polyglot_is_the_picture_that_it_is(client, photo):
    data = photo + b"\n<script>alert(1)</script><?php system('id') ?>PK\x05\x06"
    answer = client.post(ANALYZE, files=files(data))
    assert answer.status_code == 200 and len(answer.json()["faces"]) == 1
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name, shown",
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.jpg", "b.jpg"),
        ("a\r\nb\x00\x1b[31m.jpg", None),
        ("<b>&.jpg", "<b>&.jpg"),
        ("x" * 1000, "x" * 200),
        ("\u202egpj.exe", None),
    ],
)
def test_names_of_files_are_harmless(client, empty, name, shown):
    answer = client.post(ANALYZE, files=[("file", (name, empty))])
    source = answer.json()["source"]
    assert shown is None or source == shown
    assert source.isprintable() and "/" not in source and answer.headers["content-type"] == "application/json"


# --- pictures that end their decoder ---------------------------------------------------------------


@pytest.fixture
def faulty_client(monkeypatch):
    """Its decoders do what a picture is called: hang, crash, leave, fail, swell."""
    monkeypatch.setattr(decoder, "_START", with_faults(decoder._START))
    limits = dataclasses.replace(Limits(), decode_s=3.0)
    with TestClient(build_app(Settings(workers=1, hosts=(), limits=limits))) as client:
        yield client


def test_a_picture_that_ends_its_decoder_is_a_problem_of_its_own(faulty_client, photo):
    for word in ("crash", "swell", "hang"):
        for path in (ANALYZE, ANNOTATE, PREDICT):
            given = [("file", (f"{word}.jpg", photo))]
            problem = problem_of(faulty_client.post(path, files=given), 422)
            assert problem["title"] == "Unreadable picture" and f"{word}.jpg" in problem["detail"]
            assert faulty_client.post(path, files=files(photo)).status_code == 200
    given = [("file", (name, photo)) for name in ("a.jpg", "crash.jpg", "b.jpg")]
    rows = faulty_client.post(ANALYZE, files=given).json()["pictures"]
    assert [row["error"] is None for row in rows] == [True, False, True]
    assert faulty_client.get("/healthz").status_code == 200
    text = faulty_client.get("/metrics").text
    assert 'facecli_decoders_ended_total{reason="timeout"} 3.0' in text
    assert 'facecli_decoders_ended_total{reason="death"} 4.0' in text


def test_an_address_leads_to_the_same_decoders(faulty_client, photo, monkeypatch):
    monkeypatch.setattr("facecli.web.upload.fetch", lambda *_: photo)
    monkeypatch.setattr("facecli.web.upload.redacted", lambda url: url.rpartition("/")[2])
    problem = problem_of(faulty_client.post(ANALYZE, json={"url": "https://faces.example/crash.jpg"}), 422)
    assert "the decoder crashed" in problem["detail"]


def test_nothing_of_a_picture_is_decoded_in_the_server(client, photo, monkeypatch):
    """Neither its header nor its pixels."""

    def forbid(*_, **__):
        raise AssertionError("decoded in the server")

    for name in ("cv2.imdecode", "PIL.Image.open", "facecli.core.images.decode_heif"):
        monkeypatch.setattr(name, forbid)
    for path in (ANALYZE, ANNOTATE):
        assert client.post(path, files=files(photo)).status_code == 200
        problem_of(client.post(path, files=files(b"x")), 422)


def test_a_large_picture_is_read_as_the_command_line_reads_it(client, portrait):
    data = encoded(np.tile(portrait, (6, 7, 1)), "PNG", compress_level=1)
    assert client.post(ANALYZE, files=files(data)).json() == FaceAnalyzer().analyze(data, source="0.jpg")


def test_large_pictures_take_half_of_the_queue_at_most(app, client, monkeypatch):
    monkeypatch.setattr(app.state.service, "_heavy", app.state.service.places)
    buffer = io.BytesIO()
    Image.new("RGBA", (3000, 3000)).save(buffer, "PNG")
    problem_of(client.post(ANALYZE, files=files(buffer.getvalue())), 503)
    monkeypatch.undo()
    assert client.post(ANALYZE, files=files(buffer.getvalue())).status_code == 200


def test_an_archive_is_no_picture(client, photo):
    """Nothing is unpacked for a client: its pictures come as fields of a form."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.jpg", photo)
    problem_of(client.post(ANALYZE, files=files(buffer.getvalue())), 422)
    problem_of(
        client.post(ANALYZE, content=buffer.getvalue(), headers={"content-type": "application/zip"}), 415
    )


# --- health ---------------------------------------------------------------------------------------


def test_health_says_what_is_wrong(app, client, monkeypatch):
    assert client.get("/healthz").status_code == 200
    for trouble in ("A worker is stuck.", "The queue has not moved."):
        with monkeypatch.context() as wrong:
            wrong.setattr(type(app.state.service), "trouble", trouble)
            problem = problem_of(client.get("/healthz"), 503)
            assert problem["detail"] == trouble
    assert client.get("/healthz").json()["status"] == "ok"


def test_without_decoders_it_is_not_well_and_then_it_is_again(photo, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with TestClient(build_app(Settings(workers=1, hosts=()))) as client:
        assert problem_of(client.post(ANALYZE, files=files(photo)), 503)["title"] == "No decoder"
        assert "decoding" in problem_of(client.get("/healthz"), 503)["detail"]
        monkeypatch.undo()
        # Nobody else asks a server that is not well.
        end_s = time.monotonic() + 60
        while client.get("/healthz").status_code != 200 and time.monotonic() < end_s:
            time.sleep(0.1)
        assert client.get("/healthz").status_code == 200
        assert client.post(ANALYZE, files=files(photo)).status_code == 200


# --- bad bodies -----------------------------------------------------------------------------------

FORM = "multipart/form-data; boundary=x"
BODIES = [
    (b"", "text/plain", 415),
    (b"", "", 415),
    (b"{}", "application/xml", 415),
    (b"", "application/json", 400),
    (b"{", "application/json", 400),
    (b"\xff\xfe", "application/json", 400),
    (b"[" * 100_000, "application/json", 400),
    (b"[]", "application/json", 422),
    (b"null", "application/json", 422),
    (b"{}", "application/json", 422),
    (b'{"url": 7}', "application/json", 422),
    (b'{"urls": []}', "application/json", 422),
    (b'{"urls": "http://a.example/"}', "application/json", 422),
    (b'{"url": "http://a.example/", "path": "/etc/passwd"}', "application/json", 422),
    (b'{"url": "\\ud800"}', "application/json", 422),
    (b"", "multipart/form-data", 400),
    (b"", "multipart/form-data; boundary=", 422),
    (b"", FORM, 422),
    (b"--y\r\n\r\n", FORM, 400),
    (b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n", FORM, 400),
    (b"--x\r\n\r\na\r\n--x--\r\n", FORM, 400),
    (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\na\r\n--x--\r\n', FORM, 422),
    (b"--x--\r\n", "multipart/form-data; boundary=x; charset=nosuch", 422),
]  # fmt: skip


@pytest.mark.parametrize("path", [ANALYZE, ANNOTATE, PREDICT])
@pytest.mark.parametrize("body, kind, status", BODIES, ids=range(len(BODIES)))
def test_a_bad_body_is_a_problem(client, path, body, kind, status):
    problem_of(client.post(path, content=body, headers={"content-type": kind}), status)


def test_a_form_without_a_picture_is_told_what_it_lacks(client, photo):
    problem = problem_of(client.post(ANALYZE, files=files(photo, field="picture")), 422)
    assert "'file'" in problem["detail"]


def test_too_many_pictures_are_refused(client, empty):
    assert client.post(ANALYZE, files=files(*[empty] * 32)).status_code == 200
    problem_of(client.post(ANALYZE, files=files(*[empty] * 33)), 422)
    problem_of(client.post(ANALYZE, files=files(*[empty] * 1000)), 422)
    problem_of(client.post(ANALYZE, json={"urls": ["http://a.example/"] * 33}), 422)


def test_a_thousand_fields_are_refused(client, photo):
    fields = {f"field{number}": "x" for number in range(1000)}
    problem_of(client.post(ANALYZE, data=fields, files=files(photo)), 400)


def test_only_one_picture_is_drawn_or_predicted(client, photo):
    problem_of(client.post(ANNOTATE, files=files(photo, photo)), 422)
    problem_of(client.post(PREDICT, files=files(photo, photo)), 422)


def test_a_large_body_is_refused_unread(client):
    problem_of(
        client.post(ANALYZE, content=bytes((32 << 20) + 1), headers={"content-type": "image/png"}), 413
    )


def test_a_chunked_body_is_counted(client):
    endless = (bytes(1 << 20) for _ in range(40))
    problem_of(client.post(ANALYZE, content=endless, headers={"content-type": "image/png"}), 413)


QUERIES = [
    ("model=nosuch", 404),
    ("model=facenet,nosuch", 404),
    ("model=..%2F..%2Fetc", 404),
    ("model=%00", 404),
    ("model=,", 404),
    ("model=" + "x" * 500, 422),
    ("model=" + ",".join(map(str, range(20))), 422),
    ("detector=nosuch", 404),
    ("details=perhaps", 422),
    ("anonymize=sticker", 422),
    ("anonymize=", 422),
    ("show_rejected=7", 422),
]


@pytest.mark.parametrize("query, status", QUERIES)
def test_a_bad_query_is_a_problem(client, empty, query, status):
    problem_of(client.post(f"{ANALYZE}?{query}", files=files(empty)), status)


def test_a_bad_format_is_a_problem(client, empty):
    assert "format" in problem_of(client.post(f"{ANNOTATE}?format=exe", files=files(empty)), 422)["detail"]


def test_a_picture_that_a_format_does_not_hold_is_a_problem_of_the_request(client):
    wide = encoded(np.zeros((2, 70_000, 3), np.uint8), "PNG")
    problem = problem_of(client.post(ANNOTATE, files=files(wide)), 422)
    assert ".jpg does not hold a picture of 70000x2; use .png (format=png)" in problem["detail"]
    assert client.post(f"{ANNOTATE}?format=png", files=files(wide)).status_code == 200


METHODS = [("GET", ANALYZE), ("PUT", ANALYZE), ("DELETE", "/api/v1/models"), ("POST", "/healthz")]


@pytest.mark.parametrize("method, path", METHODS)
def test_another_method_is_a_problem(client, method, path):
    answer = client.request(method, path)
    problem_of(answer, 405)
    assert answer.headers["allow"]


# --- addresses ------------------------------------------------------------------------------------

PRIVATE = [
    "http://127.0.0.1:5000/", "http://localhost/a.jpg", "http://[::1]/", "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/", "http://192.168.1.1/", "http://0.0.0.0/", "http://[::ffff:127.0.0.1]/", "http://2130706433/",
    "http://0x7f.1/", "http://127.1/",
]  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
def test_addresses_of_the_own_network_are_not_asked(client, url):
    problem = problem_of(client.post(ANALYZE, json={"url": url}), 422)
    assert problem["title"] == "Address not fetched" and "private" not in problem["detail"]


@pytest.mark.parametrize(
    "url",
    ["", "a.jpg", "file:///etc/passwd", "ftp://a.example/", "http://", "http://u:p@a.example/", "http://a:99999/",
     "data:image/png;base64,AAAA", "http://a.example/" + "x" * 2000],
)  # fmt: skip
def test_what_is_no_address_is_a_problem(client, url):
    assert problem_of(client.post(ANALYZE, json={"url": url}), 422)["title"] == "Wrong address"


def test_an_address_is_asked_whole_and_told_without_its_token(client, photo, monkeypatch, caplog):
    caplog.set_level("DEBUG", "facecli")
    asked = []

    def fetch(url, *_):
        asked.append(url)
        if "missing" in url:
            raise ImageError("it answers 404")
        return photo

    monkeypatch.setattr("facecli.web.upload.fetch", fetch)
    urls = [f"https://faces.example/{name}.jpg?token=hunter2" for name in ("a", "missing")]
    answer = client.post(ANALYZE, json={"urls": urls})
    assert asked == urls
    sources = [row["source"] for row in answer.json()["pictures"]]
    assert sources == [f"https://faces.example/{name}.jpg?token=***" for name in ("a", "missing")]
    assert "hunter2" not in answer.text + caplog.text


def test_a_refused_address_is_told_without_its_password(client, caplog):
    caplog.set_level("DEBUG", "facecli")
    answer = client.post(ANALYZE, json={"url": "http://me:x@hunter2/y@faces.example/a.jpg"})
    assert problem_of(answer, 422)["title"] == "Wrong address"
    assert "hunter2" not in answer.text + caplog.text


def test_a_picture_by_address_is_analysed(client, photo, monkeypatch):
    asked = []

    def fetch(url, allow_private, limits):
        asked.append((url, allow_private, limits.max_bytes))
        if "missing" in url:
            raise ImageError("10.1.2.3 answers 404")
        return photo

    monkeypatch.setattr("facecli.web.upload.fetch", fetch)
    url = "https://faces.example/a.jpg"
    row = client.post(ANALYZE, json={"url": url}).json()
    assert row["source"] == url and len(row["faces"]) == 1
    assert asked == [(url, False, 32 << 20)]
    rows = client.post(ANALYZE, json={"urls": [url, "https://missing.example/"]}).json()["pictures"]
    assert len(rows[0]["faces"]) == 1 and "10.1.2.3" not in rows[1]["error"]
    assert client.post(ANNOTATE, json={"url": url}).headers["content-type"] == "image/jpeg"


# --- a full house, and faults ---------------------------------------------------------------------


def test_a_full_queue_is_said_before_the_body_is_read(app, client, photo, monkeypatch):
    monkeypatch.setattr(app.state.service, "taken", app.state.service.places)
    answer = client.post(ANALYZE, files=files(photo))
    problem_of(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1
    monkeypatch.undo()
    assert client.post(ANALYZE, files=files(photo)).status_code == 200


def test_a_queue_that_fills_in_the_middle_is_waited_for_by_further_pictures(app, client, empty, monkeypatch):
    run, refusals = app.state.service.run, iter([None, Busy, Busy, None])

    async def sometimes(function, *args):
        if next(refusals) is Busy:
            raise Busy
        return await run(function, *args)

    monkeypatch.setattr(app.state.service, "run", sometimes)
    rows = client.post(ANALYZE, files=files(empty, empty)).json()["pictures"]
    assert [row["error"] for row in rows] == [None, None]


def test_an_answer_that_takes_too_long_is_given_up(app, client, empty, monkeypatch):
    settings = app.state.settings
    limits = dataclasses.replace(settings.limits, answer_s=0.0)
    monkeypatch.setitem(app.state._state, "settings", dataclasses.replace(settings, limits=limits))
    problem_of(client.post(ANALYZE, files=files(empty)), 503)


def test_a_fault_of_ours_is_said_without_its_words(client, photo, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("secret")

    monkeypatch.setattr("facecli.web.app.analyze_picture", fail)
    problem = problem_of(client.post(ANALYZE, files=files(photo)), 500)
    assert "secret" not in json.dumps(problem) and "secret" in caplog.text
    monkeypatch.undo()
    assert client.post(ANALYZE, files=files(photo)).status_code == 200


def test_a_picture_that_opencv_refuses_is_a_problem(client, photo, monkeypatch):
    def refuse(*_):
        raise cv2.error("secret")

    monkeypatch.setattr("facecli.web.service.find_faces_in", refuse)
    assert "secret" not in problem_of(client.post(ANALYZE, files=files(photo)), 422)["detail"]


def test_nothing_is_written_to_disk(client, photo, monkeypatch):
    """Starlette would spool parts of more than 1 MiB into temporary files."""
    import tempfile

    def forbid(*_, **__):
        raise AssertionError("a file was made")

    for name in ("mkstemp", "NamedTemporaryFile", "TemporaryFile"):
        monkeypatch.setattr(tempfile, name, forbid)
    rng = np.random.default_rng(1)
    large = encoded(rng.integers(0, 255, (1500, 1500, 3), np.uint8), "PNG")
    assert len(large) > 5 << 20
    rows = client.post(ANALYZE, files=files(large, photo)).json()["pictures"]
    assert [row["error"] for row in rows] == [None, None]


def test_a_problem_has_the_members_of_rfc_9457():
    body = Problem(418, "Teapot", "It is short and stout.", errors=[]).body()
    assert body == {
        "type": "about:blank",
        "title": "Teapot",
        "status": 418,
        "detail": "It is short and stout.",
        "errors": [],
    }


def test_a_plain_picture_has_neither_boxes_nor_labels(client, photo):
    def drawn(**query):
        answer = client.post("/api/v1/annotate", params={"format": "png", **query}, files={"file": photo})
        assert answer.status_code == 200
        return cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)

    given = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(drawn(plain=True).astype(int) - given).max() <= 3
    assert (drawn() != drawn(label_size=2)).any()
    assert client.post("/api/v1/annotate?label_size=0", files={"file": photo}).status_code == 422
