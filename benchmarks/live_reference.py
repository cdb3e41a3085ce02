"""What YuNet sees in a clip: the reference of live_recall.py and tracks.py."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from scenes import overlap

from facecli.detect.yunet import YunetDetector, YunetOptions
from facecli.sources.video import open_source

SCORE, SIDE, OVERLAP = 0.8, 40, 0.4
"""A reference face has at least this score and this many pixels a side; a box that overlaps it by
this much (intersection over union) has found it."""
_CHAIN_OVERLAP = 0.5


class Shot(NamedTuple):
    """A frame: (H, W, 3) uint8 RGB, its time, reference faces, and all that YuNet sees at 0.6."""

    image_rgb: np.ndarray
    time_s: float
    faces: list
    candidates: list


def read_clip(clip: Path, weights: Path) -> list[Shot]:
    """Every frame of a clip."""
    yunet = YunetDetector(YunetOptions(weights, score_threshold=0.6))
    shots = []
    with open_source(str(clip)) as source:
        for frame in source:
            xyxy, scores, *_ = yunet.detect(frame.image_rgb)
            sides = (xyxy[:, 2:] - xyxy[:, :2]).min(axis=-1, initial=9999)
            faces = xyxy[(scores >= SCORE) & (sides >= SIDE)].tolist()
            shots.append(Shot(frame.image_rgb, frame.time_s, faces, xyxy.tolist()))
    return shots


def found(faces: list, boxes: list) -> int:
    """How many of the faces are found by a box."""
    return sum(any(overlap(face, box) >= OVERLAP for box in boxes) for face in faces)


def false_boxes(candidates: list, boxes: list) -> int:
    """How many boxes lie where YuNet sees nothing, not even at a score of 0.6."""
    return sum(not any(overlap(box, face) >= 0.1 for face in candidates) for box in boxes)


def chains(shots: list[Shot]) -> list[list[tuple[int, list]]]:
    """People of the reference: lists of (frame, box), each overlapping the one before in the frame before."""
    done, running = [], []
    for index, shot in enumerate(shots):
        free, going = list(shot.faces), []
        for chain in running:
            best = max(free, key=lambda face: overlap(face, chain[-1][1]), default=None)  # noqa: B023
            if best is not None and overlap(best, chain[-1][1]) >= _CHAIN_OVERLAP:
                free.remove(best)
                chain.append((index, best))
                going.append(chain)
            else:
                done.append(chain)
        running = going + [[(index, face)] for face in free]
    return done + running
