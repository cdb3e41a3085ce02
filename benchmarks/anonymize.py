"""How many faces `--anonymize` covers, in pictures and in clips.

    python benchmarks/anonymize.py --boxes data/face_boxes --clips ../shared/clips --yunet-weights FILE

1. Labelled pictures of the test part of a set of boxes: a face of 24 pixels and more is covered when nine
   tenths of its box are. Beside it the same with YuNet's finds at a score of 0.6.
2. Clips, as `facecli run --video CLIP --anonymize box --output OUT.mp4` writes them: faces that YuNet surely
   sees (a score of 0.8, 40 pixels), and frames in which such a face is open although it was covered in a
   frame before and in one after (a flash).

Writes anonymize.md beside this file.
"""

import argparse
import datetime
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from live_reference import read_clip

from facecli.core.faces import Face
from facecli.core.images import load_image
from facecli.core.paths import find_model
from facecli.core.stats import wilson_interval
from facecli.data.boxes import open_boxes
from facecli.detect.registry import build_detector
from facecli.draw.anonymize import head_box
from facecli.infer.analyzer import Analyzer
from facecli.live.analyzer import LiveAnalyzer
from facecli.models.checkpoint import load_checkpoint
from facecli.models.litert import Predictor
from facecli.pipeline.stream import run_live
from facecli.sources.video import open_source

OUTPUT = Path(__file__).resolve().with_suffix(".md")
SMALLEST, COVERED = 24, 0.9
CLIPS = ("scene_cuts.mp4", "single_face.mp4", "face_then_no_face.mov", "no_face.mp4")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--boxes", type=Path, required=True)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--yunet-weights", type=Path, required=True)
    parser.add_argument("--model", default="facenet_model")
    arguments = parser.parse_args()
    lines = [
        "# Faces covered",
        "",
        f"`python benchmarks/anonymize.py {shlex.join(sys.argv[1:])}`, {datetime.date.today()}.",
        "",
        *pictures(arguments),
        "",
        *clips(arguments),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    OUTPUT.write_text(text, encoding="utf-8")


def pictures(arguments: argparse.Namespace) -> list[str]:
    detectors = {
        "`facecli run --anonymize` (cnn)": build_detector("cnn", {"cover": True}),
        "cnn at its usual threshold": build_detector("cnn"),
        "yunet at 0.6": build_detector("yunet", {"score_threshold": 0.6}, arguments.yunet_weights),
        "haar": build_detector("haar"),
    }
    counts = {name: np.zeros(3, int) for name in detectors}
    for one in open_boxes(arguments.boxes).split("test", 1):
        image = load_image(one.file)
        sides = (one.xyxy[:, 2:] - one.xyxy[:, :2]).max(axis=1, initial=0)
        wanted = one.xyxy[~one.ignored & (sides >= SMALLEST)]
        for name, detector in detectors.items():
            found = detector.detect(image).xyxy.tolist()
            open_area = mask(found, image.shape[:2])
            counts[name] += (len(wanted), sum(is_covered(box, open_area) for box in wanted), len(found))
    rows = ["| covered by | faces of 24 px and more | covered, % | boxes |", "|---|---|---|---|"]
    for name, (faces, covered, boxes) in counts.items():
        low, high = wilson_interval(covered, faces) or (0, 0)
        share = f"{100 * covered / faces:.1f} ({100 * low:.1f} to {100 * high:.1f})"
        rows.append(f"| {name} | {faces} | {share} | {boxes} |")
    return ["## Labelled pictures", "", *rows]


def mask(boxes: Sequence[Sequence[float]], size: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8, 1 where a head is covered."""
    covered = np.zeros(size, np.uint8)
    for box in boxes:
        left, top, right, bottom = head_box(box, size[::-1])
        covered[top:bottom, left:right] = 1
    return covered


def is_covered(box: Sequence[float], covered: np.ndarray) -> bool:
    left, top, right, bottom = (max(round(float(value)), 0) for value in box)
    part = covered[top:bottom, left:right]
    return part.size > 0 and part.mean() >= COVERED


def clips(arguments: argparse.Namespace) -> list[str]:
    rows = [
        "| clip | faces that YuNet surely sees | covered, % | open between two covered frames |",
        "|---|---|---|---|",
    ]
    for name in CLIPS:
        shots = read_clip(arguments.clips / name, arguments.yunet_weights)
        covers = covers_of(arguments.clips / name, arguments.model)
        seen = covered = flashes = 0
        open_faces = []
        for number, shot in enumerate(shots):
            area = mask(covers[number], shot.image_rgb.shape[:2])
            for box in shot.faces:
                seen += 1
                if is_covered(box, area):
                    covered += 1
                else:
                    open_faces.append((number, box))
        for number, box in open_faces:
            around = [
                is_covered(box, mask(covers[near], shots[near].image_rgb.shape[:2]))
                for near in (max(number - 1, 0), min(number + 1, len(shots) - 1))
            ]
            flashes += all(around)
        share = f"{100 * covered / seen:.1f}" if seen else "-"
        rows.append(f"| {name} | {seen} | {share} | {flashes} |")
    return ["## Clips", "", *rows]


def covers_of(clip: Path, model: str) -> list[list[tuple]]:
    """What is covered in each frame of a file."""
    predictor = Predictor(load_checkpoint(find_model(model)))
    found = build_detector("cnn", {"cover": True, "tiles": False})
    live = LiveAnalyzer(Analyzer(found, predictor, show_rejected=True))
    covers: list[list[tuple]] = []

    def protect(image_rgb: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
        covers.append([face.box_xyxy for face in faces])
        return image_rgb

    with open_source(str(clip)) as source:
        run_live(source, live.analyze, [_Draws()], protect=protect)
    return covers


class _Draws:
    """A sink that wants pictures and forgets them."""

    wants_image = True

    def write(self, record) -> None:
        """Nothing."""


if __name__ == "__main__":
    cv2.setNumThreads(2)
    main()
