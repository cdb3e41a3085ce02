"""Runs that are killed at any moment and then go on: no row lost, none twice, nothing left behind."""

import random
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from campaign.bench import QUICK, Bench
from campaign.case import OneByOne, Outcome
from campaign.child import Ended, Limits
from campaign.clips import playable
from campaign.judge import Expected, faults_of, leftovers, rows_in
from campaign.pictures import encoded, face
from campaign.rows import clip_of_a_face

PICTURES = 40
_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
_BATCH = ("run", "--img", "photos", "--json", "rows.jsonl", "--csv", "rows.csv", "--output", "drawn", *QUICK)


@dataclass
class Kills(OneByOne):
    """Batches and clips, killed.

    Attributes:
        whole: what an unbroken batch wrote: seconds, sorted rows, sorted lines of the table.
    """

    name: str = "kills"
    about: str = "a batch killed one to three times (TERM, INT, HUP, KILL), then `--resume`; drawn clips"
    together: int = 3
    whole: dict[str, tuple[float, list[str], list[str]]] = field(default_factory=dict)

    def outcome(self, rng: random.Random, bench: Bench, folder: Path) -> Outcome:
        try_it = self._batch if rng.random() < 0.8 else _clip
        return try_it(rng, bench, folder)

    def _batch(self, rng: random.Random, bench: Bench, folder: Path) -> Outcome:
        seconds, rows, table = self._unbroken(bench)
        _photos(folder)
        words: tuple[str, ...] = _BATCH
        hows: list[str] = []
        faults: list[str] = []
        before: set[str] = set()
        for _ in range(rng.choice((1, 1, 2, 3))):
            kill = rng.choice((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL, signal.SIGKILL))
            after_s = rng.uniform(0.02, 1.1 * seconds)
            hows.append(f"{kill.name} after {after_s:.2f} s")
            ended = bench.facecli(*words, cwd=folder, limits=Limits(kill=(kill, after_s)))
            faults += _faults_of_killed(ended, kill)
            # What SIGKILL left is for --resume to take away.
            new, before = set(leftovers(folder)) - before, set(leftovers(folder))
            faults += [f"left behind by {kill.name}: {name}" for name in new if kill != signal.SIGKILL]
            words = (*_BATCH, "--resume")
        ended = bench.facecli(*words, cwd=folder)
        faults += [*faults_of(ended, Expected(codes=(1,)))]
        faults += [f"left behind after --resume: {name}" for name in leftovers(folder)]
        faults += _compared("row", _lines(folder / "rows.jsonl"), rows)
        faults += _compared("line of the table", _lines(folder / "rows.csv"), table)
        drawn = len([*(folder / "drawn").rglob("*.jpg")])
        if drawn != PICTURES - 1:
            faults.append(f"{drawn} drawn pictures of {PICTURES - 1}")
        return ", ".join(hows), words, faults

    def _unbroken(self, bench: Bench) -> tuple[float, list[str], list[str]]:
        if str(bench.root) not in self.whole:
            with bench.folder() as folder:
                _photos(folder)
                ended = bench.facecli(*_BATCH, cwd=folder)
                rows, table = _lines(folder / "rows.jsonl"), _lines(folder / "rows.csv")
            self.whole[str(bench.root)] = ended.seconds, rows, table
        return self.whole[str(bench.root)]


def _photos(folder: Path) -> None:
    """Faces of different sizes and one file that is none."""
    (folder / "photos").mkdir()
    for number in range(PICTURES - 1):
        image = face().resize((200 + 4 * number, 200 + 4 * number))
        (folder / "photos" / f"{number:03d}.jpg").write_bytes(encoded(image, "JPEG"))
    (folder / "photos" / "none.jpg").write_bytes(b"")


def _faults_of_killed(ended: Ended, kill: signal.Signals) -> Iterator[str]:
    """As documented: it ended before, or with the code of the signal."""
    codes = {0, 1, _CODES[kill]} if kill in _CODES else {0, 1}
    for fault in faults_of(ended, Expected(codes=codes, killed=kill)):
        yield f"{fault}, at {kill.name}"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _compared(word: str, found: list[str], right: list[str]) -> Iterator[str]:
    there, wanted = Counter(found), Counter(right)
    if twice := there - wanted:
        yield f"{twice.total()} {word}s too many, such as {next(iter(twice))[:80]}"
    if lost := wanted - there:
        yield f"{lost.total()} {word}s lost, such as {next(iter(lost))[:80]}"


def _clip(rng: random.Random, bench: Bench, folder: Path) -> Outcome:
    """A clip that is drawn: whatever there is can be played."""
    (folder / "clip.avi").write_bytes(clip_of_a_face(200))
    out = folder / "out"
    drawn = out / f"drawn{rng.choice(('.mp4', '.mkv', '.webm', '.avi'))}"
    kill = rng.choice((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    after_s = rng.uniform(0.02, 4.0)
    words = ("run", "--video", "clip.avi", "--output", str(drawn), "--json", str(out / "rows.jsonl"), *QUICK)
    ended = bench.facecli(*words, cwd=folder, limits=Limits(kill=(kill, after_s)))
    faults = [*_faults_of_killed(ended, kill)]
    if out.exists():
        faults += [f"left behind by {kill.name}: {name}" for name in leftovers(out)]
        faults += (
            rows_in("\n".join(_lines(out / "rows.jsonl")) + "\n")[1] if _lines(out / "rows.jsonl") else []
        )
        faults += [*playable(drawn)] if drawn.exists() else []
    return f"clip drawn as {drawn.suffix}, {kill.name} after {after_s:.2f} s", words, faults
