"""End to end, as `facecli run` works: picture -> face box -> crop -> prediction, beside whole chips.

    python benchmarks/real_pictures.py --data-path data/UTKFace --fairface-path data/fairface \\
        --model-type facenet normal

1. Test chips of UTKFace pasted into scenes drawn by code (scenes.py), found by cnn and by Haar, beside the
   same chips read whole (detector none).
2. FairFace's pictures: read whole; found by cnn, and with --yunet-weights by YuNet, and laid upright by
   their landmarks, as `facecli run` does; by the boxes of cnn alone; found by Haar; and turned by 20, 40, 90
   and 180 degrees. Its ages are bins.
3. Webcam copies of the test chips at three severities (webcam.py), read whole, beside the clean ones.

Only pictures of the test splits are shown. Writes real_pictures.md beside this file; with --limit it
only prints, unless --output is given.
"""

import argparse
import datetime
import importlib.metadata
import platform
import random
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tomllib
from picture_scores import Answers, fairface_rows, found_rows, webcam_rows
from scenes import SCENE_HEIGHT, SCENE_WIDTH, SURROUNDINGS, build_scene, overlap
from webcam import SEVERITIES, degrade

from facecli.cli.training_options import DEFAULT_SEED
from facecli.core.faces import Face
from facecli.core.images import load_image
from facecli.core.paths import MODEL_TYPES, find_model
from facecli.data.boxes import open_boxes, split_of
from facecli.detect.registry import Detector, build_detector, may_refine
from facecli.infer.analyzer import Analyzer, crop_for
from facecli.models.checkpoint import Checkpoint, load_checkpoint
from facecli.models.litert import Predictor
from facecli.training.prepare import PreparedData, prepare_data

OUTPUT = Path(__file__).resolve().with_suffix(".md")
RECIPE = OUTPUT.parent.parent / "docs" / "recipes" / "detector-2.toml"
SEED = 20
FOUND_BY = ("none", "cnn", "haar")
ANGLES = (20, 40, 90, 180)
"""Degrees by which pictures are turned."""
FEWEST_OVERLAP = 0.3
"""A box that shares less of its union with the chip is not the chip's face."""
PACKAGES = ("ai-edge-litert", "opencv-python", "numpy")


def main() -> None:
    arguments = parse()
    checkpoints = [load_checkpoint(find_model(f"{name}_model")) for name in arguments.model_type]
    seeds = {checkpoint.config["seed"] for checkpoint in checkpoints}
    if len(seeds) > 1:
        raise SystemExit("these models were trained on different splits; measure them one by one")
    seed = seeds.pop()
    utkface = prepare_data(arguments.data_path, seed)
    fairface = prepare_data(arguments.fairface_path, seed) if arguments.fairface_path else None
    lines = ["# Real pictures, not only chips", "", *conditions(utkface, fairface, arguments.limit)]
    for checkpoint in checkpoints:
        predictor = Predictor(checkpoint)
        analyzers = {name: Analyzer(detector_for(name, checkpoint), predictor) for name in FOUND_BY}
        by_box, _ = crop_for(checkpoint, analyzers["cnn"].detector)
        analyzers["cnn by box"] = Analyzer(analyzers["cnn"].detector, predictor, by_box)
        if arguments.yunet_weights:
            analyzers["yunet"] = Analyzer(build_detector("yunet", None, arguments.yunet_weights), predictor)
        lines += ["", f"## `{checkpoint.name}`", ""]
        lines += utkface_section(test_rows(utkface, arguments.limit), utkface.folder, analyzers)
        if fairface:
            rows = test_rows(fairface, arguments.limit, unknown_to_detector(fairface))
            lines += fairface_section(rows, fairface.folder, analyzers)
    text = "\n".join(lines) + "\n"
    print(text)
    output = arguments.output or (None if arguments.limit else OUTPUT)
    if output:
        output.write_text(text, encoding="utf-8")


def detector_for(name: str, checkpoint: Checkpoint) -> Detector:
    """As `facecli run` builds it: with a model of free terms Haar's boxes have no landmarks."""
    return build_detector(name, refine=may_refine(name, [checkpoint.config]))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model-type", nargs="+", choices=MODEL_TYPES, default=["facenet"])
    parser.add_argument("--data-path", type=Path, default=Path("data/UTKFace"))
    parser.add_argument("--fairface-path", type=Path, help="leave FairFace out without it")
    parser.add_argument("--yunet-weights", type=Path, help="face_detection_yunet_*.onnx")
    parser.add_argument("--limit", type=int, help="that many random pictures of each test split")
    parser.add_argument("--output", type=Path, help=f"[default: {OUTPUT.name} beside this file]")
    return parser.parse_args()


def test_rows(data: PreparedData, limit: int | None, chosen: np.ndarray | None = None) -> pd.DataFrame:
    frame = data.frame.iloc[data.rows("test")]
    if chosen is not None:
        frame = frame[chosen[data.rows("test")]]
    return frame.sample(limit, random_state=0) if limit and limit < len(frame) else frame


def unknown_to_detector(data: PreparedData) -> np.ndarray:
    """(n,) bool: the detector has not learnt from that picture. Its splits are others than the models'."""
    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    pictures = random.Random(DEFAULT_SEED).sample(list(open_boxes(data.folder).pictures), recipe["limit"])
    learnt = {one.file for one in pictures if split_of(one.group, DEFAULT_SEED) == "train"}
    return np.array([(data.folder / file).resolve() not in learnt for file in data.frame["file"]])


