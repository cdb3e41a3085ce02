"""`facecli run --img` with many pictures: sources, files of results, interruptions."""

import csv
import functools
import http.server
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.cells import cell_len

from facecli.cli.app import main
from facecli.cli.run_report import Failures, PictureBar, TableSink, format_pace
from facecli.core.attributes import CLASS_NAMES
from facecli.core.console import printable
from facecli.core.faces import Face, FrameResult
from facecli.core.images import save_image


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)


@pytest.fixture
def run(tiny_checkpoint, capfd):
    """Runs `facecli run` with the tiny model: (exit code, stdout, stderr)."""

    def run(*arguments):
        code = main(["run", "--model-path", str(tiny_checkpoint.folder), *map(str, arguments)])
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def small(astronaut):
    return cv2.resize(astronaut, (192, 192), interpolation=cv2.INTER_AREA)


@pytest.fixture
def two(tmp_path, small):
    """Two folders with a picture of the same name."""
    for name in ("one/a.png", "two/a.png"):
        save_image(tmp_path / name, small)
    return tmp_path / "one", tmp_path / "two"


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_rows_have_the_order_of_the_inputs(run, two):
    one, other = two
    code, out, _ = run("--img", other, "--img", one / "a.png", "--img", other / "a.png", "--json", "-")
    expected = [str(path / "a.png") for path in (other, one, other)]
    assert code == 0 and [row["source"] for row in rows(out)] == expected
    assert len({json.dumps(row["faces"]) for row in rows(out)}) == 1 and rows(out)[0]["faces"]


def test_batch_and_single_picture_say_the_same(run, two):
    one, other = two
    (alone,) = rows(run("--img", one / "a.png", "--json", "-")[1])
    for arguments in (("--workers", 1), ("--workers", 3, "--batch-size", 1), ()):
        both = rows(run("--img", one, "--img", other, "--json", "-", *arguments)[1])
        assert [row["faces"] for row in both] == [alone["faces"]] * 2


def test_one_base_name_is_never_written_over(run, two, tmp_path):
    one, other = two
    places = ("--output", tmp_path / "drawn", "--crops", tmp_path / "crops")
    code, _, _ = run("--img", one / "a.png", "--img", other / "a.png", *places)
    assert code == 0
    assert files(tmp_path / "drawn") == ["a-2.png", "a.png"]
    assert files(tmp_path / "crops") == ["a-2-face1.png", "a-face1.png"]
    assert run("--img", one, "--img", other, "--output", tmp_path / "mirrored")[0] == 0
    assert files(tmp_path / "mirrored") == ["one/a.png", "two/a.png"]


def test_pictures_of_results_are_not_analysed_again(run, two):
    one, _ = two
    for _ in range(2):
        code, out, _ = run("--img", one, "--output", one / "drawn", "--crops", one / "crops", "--json", "-")
        assert code == 0 and len(rows(out)) == 1


def test_list_with_missing_files_goes_on(run, two, tmp_path):
    names = [
        str(tmp_path / "none.png") if number in (0, 4, 9) else str(two[0] / "a.png") for number in range(10)
    ]
    (tmp_path / "list.txt").write_text("\n".join(names))
    code, out, err = run("--img", f"@{tmp_path / 'list.txt'}", "--json", "-")
    found = rows(out)
    assert code == 1 and "3 of 10 pictures could not be analysed" in err.splitlines()[-1]
    assert [row["source"] for row in found] == names
    assert [index for index, row in enumerate(found) if row["error"]] == [0, 4, 9]


def test_archive_leaves_nothing_outside(run, tmp_path, small):
    data = cv2.imencode(".png", small[..., ::-1])[1].tobytes()
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in ("sub/a.png", "../../evil.png", "/tmp/evil.png"):
            archive.writestr(name, data)
    before = files(tmp_path)
    code, out, _ = run("--img", tmp_path / "z.zip", "--json", "-", "--output", tmp_path / "drawn")
    assert code == 1 and [row["error"] is None for row in rows(out)] == [True, False, False]
    assert files(tmp_path) == sorted([*before, "drawn/sub/a.png"])


