"""The published schema of rows: what is written passes, what would be wrong does not."""

import copy
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.attributes import AGE_CLASSES, CLASS_NAMES, EMOTIONS, GENDERS, PRESETS, RACES, RACES_7
from facecli.core.errors import InputError
from facecli.core.faces import FACE_HEADS, Face, FaceRow, FrameResult
from facecli.schema import COLUMNS, face_schema, flattened, from_arrow, picture_schema, to_arrow

jsonschema = pytest.importorskip("jsonschema")
DOCS = Path(__file__).resolve().parent.parent / "docs"
SCHEMA = json.loads((DOCS / "schema" / "row-1.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def problems(row) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(json.loads(json.dumps(row, allow_nan=False)))]


def test_the_schema_is_one_and_names_its_version():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"].endswith(":1") and "version 1" in SCHEMA["title"]


def test_nothing_is_no_row():
    assert problems({}) and problems([]) and problems(None)


def test_rows_without_faces_pass():
    assert problems(FrameResult("", 1, 1).to_json()) == []
    assert problems(FrameResult("a", None, None, error="it is broken").to_json()) == []


def probabilities(names):
    def normal(weights):
        total = sum(weights) or 1
        return dict(zip(names, (weight / total for weight in weights), strict=True))

    weights = st.lists(st.floats(0, 1), min_size=len(names), max_size=len(names))
    return weights.filter(lambda found: sum(found) > 0.01).map(normal)


@st.composite
def said(draw):
    """What a model may say: any heads, with or without details and bands."""
    face = Face((0, 0, 9, 9), draw(st.floats(0, 30)))
    if draw(st.booleans()):
        face = replace(face, face_probability=draw(st.floats(0, 1)), rejected=draw(st.booleans()))
        if face.rejected:
            return face
    for head in FACE_HEADS:
        if draw(st.booleans()):
            face = replace(face, **{f"{head}_probabilities": draw(probabilities(CLASS_NAMES[head]))})
    brought = st.dictionaries(st.sampled_from(("glasses", "hair_colour")), probabilities(("no", "yes")))
    face = replace(face, further=draw(brought))
    if draw(st.booleans()):
        spike = draw(st.integers(0, AGE_CLASSES - 1))
        distribution = tuple(float(year == spike) for year in range(AGE_CLASSES))
        face = replace(face, age_years=float(spike), age_interval_90=(max(spike - 5, 0), spike))
        if draw(st.booleans()):
            bands = PRESETS[draw(st.sampled_from(list(PRESETS)))].probabilities(distribution)
            face = replace(face, age_bands=bands)
        if draw(st.booleans()):
            face = replace(face, age_distribution=distribution)
    doubtful = draw(st.sets(st.sampled_from((*FACE_HEADS, "age_band"))))
    return replace(face, uncertain=tuple(sorted(doubtful)), quality=draw(st.none() | st.floats(0, 1)))


POINTS = st.none() | st.tuples(*[st.tuples(st.floats(-900, 9000), st.floats(-900, 9000))] * 5)


@given(said(), said(), st.integers(0, 3), POINTS)
def test_whatever_a_run_says_passes(one, other, track, landmarks):
    face = replace(one, track=track or None, landmarks=landmarks)
    if track == 3 and not face.rejected:
        face = replace(face, by_model={"a": one, "b c": other})
    assert problems(FrameResult("clip.mp4", 640, 480, (face,), 3, 0.1).to_json()) == []


FULL = FrameResult(
    "a.jpg",
    9,
    9,
    (
        Face(
            (1, 2, 3, 4),
            0.9,
            31.44,
            (24, 40),
            dict.fromkeys(GENDERS, 0.5),
            dict.fromkeys(RACES, 0.2),
            dict.fromkeys(EMOTIONS, 1 / 7),
            face_probability=0.9,
            age_bands={"0-24": 0.25, "25+": 0.75},
            age_distribution=(1.0, *[0.0] * 116),
            race_7_probabilities=dict.fromkeys(RACES_7, 1 / 7),
            landmarks=((1.0, 2.0), (3.0, 2.0), (2.0, 3.0), (1.0, 4.0), (3.0, 4.0)),
            quality=0.8,
            uncertain=("gender", "age_band"),
        ),
    ),
).to_json()


def test_a_full_row_passes():
    assert problems(FULL) == []


@pytest.mark.parametrize("key", list(SCHEMA["required"]))
def test_every_key_of_a_row_is_needed(key):
    assert problems({name: value for name, value in FULL.items() if name != key})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("box_xyxy", [1, 2, 3]),
        ("box_xyxy", [1, 2, 3, 4.5]),
        ("age_years", "31"),
        ("age_years", -1),
        ("age_interval_90", [24]),
        ("age_group", "30-40"),
        ("age_band_probability", 1.5),
        ("age_distribution", [1.0]),
        ("gender", "woman"),
        ("gender_probabilities", {"male": 1.0}),
        ("race_probabilities", {**dict.fromkeys(RACES, 0.2), "martian": 0.0}),
        ("race_7", "asian"),
        ("race_7_probabilities", dict.fromkeys(RACES, 0.2)),
        ("emotion", None),
        ("rejected", True),
        ("track", 0),
        ("models", {"only one": {}}),
        ("models", {"a": {}, "b": {"box_xyxy": [1, 2, 3, 4]}}),
        ("surname", 3),
        ("Surname", "Doe"),
        ("glasses", None),
        ("glasses_probabilities", {"no": 1.5}),
        ("glasses_probability", "yes"),
        ("quality", 1.5),
        ("yaw_degrees", 120),
        ("uncertain", ["age"]),
        ("uncertain", ["gender", "gender"]),
    ],
)
def test_wrong_values_of_a_face_do_not_pass(key, value):
    row = copy.deepcopy(FULL)
    row["faces"][0][key] = value
    assert problems(row)


