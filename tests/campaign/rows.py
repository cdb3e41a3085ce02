"""Files of rows, and others that commands read back, with wrong values and broken lines."""

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from campaign.bench import QUICK, ROWS, TINY_MODEL, Bench
from campaign.case import OneByOne, Outcome
from campaign.child import Ended
from campaign.judge import faults_of, leftovers, rows_in, whole_json
from campaign.mutations import mutated, mutated_json
from campaign.pictures import encoded, face
from campaign.together import FileKind


def as_json(rng: random.Random, value: Any) -> str:
    """The text of a value; seldom with nesting that is too deep for any reader."""
    text = json.dumps(value)
    if rng.random() < 0.03:
        depth = rng.choice((1_000, 100_000))
        place = text.find(":") + 1
        return f"{text[:place]}{'[' * depth}{']' * depth},{text[place:]}" if place else "[" * depth
    return text


@cache
def _rows() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(line) for line in ROWS.read_text().splitlines())


def make_rows(rng: random.Random, path: Path) -> str:
    """Lines of which some are wrong, by their values or by their bytes."""
    lines, words = [], []
    for row in rng.sample(_rows(), k=min(len(_rows()), 5)):
        if rng.random() < 0.5:
            row, how = mutated_json(rng, row)
            words.append(how)
        lines.append(as_json(rng, row))
    content = ("\n".join(lines) + "\n").encode()
    if rng.random() < 0.3:
        content, how = mutated(rng, content)
        words.append(how)
    path.with_suffix(".jsonl").write_bytes(content)
    return "; ".join(words) or "whole"


def _all(folder: Path) -> list[str]:
    return [str(path) for path in sorted(folder.iterdir())]


def _summarize(folder: Path) -> list[str]:
    return ["summarize", *_all(folder), "--json", "--model-path", str(TINY_MODEL)]


def _search(folder: Path) -> list[str]:
    return ["search", *_all(folder), "--gender", "female", "--age", "5-90", "--top", "0", "--json"]


def _search_csv(folder: Path) -> list[str]:
    return ["search", *_all(folder), "--race", "white,asian", "--emotion", "happy", "--csv"]


def _tell(folder: Path) -> list[str]:
    return ["summarize", *_all(folder), "--model-path", str(TINY_MODEL)]


def _look_json(ended: Ended, folder: Path, count: int) -> list[str]:
    # Without any row there is nothing to say.
    return whole_json(ended.stdout)[1] if ended.stdout or ended.code == 0 else []


def _look_json_lines(ended: Ended, folder: Path, count: int) -> list[str]:
    return [fault for line in ended.stdout.splitlines() for fault in whole_json(line)[1]][:1]


SUMMARIES = FileKind(
    "summaries",
    "rows with wrong values and broken lines, `summarize --json`",
    25,
    make_rows,
    _summarize,
    _look_json,
)
TABLES = FileKind("tables", "the same, `summarize` as tables", 25, make_rows, _tell)
SEARCHES = FileKind("searches", "the same, `search --json`", 25, make_rows, _search, _look_json_lines)
SEARCH_TABLES = FileKind("search_tables", "the same, `search --csv`", 25, make_rows, _search_csv)


# ---------------------------------------------------------------- read back by `run`


def _resume_json(rng: random.Random, bench: Bench, folder: Path) -> tuple[str, list[str]]:
    return _resume(rng, bench, folder, "--json", "rows.jsonl")


def _resume_csv(rng: random.Random, bench: Bench, folder: Path) -> tuple[str, list[str]]:
    return _resume(rng, bench, folder, "--csv", "rows.csv")


def _resume(rng: random.Random, bench: Bench, folder: Path, option: str, name: str) -> tuple[str, list[str]]:
    """An earlier run's rows, damaged."""
    command = ["run", "--img", "photos", option, name, *QUICK]
    bench.facecli(*command, cwd=folder)
    content, how = mutated(rng, (folder / name).read_bytes())
    (folder / name).write_bytes(content)
    return f"{name}: {how}", [*command, "--resume"]


def _tracks(rng: random.Random, bench: Bench, folder: Path) -> tuple[str, list[str]]:
    """The file of --save-tracks, edited badly."""
    clip = ["run", "--video", "clip.avi", *QUICK]
    bench.facecli(*clip, "--save-tracks", "tracks.json", cwd=folder)
    content, how = mutated_json(rng, json.loads((folder / "tracks.json").read_text()))
    text = as_json(rng, content).encode()
    if rng.random() < 0.2:
        text, more = mutated(rng, text)
        how = f"{how}, {more}"
    (folder / "tracks.json").write_bytes(text)
    options = ["--anonymize", "box", "--tracks", "tracks.json", "--output", "covered.avi"]
    return f"tracks.json: {how}", [*clip, *options]


_NAMES = (
    b"photos/a.jpg", b"\xff\xfe", b"a\0b", b"", b"@list.txt", b"x" * 5000, b"http://", b"-", b"photos", b"[",
    b"http://[::1", b"file:///etc/passwd", b"\r\n", b"/dev/zero", b"photos/**", b"~nobody/a.jpg", b"\x1b[31m",
)  # fmt: skip


def _list(rng: random.Random, bench: Bench, folder: Path) -> tuple[str, list[str]]:
    """A list of pictures with strange names."""
    lines = [rng.choice(_NAMES) for _ in range(rng.randrange(6))]
    (folder / "list.txt").write_bytes(rng.choice((b"\n", b"\0")).join(lines))
    return f"list of {lines}", ["run", "--img", "@list.txt", "--json", "-", *QUICK]


_READERS: tuple[Callable[[random.Random, Bench, Path], tuple[str, list[str]]], ...] = (
    _resume_json, _resume_csv, _tracks, _list,
)  # fmt: skip


class ReadBack(OneByOne):
    """Files of an earlier run that `run` reads: --resume, --tracks; and lists."""

    name = "read_back"
    about = "damaged rows given to `--resume` (JSON, CSV), damaged `--tracks`, strange `@list.txt`"
    together = 5

    def outcome(self, rng: random.Random, bench: Bench, folder: Path) -> Outcome:
        (folder / "photos").mkdir()
        for name in ("a", "b", "c"):
            (folder / "photos" / f"{name}.jpg").write_bytes(encoded(face(), "JPEG"))
        (folder / "clip.avi").write_bytes(clip_of_a_face())
        how, words = rng.choice(_READERS)(rng, bench, folder)
        ended = bench.facecli(*words, cwd=folder)
        faults = [*faults_of(ended), *(f"left behind: {name}" for name in leftovers(folder))]
        if "rows.jsonl" in words and ended.code == 0:
            faults += _incomplete(folder / "rows.jsonl")
        return how, words, faults


def _incomplete(path: Path) -> list[str]:
    rows, faults = rows_in(path.read_text(errors="replace"))
    sources = sorted(row["source"] for row in rows)
    if sources != [f"photos/{name}.jpg" for name in "abc"]:
        faults.append(f"resumed to rows of {sources}")
    return faults


@cache
def clip_of_a_face(frames: int = 10) -> bytes:
    """Motion JPEG in AVI, a face throughout."""
    import tempfile

    import av

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.avi")
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mjpeg", rate=10)
            stream.width, stream.height, stream.pix_fmt = *face().size, "yuvj420p"
            for _ in range(frames):
                container.mux(stream.encode(av.VideoFrame.from_image(face())))
            container.mux(stream.encode(None))
        return path.read_bytes()