def test_picture_on_standard_input(run, small, monkeypatch, tmp_path):
    data = cv2.imencode(".png", small[..., ::-1])[1].tobytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    code, out, _ = run("--img", "-", "--json", "-", "--output", f"{tmp_path}/drawn/")
    assert code == 0 and rows(out)[0]["source"] == "-" and rows(out)[0]["faces"]
    assert files(tmp_path) == ["drawn/stdin.png"]


@pytest.fixture
def address(two):
    """Of a server that gives the two folders."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(two[0].parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_address_of_the_own_machine_only_when_that_is_allowed(run, address, two):
    code, out, err = run("--img", f"{address}/one/a.png", "--json", "-")
    assert code == 1 and "--allow-private" in rows(out)[0]["error"] and len(err.splitlines()) == 1
    code, out, _ = run(
        "--img", f"{address}/one/a.png", "--img", f"{address}/none.png", "--img", f"{address}/one",
        "--img", two[0], "--allow-private", "--json", "-",
    )  # fmt: skip
    found = rows(out)
    assert code == 1 and found[0]["faces"] == found[3]["faces"] != []
    assert "answers 404" in found[1]["error"] and "is a web page" in found[2]["error"]


def addresses_with_a_password(address):
    """Each in another place, and some that cannot be asked."""
    host = address.removeprefix("http://")
    return [
        f"{address}/one/a.png?id=1&token=hunter2&size=2",
        f"{address}/one/a.png#password=hunter2",
        f"{address}/none.png?pwd=hunter2",
        f"http://127.0.0.1:9/hunter2/x@{host}/one/hunter2@a.png",
        f"http://me:hunter2@{host}/one/a.png",
        f"http://me:hunter2/x@{host}/one/a.png",
        f"http://me:x@hunter2/y@{host}/one/a.png",
        f"http:/me:hunter2@{host}/a.png",
        f"ftp://me:hunter2@{host}/a.png",
        f"ftp://me:hunter2@{host}/*.png",
    ]


def test_passwords_of_addresses_are_written_nowhere(run, address, two, tmp_path):
    given = [argument for one in addresses_with_a_password(address) for argument in ("--img", one)]
    targets = ["--json", tmp_path / "a.jsonl", "--csv", tmp_path / "a.csv", "--report", tmp_path / "a.html"]
    folders = ["--output", tmp_path / "drawn", "--crops", tmp_path / "faces"]
    code, out, err = run(*given, "--allow-private", "-vv", *targets, *folders)
    sources = [row["source"] for row in rows((tmp_path / "a.jsonl").read_text())]
    assert code == 1 and len(sources) == len(given) // 2
    assert sources[:2] == [f"{address}/one/a.png?id=1&token=***", f"{address}/one/a.png#password=***"]
    assert "hunter2" not in out + err
    for path in tmp_path.rglob("*"):
        assert "hunter2" not in path.name
        assert path.is_dir() or b"hunter2" not in path.read_bytes()


def test_a_password_of_the_only_address_or_of_a_list_is_not_said(run, address, two, tmp_path):
    given = addresses_with_a_password(address)
    (tmp_path / "list.txt").write_text("\n".join(["@http://me:hunter2@host/x", *given]))
    for one in (*given, f"@{tmp_path}/list.txt", "@http://me:hunter2@host/x"):
        _, out, err = run("--img", one, "--allow-private", "-vv", "--json", "-")
        assert err + out and "hunter2" not in out + err


def test_a_password_of_a_stream_is_not_said(run, tmp_path):
    for one in ("rtsp://me:x@hunter2/y@127.0.0.1:9/live", "http://127.0.0.1:9/live?password=hunter2"):
        code, out, err = run("--video", one, "--no-show", "-vv", "--json", tmp_path / "a.jsonl")
        assert code == 1 and "cannot be opened" in err and "hunter2" not in out + err


def test_tables_for_programs(run, two, tmp_path):
    save_image(tmp_path / "one" / "blank.png", np.zeros((50, 50, 3), np.uint8))
    (tmp_path / "one" / "empty.png").write_bytes(b"")
    code, out, _ = run("--img", two[0], "--csv", "-", "--age-groups", "decades")
    found = list(csv.DictReader(io.StringIO(out)))
    assert code == 1 and [Path(row["source"]).name for row in found] == ["a.png", "blank.png", "empty.png"]
    assert found[0]["age_band"] and not found[1]["face"] and "0 bytes" in found[2]["error"]
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run("--img", two[0], "--parquet", tmp_path / "a.parquet")[0] == 1
    assert parquet.read_table(tmp_path / "a.parquet").num_rows == 3


def test_compared_models_have_columns(two, tiny_checkpoint, age_checkpoint, capfd):
    models = f"{tiny_checkpoint.folder},{age_checkpoint.folder}"
    assert main(["run", "--img", str(two[0]), "--csv", "-", "--compare", models]) == 0
    (row,) = csv.DictReader(io.StringIO(capfd.readouterr().out))
    assert row["age: age_years"] and row["tiny: gender"] and not row["age: gender"]


def test_nothing_is_read_from_devices_and_pipes(run, two, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    code, out, _ = run("--img", "/dev/zero", "--img", tmp_path / "pipe.png", "--img", two[0], "--json", "-")
    assert code == 1 and ["is a device" in (row["error"] or "") for row in rows(out)] == [True, False, False]
    assert "is a pipe" in rows(out)[1]["error"] and rows(out)[2]["faces"]


def test_odd_names_stay_whole_in_rows_and_harmless_in_tables(run, tmp_path, small):
    for name in ("-dash.png", "line\nend.png", "写真.png", "\x1b[2J.png", os.fsdecode(b"\xff.png")):
        save_image(tmp_path / "odd" / "x.png", small)
        (tmp_path / "odd" / "x.png").rename(tmp_path / "odd" / name)
    code, out, err = run(
        "--img", tmp_path / "odd", "--csv", tmp_path / "a.csv", "--json", tmp_path / "a.jsonl"
    )
    assert (code, err) == (0, f"wrote {tmp_path / 'a.jsonl'}, {tmp_path / 'a.csv'}\n")
    assert len(out.splitlines()) == 6 and "\x1b" not in out
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        names = {Path(row["source"]).name for row in csv.DictReader(file)}
    assert names == {"-dash.png", "line\nend.png", "写真.png", "\x1b[2J.png", "\\udcff.png"}
    code, out, err = run(
        "--img", tmp_path / "odd", "--csv", tmp_path / "a.csv", "--json", tmp_path / "a.jsonl", "--resume"
    )
    # Of a table the last picture is done again: the JSON has it already.
    assert code == 0 and "4 of 5 pictures already had rows" in err
    assert len((tmp_path / "a.jsonl").read_text("utf-8").splitlines()) == 5


def many(folder, small, count=60, broken=(7, 40)):
    for number in range(count):
        save_image(folder / f"{number:02}.png", np.roll(small, number, axis=1))
    for number in broken:
        (folder / f"{number:02}.png").write_bytes(b"broken")


def in_a_process(checkpoint, *arguments):
    sources = str(Path(__file__).resolve().parents[2] / "src")
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "facecli",
            "run",
            "--model-path",
            str(checkpoint.folder),
            *map(str, arguments),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": sources},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise on Windows")
@pytest.mark.parametrize(("name", "expected"), [("SIGKILL", -9), ("SIGINT", 130), ("SIGTERM", 143)])
def test_killed_and_resumed_the_rows_are_those_of_an_unbroken_run(
    name, expected, run, tiny_checkpoint, tmp_path, small
):
    many(tmp_path / "photos", small)
    whole, cut = ((tmp_path / f"{kind}.jsonl", tmp_path / f"{kind}.csv") for kind in ("whole", "cut"))
    assert run("--img", tmp_path / "photos", "--json", whole[0], "--csv", whole[1])[0] == 1
    arguments = ("--img", tmp_path / "photos", "--json", cut[0], "--csv", cut[1], "--batch-size", 2)
    process = in_a_process(tiny_checkpoint, *arguments, "--resume")
    end = time.monotonic() + 60
    while not (cut[0].exists() and cut[0].stat().st_size > 3000):
        assert time.monotonic() < end and process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(getattr(signal, name))
    assert "Traceback" not in process.communicate(timeout=60)[1]
    assert process.returncode == expected
    before = len(cut[0].read_bytes().splitlines())
    with open(cut[0], "ab") as file:
        file.write(b'{"source": "/somewhere/cut off in the mid')
    code, _, err = run(*arguments, "--resume")
    assert code == 1 and "2 of 60 pictures could not be analysed" in err and "already had rows" in err
    assert 0 < before < 60
    for one, other in zip(whole, cut, strict=True):
        assert sorted(one.read_bytes().splitlines()) == sorted(other.read_bytes().splitlines())
    assert run(*arguments, "--resume")[0] == 1
    assert len(cut[0].read_bytes().splitlines()) == 60


def test_resume_leaves_foreign_files_alone(run, two, tmp_path):
    (tmp_path / "notes.txt").write_text("my notes")
    code, _, err = run("--img", two[0], "--json", tmp_path / "notes.txt", "--resume")
    assert code == 2 and len(err.splitlines()) == 1 and (tmp_path / "notes.txt").read_text() == "my notes"


def test_table_is_printed_in_parts_and_says_all(capfd):
    with TableSink(0.0) as sink:
        for number in range(450):
            sink.write(type("Record", (), {"result": FrameResult(f"{number:03}.jpg", 9, 9)}))
            if number == 300:
                assert len(capfd.readouterr().out.splitlines()) == 201
    assert len(capfd.readouterr().out.splitlines()) == 250


def printed(monkeypatch, capfd, columns, results, details=False):
    """Lines that a terminal of so many columns shows, without colours."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    with TableSink(details) as sink:
        for result in results:
            sink.write(type("Record", (), {"result": result}))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", capfd.readouterr().out)
    return [line.rstrip() for line in plain.splitlines()]


