"""How many faces the live search finds, and in what time, beside Haar as the ancestor calls it.

    python benchmarks/live_recall.py ../shared/clips ../shared/weights/face_detection_yunet_2026may.onnx

Reference: every face that YuNet sees with a score of 0.8 or more, 40 pixels a side or larger. A
face is found by a box that overlaps it by 0.4. Haar: `haarcascade_frontalface_alt2.xml`, 1.05/5,
on the whole frame. Times are CPU times of one thread, of detection and tracking alone, all
methods frame by frame in turn. Prints benchmarks/live_recall.md.
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from live_reference import Shot, false_boxes, found, read_clip

from facecli.core.paths import find_cascade, find_model
from facecli.detect.registry import build_detector
from facecli.infer.analyzer import Analyzer
from facecli.live.analyzer import LiveAnalyzer
from facecli.models.checkpoint import load_checkpoint
from facecli.models.litert import Predictor

LIVE_CNN = {"tiles": False}
"""What `facecli run --video` tells the network."""
CLIPS = ("scene_cuts.mp4", "single_face.mp4", "face_then_no_face.mov", "no_face.mp4")


class Ancestor:
    """Haar at 1.05/5 on the whole frame."""

    def __init__(self) -> None:
        self._cascade = cv2.CascadeClassifier(str(find_cascade()))

    def boxes(self, image_rgb: np.ndarray, time_s: float) -> list:
        grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
        return [(x, y, x + w, y + h) for x, y, w, h in self._cascade.detectMultiScale(grey, 1.05, 5)]


class PictureByPicture:
    """`facecli run` on pictures: Haar at its defaults, no memory."""

    def __init__(self) -> None:
        self._detector = build_detector("haar")

    def boxes(self, image_rgb: np.ndarray, time_s: float) -> list:
        return self._detector.detect(image_rgb)[0].tolist()


class Live:
    """`facecli run --video`, without the time that the network takes."""

    def __init__(self, model: str, detector: str, weights: Path) -> None:
        predictor = Predictor(load_checkpoint(find_model(model)), 1)
        options = LIVE_CNN if detector == "cnn" else None
        found = build_detector(detector, options, None if options else weights, threads=1)
        self._live = LiveAnalyzer(Analyzer(found, predictor))
        self._predict = predictor.predict
        predictor.predict = self._timed
        self.network_s = 0.0

    def _timed(self, crops: np.ndarray) -> dict:
        start = time.thread_time()
        outputs = self._predict(crops)
        self.network_s += time.thread_time() - start
        return outputs

    def boxes(self, image_rgb: np.ndarray, time_s: float) -> list:
        return [face.box_xyxy for face in self._live.analyze(image_rgb, time_s)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--model", default="facenet_model")
    parser.add_argument("--step", type=int, default=1, help="Haar at 1.05/5 sees every so many frames.")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    print("| clip | method | faces | found | share | false boxes | ms a frame | of Haar's time |")
    print("|---|---|---|---|---|---|---|---|")
    total: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(4))
    frames = 0
    for clip in CLIPS:
        shots = read_clip(arguments.clips / clip, arguments.weights)
        measured = measure(shots, arguments)
        for method, numbers in measured.items():
            total[method] += numbers
        frames += len(shots)
        print_rows(clip, measured, len(shots))
    print_rows("all", total, frames)


def measure(shots: list[Shot], arguments: argparse.Namespace) -> dict[str, np.ndarray]:
    """Method -> faces, found, false boxes, seconds; a slow method's counts are scaled up."""
    methods = {
        "Haar 1.05/5": (Ancestor(), arguments.step),
        "picture by picture": (PictureByPicture(), arguments.step),
        "live, cnn": (Live(arguments.model, "cnn", arguments.weights), 1),
        "live, haar": (Live(arguments.model, "haar", arguments.weights), 1),
        "live, yunet": (Live(arguments.model, "yunet", arguments.weights), 1),
    }
    numbers = {name: np.zeros(5) for name in methods}
    for index, shot in enumerate(shots):
        for name, (method, step) in methods.items():
            if index % step:
                continue
            start = time.thread_time()
            boxes = method.boxes(shot.image_rgb, shot.time_s)
            passed_s = time.thread_time() - start
            seen = len(shot.faces), found(shot.faces, boxes), false_boxes(shot.candidates, boxes)
            numbers[name] += (*seen, passed_s, 1)
    for name, (method, _) in methods.items():
        numbers[name][3] -= getattr(method, "network_s", 0.0)
    return {name: values[:4] * len(shots) / values[4] for name, values in numbers.items()}


def print_rows(clip: str, measured: dict[str, np.ndarray], frames: int) -> None:
    haar_s = measured["Haar 1.05/5"][3]
    for method, (faces, hits, wrong, seconds) in measured.items():
        share = f"{hits / faces:.2f}" if faces else ""
        cells = clip, method, f"{faces:.0f}", f"{hits:.0f}", share, f"{wrong:.0f}"
        print(f"| {' | '.join(cells)} | {1000 * seconds / frames:.1f} | {seconds / haar_s:.2f} |", flush=True)


if __name__ == "__main__":
    main()
