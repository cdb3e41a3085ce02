"""What a row holds, and of which types: a row for each picture with its faces in it, or a row for each face.

The first is what `facecli run --json` writes and docs/output.md describes, here as an Arrow schema of nested
structs, too (`picture_schema`); the second are the columns of `--csv` and `--parquet` (`face_schema`).
Arrow is imported where it is needed: who asks for nothing of it needs no pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from facecli.core.attributes import CLASS_NAMES, FACE_HEADS, ClassNames
from facecli.core.errors import InputError
from facecli.core.faces import AGE_BAND
from facecli.core.paths import how_to_install

if TYPE_CHECKING:
    import pyarrow

_HEAD_COLUMNS = tuple(column for head in FACE_HEADS for column in (head, f"{head}_probability"))
COLUMNS = (
    "source", "frame", "time_s", "track", "x_min", "y_min", "x_max", "y_max", "detector_confidence",
    "roll_degrees", "yaw_degrees", "pitch_degrees", "quality", "face_probability", "rejected",
    "age_years", "age_low", "age_high", "age_group", *_HEAD_COLUMNS, "uncertain",
    "face", "width", "height", "error", "model", "facecli",
)  # fmt: skip
"""Of pictures and videos alike, always all of them, in this order. What does not apply is empty: the cells
of a head that the model lacks, `track` of a picture, `face` (which counts from 1) where there is none."""
FurtherColumns = Mapping[str, tuple[str, ...]]
"""Further columns: name -> keys."""
LIKELIEST = "*"
"""As a key of probabilities: that of the most probable class."""
WHOLE_COLUMNS = (
    *("frame", "track", "x_min", "y_min", "x_max", "y_max", "age_low", "age_high"),
    *("face", "width", "height"),
)
"""Those of whole numbers."""
_POSE = ("roll_degrees", "yaw_degrees", "pitch_degrees")
REAL_COLUMNS = ("time_s", "detector_confidence", *_POSE, "quality", "face_probability", "age_years")
"""Those of other numbers, beside the heads' probabilities."""


def class_columns(classes: ClassNames) -> FurtherColumns:
    """A column for each class of some heads."""
    return {
        f"{head}_{name}": (f"{head}_probabilities", name) for head, names in classes.items() for name in names
    }


def head_columns(heads: Iterable[str]) -> FurtherColumns:
    """Columns of heads that a model brings: the class and its probability, as those of other heads."""
    columns: dict[str, tuple[str, ...]] = {}
    for head in heads:
        columns |= {head: (head,), f"{head}_probability": (f"{head}_probabilities", LIKELIEST)}
    return columns


CLASS_COLUMNS = class_columns({head: CLASS_NAMES[head] for head in FACE_HEADS})
"""The probability of each class, which `--parquet` has beyond COLUMNS."""
_NUMBERS = ("probability", "years")
_FURTHER = "further"


