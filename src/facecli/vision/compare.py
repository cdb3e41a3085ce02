"""Several models look at the same boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from facecli.faces import Face
from facecli.models.checkpoint import Checkpoint
from facecli.vision.analyze import Analyzer, Found


class ComparingAnalyzer:
    """Finds faces once and lets every model read them, each with the crop that it was trained on.

    Its faces are those of the first model, which also decides what is no face; `by_model` holds
    what each says.
    """

    def __init__(self, analyzers: Mapping[str, Analyzer]) -> None:
        """Takes a name for each model's analyzer, two at least; they share the first's detector."""
        self._analyzers = dict(analyzers)
        self._first = next(iter(self._analyzers.values()))
        self.detector = self._first.detector
        self.show_rejected = self._first.show_rejected

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._analyzers)

    @property
    def checkpoints(self) -> dict[str, Checkpoint]:
        """The models that read, by their names here."""
        return {name: analyzer.predictor.checkpoint for name, analyzer in self._analyzers.items()}

    def analyze(self, image_rgb: np.ndarray) -> list[Face]:
        """Every face of a (H, W, 3) uint8 RGB picture, from left to right; [] without one."""
        return self.read([self.find(image_rgb)])[0]

    def find(self, image_rgb: np.ndarray) -> Found:
        """The boxes of a (H, W, 3) uint8 RGB picture, and every model's crops of them."""
        xyxy, scores = self.detector.detect(image_rgb)
        crops = tuple(analyzer.cut(image_rgb, xyxy) for analyzer in self._analyzers.values())
        return Found(xyxy, scores, crops)

    def read(self, found: Sequence[Found]) -> list[list[Face]]:
        """The faces of some pictures, as `Analyzer.read` gives them."""
        said = []
        for index, analyzer in enumerate(self._analyzers.values()):
            own = [one._replace(crops=(one.crops[index],)) for one in found]
            said.append(analyzer.read_all(own, gated=index == 0))
        merged = [self._merged(faces) for faces in zip(*said, strict=True)]
        return [self._first.shown(faces) for faces in merged]

    def _merged(self, by_model: Sequence[Sequence[Face]]) -> list[Face]:
        """One picture's faces: by_model holds each model's, in the same order."""
        return [
            faces[0]
            if faces[0].rejected
            else replace(faces[0], by_model=dict(zip(self.names, faces, strict=True)))
            for faces in zip(*by_model, strict=True)
        ]
