"""Clips of odd kinds (../shared/field/V*): what facecli makes of each, beside the right answer.

`python benchmarks/field_clips.py ../shared/field` runs `facecli run --video` on each, and compares rows and
the drawn clip with what is known of the clip.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from facecli.sources.video import open_source


class Right(NamedTuple):
    """What a clip shows: frames, seconds of the last one, size, seconds in all."""

    frames: int
    last_s: float
    resolution_wh: tuple[int, int]
    seconds: float


WIDE = (640, 360)
RIGHT = {
    "V00_good.mp4": Right(100, 3.96, WIDE, 4.0),
    "V01_interlaced_h264.mp4": Right(100, 3.96, WIDE, 4.0),
    "V02_trimmed_editlist.mp4": Right(52, 2.04, WIDE, 2.08),
    "V03_sound_longer.mkv": Right(50, 1.96, WIDE, 2.0),
    "V04_starts_at_3600s.mkv": Right(100, 3.96, WIDE, 4.0),
    "V05_mostly_still_vfr.mp4": Right(14, 2.0, WIDE, 2.04),
    "V07_anamorphic.mp4": Right(100, 3.96, WIDE, 4.0),
    "V08_joined_timestamps_restart.ts": Right(50, 1.96, WIDE, 2.0),
}


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    print("| clip | frames | with a face | last frame | size | drawn clip | exit | |")
    print("|---|---|---|---|---|---|---|---|")
    for name, right in RIGHT.items():
        print(f"| {name} | {' | '.join(tried(folder / name, right))} |", flush=True)


def tried(clip: Path, right: Right) -> list[str]:
    """The cells of a row."""
    with tempfile.TemporaryDirectory() as temporary:
        rows_file, drawn = Path(temporary, "rows.jsonl"), Path(temporary, "drawn.mp4")
        command = [sys.executable, "-m", "facecli", "run", "--video", str(clip), "--no-show"]
        done = subprocess.run(
            [*command, "--json", str(rows_file), "--output", str(drawn)], capture_output=True, check=False
        )
        rows = [json.loads(line) for line in rows_file.read_text().splitlines()]
        with open_source(str(drawn)) as source:
            frames = list(source)
        larger = drawn.stat().st_size / clip.stat().st_size
    faces = sum(bool(row["faces"]) for row in rows)
    times = [row["time_s"] for row in rows]
    size = rows[0]["width"], rows[0]["height"]
    drawn_s = frames[-1].time_s + frames[-1].duration_s
    is_right = (
        done.returncode == 0
        and len(rows) == faces == right.frames == len(frames)
        and abs(times[-1] - right.last_s) < 0.002
        and times == sorted(times)
        and size == right.resolution_wh == frames[0].image_rgb.shape[1::-1]
        and abs(drawn_s - right.seconds) < 0.05
    )
    return [
        str(len(rows)),
        str(faces),
        f"{times[-1]:.2f} s",
        f"{size[0]}x{size[1]}",
        f"{len(frames)} frames, {drawn_s:.2f} s, {larger:.2f} x the bytes",
        str(done.returncode),
        "right" if is_right else "WRONG",
    ]


if __name__ == "__main__":
    main()