FACE = Face(
    (1000, 2000, 3000, 4000), 0.9, 31.4, (24, 40), {"female": 1.0}, {"white": 0.6, "black": 0.4},
    {"surprise": 1.0},
)  # fmt: skip


def test_table_on_a_terminal_names_pictures_and_marks_errors(monkeypatch, capfd):
    results = FrameResult("[b]/a.jpg", 9, 9), FrameResult("x" * 90 + "/b.jpg", None, None, error="bad")
    said = "\n".join(printed(monkeypatch, capfd, 80, results))
    assert "[b]/a.jpg" in said and "\u2026/b.jpg" in said and "error" in said and "bad" not in said


@pytest.mark.parametrize("details", [False, True])
def test_nothing_is_cut_off_on_the_narrowest_terminals(details, monkeypatch, capfd):
    face = replace(FACE, by_model={"a_long_name_of_a_model": FACE})
    lines = printed(monkeypatch, capfd, 20, [FrameResult("a/" * 20 + "b.jpg", 9, 9, (face,))], details)
    said = "".join("".join(lines).split())
    assert "\u2026" not in said and "a_long_name_of_a_model" in said and max(map(len, lines)) <= 20


def test_letters_of_two_cells_cost_no_other_column(monkeypatch, capfd):
    lines = printed(monkeypatch, capfd, 80, [FrameResult("\u5bb6\u65cf" * 20 + ".jpg", 9, 9, (FACE,))])
    assert any("31" in line and "24-40" in line and "surprise 100%" in line for line in lines)
    assert max(map(cell_len, lines)) <= 80


