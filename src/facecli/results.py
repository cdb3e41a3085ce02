"""What an analysis from Python gives: records, drawn, shown in notebooks, as tables, for other packages."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, SupportsIndex, cast, overload

from facecli import __version__
from facecli.core.errors import FacecliError, InputError
from facecli.core.faces import Face, FrameResult, PictureRow

if TYPE_CHECKING:
    import fiftyone
    import pandas
    import supervision
    from PIL.Image import Image

    from facecli.core.arrays import Array
    from facecli.draw.plates import LabelRow
    from facecli.sinks.rows import FurtherColumns
    from facecli.sources.given import Picture

_SHOWN_SIDE, _SMALL_SIDE = 720, 300
"""Longer side in pixels of a picture on a page, alone and among others."""
_MOST_SHOWN = 24
"""So many pictures, and so many faces of a picture, are shown; the rest is counted."""
_MOST_SHOWN_SMALL = 3
"""Faces of one picture among others."""
_LONGEST_NAME = 120
_CROP_SIDE = 56

FACE = "face"
"""The one class of what is exported."""
LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""The viewer's left first, in the order of `Face.landmarks`."""
_NO_ATTRIBUTES = frozenset(
    ("source", "frame", "time_s", "face", "width", "height", "error", "model", "facecli")
    + ("x_min", "y_min", "x_max", "y_max", "detector_confidence", "track", "rejected")
)
"""Columns that tell of the picture or of the place, which other packages have keys of their own for."""


class PictureResult(dict[str, Any]):
    """The record of a picture or frame: the dictionary that `facecli run --json` writes (docs/output.md).

    What was found is in `faces`, too, as typed records; they do not follow what is changed in the dictionary.
    """

    def __init__(self, result: FrameResult, pixels: Callable[[], Array] | None = None) -> None:
        """Takes what was found, and what gives the pixels, (H, W, 3) uint8 RGB; None when nobody has them."""
        super().__init__(result.to_json())
        self._result = result
        self._pixels = pixels

    @property
    def row(self) -> PictureRow:
        """The dictionary itself, typed."""
        # Keys of faces are made of the heads' names, which no type checker can follow.
        return cast(PictureRow, self)

    @property
    def result(self) -> FrameResult:
        """What the dictionary was made of."""
        return self._result

    @property
    def faces(self) -> list[Face]:
        """Every face, from left to right; [] without one, which is a result."""
        return list(self._result.faces)

    @property
    def error(self) -> str | None:
        """One line that says why there is no result, or None."""
        return self._result.error

    @property
    def image_rgb(self) -> Array:
        """The picture's pixels, (H, W, 3) uint8 RGB, not to be changed.

        They are read again where the picture can be: from its file, or from what was given.

        Raises:
            InputError: nobody has them any more, see `draw`.
            ImageError: the picture cannot be read any more.
        """
        if self._result.error is not None:
            raise InputError(f"{self._result.source} could not be read: nothing to draw")
        if self._pixels is None:
            raise InputError(
                f"the pixels of {self._result.source} were not kept; pass them: draw(picture=...)"
            )
        return self._checked(self._pixels())

    def draw(self, *, details: bool = False, picture: Picture | None = None) -> Image:
        """The picture with boxes and labels, as one of Pillow's; `numpy.asarray` makes an array of it.

        Args:
            details: labels tell how sure each head is, with bars and second classes.
            picture: the one that was analysed, where its pixels were not kept: of `analyze_many` those that
                were no files, and frames of a video once the next one was taken.

        Raises:
            InputError: the pixels were not kept, there is no result, or the picture has another size.
            ImageError: the picture cannot be read.
        """
        from PIL import Image

        from facecli.draw.annotate import annotate

        return Image.fromarray(annotate(self._drawn_on(picture), self._result.faces, details=details))

    def _drawn_on(self, picture: Picture | None) -> Array:
        if picture is None:
            return self.image_rgb
        from facecli.sources.given import decode_picture

        return self._checked(decode_picture(picture, self._result.source))

    def _checked(self, image_rgb: Array) -> Array:
        height, width = image_rgb.shape[:2]
        if (width, height) != (self._result.width, self._result.height):
            raise InputError(
                f"{self._result.source} is {width} x {height} now, and was "
                f"{self._result.width} x {self._result.height}; analyze it again"
            )
        return image_rgb

    def release(self) -> None:
        """Lets go of the pixels."""
        self._pixels = None

    def to_frame(self) -> pandas.DataFrame:
        """A row for each face, in the columns of `facecli run --csv`, see `to_frame`."""
        return to_frame([self])

    def _repr_html_(self) -> str:
        """For notebooks: the picture with its boxes, and bars for each face; self-contained and bounded."""
        return f'<div style="font:13px/1.45 sans-serif">{_figure(self, _SHOWN_SIDE, _MOST_SHOWN)}</div>'


