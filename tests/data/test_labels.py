"""What labels of a list are taken for, and what the user says of them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.attributes import CLASS_NAMES, MAX_AGE_YEARS
from facecli.core.errors import InputError
from facecli.data.labels import (
    NOTHING,
    Meaning,
    age_years,
    load_given,
    parse_meaning,
    parse_pairs,
    read_labels,
    save_reading,
)
from facecli.data.listed import encode_labels, label_counts
from facecli.data.lists import read_listing


@pytest.fixture
def listing(tmp_path):
    """listing(rows): rows without pictures get one; `bare` are labels of no column."""

    def make(*rows):
        path = tmp_path / "list.json"
        rows = [{"file": f"{number}.jpg", **row} for number, row in enumerate(rows)]
        path.write_text(json.dumps(rows), encoding="utf-8")
        return read_listing(path)

    return make


def meant(reading):
    return {str(label): str(meaning) for label, meaning in reading.meanings.items()}


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("31", (31, 31)), ("23.7", (23, 23)), ("0", (0, 0)), ("20-30", (20, 30)), ("20_30", (20, 30)),
        ("20 to 30", (20, 30)), ("20–30", (20, 30)), ("70+", (70, MAX_AGE_YEARS)),
        ("more than 70", (70, MAX_AGE_YEARS)), ("above_50", (50, MAX_AGE_YEARS)),
        ("60 and older", (60, MAX_AGE_YEARS)), ("under 20", (0, 19)), ("below20", (0, 19)),
        ("60-999", (60, MAX_AGE_YEARS)),
    ],
)  # fmt: skip
def test_ages(text, years):
    assert age_years(text) == years


@pytest.mark.parametrize("text", ["", "old", "117", "200-300", "30-20", "-3", "1990-01-01", "20-", "under 0"])
def test_what_is_no_age(text):
    with pytest.raises(InputError, match="is not an age"):
        age_years(text)


def test_dataturks_names(listing):
    labels = "Emotion_Happy,Emotion_Surprised,Age_20_30,Age_30_40,Age_above_40,Age_below20,E_Hispanic,E_White"
    labels += ",G_Female,G_Male,Not_Face,Emotion_Not_Face"
    reading = read_labels(listing({"labels": labels}))
    assert meant(reading) == {
        "Emotion_Happy": "emotion:happy",
        "Emotion_Surprised": "emotion:surprise",
        "Age_20_30": "age:20-29",
        "Age_30_40": "age:30-39",
        "Age_above_40": f"age:40-{MAX_AGE_YEARS}",
        "Age_below20": "age:0-19",
        "E_Hispanic": "race_7:latino_hispanic",
        "E_White": "race_7:white",
        "G_Female": "gender:female",
        "G_Male": "gender:male",
        "Not_Face": "face:not_face",
        "Emotion_Not_Face": "face:not_face",
    }
    assert not reading.unknown and not reading.notes


def test_races_that_both_kinds_share_are_of_the_five_beside_one_of_these(listing):
    reading = read_labels(listing({"race": "White"}, {"race": "Asian"}, {"race": "Middle Eastern"}))
    assert list(meant(reading).values()) == ["race:white", "race:asian", "race_7:middle_eastern"]


def test_columns_by_their_names(listing):
    row = {
        "Age": 31,
        "sex": "F",
        "ethnicity": "caucasian",
        "race_7": "east asian",
        "Expression": "anger",
        "face": 0,
    }
    assert list(meant(read_labels(listing(row))).values()) == [
        "age:31",
        "gender:female",
        "race_7:white",
        "race_7:east_asian",
        "emotion:angry",
        "face:not_face",
    ]


def test_a_column_of_an_unknown_name_is_understood_by_its_values(listing):
    reading = read_labels(listing({"geschlecht": "male"}, {"geschlecht": "female"}))
    assert list(meant(reading).values()) == ["gender:male", "gender:female"]


def test_a_split_is_never_guessed_by_its_values(listing):
    reading = read_labels(listing({"vehicle": "train", "tags": "test"}, {"vehicle": "test", "tags": "dev"}))
    assert not {meaning.attribute for meaning in reading.meanings.values()} & {"split"}
    reading = read_labels(listing({"Partition": "training"}, {"Partition": "dev"}))
    assert list(meant(reading).values()) == ["split:train", "split:val"]


def test_colours_are_no_races(listing):
    reading = read_labels(listing({"hair": "black"}, {"hair": "white"}))
    assert list(meant(reading).values()) == ["hair:black", "hair:white"]


def test_labels_of_two_kinds_in_one_column_are_told(listing):
    reading = read_labels(listing({"what": "happy"}, {"what": "male"}, {"what": "20-30"}))
    assert list(meant(reading).values()) == ["emotion:happy", "gender:male", "age:20-30"]
    (note,) = reading.notes
    assert "column 'what' holds labels of two kinds: emotion (happy) and gender (male)" in note


def test_an_attribute_of_ones_own(listing):
    reading = read_labels(
        listing({"glasses": "yes"}, {"glasses": "no"}, {"labels": "Hat_Red"}, {"labels": "Hat_Blue"})
    )
    assert meant(reading) == {
        "glasses:yes": "glasses:yes",
        "glasses:no": "glasses:no",
        "Hat_Red": "hat:Red",
        "Hat_Blue": "hat:Blue",
    }


def test_yes_and_no_in_several_ways(listing):
    reading = read_labels(listing(*({"glasses": one} for one in ("Y", "yes", 1, "no", False, "N"))))
    assert {meaning.value for meaning in reading.meanings.values()} == {"yes", "no"}
    assert reading.notes == ("column 'glasses' says yes and no in several ways: 1, n, no, y, yes",)


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("city", [f"city {n}" for n in range(500)] * 2, "has 500 different values, and an attribute has 100"),
        ("name", [f"name {n}" for n in range(30)], "hardly a value that recurs"),
        ("day", [f"2020-01-{n:02}" for n in range(20)] * 3, "hardly a value that recurs"),
        ("hour", list(range(20)) * 30, "holds numbers"),
        ("room", [f"room {n}" for n in range(20)] * 5, ""),
        ("level", [1, 2, 3] * 5, ""),
        ("hat", ["red, green", "blue"] * 9, "a class is a short text without a comma"),
        ("camera", ["one"] * 30, "one value only (one)"),
        ("quality", ["good", "poor"] * 5, "has a name that rows or tables have another use for"),
        ("split", ["train", "test"] * 5, ""),
        ("file_2", ["a", "b"] * 5, ""),
        ("ß", ["a", "b"] * 5, "is no name: take small letters"),
    ],
)
def test_columns_that_are_no_attribute_are_one_line(listing, column, values, reason):
    reading = read_labels(listing(*({column: value, "age": 3} for value in values)))
    assert len(reading.notes) == bool(reason) and reason in "".join(reading.notes)
    kept = {meaning.attribute for meaning in reading.meanings.values()}
    assert kept == ({"age", ""} if reason else {"age", column})


def test_what_nobody_understands_is_unknown_most_frequent_first(listing):
    reading = read_labels(
        listing(
            {"gender": "x", "age": "old"}, {"gender": "0", "age": "old"}, {"labels": "Blurred"}, {"age": 150}
        )
    )
    assert list(map(str, reading.unknown)) == [
        *("age:old", "gender:x", "gender:0", "age:150", "Blurred"),
    ]


@pytest.mark.parametrize(
    ("pair", "label", "meaning"),
    [
        ("Age_20_30=age:20-30", "Age_20_30", "age:20-30"),
        ("sex:0=gender:Male", "sex:0", "gender:male"),
        ("sex=gender", "sex:M", "gender:male"),
        ("Blurred=sharpness:poor", "Blurred", "sharpness:poor"),
        ("Blurred=ignore", "Blurred", "ignore"),
        ("sex=ignore", "sex:M", "ignore"),
        ("M=gender:female", "sex:M", "gender:female"),
        ("a=b=race:Latino=ignore", "sex:0", None),
    ],
)
def test_what_the_user_says_goes_first(listing, pair, label, meaning):
    found = listing(
        {"sex": "M", "labels": "Age_20_30"}, {"sex": "0", "labels": "Age_30_40"}, {"labels": "Blurred"}
    )
    reading = read_labels(found, parse_pairs([pair]))
    assert meant(reading).get(label) == meaning
    assert (meaning is None) == any("no row is labelled" in note for note in reading.notes)


@pytest.mark.parametrize(
    "pair",
    [
        "",
        "a",
        "=gender:male",
        "a=",
        "a=gender:",
        "a=gender:x",
        "a=age:old",
        "a=file:b",
        "a=file",
        "a=Ü:b",
        "a=:b",
    ],
)
def test_a_wrong_pair_is_one_line(pair):
    with pytest.raises(InputError):
        parse_pairs([pair])


NAMES = st.sampled_from(
    ["Emotion_Happy", "no", "20_30", "sex:F", "yes", "a: b", "# x", "null", "~", "ü", "1e3"]
)


@given(
    st.dictionaries(
        NAMES, st.sampled_from(["emotion:happy", "glasses:no", "age:20-30", "ignore"]), max_size=6
    )
)
def test_a_mapping_survives_its_file(tmp_path_factory, said):
    pytest.importorskip("yaml", reason="mapping files need PyYAML")
    folder = tmp_path_factory.mktemp("yaml")
    path = folder / "list.json"
    values = [{"file": "a.jpg", "labels": [name for name in said if ":" not in name], "sex": "F"}]
    path.write_text(json.dumps(values), encoding="utf-8")
    reading = read_labels(read_listing(path), said)
    save_reading(folder / "labels.yaml", reading)
    again = read_labels(read_listing(path), load_given(folder / "labels.yaml"))
    assert again.meanings == reading.meanings and again.unknown == reading.unknown


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [1, 2]", "is not text"), ("- a\n- b", "is not a mapping"), ("", "is not a mapping"),
        ("a: {b: {c: d}}", "is not text"), ("a: b: c", "is not a YAML file"),
        ("a: gender:x", "gender is one of"),
        ("{" * 5000, "is not a YAML file"), ("a: !!python/object:os.system Ü", "is not a meaning"),
        ("a: &x gender:male\nb: *x", ""),
    ],
)  # fmt: skip
def test_broken_mapping_files_are_one_line(tmp_path, text, reason):
    pytest.importorskip("yaml", reason="mapping files need PyYAML")
    path = tmp_path / "labels.yaml"
    path.write_text(text, encoding="utf-8")
    if not reason:
        assert load_given(path) == {"a": "gender:male", "b": "gender:male"}
        return
    with pytest.raises(InputError, match=reason) as caught:
        load_given(path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_mapping_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        load_given(tmp_path / "labels.yaml")


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_every_class_of_facecli_has_a_meaning(name, listing):
    for value in CLASS_NAMES[name]:
        assert parse_meaning(f"{name}:{value}") == Meaning(name, value)
        assert list(read_labels(listing({name: value})).meanings.values()) in (
            [Meaning(name, value)],
            [Meaning("race_7", value)],
        )
    assert parse_meaning(" Ignore ") == NOTHING


def encoded(listing, **given):
    labels = encode_labels(listing, read_labels(listing, given))
    return labels, {name: values.tolist() for name, values in labels.columns.items()}


def test_columns_of_a_table(listing):
    labels, columns = encoded(
        listing(
            {"age": 31, "gender": "M", "race": "Hispanic", "glasses": "yes"},
            {"age": "20-30", "glasses": "no"},
            {"gender": "f", "race": "asian"},
            {},
        )
    )
    assert columns == {
        "age_years": [31, -1, -1, -1],
        "age_low": [-1, 20, -1, -1],
        "age_high": [-1, 30, -1, -1],
        "gender": [0, -1, 1, -1],
        "race": [4, -1, 2, -1],
        "race_7": [2, -1, -1, -1],
        "glasses": [1, 0, -1, -1],
    }
    assert labels.classes == {"glasses": ("no", "yes")}
    assert labels.are_there.tolist() == [True, True, True, False]
    assert all(values.dtype == np.int64 for values in labels.columns.values())
    assert label_counts(labels)["glasses"] == {"no": 1, "yes": 1}
    assert label_counts(labels)["age"] == {"30-39": 1} and label_counts(labels)["age band"] == {"20-30": 1}


def test_no_labels_at_all(listing):
    labels, columns = encoded(listing({}, {}))
    assert columns == {} and labels.are_there.tolist() == [False, False] and label_counts(labels) == {}


def test_labels_that_exclude_each_other_are_none(listing):
    labels, columns = encoded(
        listing(
            {"labels": "G_Male,G_Female,Emotion_Sad"},
            {"labels": "G_Male,man"},
            {"labels": "Age_20_30,Age_20_40,G_Female"},
            {"labels": "Age_30_35,Age_30_40"},
        )
    )
    assert columns["gender"] == [-1, 0, 1, -1] and columns["emotion"] == [5, -1, -1, -1]
    assert columns["age_low"] == [-1, -1, -1, -1] and columns["age_high"] == [-1, -1, -1, -1]
    assert "1 rows have two labels of gender that exclude each other; none is taken" in labels.notes


@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2)), min_size=1, max_size=20))
def test_a_row_has_what_all_its_labels_agree_on(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("rows") / "list.json"
    words = ("red", "green", "blue")
    rows = [{"file": "a.jpg", "labels": [f"Hat_{words[one]}" for one in pair if one >= 0]} for pair in pairs]
    rows += [{"file": "b.jpg", "labels": [f"Hat_{word}"]} for word in words]
    path.write_text(json.dumps(rows), encoding="utf-8")
    labels, columns = encoded(read_listing(path))
    names = labels.classes["hat"]
    for pair, value in zip(pairs, columns["hat"], strict=False):
        there = {words[one] for one in pair if one >= 0}
        assert (names[value] if value >= 0 else None) == (there.pop() if len(there) == 1 else None)
