"""A closer look at each face that a detector found: its landmarks, whatever way the head is turned.

Each look is laid upright by what is known by then, and tells landmarks more exactly than a search of the
whole picture could; the network also says how far off it expects to be.
"""

from typing import NamedTuple

import numpy as np

from facecli.core.arrays import Array
from facecli.core.crops import (
    CLOSEUP_OUTPUTS,
    CLOSEUP_SIDE,
    closeup_of_box,
    decode_error,
    decode_points,
    upright_closeup,
    warp,
)
from facecli.core.errors import CheckpointError
from facecli.core.paths import find_model
from facecli.core.process import quiet_stderr
from facecli.core.recipes import LANDMARKS, LANDMARKS_MODEL
from facecli.models.checkpoint import LITERT_FILE, load_finder
from facecli.models.litert import open_network

_SURE = 0.08
"""Landmarks that are expected to be less far off are not looked at again."""


class CloseLook(NamedTuple):
    """What is seen of each face.

    Attributes:
        landmarks: (n, 5, 2) float32 pixels, see `detect.registry.Detections`.
        errors: (n,) float32, how far off these are to be, in distances between the eyes.
        faces: (n,) float32 in [0, 1], is it a face?
    """

    landmarks: Array
    errors: Array
    faces: Array


class LandmarkFinder:
    """Looks closer with the network of one folder. For one thread."""

    def __init__(self, name: str = LANDMARKS_MODEL, threads: int | None = None) -> None:
        """Loads the network once.

        Raises:
            CheckpointError: no such folder, or its files are damaged or of another network.
        """
        checkpoint = load_finder(find_model(name), LANDMARKS)
        self._runner = open_network(checkpoint, threads)
        path = checkpoint.folder / LITERT_FILE
        try:
            with quiet_stderr():
                found = self._runner(image=np.zeros((1, CLOSEUP_SIDE, CLOSEUP_SIDE, 3), np.uint8))
        except (ValueError, RuntimeError, KeyError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise CheckpointError(f"{path} does not find landmarks ({reason})") from error
        if {name: values.shape for name, values in found.items()} != {
            name: (1, values) for name, values in CLOSEUP_OUTPUTS.items()
        }:
            raise CheckpointError(f"{path} does not have the outputs of a landmark network")

    def find(
        self,
        image_rgb: Array,
        xyxy: Array,
        crop: tuple[float, float],
        landmarks: Array | None = None,
    ) -> CloseLook:
        """Looks at each face until its landmarks are sure, three times more at most.

        Args:
            image_rgb: (H, W, 3) uint8.
            xyxy: (n, 4) pixels; n may be 0.
            crop: (margin, shift_y) with which the boxes are chips, see `core.crops.crop_face`.
            landmarks: (n, 5, 2) pixels, what the detector thinks; the first look is laid upright by them.
        """
        if not len(xyxy):
            nothing = np.empty(0, np.float32)
            return CloseLook(np.empty((0, 5, 2), np.float32), nothing, nothing)
        by_box = np.stack([closeup_of_box(box, *crop) for box in xyxy])
        best = self._look(image_rgb, by_box if landmarks is None else _upright(landmarks, by_box))
        doubtful = np.flatnonzero(best.errors >= (_SURE if landmarks is not None else 0))
        if not len(doubtful):
            return best
        boxes = by_box[doubtful]
        starts = [_of(best, doubtful).landmarks]
        if landmarks is not None:
            # Of a head that is turned far a detector's landmarks may be upside down.
            anew = self._look(image_rgb, boxes)
            best = _better(best, anew, doubtful)
            starts.append(anew.landmarks)
        for start in starts:
            best = _better(best, self._look(image_rgb, _upright(start, boxes)), doubtful)
        return best

    def _look(self, image_rgb: Array, maps: Array) -> CloseLook:
        """One look through maps (n, 2, 3) from the picture to close-ups."""
        closeups = np.stack([warp(image_rgb, one, (CLOSEUP_SIDE, CLOSEUP_SIDE)) for one in maps])
        found = self._runner(image=closeups)
        points = decode_points(found["landmarks"]) - maps[:, None, :, 2]
        # The way back of a similarity.
        back = np.linalg.inv(maps[:, :, :2]).astype(np.float32)
        landmarks = np.einsum("nij,nkj->nki", back, points)
        faces = 1 / (1 + np.exp(-np.asarray(found["face"], np.float32).reshape(-1)))
        return CloseLook(landmarks.astype(np.float32), decode_error(found["error"]), faces)


def _upright(landmarks: Array, otherwise: Array) -> Array:
    """Maps (n, 2, 3) to close-ups upright by landmarks (n, 5, 2); `otherwise` where these coincide."""
    fits = [upright_closeup(points) if np.isfinite(points).all() else None for points in landmarks]
    return np.stack([old if fit is None else fit for old, fit in zip(otherwise, fits, strict=True)])


def _of(look: CloseLook, rows: Array) -> CloseLook:
    return CloseLook(look.landmarks[rows], look.errors[rows], look.faces[rows])


def _better(best: CloseLook, other: CloseLook, rows: Array) -> CloseLook:
    """`best`, with those of `rows` replaced of which `other` is surer."""
    surer = other.errors < best.errors[rows]
    for held, seen in zip(best, other, strict=True):
        held[rows[surer]] = seen[surer]
    return best
