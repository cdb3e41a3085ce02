"""The published weights facecli knows: addresses, checks, terms, places. Standard library only."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facecli.core import paths
from facecli.core.download import PublishedFile
from facecli.core.errors import WeightsError


@dataclass(frozen=True)
class WeightsFile(PublishedFile):
    """One of weights; `content` is the digest of the arrays in it, see `models.pretrained.content_digest`."""

    content: str | None = None


@dataclass(frozen=True)
class Weights:
    """A published model: what it is, on what terms, in which files (the preferred first)."""

    name: str
    about: str
    licence: str
    files: tuple[WeightsFile, ...]


# Computed over the float16 copy of the published arrays; float32 files round to the same.
_FACENET_CONTENT = "083558cf909153488b13145ca5a2630e1db4ca8b510bba690bcc010cf2459f1f"
_OPENCV_ZOO = (
    "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/",
    "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/",
)

WEIGHTS = {
    "facenet": Weights(
        "facenet",
        "FaceNet 20180402-114759, Inception-ResNet-v1 on VGGFace2, 512-d embedding",
        "code MIT; trained on VGGFace2, non-commercial research data",
        (
            WeightsFile(
                "facenet512_weights.h5",
                ("https://github.com/serengil/deepface_models/releases/download/v1.0/facenet512_weights.h5",),
                content=_FACENET_CONTENT,
            ),
            WeightsFile(
                "20180402-114759-vggface2.pt",
                (
                    "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
                    "20180402-114759-vggface2.pt",
                ),
                content=_FACENET_CONTENT,
            ),
            WeightsFile("facenet_20180402-114759-vggface2_fp16.npz", content=_FACENET_CONTENT),
        ),
    ),
    "mobilenet": Weights(
        "mobilenet",
        "MobileNet 224, VGGFace2 identities, then ages and genders (HSE University): a teacher",
        "Apache-2.0; trained on VGGFace2, non-commercial research data",
        (
            WeightsFile(
                "teacher_mobilenet_vggface2_agegender.pb",
                size=3_576_764,
                sha256="2a917c62e3a6cdd2d1556a86ae564dacb3704243048659d5d4d217933239dee3",
            ),
        ),
    ),
    "yunet": Weights(
        "yunet",
        "YuNet face detector for OpenCV",
        "MIT; trained on WIDER FACE, whose pictures are for non-commercial research",
        (
            WeightsFile(
                "face_detection_yunet_2023mar.onnx",
                tuple(f"{base}face_detection_yunet_2023mar.onnx" for base in _OPENCV_ZOO),
                size=232_589,
                sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            ),
            WeightsFile(
                "face_detection_yunet_2026may.onnx",
                tuple(f"{base}face_detection_yunet_2026may.onnx" for base in _OPENCV_ZOO),
                size=229_738,
                sha256="ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
            ),
        ),
    ),
}


def registered(name: str) -> Weights:
    """Registry entry of `name`. Raises WeightsError for an unknown name."""
    if name not in WEIGHTS:
        raise WeightsError(f"no weights '{name}'; known are {', '.join(WEIGHTS)}")
    return WEIGHTS[name]


def find_weights(name: str) -> Path | None:
    """Path of the weights `name` in the weights folder, None when they are not there."""
    return next((path for _, path in installed(name)), None)


def installed(name: str) -> Iterator[tuple[WeightsFile, Path]]:
    """Yields the files of `name` that lie in the weights folder, the preferred first."""
    for file in registered(name).files:
        path = paths.weights_dir() / file.file_name
        if path.is_file():
            yield file, path
