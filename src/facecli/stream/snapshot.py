"""A moment of the live picture, kept: what was seen as PNG, what is known of it as JSON beside it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from facecli.errors import OutputError
from facecli.faces import Face
from facecli.images import save_image
from facecli.paths import replacing
from facecli.stream.controls import Controls
from facecli.stream.fresh import give_back, reserve


def save_snapshot(
    folder: Path,
    drawn_rgb: np.ndarray,
    faces: Sequence[Face],
    source: str,
    controls: Controls,
    moment: datetime | None = None,
) -> Path:
    """Writes two files of one new name and returns the path of the PNG.

    Args:
        folder: where to.
        drawn_rgb: (H, W, 3) uint8, with boxes.
        faces: in the coordinates of `drawn_rgb`; what reaches out of it is cut off.
        source: as rows call it.
        controls: how the picture was shown.
        moment: when; now when left out.

    Raises:
        OutputError: the folder cannot be written or the disk is full; then neither file is left.
    """
    moment = moment or datetime.now()
    picture, record = paths = reserve(folder, (".png", ".json"), moment)
    height, width = drawn_rgb.shape[:2]
    row = {
        "source": source,
        "picture": picture.name,
        "taken": moment.astimezone().isoformat(timespec="seconds"),
        "width": width,
        "height": height,
        "mirrored": controls.mirror,
        "anonymized": controls.anonymize or controls.protected,
        "faces": [inner.to_json() for face in faces if (inner := _inside(face, width, height))],
    }
    try:
        save_image(picture, drawn_rgb)
        with replacing(record) as temporary:
            temporary.write_text(json.dumps(row, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OutputError:
        picture.unlink(missing_ok=True)
        raise
    finally:
        give_back(paths)
    return picture


def _inside(face: Face, width: int, height: int) -> Face | None:
    """The face with the part of its box that lies in the picture; None without one."""
    left, top, right, bottom = face.box_xyxy
    box = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    return replace(face, box_xyxy=box) if box[0] < box[2] and box[1] < box[3] else None
