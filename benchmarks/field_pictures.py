"""Pictures, folders, models and rows of odd kinds (../shared/field): is facecli right about each?

`python benchmarks/field_pictures.py ../shared/field` runs `facecli` on each, and compares what it gives with
what is known of the file. Prints a table.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

BUDGET_MB = 700
QUICK_S = 5.0
_FACECLI = (sys.executable, "-m", "facecli")


class Done(NamedTuple):
    """How a command ended, what it wrote, and took: MB are 10^6 bytes, seconds those of the cores."""

    code: int
    rows: list[dict[str, Any]]
    out: str
    said: str
    peak_mb: float
    core_s: float

    @property
    def clean(self) -> bool:
        """No signal, no traceback, and an error is one line."""
        errors = sum(line.startswith("Error: ") for line in self.said.splitlines())
        return self.code in (0, 1, 2) and "Traceback" not in self.said and errors == (self.code != 0)

    @property
    def faces(self) -> list[dict[str, Any]]:
        return [face for row in self.rows for face in row["faces"]]


class Answer(NamedTuple):
    """Was it right, and what was there."""

    right: bool
    seen: str


def run(*words: str, home: Path | None = None) -> Done:
    """Runs `facecli WORDS`; lines of JSON on standard output are rows."""
    environment = os.environ | ({"FACECLI_HOME": str(home)} if home else {})
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        process = subprocess.Popen([*_FACECLI, *words], stdout=out, stderr=said, env=environment)
        # wait4, unlike getrusage, gives the memory of this child alone.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, said):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Done(process.returncode, _rows(texts[0]), *texts, *_used(usage))


def _used(usage: resource.struct_rusage) -> tuple[float, float]:
    return usage.ru_maxrss * 1024 / 1e6, usage.ru_utime + usage.ru_stime


def _rows(text: str) -> list[dict[str, Any]]:
    lines = (line for line in text.splitlines() if line.startswith('{"source"'))
    return [json.loads(line) for line in lines]


def look(*pictures: Path, options: tuple[str, ...] = ()) -> Done:
    """`facecli run` on pictures."""
    words = [word for picture in pictures for word in ("--img", str(picture))]
    return run("run", *words, "--no-show", "--json", "-", *options)


# ---------------------------------------------------------------- what is right


def one_face(path: Path) -> Answer:
    """Read, one face, as large as faces are, inside of what was looked at."""
    done = look(path)
    return Answer(done.clean and done.code == 0 and _is_square_face(done), _faces_text(done))


def _is_square_face(done: Done) -> bool:
    if len(done.rows) != 1 or len(done.faces) != 1:
        return False
    left, top, right, bottom = done.faces[0]["box_xyxy"]
    row = done.rows[0]
    # A box that was turned, but not its picture, is out of it or squashed.
    inside = 0 <= left < right <= row["width"] and 0 <= top < bottom <= row["height"]
    return inside and 0.6 < (right - left) / (bottom - top) < 1.6


def _faces_text(done: Done) -> str:
    if not done.rows:
        return f"exit {done.code}: {_last(done.said)}"
    row = done.rows[0]
    if row["error"]:
        return f"exit {done.code}: {_without_path(row['error'])}"
    faces = ", ".join(_face_text(face) for face in row["faces"]) or "no face"
    return f"exit {done.code}: {row['width']}x{row['height']}, {faces}"


def _face_text(face: dict[str, Any]) -> str:
    share = face.get("gender_probabilities", {}).get(face.get("gender"), 0)
    unsure = f", uncertain: {' '.join(face['uncertain'])}" if face.get("uncertain") else ""
    turned = f", turned by {face['roll_degrees']:.0f}" if abs(face.get("roll_degrees") or 0) > 45 else ""
    where = f"{face.get('age_years')} years at {face['box_xyxy']}"
    return f"{face.get('gender')} {share:.0%}, {where}{turned}{unsure}"


def upright_as_its_pixels(path: Path) -> Answer:
    """One rule for header and pixels: the same face as in a copy that is laid upright by hand."""
    from PIL import Image

    done = look(path)
    with tempfile.TemporaryDirectory() as folder, Image.open(path) as image:
        upright = image.convert("RGB").transpose(Image.Transpose.ROTATE_270)
        copy = Path(folder, "upright.png")
        upright.save(copy)
        right = look(copy)
    alike = (
        _is_square_face(done)
        and _is_square_face(right)
        and (done.rows[0]["width"], done.rows[0]["height"]) == upright.size
        and _overlap(done.faces[0]["box_xyxy"], right.faces[0]["box_xyxy"]) > 0.7
    )
    return Answer(done.clean and done.code == 0 and alike, _faces_text(done))


def _overlap(one: list[int], other: list[int]) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0, width) * max(0, height)
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (sum(areas) - both)


def face_or_word(path: Path) -> Answer:
    """The face, or a word that the picture is nearly black."""
    done = look(path)
    told = any(word in done.said.lower() for word in ("bits", "dark", "black"))
    return Answer(done.clean and done.code == 0 and (len(done.faces) == 1 or told), _faces_text(done))


def read_or_said(path: Path) -> Answer:
    """Read, or "kind not supported"; not "it is damaged"."""
    done = look(path)
    error = done.rows[0]["error"] if done.rows else ""
    right = len(done.faces) == 1 if error is None else "damaged" not in error
    return Answer(done.clean and right, _faces_text(done))


def read_with_word(path: Path) -> Answer:
    """Read, with a warning."""
    done = look(path)
    return Answer(
        done.clean and done.code == 0 and len(done.faces) == 1 and bool(done.said), _faces_text(done)
    )


def upside_down(path: Path) -> Answer:
    """A woman of 26: turned upright, or no sure label that is wrong."""
    done = look(path)
    face = done.faces[0] if len(done.faces) == 1 else {}
    told = face.get("gender") == "female" or "gender" in face.get("uncertain", ())
    return Answer(done.clean and bool(face) and told, _faces_text(done))


def small_face(path: Path) -> Answer:
    """Found, by default or with an option for the search."""
    done = look(path)
    if len(done.faces) == 1:
        return Answer(done.clean and done.code == 0, _faces_text(done))
    done = look(path, options=("--search-size", "2048"))
    right = done.clean and done.code == 0 and len(done.faces) == 1
    return Answer(right, f"with --search-size 2048: {_faces_text(done)}")


def all_read_or_said(folder: Path) -> Answer:
    """Every file of the folder has its row, or is said to be left out."""
    done = look(folder)
    files = [path for path in folder.iterdir() if path.is_file()]
    rows = {Path(row["source"]).name for row in done.rows if row["error"] is None}
    told = "left out" in done.said
    right = done.clean and (len(rows) == len(files) or (bool(rows) and told))
    return Answer(right, f"exit {done.code}: {len(rows)} of {len(files)} files read")


def refused_quickly(path: Path) -> Answer:
    """By its header."""
    done = look(path)
    error = done.rows[0]["error"] if done.rows else None
    right = done.clean and done.code == 1 and bool(error) and done.core_s < QUICK_S
    return Answer(right, f"{_faces_text(done)} ({done.core_s:.1f} s of the cores, {done.peak_mb:.0f} MB)")


def within_budget(path: Path) -> Answer:
    """Read or refused, in bounded memory: by the command, and by the server."""
    done = look(path)
    served_mb, status = _served(path)
    right = done.clean and done.peak_mb <= BUDGET_MB and served_mb <= BUDGET_MB and status in (200, 422, 413)
    seen = f"{_faces_text(done)}; {done.peak_mb:.0f} MB; server {status}, {served_mb:.0f} MB"
    return Answer(right, seen)


def _served(path: Path, route: str = "/api/v1/analyze") -> tuple[float, int]:
    """Peak MB of a server that is asked for it once, and the status of the answer."""
    import http.client
    import re

    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with open(log, "wb") as file:
            server = subprocess.Popen([*_FACECLI, "serve", "--port", "0"], stdout=file, stderr=file)
        try:
            found = None
            while found is None and server.poll() is None:
                time.sleep(0.1)
                found = re.search(r"http://[^:/]+:(\d+)/", log.read_text())
            port = int(found[1]) if found else 0
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("POST", route, path.read_bytes(), {"Content-Type": "image/png"})
            answer = connection.getresponse()
            answer.read()
        finally:
            server.terminate()
            _, _, usage = os.wait4(server.pid, 0)
            server.returncode = 0
    return _used(usage)[0], answer.status


def a_row_and_the_rest_goes_on(path: Path) -> Answer:
    """With --output: the picture that cannot be drawn is a row with its error, the one behind it is drawn."""
    with tempfile.TemporaryDirectory() as folder:
        good = Path(folder, "good.png")
        _write_good(good)
        out = Path(folder, "drawn")
        done = look(path, good, options=("--output", str(out)))
        drawn = sorted(file.name for file in out.rglob("*") if file.is_file()) if out.exists() else []
    first = done.rows[0]["error"] if done.rows else "no row"
    # What is drawn under another suffix is right, too.
    right = done.clean and len(done.rows) == 2 and "good.png" in drawn and (bool(first) or len(drawn) == 2)
    status = _served(path, "/api/v1/annotate")[1]
    right = right and status in (200, 422)
    return Answer(
        right, f"exit {done.code}: {_without_path(first or 'drawn')}; drawn: {drawn}; server {status}"
    )


def _write_good(path: Path) -> None:
    from PIL import Image
    from skimage import data

    Image.fromarray(data.astronaut()).save(path)


def named_in_one_line(folder: Path) -> Answer:
    """Of each: which file, which key, in one line; and the others are listed."""
    wrong, seen = [], []
    configs = sorted(folder.glob("*.json"))
    with tempfile.TemporaryDirectory() as home:
        for config in configs:
            model = Path(home, "saved_model", config.stem)
            model.mkdir(parents=True)
            shutil.copy(config, model / "config.json")
        listed = run("models", "list", home=Path(home))
        for config in configs:
            model = Path(home, "saved_model", config.stem)
            shown = run("models", "show", str(model))
            used = run("run", "--img", str(model / "config.json"), "--model-path", str(model), "--no-show")
            named = "config.json" in shown.said or "config.json" in used.said
            if not (shown.clean and used.clean and named and config.stem in listed.out):
                wrong.append(config.name)
            seen.append(_last(shown.said) or _last(used.said))
    right = listed.clean and listed.code == 0 and not wrong
    reasons = "; ".join(sorted({_without_path(line) for line in seen}))
    return Answer(right, f"list: exit {listed.code}; wrong: {wrong or 'none'}; {reasons}")


def left_out_and_counted(path: Path) -> Answer:
    """The row is left out and said, by summarize and by search; alone it is no file of rows."""
    good = (Path(__file__).resolve().parent.parent / "tests/golden/rows.jsonl").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        mixed = Path(folder, path.name)
        mixed.write_bytes(path.read_bytes().rstrip() + b"\n" + good)
        done = [
            run(*command)
            for one in (mixed, path)
            for command in (("summarize", str(one)), ("search", str(one), "--gender", "female"))
        ]
    right = all(one.clean and one.said for one in done) and [one.code for one in done] == [1, 1, 2, 2]
    return Answer(right, "; ".join(f"exit {one.code}: {_without_path(_last(one.said))}" for one in done))


def _last(text: str) -> str:
    lines = text.rstrip().splitlines()
    return lines[-1] if lines else ""


def _without_path(text: str) -> str:
    return " ".join(word.rpartition("/")[2] for word in text.split())[:120]


RIGHT: dict[str, Callable[[Path], Answer]] = {
    "P01_tiff_alpha_orient6.tif": one_face,
    "P03_large_xmp_orient6.jpg": upright_as_its_pixels,
    "P04_xmp_orient6_rgb.png": upright_as_its_pixels,
    "P05_12bit_in_16.png": face_or_word,
    "P06_float_rgb.tif": read_or_said,
    "P07_no_end_marker.jpg": read_with_word,
    "P08_upside_down.jpg": upside_down,
    "P09_face150_in_12mp.jpg": small_face,
    "jfif_folder": all_read_or_said,
    "scanbomb_1000.jpg": refused_quickly,
    "rgba49mp.png": within_budget,
    "limit.webp": within_budget,
    "wide_as.jpg": a_row_and_the_rest_goes_on,
    "pgm_output.pgm": a_row_and_the_rest_goes_on,
    "model_configs": named_in_one_line,
    "rows_huge_integer.jsonl": left_out_and_counted,
}
"""File -> what tells whether facecli is right about it."""


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    print("| file | right is | what facecli gives | |")
    print("|---|---|---|---|")
    for name, tell in RIGHT.items():
        answer = tell(folder / name)
        wanted = (tell.__doc__ or "").splitlines()[0].rstrip(".")
        seen = answer.seen.replace("|", "\\|")
        print(f"| {name} | {wanted} | {seen} | {'right' if answer.right else 'WRONG'} |", flush=True)


if __name__ == "__main__":
    main()
