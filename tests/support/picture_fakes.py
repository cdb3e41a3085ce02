"""Looks like items, analyzers and records; tests import it by name."""

import numpy as np

from facecli.core.faces import Face, FrameResult
from facecli.infer.analyzer import FoundFaces
from facecli.sinks.base import Record
from facecli.sources.files import Item

FACE = Face((1, 1, 9, 9), 0.5, 30.0, (20, 40), {"male": 0.25, "female": 0.75})


class OneFace:
    """Finds the same face in every picture, and remembers how many it read together."""

    detector = None

    def __init__(self, crop_side=4):
        self.crop_side, self.calls = crop_side, []

    def find(self, image_rgb):
        crops = np.zeros((1, self.crop_side, self.crop_side, 3), np.uint8)
        return FoundFaces(
            np.array([FACE.box_xyxy], np.int32), np.array([0.5], np.float32), None, None, (crops,)
        )

    def read(self, found):
        self.calls.append(len(found))
        return [[FACE] for _ in found]


def item(name, data=b""):
    return Item(name, name, lambda: data)


def record(source="a.jpg", faces=(FACE,), error=None, target_name=None, image_rgb=None):
    size = (None, None) if error else (30, 20)
    result = FrameResult(source, *size, tuple(faces), error=error)
    return Record(result, image_rgb, target_name or source)
