"""Detectors side by side: milliseconds for pictures of several sizes, one thread each, in one run.

    python benchmarks/detectors.py --yunet-weights face_detection_yunet_*.onnx --pictures FOLDER

The picture is scikit-image's astronaut among noise, so that there is a face to be found. What detectors find
is measured by `facecli evaluate --model-type detector`, whose figures lie in statistics/detector. With
--pictures also pictures a second of whole `facecli run` processes, of 300 pictures as they are and enlarged.
Writes detectors.md beside this file.
"""

import argparse
import datetime
import functools
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from facecli.core.images import find_images, load_image, save_image
from facecli.core.paths import statistics_dir
from facecli.detect.registry import Detector, build_detector

OUTPUT = Path(__file__).resolve().with_suffix(".md")
SIZES = {
    "640 x 480": (480, 640),
    "1280 x 720": (720, 1280),
    "1920 x 1080": (1080, 1920),
    "4000 x 3000": (3000, 4000),
}
ROUNDS, BATCH = 15, 300


def processor() -> str:
    """Its kind, and what it has for whole numbers of 8 bits, on which the networks' time depends."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    names = {"avx512_vnni": "AVX512-VNNI", "avx_vnni": "AVX-VNNI", "avx2": "AVX2 alone"}
    best = next((name for flag, name in names.items() if flag in flags.split()), "no vector extension known")
    return f"{platform.machine()} with {best}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--yunet-weights", type=Path, required=True, help="face_detection_yunet_*.onnx")
    parser.add_argument("--pictures", type=Path, help="folder of real pictures")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    detectors = {
        "cnn": build_detector("cnn", {"threads": 1}),
        "cnn of videos": build_detector("cnn", {"threads": 1, "tiles": False}),
        "its search alone": build_detector("cnn", {"threads": 1, "tiles": False}, refine=False),
        "yunet": build_detector("yunet", weights=arguments.yunet_weights, refine=False),
        "haar": build_detector("haar", refine=False),
    }
    lines = [
        "# Detectors side by side",
        "",
        f"`python benchmarks/detectors.py --pictures face_boxes/pictures`, {datetime.date.today()}, "
        f"Python {platform.python_version()}, "
        f"{processor()}; one thread, medians of {arguments.rounds} rounds in "
        "turns, milliseconds a picture; in brackets the ratio to YuNet's.",
        "",
        *speed_rows(detectors, arguments.rounds),
        "",
        *(batch_lines(arguments.pictures) if arguments.pictures else ()),
        "## What they find",
        "",
        "Test splits, `facecli evaluate --model-type detector` (statistics/detector); precision leaves out "
        "what only the teacher sees and nobody marked, the raw one counts it as false.",
        "",
        *figure_rows(statistics_dir() / "detector"),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    OUTPUT.write_text(text, encoding="utf-8")


def speed_rows(detectors: dict[str, Detector], rounds: int) -> list[str]:
    rows = [f"| picture | {' | '.join(detectors)} |", f"|---|{'---|' * len(detectors)}"]
    for name, size in SIZES.items():
        picture = scene(size)
        times: dict[str, list[float]] = {key: [] for key in detectors}
        for _ in range(rounds + 1):
            for key, detector in detectors.items():
                times[key].append(timed(functools.partial(detector.detect, picture)))
        # The first round warms up.
        medians = {key: statistics.median(values[1:]) for key, values in times.items()}
        cells = [f"{1000 * value:.1f} ({value / medians['yunet']:.2f})" for value in medians.values()]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows


def batch_lines(folder: Path) -> list[str]:
    """Whole runs in turns, start-up and all: `facecli run --img FOLDER --json FILE --detector NAME`."""
    lines = [
        "## Whole runs",
        "",
        "300 pictures, medians of 3 runs in turns, pictures a second, start-up and all.",
        "",
    ]
    lines += ["| longer side | cnn (default) | haar | ratio |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as place:
        for name, side in (("as they are (448 at most)", None), ("1600", 1600)):
            pictures = Path(place, str(side))
            copy_pictures(folder, pictures, side)
            times: dict[str, list[float]] = {"cnn": [], "haar": []}
            for _ in range(3):
                for key in times:
                    command = [sys.executable, "-m", "facecli", "run", "--img", str(pictures)]
                    command += ["--detector", key, "--json", str(Path(place, "rows.jsonl")), "--overwrite"]
                    times[key].append(
                        timed(
                            functools.partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
                        )
                    )
            cnn, haar = (BATCH / statistics.median(values) for values in times.values())
            lines.append(f"| {name} | {cnn:.1f} | {haar:.1f} | {cnn / haar:.2f} |")
    return [*lines, ""]


def copy_pictures(folder: Path, target: Path, side: int | None) -> None:
    """BATCH pictures, enlarged to a longer side when one is given."""
    target.mkdir()
    for path in find_images(folder)[:BATCH]:
        image = load_image(path)
        if side is not None:
            scale = side / max(image.shape[:2])
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        save_image(target / f"{path.stem}.jpg", image)


def scene(size: tuple[int, int]) -> np.ndarray:
    """(height, width, 3) uint8: the astronaut in the middle of grey noise."""
    height, width = size
    image = np.random.default_rng(0).integers(90, 160, (height, width, 3)).astype(np.uint8)
    portrait = cv2.resize(data.astronaut(), (height // 2, height // 2), interpolation=cv2.INTER_AREA)
    top, left = height // 4, (width - height // 2) // 2
    image[top : top + height // 2, left : left + height // 2] = portrait
    return image


def timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def figure_rows(folder: Path) -> list[str]:
    head = [
        "detector", "set", "faces", "found, %", "16-32 px", "32-64 px", "64 px on", "precision, %", "raw, %",
        "AP at 0.5", "pictures without a face that have one", "landmarks off by",
    ]  # fmt: skip
    rows = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for path in sorted(folder.glob("*/*/metrics.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        shares = [
            found["found"],
            *found["found_by_size"].values(),
            found["precision"],
            found["precision_raw"],
        ]
        empty, error = found["of_these_with_a_false_face"], found["landmark_error"]
        cells = [
            path.parent.parent.name, path.parent.name, f"{found['faces']:,}", *map(percent, shares),
            f"{found['average_precision']:.3f}",
            f"{percent(empty)} of {found['pictures_without_a_face']}" if empty else "-",
            f"{100 * error['mean']:.1f} %" if error else "-",
        ]  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def percent(share: list[float] | None) -> str:
    if share is None:
        return "-"
    value, low, high = (100 * one for one in share)
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