class ResultList(list[PictureResult]):
    """Records of several pictures; a part of it is one, too."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> PictureResult: ...

    @overload
    def __getitem__(self, index: slice) -> ResultList: ...

    def __getitem__(self, index: SupportsIndex | slice) -> PictureResult | ResultList:
        return (
            ResultList(super().__getitem__(index)) if isinstance(index, slice) else super().__getitem__(index)
        )

    def to_frame(self) -> pandas.DataFrame:
        """A row for each face of all, see `to_frame`."""
        return to_frame(self)

    def _repr_html_(self) -> str:
        """For notebooks: the first pictures with their boxes and bars; self-contained and bounded."""
        figures = "".join(
            f'<div style="width:{_SMALL_SIDE}px">{_figure(result, _SMALL_SIDE, _MOST_SHOWN_SMALL)}</div>'
            for result in self[:_MOST_SHOWN]
        )
        more = _more(len(self) - _MOST_SHOWN, "picture")
        return (
            '<div style="font:13px/1.45 sans-serif;display:flex;flex-wrap:wrap;gap:20px">'
            f"{figures or 'no pictures'}{more}</div>"
        )


def to_frame(results: Iterable[PictureResult | Mapping[str, Any]]) -> pandas.DataFrame:
    """A table of faces, in the columns of `facecli run --csv` (docs/output.md).

    Rows that `facecli run --json` wrote, read by `json.loads`, are taken like results. Heads that a model
    brings have their columns behind the usual ones. A picture without a face, or one that could not be read,
    has a row with an empty `face`. Whole numbers are "Int64", `rejected` is "boolean", other numbers
    "float64": all may be missing.

    Raises InputError without pandas, and for what is no row.
    """
    try:
        import pandas
    except ImportError as error:
        raise InputError("pandas is not installed: pip install pandas") from error
    from facecli.schema import COLUMNS, WHOLE_COLUMNS, flattened

    known = [_row_of(one) for one in results]
    more = _further_columns(known)
    rows = [row for one in known for row in flattened(one, more)]
    kinds = (
        dict.fromkeys(_number_columns(more), "float64")
        | dict.fromkeys(WHOLE_COLUMNS, "Int64")
        | {"rejected": "boolean"}
    )
    return pandas.DataFrame(rows, columns=[*COLUMNS, *more]).astype(kinds)


def _row_of(result: PictureResult | Mapping[str, Any]) -> Mapping[str, Any]:
    """What was found; of a record that was changed, what it was made of."""
    return result.result.to_json() if isinstance(result, PictureResult) else result


def _further_columns(rows: Iterable[Mapping[str, Any]]) -> FurtherColumns:
    """Columns of heads that models bring, behind the usual ones."""
    from facecli.schema import further_heads_of, head_columns

    return head_columns(dict.fromkeys(head for row in rows for head in further_heads_of(row)))


def _number_columns(more: Iterable[str] = ()) -> set[str]:
    from facecli.schema import COLUMNS, REAL_COLUMNS, WHOLE_COLUMNS

    shares = (name for name in (*COLUMNS, *more) if name.endswith("_probability"))
    return {*WHOLE_COLUMNS, *REAL_COLUMNS, *shares}


def to_supervision(result: PictureResult) -> supervision.Detections:
    """The faces of a picture or frame for Roboflow's `supervision`.

    `xyxy` (n, 4) float32 pixels, `confidence` of the detector, `class_id` 0, `tracker_id` in a video; `data`
    has `class_name` ("face") and all that `face_attributes` may have, (n,) each: floats or texts, NaN or ""
    where a face lacks it. What the model takes for no face is left out.

    Raises InputError without the package supervision.
    """
    try:
        import supervision
    except ImportError as error:
        raise InputError("supervision is not installed: pip install supervision") from error
    import numpy as np

    from facecli.schema import COLUMNS

    faces = _believed(result)
    known = [face_attributes(face) for face in faces]
    data: dict[str, Array] = {"class_name": np.array([FACE] * len(faces), np.str_)}
    # Always the same keys and types: only then can detections of several frames be merged.
    more = _further_columns([{"faces": [face.to_json() for face in faces]}])
    numbers = _number_columns(more)
    for name in (name for name in (*COLUMNS, *more) if name not in _NO_ATTRIBUTES):
        values = [one.get(name, np.nan if name in numbers else "") for one in known]
        data[name] = np.array(values, np.float64 if name in numbers else np.str_)
    tracks = [face.track for face in faces]
    return supervision.Detections(
        xyxy=np.array([face.box_xyxy for face in faces], np.float32).reshape(-1, 4),
        confidence=np.array([face.detector_confidence for face in faces], np.float32),
        class_id=np.zeros(len(faces), np.int64),
        tracker_id=np.array(tracks, np.int64) if faces and None not in tracks else None,
        data=data,
    )


def to_coco(results: Iterable[PictureResult]) -> dict[str, Any]:
    """Faces as a data set of COCO's, which `json.dump` writes.

    `images` have `id` (from 1), `file_name` (the source), `width`, `height`, `frame` and `time_s`;
    `annotations` have `id`, `image_id`, `category_id` 1, `bbox` [x, y, width, height] in pixels, `area`,
    `iscrowd` 0, `score` (of the detector), `attributes` (see `face_attributes`), `track_id` in a video, and
    where landmarks are known `keypoints` (x, y, 2 each, named by the category) and `num_keypoints`;
    `categories` have the one class "face". Pictures that could not be read are left out, and so is what the
    model takes for no face.
    """
    readable = enumerate((result.result for result in results if result.error is None), start=1)
    images, annotations = [], []
    for number, found in readable:
        images.append(
            {
                "id": number,
                "file_name": found.source,
                "width": found.width,
                "height": found.height,
                "frame": found.frame,
                "time_s": round(float(found.time_s), 3),
            }
        )
        annotations += [_coco_annotation(face, number) for face in found.faces if not face.rejected]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    category = {
        "id": 1,
        "name": FACE,
        "supercategory": "person",
        "keypoints": list(LANDMARKS),
        "skeleton": [],
    }
    return {
        "info": {"description": f"faces found by facecli {__version__}", "version": __version__},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [category],
    }


def _coco_annotation(face: Face, image_id: int) -> dict[str, Any]:
    x_min, y_min, x_max, y_max = (int(value) for value in face.box_xyxy)
    width, height = x_max - x_min, y_max - y_min
    points = face.to_json().get("landmarks", [])
    return {
        "id": 0,
        "image_id": image_id,
        "category_id": 1,
        "bbox": [x_min, y_min, width, height],
        "area": width * height,
        "iscrowd": 0,
        "score": round(float(face.detector_confidence), 4),
        "attributes": face_attributes(face),
        **({} if face.track is None else {"track_id": face.track}),
        **({"keypoints": [v for x, y in points for v in (x, y, 2)], "num_keypoints": 5} if points else {}),
    }


def to_fiftyone(result: PictureResult) -> fiftyone.Detections:
    """The faces of a picture or frame for a field of a sample of Voxel51's `fiftyone`.

    Each is a `fiftyone.Detection`: `label` "face", `bounding_box` [x, y, width, height] as shares of the
    picture, `confidence` of the detector, `index` the track in a video, and `face_attributes` as fields. What
    the model takes for no face is left out; of a picture that could not be read there are none.

    Raises InputError without the package fiftyone.
    """
    try:
        import fiftyone
    except ImportError as error:
        raise InputError("fiftyone is not installed: pip install fiftyone") from error
    width, height = result.result.width or 1, result.result.height or 1
    detections = []
    for face in _believed(result):
        x_min, y_min, x_max, y_max = face.box_xyxy
        box = [x_min / width, y_min / height, (x_max - x_min) / width, (y_max - y_min) / height]
        known = face_attributes(face) | ({} if face.track is None else {"index": face.track})
        confidence = round(float(face.detector_confidence), 4)
        detections.append(fiftyone.Detection(label=FACE, bounding_box=box, confidence=confidence, **known))
    return fiftyone.Detections(detections=detections)


def _believed(result: PictureResult) -> list[Face]:
    return [face for face in result.faces if not face.rejected]


def face_attributes(face: Face) -> dict[str, float | int | str]:
    """What is known of a face but where it is: the columns of `facecli run --csv` from `roll_degrees` to
    `uncertain` (docs/output.md), those alone that have a value."""
    from facecli.schema import flattened

    row = FrameResult("", None, None, (face,)).to_json()
    (cells,) = flattened(row, _further_columns([row]))
    known = {name: value for name, value in cells.items() if value is not None}
    return {name: value for name, value in known.items() if name not in _NO_ATTRIBUTES}


def _figure(result: PictureResult, side: int, most_faces: int) -> str:
    """A picture with its boxes, and a card for each face."""
    from facecli.sinks.base import count

    found = result.result
    said = f"{_text(found.error)}" if found.error else count(len(found.faces), "face")
    head = f"<div><b>{_text(found.source)}</b><br>{said}</div>"
    if found.error:
        return head
    image_rgb = None
    # A page is shown without a picture that is gone.
    with contextlib.suppress(FacecliError, MemoryError):
        image_rgb = result.image_rgb
    # In the picture numbers alone: cards have room for the rest.
    marks = [_mark(face, number) for number, face in enumerate(found.faces, start=1)]
    picture = "" if image_rgb is None else _picture(image_rgb, marks, side)
    shown = list(zip(found.faces, marks, strict=True))[:most_faces]
    cards = "".join(_card(face, mark, image_rgb) for face, mark in shown)
    more = _more(len(found.faces) - most_faces, "face")
    return (
        f'{head}{picture}<div style="display:flex;flex-wrap:wrap;gap:14px;margin:8px 0">{cards}{more}</div>'
    )


def _mark(face: Face, number: int) -> Face:
    """The box alone, with the number of the track, or else of the face."""
    bare = Face(face.box_xyxy, face.detector_confidence, track=face.track or number)
    return replace(bare, rejected=face.rejected, face_probability=face.face_probability)


def _more(number: int, what: str) -> str:
    from facecli.sinks.base import count

    return f"<div>and {count(number, f'more {what}')}</div>" if number > 0 else ""


def _picture(image_rgb: Array, faces: Sequence[Face], side: int) -> str:
    """Drawn on after it was made smaller: labels can be read."""
    import cv2

    from facecli.draw.annotate import annotate
    from facecli.sinks.html import picture_thumbnail

    height, width = image_rgb.shape[:2]
    share = min(side / max(height, width), 1.0)
    size = max(round(width * share), 1), max(round(height * share), 1)
    small = cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA) if share < 1 else image_rgb
    moved = [
        replace(
            face, box_xyxy=cast("tuple[int, int, int, int]", tuple(round(v * share) for v in face.box_xyxy))
        )
        for face in faces
    ]
    address = picture_thumbnail(annotate(small, moved, details=True), side)
    return f'<img src="{address}" alt="" style="max-width:100%;height:auto;margin:6px 0">'


def _card(face: Face, mark: Face, image_rgb: Array | None) -> str:
    """The face, and a bar for all that is known of it, in the colour of its box."""
    from facecli.draw.annotate import detail_rows
    from facecli.draw.plates import face_colour

    colour = "rgb({},{},{})".format(*face_colour(mark))
    bars = "".join(_bar(row, colour) for row in detail_rows(replace(face, track=None)))
    return (
        f'<div style="display:flex;gap:8px;border-left:4px solid {colour};padding-left:8px">'
        f'<div style="width:{_CROP_SIDE}px"><b>#{mark.track}</b>{_crop(face, image_rgb)}</div>'
        f'<div style="width:170px">{bars or "nothing is known of it"}</div></div>'
    )


def _crop(face: Face, image_rgb: Array | None) -> str:
    if image_rgb is None:
        return ""
    from facecli.sinks.html import face_thumbnail

    try:
        address = face_thumbnail(image_rgb, face.box_xyxy, _CROP_SIDE)
    except ValueError:
        return ""
    return f'<img src="{address}" alt="" width="{_CROP_SIDE}" height="{_CROP_SIDE}">'


def _bar(row: LabelRow, colour: str) -> str:
    text = f'<div style="margin-top:2px">{_text(row.text)}</div>'
    if row.bar is None:
        return text
    left, width = 100 * row.bar.low, max(100 * (row.bar.high - row.bar.low), 1.0)
    filled = (
        f"margin-left:{left:.1f}%;width:{width:.1f}%;height:5px;background:{colour};"
        f"opacity:{1 if row.bar.main else 0.5}"
    )
    ground = "background:rgba(128,128,128,.25);height:5px;overflow:hidden"
    return f'{text}<div style="{ground}"><div style="{filled}"></div></div>'


def _text(said: str) -> str:
    """As a page may show it, whatever it holds."""
    from facecli.sources.files import as_text

    cut = said if len(said) <= _LONGEST_NAME else f"{said[:_LONGEST_NAME]}..."
    return html.escape(as_text(cut))
