"""Several models look at the same boxes, and how often they say the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from facecli.core.attributes import NAMED_HEADS
from facecli.core.faces import Face
from facecli.detect.registry import detect_inside
from facecli.infer.analyzer import Analyzer, FoundFaces
from facecli.models.checkpoint import Checkpoint


@dataclass(frozen=True)
class Agreement:
    """How alike two models answered, counting the faces that both have such a head for.

    Attributes:
        faces: that both looked at.
        age_difference: mean absolute difference in years, or None.
        same: head -> share of equal labels in [0, 1].
    """

    faces: int
    age_difference: float | None
    same: Mapping[str, float]


class AgreementCount:
    """Adds up face by face; memory does not grow."""

    def __init__(self) -> None:
        """Has seen nothing yet."""
        self._faces = 0
        self._years = [0, 0.0]
        self._labels = {head: [0, 0] for head in NAMED_HEADS}

    def add(self, one: Face, other: Face) -> None:
        """Takes what two models say of a face."""
        self._faces += 1
        if one.age_years is not None and other.age_years is not None:
            self._years[0] += 1
            self._years[1] += abs(one.age_years - other.age_years)
        for head in (head for head in one.named_heads if head in other.named_heads):
            counts = self._labels.setdefault(head, [0, 0])
            counts[0] += 1
            counts[1] += one.likeliest_class(head) == other.likeliest_class(head)

    def result(self) -> Agreement:
        """What was seen so far."""
        count, total = self._years
        same = {head: equal / seen for head, (seen, equal) in self._labels.items() if seen}
        return Agreement(self._faces, total / count if count else None, same)


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

    @property
    def model(self) -> str:
        """What rows call the first model."""
        return self._first.model

    def analyze(self, image_rgb: np.ndarray) -> list[Face]:
        """Every face of a (H, W, 3) uint8 RGB picture, from left to right; [] without one."""
        return self.read([self.find(image_rgb)])[0]

    def find(self, image_rgb: np.ndarray) -> FoundFaces:
        """The boxes of a (H, W, 3) uint8 RGB picture, and every model's crops of them."""
        found = detect_inside(self.detector, image_rgb)
        every = self._analyzers.values()
        crops = tuple(analyzer.cut(image_rgb, found.xyxy, found.landmarks) for analyzer in every)
        return FoundFaces(*found, crops=crops)

    def read(self, found: Sequence[FoundFaces]) -> list[list[Face]]:
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