@pytest.mark.parametrize(
    "key", ["age_interval_90", "age_group", "gender_probabilities", "race", "race_7", "age_band", "age_years"]
)
def test_keys_that_belong_together_come_together(key):
    row = copy.deepcopy(FULL)
    del row["faces"][0][key]
    assert problems(row)


def test_a_head_that_a_model_brings_passes():
    row = copy.deepcopy(FULL)
    row["faces"][0] |= {"glasses": "yes", "glasses_probabilities": {"no": 0.2, "yes": 0.8}}
    row["faces"][0]["uncertain"] = ["glasses"]
    hat = {"hat": "cap", "hat_probabilities": {"no": 0.2, "cap": 0.8}}
    row["faces"][0]["models"] = {"a": hat, "b": {}}
    assert problems(row) == []


def test_a_row_with_an_error_has_no_faces():
    assert problems({**FULL, "error": "it is broken"})
    assert problems({**FULL, "faces": [], "error": ""})


def test_the_example_of_the_documentation_passes():
    text = (DOCS / "output.md").read_text(encoding="utf-8")
    example = re.search(r"```json\n(.*?)```", text, re.DOTALL)[1]
    assert problems(json.loads(example)) == []


def test_types_of_users_know_every_key_of_a_head():
    keys = {key for head in FACE_HEADS for key in (head, f"{head}_probabilities")}
    assert keys <= set(FaceRow.__annotations__)
    assert keys <= set(SCHEMA["$defs"]["attributes"]["properties"])


def test_every_key_is_documented():
    text = (DOCS / "output.md").read_text(encoding="utf-8")
    keys = {*SCHEMA["properties"], *SCHEMA["$defs"]["face"]["properties"]}
    keys |= set(SCHEMA["$defs"]["attributes"]["properties"])
    assert {key for key in keys if f"`{key}`" not in text} == set()


def test_the_arrow_schema_has_every_key_that_is_published():
    pytest.importorskip("pyarrow")
    schema = picture_schema()
    face = {field.name for field in schema.field("faces").type.value_type}
    assert set(schema.names) == set(SCHEMA["properties"])
    published = {*SCHEMA["$defs"]["face"]["properties"], *SCHEMA["$defs"]["attributes"]["properties"]}
    assert published <= face


def test_no_rows_are_a_table_without_rows():
    pytest.importorskip("pyarrow")
    assert to_arrow([]).num_rows == 0 and to_arrow([]).schema == picture_schema()
    assert list(from_arrow(to_arrow([]))) == []


@given(st.lists(said(), max_size=3), st.sampled_from([None, "it is broken"]), POINTS, st.booleans())
def test_rows_come_back_from_arrow_as_they_were(faces, error, landmarks, truncated):
    pytest.importorskip("pyarrow")
    faces = [replace(face, landmarks=landmarks) for face in faces]
    if faces and not faces[0].rejected:
        faces[0] = replace(faces[0], by_model={"a": faces[0], "b c": faces[-1]})
    rows = [
        FrameResult("s3://b/a.jpg", 640, 480, tuple(faces), 3, 0.1, truncated=truncated).to_json(),
        FrameResult("gone.jpg", None, None, error=error).to_json(),
    ]
    assert list(map(json.dumps, from_arrow(to_arrow(rows)))) == list(map(json.dumps, rows))


@pytest.mark.parametrize(
    "row",
    [{}, {"source": "a"}, {"source": 3, "faces": []}, {"source": "a", "faces": [{"box_xyxy": "left"}]}],
)
def test_what_is_no_row_is_refused_in_one_line(row):
    pytest.importorskip("pyarrow")
    with pytest.raises(InputError, match="output.md") as caught:
        to_arrow([row])
    assert "\n" not in str(caught.value)


def test_columns_of_faces_are_those_of_the_tables():
    pytest.importorskip("pyarrow")
    schema = face_schema({"age_band": ("age_band",)})
    assert schema.names[: len(COLUMNS)] == list(COLUMNS) and "gender_female" in schema.names
    (row,) = flattened(FULL, {"age_band": ("age_band",)})
    assert set(row) == {*COLUMNS, "age_band"} and row["face"] == 1 and row["age_band"] == "25+"


@pytest.mark.parametrize("row", [{}, {"source": "a"}, {"source": "a", "faces": [{"gender": "male"}]}])
def test_what_is_no_row_has_no_columns(row):
    with pytest.raises(InputError, match="output.md"):
        list(flattened(row))
