"""What a report warns of."""

from pathlib import Path

import pytest

from facecli.sinks.html import GENERAL_CAUTIONS, measured_cautions

CARD = (Path(__file__).resolve().parents[2] / "docs" / "model_card.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "metrics", [{}, {"age": {}}, {"age": 3, "gender": {"count": 0}}, {"gender": {"accuracy": "x"}}]
)
def test_a_model_that_was_not_measured_says_so(metrics):
    assert measured_cautions(metrics) == "Nobody has measured how often it is right."


def test_errors_are_told():
    metrics = {"count": 2014, "age": {"mae": 4.85}, "gender": {"accuracy": 0.926}, "emotion": {"count": 0}}
    assert (
        measured_cautions(metrics)
        == "Of 2014 test faces: ages were 4.8 years off on average, gender was right for 93 %."
    )


@pytest.mark.parametrize(
    "phrase",
    [
        "decisions about a person (access, age checks, hiring, policing, credit, medicine)",
        "identifying or tracking people",
        "surveillance",
        "that a person did not offer",
        "very small faces",
        "Ages above 80 are pulled down",
        "non-commercial research",
    ],
)
def test_the_model_card_warns_of_the_same(phrase):
    assert phrase in " ".join(GENERAL_CAUTIONS)
    assert phrase in " ".join(CARD.split())
