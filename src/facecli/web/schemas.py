"""JSON Schemas of what the routes answer; of faces and pictures docs/schema/row-1.schema.json tells more."""

from typing import Any

from facecli.faces import FACE_HEADS
from facecli.labels import CLASS_NAMES

_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_RECTANGLE = {
    "type": "array",
    "items": {"type": "integer"},
    "minItems": 4,
    "maxItems": 4,
    "description": "x_min, y_min, x_max, y_max in pixels; right and bottom exclusive.",
}


def _probabilities(head: str) -> dict[str, Any]:
    names = CLASS_NAMES[head]
    return {
        "type": "object",
        "properties": {name: _PROBABILITY for name in names},
        "required": list(names),
        "description": "They sum to 1.",
    }


def _object(properties: dict[str, Any], required: list[str], told: str = "") -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    return {**schema, "description": told} if told else schema


_ATTRIBUTES: dict[str, Any] = {
    "face_probability": _PROBABILITY,
    "rejected": {"type": "boolean", "description": "The model takes it for no face."},
    "age_years": {"type": "number", "minimum": 0, "maximum": 116},
    "age_interval_90": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
    "age_group": {"type": "string", "examples": ["30-39"]},
    "age_distribution": {"type": "array", "items": _PROBABILITY, "minItems": 117, "maxItems": 117},
}
for _head in FACE_HEADS:
    _ATTRIBUTES[_head] = {"type": "string", "enum": list(CLASS_NAMES[_head])}
    _ATTRIBUTES[f"{_head}_probabilities"] = _probabilities(_head)

FACE = _object(
    {
        "box_xyxy": _RECTANGLE,
        "detector_confidence": _PROBABILITY,
        **_ATTRIBUTES,
        "head_xyxy": _RECTANGLE,
        "models": {"type": "object", "additionalProperties": {"type": "object"}},
    },
    ["box_xyxy", "detector_confidence"],
    "One face; keys of heads that the model lacks are left out.",
)
_SIDE = {"type": ["integer", "null"], "minimum": 1}
PICTURE = _object(
    {
        "source": {"type": "string"},
        "frame": {"type": "integer"},
        "time_s": {"type": "number"},
        "width": _SIDE,
        "height": _SIDE,
        "faces": {"type": "array", "items": FACE},
        "error": {"type": ["string", "null"]},
        "heads_xyxy": {"type": "array", "items": _RECTANGLE, "description": "All heads, with `anonymize`."},
    },
    ["source", "frame", "time_s", "width", "height", "faces", "error"],
    "A row of `facecli run --json`.",
)
PICTURES = _object({"pictures": {"type": "array", "items": PICTURE}}, ["pictures"], "Of several pictures.")
PREDICTION = _object(
    {
        "age": {"type": ["number", "null"]},
        "gender": {"type": "object", "additionalProperties": _PROBABILITY},
        "race": {"type": "object", "additionalProperties": _PROBABILITY},
    },
    ["age", "gender", "race"],
)
_NAMES = {"type": "array", "items": {"type": "string"}}
MODELS = _object(
    {
        "default": {"type": "string"},
        "default_detector": {"type": "string"},
        "detectors": _NAMES,
        "anonymize": _NAMES,
        "models": {
            "type": "array",
            "items": _object(
                {
                    "name": {"type": "string"},
                    "heads": _NAMES,
                    "image_size": {"type": "array", "items": {"type": "integer"}},
                    "size_bytes": {"type": "integer"},
                    "shipped": {"type": "boolean"},
                    "licence": {"type": "string"},
                    "may_be_used_for": {"type": "string"},
                    "measured": {"type": "string"},
                    "metrics": {"type": "object", "additionalProperties": {"type": "number"}},
                },
                [
                    "name",
                    "heads",
                    "image_size",
                    "size_bytes",
                    "shipped",
                    "licence",
                    "may_be_used_for",
                    "measured",
                    "metrics",
                ],
            ),
        },
    },
    ["default", "default_detector", "detectors", "anonymize", "models"],
)
PROBLEM = _object(
    {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
    ["type", "title", "status", "detail"],
    "Problem details (RFC 9457).",
)