def test_reasons_are_whole_on_the_narrowest_terminals(monkeypatch, capfd):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    failures = Failures()
    failures.add("a_long_name.jpg", "incomprehensible")
    failures.show()
    assert "\u2026" not in capfd.readouterr().err


@pytest.mark.parametrize("faces", [1, 6, 40])
@pytest.mark.parametrize("name", ["a.jpg", "pictures/of my summer/with many people at the sea.jpg"])
def test_eighty_columns_are_enough(faces, name, monkeypatch, capfd):
    lines = printed(monkeypatch, capfd, 80, [FrameResult(name, 9, 9, (FACE,) * faces)])
    rows = [line for line in lines if "24-40" in line]
    assert len(rows) == faces and all(len(line) <= 80 for line in lines)
    assert all("female 100%" in row and "white 60%" in row and "surprise 100%" in row for row in rows)
    assert all(row.endswith("a.jpg" if name == "a.jpg" else "sea.jpg") for row in rows)


@pytest.mark.parametrize("columns", [40, 50, 80])
def test_what_is_too_wide_is_a_list_of_whole_words(columns, monkeypatch, capfd):
    detailed = replace(FACE, race_7_probabilities=dict.fromkeys(CLASS_NAMES["race_7"], 1 / 7))
    lines = printed(monkeypatch, capfd, columns, [FrameResult("a.jpg", 9, 9, (detailed,))], details=True)
    said = " ".join(" ".join(lines).split())
    assert all(len(line) <= columns for line in lines)
    assert all(f"{name} 14%" in said for name in CLASS_NAMES["race_7"]) and "1000,2000,3000,4000" in said
    assert lines[0] == "a.jpg, face 1"


