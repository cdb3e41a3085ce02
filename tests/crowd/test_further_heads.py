"""Heads that models brought, read from rows again: figures, corrections, searches."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from facecli.cli.search import search
from facecli.cli.summarize import summarize
from facecli.core.faces import Face, FrameResult
from facecli.crowd.correct import Confusion, load_confusions
from facecli.crowd.figures import figures_of
from facecli.crowd.gather import gather
from facecli.crowd.rows import Row, RowError, parse_row
from facecli.models.checkpoint import Checkpoint


def row(name, said, **more):
    further = {} if said is None else {"glasses": said}
    gender = {"male": 0.4, "female": 0.6}
    face = Face((0, 0, 9, 9), 0.9, gender_probabilities=gender, further=further)
    return {**FrameResult(name, 9, 9, (face,), model="mine").to_json(), **more}


def worn(share):
    return {"no": 1 - share, "yes": share}


@pytest.fixture
def rows(tmp_path):
    file = tmp_path / "rows.jsonl"
    said = [worn(0.9), worn(0.8), worn(0.1), None, {"no": 0.1, "yes": 0.2, "sun": 0.7}]
    lines = [json.dumps(row(f"{number}.jpg", one)) for number, one in enumerate(said)]
    file.write_text("\n".join(lines) + "\n")
    return file


def crowd(*said):
    parsed = [parse_row(json.dumps(row(f"{number}.jpg", one))) for number, one in enumerate(said)]
    return gather(Row("rows", one) for one in parsed)


def test_a_row_without_such_a_head_has_none():
    (face,) = parse_row(json.dumps(row("a.jpg", None))).faces
    assert face.further == {}


@pytest.mark.parametrize(
    "keys",
    [
        {"glasses_probabilities": 3, "glasses": "yes"},
        {"glasses_probabilities": {"yes": 1.0, "no": 0.0}},
        {"glasses_probabilities": {"yes": 1.0, "no": 0.0}, "glasses": None},
        {"glasses_probabilities": {"yes": 1.0}, "glasses": "yes"},
        {"_probabilities": {"yes": 1.0, "no": 0.0}, "": "yes"},
        {"age_band_probabilities": {"0-9": 1.0, "10+": 0.0}, "age_band": "0-9"},
        {"race_7_probabilities": {"white": 1.0, "black": 0.0}, "race_7": "white"},
    ],
)
def test_keys_that_are_no_head_do_not_matter(keys):
    face = {"box_xyxy": [0, 0, 1, 1], **keys}
    assert parse_row(json.dumps({"source": "a", "faces": [face]})).faces[0].further == {}


@pytest.mark.parametrize(
    "shares", [{"no": 2.0, "yes": 1.0}, {"no": "x", "yes": 1.0}, {"no": -1.0, "yes": 2.0}]
)
def test_what_are_no_probabilities_makes_no_row(shares):
    face = {"box_xyxy": [0, 0, 1, 1], "glasses": "yes", "glasses_probabilities": shares}
    with pytest.raises(RowError, match="glasses_probabilities"):
        parse_row(json.dumps({"source": "a", "faces": [face]}))


def test_shares_are_of_those_whose_rows_know_it():
    figures = figures_of(crowd(worn(0.9), worn(0.8), worn(0.1), None), {})
    assert {name: share.count for name, share in figures.shares["glasses"].items()} == {"no": 1, "yes": 2}
    assert figures_of(crowd(None), {}).shares.keys() == {"gender"}


def test_shares_are_corrected_in_the_order_of_the_model():
    # The model has its classes the other way round than the rows.
    known = {"glasses": Confusion(np.array([[90, 10], [5, 95]]), "test faces", ("yes", "no"))}
    figures = figures_of(crowd(*[worn(0.9)] * 30, *[worn(0.1)] * 70), known)
    share = figures.shares["glasses"]["yes"]
    assert share.share == 0.3 and share.corrected_share == pytest.approx((0.3 - 0.05) / 0.85, abs=1e-3)


def test_of_other_classes_than_the_model_knows_nothing_is_corrected():
    known = {"glasses": Confusion(np.array([[90, 10], [5, 95]]), "test faces", ("no", "yes"))}
    figures = figures_of(crowd(worn(0.9), {"no": 0.1, "yes": 0.2, "sun": 0.7}), known)
    assert list(figures.shares["glasses"]) == ["no", "yes", "sun"] and not figures.confusions


def test_confusions_of_a_models_own_head_are_read(glasses_checkpoint, tmp_path):
    counts = [[9, 1, 0], [0, 8, 2], [0, 0, 5]]
    (tmp_path / "metrics.json").write_text(json.dumps({"glasses": {"confusion": counts, "data": "mine"}}))
    found = load_confusions(Checkpoint(tmp_path, glasses_checkpoint.config))
    assert found["glasses"].counts.tolist() == counts and found["glasses"].classes[2] == "sun glasses"
    (tmp_path / "metrics.json").write_text(json.dumps({"glasses": {"confusion": counts[:2]}}))
    assert "glasses" not in load_confusions(Checkpoint(tmp_path, glasses_checkpoint.config))


def test_summarize_shows_its_shares(rows):
    result = CliRunner().invoke(summarize, [str(rows)])
    assert result.exit_code == 0 and "glasses" in result.stdout and "sun" in result.stdout
    found = json.loads(CliRunner().invoke(summarize, [str(rows), "--json"]).stdout)
    assert found["glasses"]["yes"]["count"] == 2


def test_search_ranks_by_it(rows):
    result = CliRunner().invoke(search, [str(rows), "--attribute", "glasses=yes", "--json"])
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["source"] for one in found[:2]] == ["0.jpg", "1.jpg"]
    assert found[0]["probability"] == pytest.approx(0.9) and found[0]["glasses"] == "yes"
    both = CliRunner().invoke(
        search, [str(rows), "--attribute", "glasses=yes,sun", "--gender", "female", "--csv"]
    )
    header, first, *_ = both.stdout.splitlines()
    assert header.endswith("emotion_probability,glasses,glasses_probability")
    table = CliRunner().invoke(search, [str(rows), "--attribute", "gender=woman"])
    assert table.exit_code == 2 and "did you mean 'female'" in table.stderr


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ("hats=yes", 1, "the rows have no 'hats'; they have gender, glasses"),
        ("glasses=maybe", 1, "'maybe' is not a class of glasses; choose one of no, yes, sun"),
        ("glasses", 2, "give a head and a class"),
        ("glasses=", 2, "give a head and a class"),
    ],
)
def test_what_nobody_knows_is_one_line(rows, asked, code, said):
    result = CliRunner().invoke(search, [str(rows), "--attribute", asked])
    told = str(result.exception) if code == 1 else result.stderr
    assert result.exit_code == code and said in told
