"""How do the faces of other data sets lie in their pictures, beside UTKFace's chips?

    python benchmarks/source_crops.py --yunet face_detection_yunet.onnx \\
        utkface=data/UTKFace fer2013=data/fer2013/train fairface=data/fairface/train lfw=data/lfw

The first set is the measure. YuNet's eyes and mouth corners are found in random pictures of each
set, scaled to one size and put on a canvas that repeats the border. `crop_face(box, margin, shift_y)`
of the whole picture then shows the eyes as far apart and as high as in the first set: these are
the `crop` of the layouts in `facecli.data.layouts`, and of LFW what facenet_lfw.py cuts for a student.
Writes source_crops.md beside this file.
"""

import argparse
import random
from pathlib import Path

import cv2
import numpy as np

from facecli.core.images import find_images, load_image

SIDE, BORDER = 200, 60
HEAD = ("set", "faces", "eyes apart", "eyes x", "eyes y", "mouth y", "margin", "shift_y", "mouth y, cut so")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--yunet", required=True, help="ONNX file of YuNet")
    parser.add_argument("--count", type=int, default=600, help="random pictures of each set")
    arguments = parser.parse_args()
    detector = cv2.FaceDetectorYN.create(arguments.yunet, "", (SIDE + 2 * BORDER,) * 2, 0.5)
    rows = []
    for entry in arguments.sets:
        name, folder = entry.split("=", 1)
        files = find_images(Path(folder))
        random.Random(0).shuffle(files)
        found = [place for file in files[: arguments.count] if (place := eyes_and_mouth(detector, file))]
        rows.append((name, len(found), *np.median(found, axis=0)))
    text = table(rows)
    print(text)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


def eyes_and_mouth(detector: cv2.FaceDetectorYN, file: Path) -> tuple[float, float, float, float] | None:
    """Distance of the eyes, their middle x and y, the mouth's y, in sides; None without a face."""
    chip = cv2.resize(load_image(file), (SIDE, SIDE))
    canvas = cv2.copyMakeBorder(chip, *[BORDER] * 4, cv2.BORDER_REPLICATE)
    _, faces = detector.detect(cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR))
    if faces is None:
        return None
    points = (faces[0][4:14].reshape(5, 2) - BORDER) / SIDE
    middle = points[:2].mean(axis=0)
    return float(np.linalg.norm(points[0] - points[1])), *middle.tolist(), float(points[3:, 1].mean())


def table(rows: list[tuple]) -> str:
    _, _, apart, _, high, _ = rows[0]
    lines = ["# Faces in the pictures of other data sets", "", *__doc__.splitlines()[5:9], ""]
    lines += [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    for name, count, eyes, x, y, mouth in rows:
        side = eyes / apart
        top = y - high * side
        margin, shift_y = (side - 1) / 2, top + side / 2 - 0.5
        numbers = (eyes, x, y, mouth, margin, shift_y, (mouth - top) / side)
        lines.append(f"| {name} | {count} | {' | '.join(f'{value:.3f}' for value in numbers)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
