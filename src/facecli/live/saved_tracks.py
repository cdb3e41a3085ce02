"""Who was seen where in a clip, in a file that people can edit: found once, covered by choice afterwards."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from facecli import __version__
from facecli.core.arrays import Array
from facecli.core.errors import InputError, OutputError
from facecli.core.faces import Face
from facecli.core.images import save_image
from facecli.core.paths import replacing

Analyze = Callable[[Array, float], list[Face]]
"""(H, W, 3) uint8 RGB and its time in seconds -> faces."""
_THUMBNAIL = 96
_AROUND = 0.35
"""Of a thumbnail, beyond the box on each side, as a share of it."""
_LONGEST_GAP_S = 1.0
"""Between two boxes of a track that are further apart nobody is said to be in between."""
_SAME_S = 0.002
_SHORT_S = 0.25
"""Covers last longer than that in any case."""
_BOX = 4
_MOST_NAMED = 5
_TRACKS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)


class _Sight(NamedTuple):
    """A face in a frame, cut out."""

    worth: float
    picture: Array


class TrackRecorder:
    """Analyses frames with another analyzer, and remembers where each track was and how it looked best.

    A context manager: `tracks.json` and the thumbnails in the folder `tracks` beside it are written at its
    end, also after an interruption.
    """

    def __init__(self, analyze: Analyze, path: Path, source: str) -> None:
        """`source` is what rows call the clip."""
        self._analyze, self._path, self._source = analyze, path, source
        self._boxes: dict[int, list[list[float]]] = {}
        self._ages: dict[int, list[float]] = {}
        self._sights: dict[int, _Sight] = {}
        self._last_s: float | None = None
        self._step_s = 0.0
        self._size_wh = (0, 0)

    def __enter__(self) -> "TrackRecorder":
        return self

    def __exit__(self, error_type: type[BaseException] | None = None, *_: object) -> None:
        """Raises OutputError when the file cannot be written."""
        if error_type is None or self._boxes:
            self._write()

    def analyze(self, image_rgb: Array, time_s: float) -> list[Face]:
        """What the other analyzer finds, remembered; faces without a track have the number 0."""
        faces = self._analyze(image_rgb, time_s)
        if self._last_s is not None:
            self._step_s = max(self._step_s, time_s - self._last_s)
        self._last_s, self._size_wh = time_s, (image_rgb.shape[1], image_rgb.shape[0])
        for face in faces:
            track = face.track or 0
            self._boxes.setdefault(track, []).append([round(time_s, 3), *face.box_xyxy])
            if face.age_years is not None:
                self._ages.setdefault(track, []).append(face.age_years)
            self._look(track, face, image_rgb)
        return faces

    def _look(self, track: int, face: Face, image_rgb: Array) -> None:
        left, top, right, bottom = face.box_xyxy
        size = max(right - left, bottom - top)
        worth = min(size, _THUMBNAIL) * (0.1 + (face.quality or 0.0))
        best = self._sights.get(track)
        if size < 1 or (best is not None and worth <= best.worth):
            return
        around = round(_AROUND * size)
        cut = image_rgb[max(0, top - around) : bottom + around, max(0, left - around) : right + around]
        scale = min(1.0, _THUMBNAIL / max(*cut.shape[:2], 1))
        size_wh = max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale))
        self._sights[track] = _Sight(worth, cv2.resize(cut, size_wh, interpolation=cv2.INTER_AREA))

    def _write(self) -> None:
        folder = self._path.with_suffix("")
        for track, sight in self._sights.items():
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"cannot write {folder}: {error.strerror or error}") from error
            save_image(folder / f"{track}.jpg", sight.picture)
        tracks = [self._row(track, folder) for track in sorted(self._boxes)]
        width, height = self._size_wh
        document = {
            "facecli": __version__,
            "source": self._source,
            "width": width,
            "height": height,
            "step_s": round(self._step_s, 3),
            "tracks": tracks,
        }
        with replacing(self._path) as temporary:
            temporary.write_bytes(_readable(document).encode("utf-8", "replace"))

    def _row(self, track: int, folder: Path) -> dict[str, Any]:
        boxes, ages = self._boxes[track], self._ages.get(track)
        return {
            "track": track,
            "first_s": boxes[0][0],
            "last_s": boxes[-1][0],
            "age_years": round(sum(ages) / len(ages), 1) if ages else None,
            "thumbnail": f"{folder.name}/{track}.jpg" if track in self._sights else None,
            "boxes": boxes,
        }


def _readable(document: Mapping[str, Any]) -> str:
    """JSON with a line for each track, and one for all its boxes."""
    lines = json.dumps({**document, "tracks": []}, ensure_ascii=False)[:-2]
    rows = [json.dumps(row, ensure_ascii=False) for row in document["tracks"]]
    rows = [row.replace('"boxes": ', '\n    "boxes": ', 1) for row in rows]
    return lines + "\n  " + ",\n  ".join(rows) + "\n]}\n"


class SavedTracks:
    """The tracks of a file that `TrackRecorder` wrote, perhaps edited since."""

    source: str

    def __init__(
        self,
        boxes: Mapping[int, Array],
        step_s: float = 0.0,
        size_wh: tuple[int, int] = (0, 0),
        source: str = "",
    ) -> None:
        """Takes what a file says.

        Args:
            boxes: track -> (n, 5) times in seconds, growing, and boxes in pixels.
            step_s: the longest time between two frames that were analysed.
            size_wh: of the frames; (0, 0) when nobody knows.
            source: what rows called the clip.
        """
        self._boxes, self._step_s, self._size_wh, self.source = boxes, step_s, size_wh, source

    @property
    def numbers(self) -> set[int]:
        """Of all tracks; 0 stands for faces without one."""
        return set(self._boxes)

    def chosen(self, only: Collection[int] = (), but: Collection[int] = ()) -> "SavedTracks":
        """Those tracks alone, or all but those.

        Raises InputError when one is named that is not there.
        """
        if unknown := sorted((set(only) | set(but)) - self.numbers):
            more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
            raise InputError(
                f"no track {', '.join(map(str, unknown[:_MOST_NAMED]))}{more}; there are "
                f"{', '.join(map(str, sorted(self.numbers))) or 'none'}"
            )
        kept = set(only) if only else self.numbers - set(but)
        boxes = {track: boxes for track, boxes in self._boxes.items() if track in kept}
        return SavedTracks(boxes, self._step_s, self._size_wh, self.source)

    def analyze(self, image_rgb: Array, time_s: float) -> list[Face]:
        """Where the faces are at that moment, or between two boxes of theirs. Nothing is looked for."""
        size_wh = image_rgb.shape[1], image_rgb.shape[0]
        if self._size_wh not in ((0, 0), size_wh):
            raise InputError(
                f"the tracks are of a clip of {self._size_wh[0]}x{self._size_wh[1]}, this one is "
                f"{size_wh[0]}x{size_wh[1]}",
                "write them anew with --save-tracks",
            )
        found = (
            (track, box)
            for track, boxes in self._boxes.items()
            for box in _boxes_at(boxes, time_s, self._step_s)
        )
        return [Face(box, 1.0, track=track or None) for track, box in found]


def _boxes_at(boxes: Array, time_s: float, step_s: float) -> list[tuple[int, int, int, int]]:
    """Of a track one, of the faces that belong to none perhaps more.

    Between two analysed frames, `step_s` apart, a face may come at any time, and go.
    """
    first, end = np.searchsorted(boxes[:, 0], [time_s - _SAME_S, time_s + _SAME_S])
    if first < end:
        return [_whole(box[1:]) for box in boxes[first:end]]
    near = [boxes[place] for place in (first - 1, first) if 0 <= place < len(boxes)]
    gap_s = near[1][0] - near[0][0] if len(near) == 2 else float("inf")
    if gap_s > max(_LONGEST_GAP_S, 1.5 * step_s):
        held = [box for box in near if abs(box[0] - time_s) < step_s and step_s > _SHORT_S]
        return [_whole(box[1:]) for box in held]
    before, after = near
    share = (time_s - before[0]) / gap_s
    return [_whole((1 - share) * before[1:] + share * after[1:])]


def _whole(box: Array) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(float(side)) for side in box)
    return left, top, right, bottom


def load_tracks(path: Path) -> SavedTracks:
    """Reads what `TrackRecorder` wrote, or somebody after it.

    Raises InputError, naming the file and what is wrong, for anything that is no such file.
    """
    try:
        # Editors of Windows put a mark of the byte order in front.
        document = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}", "write it anew with --save-tracks") from error
    rows = document.get("tracks") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise InputError(f"{path} has no list 'tracks'", "write it anew with --save-tracks")
    tracks: dict[int, list[Array]] = {}
    for place, row in enumerate(rows):
        number = row.get("track") if isinstance(row, dict) else None
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise InputError(f"{path}: tracks[{place}] has no number 'track'")
        tracks.setdefault(number, []).append(_boxes_of(row, f"{path}: tracks[{place}]"))
    boxes = {number: _sorted(np.concatenate(parts)) for number, parts in tracks.items()}
    step_s, width, height = (_number(document.get(key)) for key in ("step_s", "width", "height"))
    return SavedTracks(boxes, step_s, (int(width), int(height)), str(document.get("source") or ""))


def _number(value: Any) -> float:
    """A number that is one, from 0 to a million; else 0."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e6
    return float(value) if fits else 0.0


def _boxes_of(row: Mapping[str, Any], where: str) -> Array:
    try:
        boxes = np.asarray(row.get("boxes", []), np.float64).reshape(-1, 1 + _BOX)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{where}: 'boxes' are not lists of a time and four sides") from error
    if not np.isfinite(boxes).all() or np.abs(boxes).max(initial=0) > 1e6:
        raise InputError(f"{where}: 'boxes' contain an invalid number")
    # Sides that were written the other way round mean the same box.
    sides = boxes[:, 1:].reshape(-1, 2, 2)
    boxes[:, 1:] = np.concatenate([sides.min(axis=1), sides.max(axis=1)], axis=1)
    return boxes


def _sorted(boxes: Array) -> Array:
    return boxes[np.argsort(boxes[:, 0], kind="stable")]


def parse_tracks(text: str) -> set[int]:
    """Numbers of tracks: "1,3-5".

    Raises InputError for anything else.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        found = _TRACKS.fullmatch(part.strip())
        if found is None:
            raise InputError(f"'{text}' names no tracks; write numbers of them, as 1,3-5")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise InputError(f"'{part.strip()}' is reversed; write {last}-{first}")
        numbers |= set(range(first, last + 1))
    return numbers
