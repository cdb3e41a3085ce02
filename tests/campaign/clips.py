"""Clips of many containers, changed byte by byte."""

import os
import random
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import av
from clip_corpus import KINDS

from campaign.bench import QUICK, Bench
from campaign.case import OneByOne, Outcome
from campaign.child import Ended
from campaign.judge import faults_of, leftovers, rows_in
from campaign.mutations import mutated
from campaign.together import FileKind

_CHOSEN = (
    "h264_mp4", "h264_mov", "h264_mkv", "h264_ts", "h264_flv", "mpeg4_avi", "mpeg4_avi_b_frames", "mjpeg_avi",
    "vp9_webm", "mpeg2_mpg_interlaced", "mpeg2_ts_interlaced", "hevc_mp4", "h264_mp4_rotated90",
    "h264_mp4_fragmented", "h264_mp4_aac", "vp9_webm_opus", "h264_mkv_pcm_longer", "h264_mkv_two_tracks",
    "gif", "h264_raw", "h264_mp4_trimmed", "h264_mkv_live",
)  # fmt: skip
_OUTPUTS = (".mp4", ".mkv", ".webm", ".avi", ".mov")


@cache
def bases() -> tuple[tuple[str, str, bytes], ...]:
    """(name, suffix, content) of whole clips."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in (kind for kind in KINDS if kind.name in _CHOSEN):
            path = Path(folder, f"{kind.name}{kind.suffix}")
            kind.make(path)
            found.append((kind.name, kind.suffix, path.read_bytes()))
    return tuple(found)


def make_clip(rng: random.Random, path: Path) -> str:
    """A clip with one to three faults, sometimes an empty one, or one of two containers."""
    name, suffix, content = rng.choice(bases())
    if rng.random() < 0.02:
        changed, how = b"", "empty"
    else:
        changed, how = mutated(rng, content, [other for _, _, other in bases()])
    path.with_suffix(suffix).write_bytes(changed)
    return f"{name} ({len(content)} bytes): {how}"


def _clips_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _command(folder: Path) -> list[str]:
    videos = [word for path in _clips_in(folder) for word in ("--video", str(path))]
    return ["run", *videos, "--json", "-", *QUICK]


def _look(ended: Ended, folder: Path, count: int) -> list[str]:
    """Rows are whole and in order, each of a clip that is there."""
    rows, faults = rows_in(ended.stdout.decode(errors="replace"))
    last: dict[str, float] = {}
    for row in rows:
        if row["time_s"] < last.get(row["source"], 0.0):
            faults.append(f"time runs back to {row['time_s']} s")
            break
        last[row["source"]] = row["time_s"]
    return faults


CLIPS = FileKind(
    "clips",
    "mp4, mov, mkv, webm, ts, mpg, avi, flv, gif; H.264, HEVC, VP9, MPEG-2 and -4, Motion JPEG; sound",
    20,
    make_clip,
    _command,
    _look,
)


class DrawnClips(OneByOne):
    """Damaged clips that are drawn upon: the result is whole, or there is none."""

    name = "drawn_clips"
    about = "the same, drawn as mp4, mkv, webm, avi or mov with rows and a summary"
    together = 5

    def outcome(self, rng: random.Random, bench: Bench, folder: Path) -> Outcome:
        how = make_clip(rng, folder / "clip")
        (clip,) = _clips_in(folder)
        out = folder / "out"
        drawn = out / f"drawn{rng.choice(_OUTPUTS)}"
        words = [
            "run",
            "--video",
            str(clip),
            "--output",
            str(drawn),
            "--summary",
            str(out / "people.json"),
        ]
        words += ["--json", str(out / "rows.jsonl"), *rng.choice(((), ("--anonymize", "blur"))), *QUICK]
        ended = bench.facecli(*words, cwd=folder)
        faults = [*faults_of(ended), *_faults_of_drawn(out, drawn)]
        return how, words, faults


def _faults_of_drawn(out: Path, drawn: Path) -> Iterator[str]:
    if not out.exists():
        return
    if left := leftovers(out):
        yield f"left behind: {left}"
    rows = out / "rows.jsonl"
    if rows.exists():
        yield from rows_in(rows.read_text())[1]
    if drawn.exists():
        yield from playable(drawn)


def playable(path: Path) -> Iterator[str]:
    """What a player minds in a drawn clip."""
    os.environ.setdefault("SVT_LOG", "1")
    try:
        with av.open(str(path)) as container:
            frames = sum(1 for _ in container.decode(video=0))
    except (av.error.FFmpegError, IndexError) as error:
        yield f"{path.suffix} cannot be played: {error}"
        return
    if not frames:
        yield f"{path.suffix} without frames"