def utkface_section(frame: pd.DataFrame, folder: Path, analyzers: dict[str, Analyzer]) -> list[str]:
    """Tables of the scenes and of the webcam copies."""
    chips = [load_image(folder / file) for file in frame["file"]]
    clean = Answers(frame, only_faces(analyzers["none"], chips))
    places = np.resize(list(SURROUNDINGS), len(chips))
    seen = {
        name: Answers(
            frame, [face_in_scene(analyzers[name], *work) for work in enumerate_with(chips, places)]
        )
        for name in ("cnn", "haar")
    }
    degraded = {}
    for name, severity in SEVERITIES.items():
        random = np.random.default_rng(SEED)
        copies = (degrade(chip, severity, random) for chip in chips)
        degraded[name] = Answers(frame, only_faces(analyzers["none"], copies))
    return [
        *(
            line
            for name, answers in seen.items()
            for line in (
                f"### Chips in larger scenes, found by {name}",
                "",
                *found_rows(answers, clean, places),
                "",
            )
        ),
        "### Webcam copies, read whole",
        "",
        *webcam_rows(degraded, clean),
        "",
    ]


def fairface_section(frame: pd.DataFrame, folder: Path, analyzers: dict[str, Analyzer]) -> list[str]:
    pictures = [load_image(folder / file) for file in frame["file"]]
    whole = Answers(frame, only_faces(analyzers["none"], pictures))
    cuts = {
        name: Answers(frame, [middle_face(analyzers[name], picture) for picture in pictures])
        for name in ("cnn", "cnn by box", "yunet", "haar")
        if name in analyzers
    }
    for degrees in ANGLES:
        faces = [middle_face(analyzers["cnn"], turned(picture, degrees)) for picture in pictures]
        cuts[f"cnn, turned by {degrees}"] = Answers(frame, faces)
    return ["### FairFace", "", *fairface_rows(whole, cuts)]


def turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    """The picture turned clockwise about its middle; edges repeat, nothing is cut off."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0)
    side = int(np.ceil(np.hypot(height, width)))
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    return cv2.warpAffine(picture, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)


def enumerate_with(chips: list[np.ndarray], places: Iterable[str]) -> Iterable[tuple[np.ndarray, str, int]]:
    """(chip, surrounding, number) of each."""
    return zip(chips, places, range(len(chips)), strict=True)


def only_faces(analyzer: Analyzer, pictures: Iterable[np.ndarray]) -> list[Face | None]:
    """The one face of each whole picture; None where the model refused it."""
    return [next(iter(analyzer.analyze(picture)), None) for picture in pictures]


def face_in_scene(analyzer: Analyzer, chip: np.ndarray, place: str, number: int) -> Face | None:
    """The face where the chip was pasted; None when no box lies there."""
    scene = build_scene(chip, place, np.random.default_rng((SEED, number)))
    return best_face(analyzer, scene.image_rgb, lambda box: overlap(box, scene.chip_xyxy), FEWEST_OVERLAP)


def middle_face(analyzer: Analyzer, picture: np.ndarray) -> Face | None:
    """The face nearest to the middle of the picture."""
    middle = np.array(picture.shape[1::-1]) / 2
    return best_face(analyzer, picture, lambda box: -np.abs(np.add(box[:2], box[2:]) / 2 - middle).sum())


def best_face(
    analyzer: Analyzer, picture: np.ndarray, worth: Callable[[tuple], float], least: float = -np.inf
) -> Face | None:
    faces = analyzer.analyze(picture)
    best = max(faces, key=lambda face: worth(face.box_xyxy), default=None)
    return best if best is not None and worth(best.box_xyxy) >= least else None


def conditions(utkface: PreparedData, fairface: PreparedData | None, limit: int | None) -> list[str]:
    """What was measured, on what, how: a list in Markdown."""
    severities = "; ".join(
        f"{name}: sides to {row.scale[0]:.2f}-{row.scale[1]:.2f} and back, blur sigma {row.blur_sigma}, "
        f"noise sigma {row.noise_sigma:.0f}, JPEG {row.jpeg_quality}, channels off by up to "
        f"{row.colour_cast:.0%}"
        for name, row in SEVERITIES.items()
    )
    drawn = f"{limit} random pictures of each test split" if limit else "the whole test splits"
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    lines = [
        f"`python benchmarks/real_pictures.py {shlex.join(sys.argv[1:])}`, {datetime.date.today()}, "
        f"Python {platform.python_version()}, {versions}.",
        "",
        f"- Pictures: {drawn}; UTKFace {len(utkface.rows('test')):,} (digest `{utkface.digest[:12]}`)"
        + (f", FairFace {len(fairface.rows('test')):,} (digest `{fairface.digest[:12]}`)" if fairface else "")
        + ". No picture was trained on; one pass, LiteRT, no test-time augmentation.",
        f"- Scenes: {SCENE_WIDTH}x{SCENE_HEIGHT}, the 200x200 chip at a random place, surroundings "
        f"{', '.join(SURROUNDINGS)} in turn. A face is found when a box overlaps the chip by "
        f"{FEWEST_OVERLAP:.0%} of their union. The chip cuts hair and chin off, which real pictures do not.",
        f"- Webcam copies: {severities}.",
    ]
    if fairface:
        lines.append(
            "- FairFace: those of the test pictures that the detector has not learnt from either; whole "
            "224x224 crops with margin 0.25; a prediction is in its bin when it rounds to a year of it. "
            "Races fold into five (Latino and Middle Eastern are `other`)."
        )
    return [*lines, "- Differences are of the same faces, in brackets 95 % bootstrap intervals."]


if __name__ == "__main__":
    main()
