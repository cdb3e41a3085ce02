"""Disks that are full: of a small file system where one may be mounted, else by a limit of the file size."""

import contextlib
import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from campaign.bench import QUICK, Bench
from campaign.case import OneByOne, Outcome
from campaign.child import Limits
from campaign.clips import playable
from campaign.judge import Expected, faults_of, leftovers, rows_in
from campaign.pictures import encoded, face
from campaign.rows import clip_of_a_face

_PICTURES = 12
_PICTURE_WORDS = (
    ("--json", "DISK/rows.jsonl"),
    ("--csv", "DISK/rows.csv"),
    ("--json", "DISK/rows.jsonl", "--csv", "DISK/rows.csv"),
    ("--output", "DISK/drawn", "--json", "rows.jsonl"),
    ("--crops", "DISK/crops", "--json", "DISK/rows.jsonl"),
    ("--report", "DISK/report.html"),
    ("--json", "/dev/full"),
    ("--csv", "/dev/full"),
)
_CLIP_WORDS = (
    *(("--output", f"DISK/drawn{suffix}") for suffix in (".mp4", ".mkv", ".webm", ".avi")),
    ("--json", "DISK/rows.jsonl", "--output", "DISK/drawn.mp4"),
    ("--csv", "DISK/rows.csv", "--summary", "DISK/people.json"),
    ("--save-tracks", "DISK/tracks.json"),
)
_STDOUT_WORDS = (
    ("run", "--img", "photos", *QUICK),
    ("run", "--img", "photos", "--json", "-", *QUICK),
    ("run", "--video", "clip.avi", "--csv", "-", *QUICK),
    ("models", "list"),
    ("models", "list", "--json"),
    ("--help",),
    ("completion", "bash"),
)


class Disks(OneByOne):
    """Every kind of result on a full disk."""

    name = "disks"
    about = "a full disk under rows, tables, drawn pictures, crops, reports, clips; `/dev/full` as stdout"
    together = 4

    def outcome(self, rng: random.Random, bench: Bench, folder: Path) -> Outcome:
        (folder / "photos").mkdir()
        for place in range(_PICTURES):
            (folder / "photos" / f"{place:02d}.jpg").write_bytes(encoded(face(), "JPEG"))
        (folder / "clip.avi").write_bytes(clip_of_a_face(60))
        try_it = _stdout if rng.random() < 0.15 else _disk
        return try_it(rng, bench, folder)


def _stdout(rng: random.Random, bench: Bench, folder: Path) -> tuple[str, tuple[str, ...], list[str]]:
    words = rng.choice(_STDOUT_WORDS)
    ended = bench.facecli(*words, cwd=folder, limits=Limits(stdout=Path("/dev/full")))
    return "standard output is /dev/full", words, [*faults_of(ended, Expected(codes=(1,)))]


def _disk(rng: random.Random, bench: Bench, folder: Path) -> tuple[str, tuple[str, ...], list[str]]:
    given, pattern = rng.choice(
        [("--img photos", words) for words in _PICTURE_WORDS]
        + [("--video clip.avi", words) for words in _CLIP_WORDS]
    )
    room = rng.choice((0, 1, 4, 8, 20, 40, 100)) * 1024
    mounted = can_mount() and rng.random() < 0.7
    with _small_disk(folder, room) if mounted else _plain(folder) as disk:
        words = ("run", *given.split(), *(word.replace("DISK", str(disk)) for word in pattern), *QUICK)
        # Of every file, also of the one that keeps what the child says.
        limits = Limits() if mounted else Limits(file_bytes=max(room, 4096))
        ended = bench.facecli(*words, cwd=folder, limits=limits)
        faults = [*faults_of(ended, Expected(codes=(0, 1))), *_faults_on(disk)]
    return f"{room} bytes of room, {'mounted' if mounted else 'by RLIMIT_FSIZE'}", words, faults


def _faults_on(disk: Path) -> Iterator[str]:
    """What is there is whole."""
    for name in leftovers(disk):
        yield f"left behind: {name}"
    if (rows := disk / "rows.jsonl").exists():
        yield from rows_in(rows.read_text())[1]
    if (table := disk / "rows.csv").exists() and not table.read_text().endswith("\n"):
        yield "the last line of the table is not whole"
    for path in disk.glob("drawn.*"):
        yield from playable(path)
    for path in [*disk.rglob("*.jpg"), *disk.rglob("*.json"), *disk.rglob("*.html")]:
        if path.stat().st_size == 0:
            yield f"empty: {path.name}"


@cache
def can_mount() -> bool:
    """May this user mount a small file system?"""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=4096", "facecli-campaign", folder]
        mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
        if mounted:
            subprocess.run(["umount", folder], check=False, capture_output=True)
    return mounted


@contextlib.contextmanager
def _small_disk(folder: Path, room: int) -> Iterator[Path]:
    """A file system with so many bytes left, rounded up to pages."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={max(room, 4096)}", "facecli-campaign", str(disk)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        if room == 0:
            with contextlib.suppress(OSError):
                (disk / "filler").write_bytes(bytes(1 << 20))
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False, capture_output=True)


@contextlib.contextmanager
def _plain(folder: Path) -> Iterator[Path]:
    disk = folder / "disk"
    disk.mkdir()
    yield disk
