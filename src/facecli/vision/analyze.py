"""A picture becomes faces: detect, cut, predict, read out."""

import numpy as np

from facecli.crops import crop_face
from facecli.faces import Face
from facecli.labels import CLASS_NAMES
from facecli.models.readout import age_interval, expected_age
from facecli.vision.detect import Detector
from facecli.vision.predict import Predictor

_INTERVAL = 0.9


class Analyzer:
    """A detector and a network, with the crop that fits the one to the other."""

    def __init__(self, detector: Detector, predictor: Predictor, margin: float | None = None) -> None:
        """Takes the crop of this detector from the model's `config.json`.

        Args:
            detector: finds the boxes.
            predictor: reads the crops.
            margin: replaces the measured margin, a fraction of the box's side, above -0.5.

        Raises:
            CheckpointError: the model has no crop for this detector.
        """
        self.detector = detector
        self.predictor = predictor
        measured, self.shift_y = predictor.checkpoint.crop_of(detector.name)
        self.margin = measured if margin is None else margin

    def analyze(self, image_rgb: np.ndarray) -> list[Face]:
        """Every face of a (H, W, 3) uint8 RGB picture, from left to right; [] without one."""
        xyxy, scores = self.detector.detect(image_rgb)
        return read_out(xyxy, scores, self.predictor.predict(self.cut(image_rgb, xyxy)))

    def cut(self, image_rgb: np.ndarray, xyxy: np.ndarray) -> np.ndarray:
        """Crops of the boxes (n, 4) as the network takes them: (n, height, width, 3) uint8 RGB."""
        size = self.predictor.image_size
        crops = np.empty((len(xyxy), *size, 3), np.uint8)
        for crop, box in zip(crops, xyxy, strict=True):
            crop[:] = crop_face(image_rgb, box, self.margin, size, self.shift_y)
        return crops


def read_out(xyxy: np.ndarray, scores: np.ndarray, outputs: dict[str, np.ndarray]) -> list[Face]:
    """Faces from boxes (n, 4), scores (n,) and head -> probabilities (n, classes)."""
    ages = _ages(outputs["age"]) if "age" in outputs else [(None, None)] * len(xyxy)
    genders, races = (_named(outputs, head, len(xyxy)) for head in ("gender", "race"))
    return [
        Face(tuple(box), score, *age, gender, race)
        for box, score, age, gender, race in zip(
            xyxy.tolist(), scores.tolist(), ages, genders, races, strict=True
        )
    ]


def _ages(probabilities: np.ndarray) -> list[tuple[float, tuple[int, int]]]:
    low, high = age_interval(probabilities, _INTERVAL)
    years = expected_age(probabilities)
    return list(zip(years.tolist(), zip(low.tolist(), high.tolist(), strict=True), strict=True))


def _named(outputs: dict[str, np.ndarray], head: str, count: int) -> list[dict[str, float] | None]:
    if head not in outputs:
        return [None] * count
    return [dict(zip(CLASS_NAMES[head], row, strict=True)) for row in outputs[head].tolist()]
