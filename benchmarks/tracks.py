"""How still ages stand in a video, and how well people are told apart.

    python benchmarks/tracks.py ../shared/clips ../shared/weights/face_detection_yunet_2026may.onnx

The age that is shown of each track beside the raw one: what the network says of the same box in
that frame alone. Standard deviations within a track, in years, of tracks of `--least` frames and
more. Switches: how often the number changes of a person whom YuNet sees without a break (score
0.8, 40 pixels a side; a new number for a face that was lost in between counts, too).
"""

import argparse
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from live_reference import OVERLAP, Shot, chains, read_clip
from scenes import overlap

from facecli.core.faces import Face
from facecli.core.paths import find_model
from facecli.detect.registry import build_detector
from facecli.infer.analyzer import Analyzer
from facecli.live.analyzer import LiveAnalyzer
from facecli.models.checkpoint import load_checkpoint
from facecli.models.litert import Predictor
from facecli.models.readout import expected_age

CLIPS = ("scene_cuts.mp4", "single_face.mp4", "face_then_no_face.mov")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--model", default="facenet_model")
    parser.add_argument("--least", type=int, default=10)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    predictor = Predictor(load_checkpoint(find_model(arguments.model)))
    print("| clip | detector | people (YuNet) | tracks | switches | raw age's deviation | shown | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for clip in CLIPS:
        shots = read_clip(arguments.clips / clip, arguments.weights)
        for detector in ("haar", "yunet"):
            analyzer = Analyzer(build_detector(detector, None, arguments.weights), predictor)
            print(f"| {clip} | {detector} | {row(shots, analyzer, arguments.least)} |", flush=True)


def row(shots: list[Shot], analyzer: Analyzer, least: int) -> str:
    live = LiveAnalyzer(analyzer)
    frames = [live.analyze(shot.image_rgb, shot.time_s) for shot in shots]
    raw, shown = defaultdict(list), defaultdict(list)
    for shot, faces in zip(shots, frames, strict=True):
        for face, age in zip(faces, raw_ages(shot.image_rgb, faces, analyzer), strict=True):
            raw[face.track].append(age)
            shown[face.track].append(face.age_years)
    long = [track for track in raw if len(raw[track]) >= least]
    people = [chain for chain in chains(shots) if len(chain) >= least]
    raw_years, shown_years = (deviation(ages, long) for ages in (raw, shown))
    switched = sum(switches(chain, frames) for chain in people)
    cells = len(people), f"{len(raw)} ({len(long)} of {least} frames)", switched
    ratio = f"{raw_years / shown_years:.1f}" if shown_years > raw_years / 100 else "over 100"
    years = f"{raw_years:.2f} | {shown_years:.2f} | {ratio}"
    return f"{' | '.join(map(str, cells))} | {years}"


def raw_ages(image_rgb: np.ndarray, faces: list[Face], analyzer: Analyzer) -> list[float]:
    boxes = np.array([face.box_xyxy for face in faces], np.int32).reshape(-1, 4)
    return expected_age(analyzer.predictor.predict(analyzer.cut(image_rgb, boxes))["age"]).tolist()


def deviation(ages: dict[int, list[float]], tracks: list[int]) -> float:
    """Years, over all frames of all tracks: the root of the mean square within tracks."""
    squares = [np.square(np.array(ages[track]) - np.mean(ages[track])) for track in tracks]
    return float(np.sqrt(np.concatenate(squares).mean())) if squares else float("nan")


def switches(chain: list, frames: list[list[Face]]) -> int:
    """How often the number of a person changes."""
    numbers = []
    for index, box in chain:
        fitting = [face for face in frames[index] if overlap(face.box_xyxy, box) >= OVERLAP]
        if fitting:
            numbers.append(max(fitting, key=lambda face: overlap(face.box_xyxy, box)).track)  # noqa: B023
    return sum(one != other for one, other in zip(numbers, numbers[1:], strict=False))


if __name__ == "__main__":
    main()
