"""Verification accuracy of the FaceNet trunk on LFW pairs.

    PYTHONPATH=src python benchmarks/facenet_lfw.py [--weights FILE | --student FOLDER] [--lfw ARCHIVE]

The threshold on cosine similarity is chosen on nine tenths of the pairs and judged on the
other tenth, ten times; same and different pairs are spread evenly over the tenths. The
picture is cut around its centre (deep-funneled LFW has the face there) and resized by
`core.crops.crop_face`. Exit code 1 when the accuracy of the main setting is under 99 % (a student's: 97 %).
"""

import argparse
import sys
import tarfile
from pathlib import Path

import cv2
import keras
import numpy as np

from facecli.core.crops import crop_face
from facecli.models.checkpoint import load_checkpoint
from facecli.models.pretrained import load_facenet
from facecli.training.save import load_network

SHARED = Path(__file__).resolve().parents[2] / "shared"
TARGET, STUDENT_TARGET = 0.99, 0.97
FOLDS = 10
# (share of the side that is kept, shift_y of `crop_face`, embeddings of picture and mirror image summed);
# the first counts.
SETTINGS = ((0.66, 0, False), (0.66, 0, True), (0.60, 0, False), (0.72, 0, False), (0.80, 0, False))
# A student sees UTKFace's chips, which are tighter: eyes as far apart and as high (source_crops.md).
STUDENT_SETTINGS = (
    (0.44, 0.043, False),
    (0.44, 0.043, True),
    (0.40, 0.043, False),
    (0.48, 0.043, False),
    (0.44, 0, False),
    (0.66, 0, False),
)

Pair = tuple[str, str, bool]


def main() -> None:
    """Prints a Markdown table, one row a setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--weights", type=Path, default=SHARED / "weights" / "facenet_20180402-114759-vggface2_fp16.npz"
    )
    parser.add_argument("--student", type=Path, help="model folder of a distilled embedding")
    parser.add_argument("--lfw", type=Path, default=SHARED / "data" / "lfw_fold1.tar.gz")
    arguments = parser.parse_args()

    images, pairs = read_lfw(arguments.lfw)
    name, model, settings, target = chosen(arguments)
    same = np.array([pair[2] for pair in pairs])
    print(
        f"{name}, {len(images)} pictures, {len(pairs)} pairs ({same.sum()} same), "
        f"keras {keras.__version__} on {keras.backend.backend()}\n"
    )
    print("| crop | moved down | mirrored too | accuracy | std over tenths | errors | threshold (cosine) |")
    print("|---|---|---|---|---|---|---|")
    results = []
    for share, shift_y, mirrored in settings:
        embeddings = embed(model, images, share, shift_y, mirrored)
        similarity = np.array([embeddings[a] @ embeddings[b] for a, b, _ in pairs])
        folds, thresholds = cross_validate(similarity, same)
        results.append(folds.mean())
        errors = round((1 - folds.mean()) * len(pairs))
        print(
            f"| {share:.2f} | {shift_y} | {'yes' if mirrored else 'no'} "
            f"| {folds.mean():.4f} | {folds.std():.4f} | {errors} "
            f"| {thresholds.min():.3f} to {thresholds.max():.3f} |"
        )
    if results[0] < target:
        sys.exit(f"accuracy {results[0]:.4f} is under {target}")


def chosen(arguments: argparse.Namespace) -> tuple[str, keras.Model, tuple, float]:
    """Name, network with the output "embedding", settings and target of what is measured."""
    if arguments.student is None:
        return arguments.weights.name, load_facenet(arguments.weights), SETTINGS, TARGET
    network = load_network(load_checkpoint(arguments.student))
    return arguments.student.name, network, STUDENT_SETTINGS, STUDENT_TARGET


def read_lfw(archive: Path) -> tuple[dict[str, np.ndarray], list[Pair]]:
    """Pictures as (H, W, 3) uint8 RGB by name, and pairs (name, name, same person)."""
    images, lines = {}, []
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.endswith(".jpg"):
                data = np.frombuffer(tar.extractfile(member).read(), np.uint8)
                images[Path(member.name).stem] = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
            elif member.name.endswith(".txt"):
                lines = tar.extractfile(member).read().decode().splitlines()
    return images, [_pair(line.split("\t")) for line in lines[1:]]


def _pair(fields: list[str]) -> Pair:
    first, second = (fields[0], fields[1]), (fields[-2] if len(fields) == 4 else fields[0], fields[-1])
    return f"{first[0]}_{int(first[1]):04d}", f"{second[0]}_{int(second[1]):04d}", len(fields) == 3


def embed(
    model: keras.Model, images: dict[str, np.ndarray], share: float, shift_y: float, mirrored: bool
) -> dict[str, np.ndarray]:
    """Embeddings of length 1 by picture name."""
    margin = (share - 1) / 2
    size = model.input.shape[1:3]
    crops = np.stack(
        [crop_face(image, (0, 0, *image.shape[1::-1]), margin, size, shift_y) for image in images.values()]
    )
    embeddings = model.predict(crops, batch_size=32, verbose=0)["embedding"].astype(np.float32)
    if mirrored:
        embeddings = embeddings + model.predict(crops[:, :, ::-1], batch_size=32, verbose=0)["embedding"]
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return dict(zip(images, embeddings, strict=True))


def cross_validate(similarity: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy on each held-out fold, and the threshold that the other folds chose for it."""
    fold = np.empty(len(same), int)
    for kind in (True, False):
        index = np.flatnonzero(same == kind)
        fold[index] = np.arange(len(index)) % FOLDS
    thresholds = np.array([_best_threshold(similarity[fold != k], same[fold != k]) for k in range(FOLDS)])
    accuracies = [((similarity > t) == same)[fold == k].mean() for k, t in enumerate(thresholds)]
    return np.array(accuracies), thresholds


def _best_threshold(similarity: np.ndarray, same: np.ndarray) -> float:
    candidates = np.linspace(-1, 1, 2001)
    accuracy = ((similarity[None] > candidates[:, None]) == same).mean(axis=1)
    return float(np.median(candidates[accuracy == accuracy.max()]))


if __name__ == "__main__":
    main()