def test_failures_are_a_table_of_bounded_length(capfd):
    none = Failures()
    none.show()
    assert capfd.readouterr().err == ""
    failures = Failures()
    for number in range(60):
        failures.add(f"{number}\n.jpg", f"{number}\n.jpg is empty")
    failures.show()
    header, *lines, more = capfd.readouterr().err.splitlines()
    assert len(lines) == 50 and lines[0].split() == ["0\\n.jpg", "is", "empty"] and "10 more" in more


def test_what_a_terminal_would_obey_is_written_out():
    assert printable("ü 写真\n\x1b[2J\u202e") == "ü 写真\\n\\x1b[2J\\u202e"


@pytest.mark.parametrize("total", [5, None])
def test_bar_says_rate_and_makes_room(total, monkeypatch, capfd):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with PictureBar(total) as bar:
        for _ in range(3):
            bar.advance()
            time.sleep(0.01)
        with bar.paused():
            pass
    said = capfd.readouterr().err
    assert "pictures" in said and "3/" in said and "a second" in said


@pytest.mark.parametrize(
    ("done", "total", "elapsed_s", "said"),
    [
        (0, 9, 3.0, ""),
        (1, 9, None, ""),
        (20, 1000, 1.6, "12.5 a second, 0:01:18 left"),
        (9, 9, 3.0, "3.0 a second, 0:00:00 left"),
        (20, None, 1.6, "12.5 a second"),
    ],
)
def test_pace_is_that_of_the_whole_run(done, total, elapsed_s, said):
    assert format_pace(done, total, elapsed_s) == said


def test_no_bar_for_one_picture(monkeypatch, capfd):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with PictureBar(1) as bar, bar.paused():
        bar.advance()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("several", [False, True])
def test_what_a_format_does_not_hold_is_a_row_with_its_error(run, tmp_path, several):
    folder = tmp_path / "in"
    folder.mkdir()
    save_image(folder / "wide.png", np.zeros((2, 70_000, 3), np.uint8))
    (folder / "wide.png").rename(folder / "wide.jpg")
    if several:
        save_image(folder / "x.png", np.zeros((20, 30, 3), np.uint8))
    rows, target = tmp_path / "rows.jsonl", tmp_path / ("out" if several else "out.jpg")
    given = folder if several else folder / "wide.jpg"
    code, _, said = run("--img", str(given), "--output", str(target), "--json", str(rows), "--no-show")
    assert code == 1 and ".jpg does not hold a picture of 70000x2" in said
    errors = [json.loads(line)["error"] for line in rows.read_text().splitlines()]
    assert len(errors) == 1 + several and "does not hold" in errors[0] and errors[1:] == [None] * several
