"""What whoever reads a report must know; the long form is docs/model_card.md."""

from collections.abc import Mapping
from typing import Any

from facecli.faces import NAMED_HEADS

GENERAL = (
    "These are apparent attributes: what a network takes a picture for. They are neither identity nor "
    "ancestry nor what somebody feels, and none of them can be read off a face with certainty.",
    "Not for decisions about a person (access, age checks, hiring, policing, credit, medicine), for "
    "identifying or tracking people, for surveillance, or for anything that a person did not offer.",
    "Pictures unlike those it learnt from (webcams, strong light, make-up, masks, profiles, very small "
    "faces) are read worse. Ages above 80 are pulled down, those of small children up. Boys are taken for "
    "girls more often than men for women. Race 'other' is hardly ever recognised.",
    "The 90 % interval of an age holds about 90 of 100 true ages of faces like those it was measured on. "
    "Shares of a crowd are counted from labels that are sometimes wrong.",
    "The models facenet and normal, and the data that they learnt from, are for non-commercial research; "
    "'facecli models show' says what a model may be used for.",
)
"""For every model that has learnt from such data, in the order of their weight."""


def measured(metrics: Mapping[str, Any]) -> str:
    """A sentence about a model's errors, from its `metrics.json`; says so when there is none."""
    parts = []
    age = metrics.get("age")
    if isinstance(age, Mapping) and isinstance(age.get("mae"), float):
        parts.append(f"ages were {age['mae']:.1f} years off on average")
    for head in NAMED_HEADS:
        part = metrics.get(head)
        if isinstance(part, Mapping) and isinstance(part.get("accuracy"), float):
            parts.append(f"{head} was right for {100 * part['accuracy']:.0f} %")
    if not parts:
        return "Nobody has measured how often it is right."
    return f"Of {metrics.get('count', 'some')} test faces: {', '.join(parts)}."