def flattened(row: Mapping[str, Any], more: FurtherColumns | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a picture's or frame's faces, column -> value; None for what is not known.

    Args:
        row: as `--json` writes it. One without a face gives one row.
        more: further columns, each with the keys that lead to it in a face's object, or else the picture's.

    Raises InputError when it is no such row.
    """
    frame = _checked(row)
    faces = frame.pop("faces")
    known = {name: value for name, value in frame.items() if name in COLUMNS}
    common = dict.fromkeys(COLUMNS) | known
    if not faces:
        yield common | {column: _nested(frame, keys) for column, keys in (more or {}).items()}
    for number, face in enumerate(faces, start=1):
        found = {column: _nested(frame | face, keys) for column, keys in (more or {}).items()}
        yield common | {"face": number} | _cells(face) | found


def _cells(face: Mapping[str, Any]) -> dict[str, Any]:
    try:
        x_min, y_min, x_max, y_max = face["box_xyxy"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("a face must have 'box_xyxy', four numbers, see docs/output.md") from error
    cells = {"x_min": x_min, "y_min": y_min, "x_max": x_max, "y_max": y_max}
    plain = ("track", "rejected", "age_group", *REAL_COLUMNS)
    cells |= {key: face[key] for key in plain if key in face}
    cells["uncertain"] = " ".join(face.get("uncertain", ())) or None
    cells["age_low"], cells["age_high"] = face.get("age_interval_90") or (None, None)
    for head in FACE_HEADS:
        name = face.get(head)
        cells[head] = name
        cells[f"{head}_probability"] = face[f"{head}_probabilities"][name] if name else None
    return cells


def _nested(face: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    value: Any = face
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = max(value.values(), default=None) if key == LIKELIEST else value.get(key)
    return value


def further_heads_of(row: Mapping[str, Any]) -> Iterator[str]:
    """Heads of a row's faces that facecli does not know by itself: a name that has probabilities."""
    faces = row.get("faces")
    for face in faces if isinstance(faces, list) else ():
        for key in face if isinstance(face, dict) else ():
            head = key.removesuffix("_probabilities")
            if head != key and head not in CLASS_NAMES and head in face and head != AGE_BAND:
                yield head


def check_pyarrow() -> None:
    """Raises InputError, with the remedy, when pyarrow is not here."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise InputError(f"Parquet needs pyarrow: {how_to_install('parquet')}") from error


def face_schema(more: FurtherColumns | None = None) -> pyarrow.Schema:
    """Of a table with a row for each face: COLUMNS, CLASS_COLUMNS, and `more` as `flattened` takes it.

    Raises InputError without pyarrow.
    """
    check_pyarrow()
    import pyarrow

    further = {**CLASS_COLUMNS, **(more or {})}
    kinds = dict.fromkeys(WHOLE_COLUMNS, pyarrow.int32()) | dict.fromkeys(REAL_COLUMNS, pyarrow.float64())
    kinds["rejected"] = kinds["truncated"] = pyarrow.bool_()
    for column, keys in further.items():
        if column in kinds:
            continue
        is_number = keys[0].endswith("_probabilities") or keys[-1].endswith(_NUMBERS)
        kinds[column] = pyarrow.float64() if is_number else pyarrow.string()
    for head in FACE_HEADS:
        kinds[f"{head}_probability"] = pyarrow.float64()
    return pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in (*COLUMNS, *further)])


def picture_schema() -> pyarrow.Schema:
    """Of a table with a row for each picture or frame: the keys of `--json`, `faces` a list of structs.

    A key that a row does not have is null, and so nothing is lost. What has names of the user's own
    (`age_band_probabilities`, `models`) is a map; classes of a head are a struct of their probabilities.
    Heads that a model brings, which no table of any model has columns for, are the map `further`: head ->
    its most probable class, and the probabilities of all.

    Raises InputError without pyarrow.
    """
    check_pyarrow()
    import pyarrow

    text, real, whole = pyarrow.string(), pyarrow.float64(), pyarrow.int64()
    attributes = [
        ("face_probability", real),
        ("rejected", pyarrow.bool_()),
        ("age_years", real),
        ("age_interval_90", pyarrow.list_(pyarrow.int32())),
        ("age_group", text),
        ("age_band", text),
        ("age_band_probability", real),
        ("age_band_probabilities", pyarrow.map_(text, real)),
        ("age_distribution", pyarrow.list_(real)),
    ]
    for head in FACE_HEADS:
        classes = pyarrow.struct([(name, real) for name in CLASS_NAMES[head]])
        attributes += [(head, text), (f"{head}_probabilities", classes)]
    said = pyarrow.struct([("class", text), ("probabilities", pyarrow.map_(text, real))])
    attributes += [(_FURTHER, pyarrow.map_(text, said)), ("uncertain", pyarrow.list_(text))]
    face = pyarrow.struct(
        [
            ("track", whole),
            ("box_xyxy", pyarrow.list_(pyarrow.int32())),
            ("detector_confidence", real),
            ("landmarks", pyarrow.list_(pyarrow.list_(real))),
            *((name, real) for name in (*_POSE, "quality")),
            *attributes,
            ("models", pyarrow.map_(text, pyarrow.struct(attributes))),
        ]
    )
    return pyarrow.schema(
        [
            pyarrow.field("source", text, nullable=False),
            ("frame", whole),
            ("time_s", real),
            ("width", pyarrow.int32()),
            ("height", pyarrow.int32()),
            pyarrow.field("faces", pyarrow.list_(face), nullable=False),
            ("error", text),
            ("model", text),
            ("facecli", text),
            ("truncated", pyarrow.bool_()),
        ]
    )


def to_arrow(rows: Iterable[Mapping[str, Any]]) -> pyarrow.Table:
    """Rows as `--json` writes them -> a table of `picture_schema`.

    Raises InputError without pyarrow, and when a row has a value of another type.
    """
    schema = picture_schema()
    import pyarrow

    try:
        return pyarrow.Table.from_pylist([_folded_row(_checked(row)) for row in rows], schema)
    except (pyarrow.ArrowException, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"these are not rows of facecli, see docs/output.md: {reason}") from error


def _checked(row: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(row.get("source"), str) or not isinstance(row.get("faces"), list):
        raise InputError("a row must have 'source' and 'faces', see docs/output.md")
    return dict(row)


def _folded_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "faces": [_folded(face) for face in row["faces"]]}


def _folded(face: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of heads that a model brings under one key, which a schema can name."""
    heads = tuple(further_heads_of({"faces": [face]}))
    if not heads and "models" not in face:
        return dict(face)
    taken = {name for head in heads for name in (head, f"{head}_probabilities")}
    folded = {key: value for key, value in face.items() if key not in taken}
    if heads:
        said = {head: (face[head], face[f"{head}_probabilities"]) for head in heads}
        folded[_FURTHER] = {
            head: {"class": name, "probabilities": shares} for head, (name, shares) in said.items()
        }
    if "models" in face:
        folded["models"] = {name: _folded(its) for name, its in face["models"].items()}
    return folded


def from_arrow(table: pyarrow.Table | pyarrow.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows of a table of `picture_schema`, as `--json` writes them: null keys are left out again."""
    for row in table.to_pylist():
        row["faces"] = [_plain(face) for face in row["faces"]]
        if row.get("truncated") is None:
            row.pop("truncated", None)
        yield row


def _plain(face: Mapping[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for key, value in face.items():
        if key == _FURTHER:
            for head, said in value or ():
                known |= {head: said["class"], f"{head}_probabilities": dict(said["probabilities"])}
        elif value is not None:
            known[key] = value
    if "age_band_probabilities" in known:
        known["age_band_probabilities"] = dict(known["age_band_probabilities"])
    if "models" in known:
        known["models"] = {name: _plain(said) for name, said in known["models"]}
    return known
