"""A picture becomes faces: detect, cut, predict, read out."""

from collections.abc import Mapping

import numpy as np

from facecli.crops import crop_face
from facecli.faces import NAMED_HEADS, Face
from facecli.labels import CLASS_NAMES, PRESENCE
from facecli.models.calibration import IDENTITY, Calibration
from facecli.models.readout import expected_age
from facecli.vision.detect import Detector, WholePicture
from facecli.vision.gate import mark_rejected
from facecli.vision.predict import Predictor


class Analyzer:
    """A detector and a network, with the crop that fits the one to the other."""

    def __init__(
        self,
        detector: Detector,
        predictor: Predictor,
        margin: float | None = None,
        show_rejected: bool = False,
    ) -> None:
        """Takes the crop of this detector from the model's `config.json`.

        Args:
            detector: finds the boxes.
            predictor: reads the crops.
            margin: replaces the measured margin, a fraction of the box's side, above -0.5.
            show_rejected: give also what the model takes for no face, marked `rejected`.

        Raises:
            CheckpointError: the model has no crop for this detector.
        """
        self.detector = detector
        self.predictor = predictor
        measured, self.shift_y = predictor.checkpoint.crop_of(detector.name)
        self.margin = measured if margin is None else margin
        self.show_rejected = show_rejected
        # Who says that the whole picture is a face is believed.
        searched = detector.name != WholePicture.name
        self.face_threshold = predictor.calibration.face_threshold if searched else None

    def analyze(self, image_rgb: np.ndarray) -> list[Face]:
        """Every face of a (H, W, 3) uint8 RGB picture, from left to right; [] without one."""
        xyxy, scores = self.detector.detect(image_rgb)
        outputs = self.predictor.predict(self.cut(image_rgb, xyxy))
        found = read_out(xyxy, scores, outputs, self.predictor.calibration)
        marked = mark_rejected(found, self.face_threshold)
        return marked if self.show_rejected else [face for face in marked if not face.rejected]

    def cut(self, image_rgb: np.ndarray, xyxy: np.ndarray) -> np.ndarray:
        """Crops of the boxes (n, 4) as the network takes them: (n, height, width, 3) uint8 RGB."""
        size = self.predictor.image_size
        crops = np.empty((len(xyxy), *size, 3), np.uint8)
        for crop, box in zip(crops, xyxy, strict=True):
            crop[:] = crop_face(image_rgb, box, self.margin, size, self.shift_y)
        return crops


def read_out(
    xyxy: np.ndarray,
    scores: np.ndarray,
    outputs: Mapping[str, np.ndarray],
    calibration: Calibration = IDENTITY,
) -> list[Face]:
    """Faces from boxes (n, 4), scores (n,) and head -> calibrated probabilities (n, classes)."""
    ages = _ages(outputs["age"], calibration) if "age" in outputs else [(None, None)] * len(xyxy)
    named = {head: _named(head, outputs[head]) for head in NAMED_HEADS if head in outputs}
    presence = _presence(outputs, len(xyxy))
    return [
        Face(
            tuple(box),
            score,
            *age,
            face_probability=presence[index],
            **{f"{head}_probabilities": rows[index] for head, rows in named.items()},
        )
        for index, (box, score, age) in enumerate(zip(xyxy.tolist(), scores.tolist(), ages, strict=True))
    ]


def _ages(probabilities: np.ndarray, calibration: Calibration) -> list[tuple[float, tuple[int, int]]]:
    low, high = calibration.age_interval(probabilities)
    years = expected_age(probabilities)
    return list(zip(years.tolist(), zip(low.tolist(), high.tolist(), strict=True), strict=True))


def _presence(outputs: Mapping[str, np.ndarray], count: int) -> list[float | None]:
    if "face" not in outputs:
        return [None] * count
    return outputs["face"][:, PRESENCE.index("face")].tolist()


def _named(head: str, probabilities: np.ndarray) -> list[dict[str, float]]:
    return [dict(zip(CLASS_NAMES[head], row, strict=True)) for row in probabilities.tolist()]
