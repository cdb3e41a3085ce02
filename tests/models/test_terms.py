"""On what terms models and detectors come: as written, by what was learnt, and never wider than known."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.paths import DETECTOR_MODEL, LANDMARKS_MODEL, MODEL_FOLDERS, MODEL_TYPES
from facecli.detect.registry import built_in_names, find_entry
from facecli.models.terms import (
    COMMERCIAL,
    MODEL_TERMS,
    OPEN,
    RESEARCH,
    UNKNOWN,
    Source,
    Terms,
    learnt_terms,
    licence_text,
    terms_of,
)

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = (*MODEL_FOLDERS.values(), DETECTOR_MODEL, LANDMARKS_MODEL)
DETECTOR_TERMS = {name: find_entry(name).terms for name in built_in_names()}
FAIR = {"fairface": "0", "not_face_fairface": "1"}


def test_nothing_known_is_the_narrowest():
    assert terms_of({}) == learnt_terms(None, (), None) == UNKNOWN
    assert UNKNOWN.may_be_used_for == RESEARCH and UNKNOWN.is_narrow and UNKNOWN.sources == ()


def test_every_type_and_every_detector_has_terms():
    assert set(MODEL_TERMS) == set(MODEL_TYPES)
    assert {name for name, terms in MODEL_TERMS.items() if not terms.is_narrow} == {"open"}
    assert {name for name, terms in DETECTOR_TERMS.items() if terms.is_narrow} == {"cnn", "yunet"}


@pytest.mark.parametrize("terms", [*MODEL_TERMS.values(), *DETECTOR_TERMS.values(), UNKNOWN])
def test_what_is_written_is_read_back(terms):
    assert terms_of({"model_type": "normal", "terms": json.loads(json.dumps(terms.to_config()))}) == terms
    assert set(terms.to_config()) == {"licence", "may_be_used_for", "sources"}


def test_somebody_elses_terms_are_told_and_narrow():
    written = Terms("mine", "use on Sundays", (Source("my album", "", "mine"),))
    assert terms_of({"terms": written.to_config()}) == written and written.is_narrow


@pytest.mark.parametrize("model_type", ["facenet", "normal"])
def test_models_without_terms_have_those_of_their_type(model_type):
    terms = terms_of({"model_type": model_type, "sets": FAIR})
    assert terms == MODEL_TERMS[model_type]
    assert terms.may_be_used_for == RESEARCH and "UTKFace" in [source.name for source in terms.sources]


def test_an_open_model_is_open_by_what_it_learnt():
    assert learnt_terms("open", FAIR, None) == OPEN
    assert (OPEN.licence, OPEN.may_be_used_for) == ("CC BY 4.0", COMMERCIAL)
    assert terms_of({"model_type": "open", "sets": FAIR, "initial": None, "earlier_stages": []}) == OPEN
    assert learnt_terms("open", FAIR, {"model_type": "open", "sets": FAIR}) == OPEN
    assert learnt_terms("open", FAIR, {"terms": OPEN.to_config()}) == OPEN


@pytest.mark.parametrize(
    ("sets", "start"),
    [
        ((), None),
        ({"UTKFace": "0"}, None),
        ({**FAIR, "fer2013": "2"}, None),
        (FAIR, {}),
        (FAIR, {"model_type": "facenet"}),
        (FAIR, {"model_type": "open", "sets": {"UTKFace": "0"}}),
    ],
)
def test_an_open_model_that_learnt_from_something_else_is_not(sets, start):
    terms = learnt_terms("open", sets, start)
    assert terms.is_narrow and terms.licence == UNKNOWN.licence
    assert terms.may_be_used_for == RESEARCH
    names = [source.name.lower() for source in terms.sources]
    assert all(any(name.startswith(one.lower()) for name in names) for one in sets)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_model_of_ones_own_pictures_is_ones_own(model_type):
    terms = learnt_terms(model_type, {"list": "0", "album": "1"}, None)
    assert terms.licence == "your own" and terms.may_be_used_for == "what the terms of its data allow"
    assert [(one.name, one.terms) for one in terms.sources] == [
        ("list", "terms not known"),
        ("album", "terms not known"),
    ]


@pytest.mark.parametrize(
    "start",
    [{"model_type": "open", "sets": FAIR}, {"terms": learnt_terms("open", ["mine"], None).to_config()}],
)
def test_a_free_model_that_learns_from_ones_own_pictures_stays_free(start):
    terms = learnt_terms("open", ["list", "fairface"], start)
    assert terms.licence == "your own" and "list" in [one.name for one in terms.sources]
    assert set(terms.sources) >= set(terms_of(start).sources)


@pytest.mark.parametrize(
    ("sets", "start", "teachers"),
    [
        (("list", "UTKFace"), None, ()),
        (("list",), {"model_type": "normal"}, ()),
        (("list",), None, ("facenet",)),
        (("list",), {}, ()),
    ],
)
def test_a_model_that_also_learnt_from_something_else_is_not(sets, start, teachers):
    terms = learnt_terms("normal", sets, start, teachers)
    assert terms.licence == UNKNOWN.licence and terms.may_be_used_for == RESEARCH
    assert "list" in [source.name for source in terms.sources]


def test_all_that_a_model_learnt_from_is_named_once():
    start = {"terms": MODEL_TERMS["facenet"].to_config()}
    terms = learnt_terms("facenet", ["UTKFace", "fairface", "fer2013"], start, ["mobilenet"])
    assert set(terms.sources) == set(MODEL_TERMS["facenet"].sources)
    assert len(terms.sources) == len(set(terms.sources))


@pytest.mark.parametrize("more", [{"initial": "facenet_model"}, {"earlier_stages": [{"seed": 1}]}])
def test_an_unwritten_stage_before_may_have_learnt_from_anything(more):
    assert terms_of({"model_type": "open", "sets": FAIR, **more}).is_narrow


SOURCES = [{"name": "a", "url": "b", "terms": "c"}]


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        "CC BY 4.0",
        {},
        {"licence": "CC BY 4.0", "may_be_used_for": COMMERCIAL},
        {"licence": 4, "may_be_used_for": COMMERCIAL, "sources": SOURCES},
        {"licence": "two\nlines", "may_be_used_for": COMMERCIAL, "sources": SOURCES},
        {"licence": "\ud800", "may_be_used_for": COMMERCIAL, "sources": SOURCES},
        {"licence": "a", "may_be_used_for": COMMERCIAL, "sources": ["FairFace"]},
        {"licence": "a", "may_be_used_for": COMMERCIAL, "sources": [{"name": "a"}]},
    ],
)
def test_damaged_terms_are_none(damaged):
    assert terms_of({"model_type": "normal", "terms": damaged}) == MODEL_TERMS["normal"]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(JSON, JSON, st.sampled_from(["terms", "model_type", "sets", "initial", "earlier_stages"]))
def test_no_config_is_an_error_or_opens_a_closed_model(value, other, key):
    config = {"model_type": "facenet", "terms": other, key: value}
    assert terms_of(config).to_config()["may_be_used_for"] != COMMERCIAL


@pytest.mark.parametrize("name", SHIPPED)
def test_every_model_that_ships_has_its_licence_beside_it(name):
    """`FACECLI_RECORD=1` writes them anew."""
    folder = ROOT / "saved_model" / name
    text = licence_text(name, json.loads((folder / "config.json").read_text("utf-8")))
    if os.environ.get("FACECLI_RECORD"):
        (folder / "LICENSE.txt").write_text(text, "utf-8")
    assert (folder / "LICENSE.txt").read_text("utf-8") == text
    assert ("commercial use" in text) == (name == "open_model")
