"""What `quality` says of a face: how often labels are right, by quality.

    python benchmarks/quality.py --fairface-path data/fairface --model-type facenet open normal

FairFace's pictures of the test split that neither model nor detector has learnt from, as they are, blurred,
shrunk, turned by any angle, half covered and dark, searched and read as `facecli run` does. Ages are bins.
Writes quality.md beside this file; with --limit it only prints.
"""

import argparse
import datetime
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from picture_scores import Answers, markdown, years_outside
from real_pictures import middle_face, test_rows, turned, unknown_to_detector

from facecli.core.images import load_image
from facecli.core.paths import MODEL_TYPES, find_model
from facecli.detect.registry import build_detector
from facecli.infer.analyzer import Analyzer
from facecli.models.checkpoint import load_checkpoint
from facecli.models.litert import Predictor
from facecli.training.metrics import mean_interval
from facecli.training.prepare import prepare_data

OUTPUT = Path(__file__).resolve().with_suffix(".md")
BANDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model-type", nargs="+", choices=MODEL_TYPES, default=["facenet"])
    parser.add_argument("--fairface-path", type=Path, default=Path("data/fairface"))
    parser.add_argument("--limit", type=int, help="that many random pictures of the test split")
    arguments = parser.parse_args()
    lines = [
        "# Labels by quality",
        "",
        f"`python benchmarks/quality.py {shlex.join(sys.argv[1:])}`, {datetime.date.today()}. Each picture "
        "once, as it is or made worse in one of six ways, by turns. In brackets 95 % bootstrap intervals.",
    ]
    detector = build_detector("cnn")
    for name in arguments.model_type:
        checkpoint = load_checkpoint(find_model(f"{name}_model"))
        data = prepare_data(arguments.fairface_path, checkpoint.config["seed"])
        frame = test_rows(data, arguments.limit, unknown_to_detector(data))
        analyzer = Analyzer(detector, Predictor(checkpoint), show_rejected=False)
        pictures = worsened(load_image(data.folder / file) for file in frame["file"])
        faces = [middle_face(analyzer, picture) for picture in pictures]
        lines += ["", f"## `{checkpoint.name}`", "", *table(Answers(frame, faces), faces)]
    text = "\n".join(lines) + "\n"
    print(text)
    if not arguments.limit:
        OUTPUT.write_text(text, encoding="utf-8")


def worsened(pictures: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Each picture in one of seven ways."""
    random = np.random.default_rng(1)
    for number, picture in enumerate(pictures):
        kind = number % 7
        if kind == 1:
            picture = cv2.GaussianBlur(picture, (0, 0), random.uniform(1, 8))
        elif kind in (2, 3):
            side = int(np.exp(random.uniform(np.log(28), np.log(200))))
            picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        elif kind == 4:
            picture = turned(picture, random.uniform(-180, 180))
        elif kind == 5:
            picture = picture.copy()
            size = (np.array(picture.shape[:2]) * random.uniform(0.2, 0.5, 2)).astype(int)
            top, left = random.integers(0.2 * np.array(picture.shape[:2]), 0.5 * np.array(picture.shape[:2]))
            picture[top : top + size[0], left : left + size[1]] = random.integers(0, 256, 3)
        elif kind == 6:
            picture = np.clip(picture * random.uniform(0.05, 0.5), 0, 255).astype(np.uint8)
        yield picture


def table(answers: Answers, faces: list) -> list[str]:
    quality = np.array([np.nan if face is None or face.quality is None else face.quality for face in faces])
    outside = years_outside(answers)
    rows = []
    for low, high in zip(BANDS, BANDS[1:], strict=False):
        here = (quality >= low) & (quality < high + (high == 1))
        cells = [cell(answers.errors[head][here], 100, 1) for head in ("gender", "race")]
        age = cell(outside[here], 1, 2)
        rows.append([f"{low:.1f} to {high:.1f}", f"{int(here.sum()):,}", cells[0], cells[1], age])
    head = ["quality", "faces", "gender right, %", "race right, %", "years outside the bin"]
    missing = int(np.isnan(quality).sum())
    return [*markdown(head, rows), "", f"Not found, or taken for no face: {missing:,}."]


def cell(values: np.ndarray, factor: float, digits: int) -> str:
    values = factor * values[np.isfinite(values)]
    if len(values) < 2:
        return "-"
    low, high = mean_interval(values)
    return f"{values.mean():.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


if __name__ == "__main__":
    main()
