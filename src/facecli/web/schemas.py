"""What bodies, answers and errors are, for /openapi.json what FastAPI does not see by itself.

Errors are problem details (RFC 9457) that tell of no place or trace of this machine.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from facecli.core.attributes import CLASS_NAMES, FACE_HEADS, ClassNames
from facecli.core.faces import AGE_BAND
from facecli.web.pages import render_error_page
from facecli.web.settings import Limits

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1


class Problem(Exception):
    """Ends a request with a status and a sentence that tells the client what to do."""

    status: int
    title: str
    detail: str
    headers: dict[str, str]
    more: dict[str, Any]

    def __init__(
        self, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        """`more` are further members of the body."""
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
        self.headers, self.more = dict(headers or {}), more

    def body(self) -> dict[str, Any]:
        """The members that RFC 9457, section 3.1, names."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }

    def response(self) -> Response:
        """What is sent."""
        return JSONResponse(self.body(), self.status, self.headers, media_type=MEDIA_TYPE)


def busy() -> Problem:
    """All workers are taken and the queue is full."""
    detail = "All workers are busy and the queue is full; try again in a moment."
    return Problem(503, "Too busy", detail, {"Retry-After": str(RETRY_AFTER_S)})


def internal() -> Problem:
    """A fault of ours, of which the client learns nothing more."""
    return Problem(500, "Internal error", "Something went wrong on the server; see its log.")


def install(app: FastAPI) -> None:
    """Makes the application answer every error as a problem."""
    app.exception_handler(Problem)(_told)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_http)


def _told(_: Request, problem: Problem) -> Response:
    return problem.response()


def _invalid(_: Request, error: RequestValidationError) -> Response:
    """Wrong parameters: where each is, and what is wrong with it; nothing of what was sent."""
    found = [{"where": ".".join(map(str, one["loc"])), "what": one["msg"]} for one in error.errors()]
    detail = "; ".join(f"{one['where']}: {one['what']}" for one in found)
    return Problem(422, "Wrong parameters", detail, errors=found).response()


_DETAILS = {
    404: "There is no such page; /api lists those that there are.",
    405: "This address does not take that method; /api says which it takes.",
}


def _http(request: Request, error: HTTPException) -> Response:
    title = HTTPStatus(error.status_code).phrase
    detail = _DETAILS.get(error.status_code, str(error.detail))
    if error.status_code == 404 and "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(render_error_page(title, detail), 404)
    return Problem(error.status_code, title, detail, error.headers).response()


_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_RECTANGLE = {
    "type": "array",
    "items": {"type": "integer"},
    "minItems": 4,
    "maxItems": 4,
    "description": "x_min, y_min, x_max, y_max in pixels; right and bottom exclusive.",
}


_ATTRIBUTES: dict[str, Any] = {
    "face_probability": _PROBABILITY,
    "rejected": {"type": "boolean", "description": "The model takes it for no face."},
    "age_years": {"type": "number", "minimum": 0, "maximum": 116},
    "age_interval_90": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
    "age_group": {"type": "string", "examples": ["30-39"]},
    "age_distribution": {"type": "array", "items": _PROBABILITY, "minItems": 117, "maxItems": 117},
}
_SIDE = {"type": ["integer", "null"], "minimum": 1}
_NAMES = {"type": "array", "items": {"type": "string"}}

_TOLD = {
    400: "The body cannot be read.",
    401: "A token is asked for.",
    403: "A page of another origin may not ask.",
    404: "No such model or detector.",
    408: "The body did not come in time.",
    413: "Too many bytes, pixels or pictures.",
    415: "A body of another kind.",
    421: "The host of the request is not served here.",
    422: "Wrong parameters, or a picture that cannot be read.",
    500: "A fault of the server.",
    503: "The queue is full; `Retry-After` says in how many seconds to try again.",
}
_EXAMPLE = {
    "type": "about:blank",
    "title": "Unreadable picture",
    "status": 422,
    "detail": "a.jpg cannot be read as a picture (unknown format).",
}
_PICTURE_ROW = {
    "source": "a.jpg",
    "frame": 0,
    "time_s": 0.0,
    "width": 512,
    "height": 512,
    "faces": [
        {
            "box_xyxy": [174, 65, 271, 162],
            "detector_confidence": 0.9558,
            "age_years": 29.0,
            "age_interval_90": [19, 40],
            "age_group": "20-29",
            "gender": "female",
            "gender_probabilities": {"male": 0.1196, "female": 0.8804},
        }
    ],
    "error": None,
}


def _probabilities(names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: _PROBABILITY for name in names},
        "required": list(names),
        "description": "They sum to 1.",
    }


def _object(properties: dict[str, Any], required: list[str], told: str = "") -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    return {**schema, "description": told} if told else schema


def _attribute(head: str, names: Sequence[str]) -> dict[str, Any]:
    """The two keys of a head."""
    return {
        head: {"type": "string", "enum": list(names)},
        f"{head}_probabilities": _probabilities(names),
    }


def _uncertain(further: Iterable[str] = ()) -> dict[str, Any]:
    return {"type": "array", "items": {"enum": [*FACE_HEADS, *further, AGE_BAND]}}


for _head in FACE_HEADS:
    _ATTRIBUTES |= _attribute(_head, CLASS_NAMES[_head])
_ATTRIBUTES["uncertain"] = _uncertain()

FACE = _object(
    {
        "box_xyxy": _RECTANGLE,
        "detector_confidence": _PROBABILITY,
        "landmarks": {
            "type": "array",
            "items": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
            "minItems": 5,
            "maxItems": 5,
            "description": "Eyes, nose and corners of the mouth in pixels, the viewer's left first.",
        },
        "roll_degrees": {"type": "number", "minimum": -180, "maximum": 180},
        "yaw_degrees": {"type": "number", "minimum": -90, "maximum": 90},
        "pitch_degrees": {"type": "number", "minimum": -90, "maximum": 90},
        "quality": _PROBABILITY,
        **_ATTRIBUTES,
        "head_xyxy": _RECTANGLE,
        "models": {"type": "object", "additionalProperties": {"type": "object"}},
    },
    ["box_xyxy", "detector_confidence"],
    "One face; keys of heads that the model lacks are left out.",
)
PICTURE = _object(
    {
        "source": {"type": "string"},
        "frame": {"type": "integer"},
        "time_s": {"type": "number"},
        "width": _SIDE,
        "height": _SIDE,
        "faces": {"type": "array", "items": FACE},
        "error": {"type": ["string", "null"]},
        "model": {"type": ["string", "null"]},
        "facecli": {"type": "string", "description": "Version."},
        "heads_xyxy": {"type": "array", "items": _RECTANGLE, "description": "All heads, with `anonymize`."},
    },
    ["source", "frame", "time_s", "width", "height", "faces", "error", "model", "facecli"],
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


def with_heads(described: Any, further: ClassNames) -> Any:
    """What is described, with the heads that models bring wherever a face's attributes are."""
    if isinstance(described, list):
        return [with_heads(one, further) for one in described]
    if not isinstance(described, dict):
        return described
    told = {key: with_heads(value, further) for key, value in described.items()}
    if further and "uncertain" in told and "age_group" in told:
        for head, names in further.items():
            told |= _attribute(head, names)
        told["uncertain"] = _uncertain(further)
    return told


def analyze() -> dict[str, Any]:
    """Of POST /api/v1/analyze."""
    schema = {"anyOf": [PICTURE, PICTURES]}
    answer = {"schema": schema, "examples": {"one picture": {"value": _PICTURE_ROW}}}
    return _route({"application/json": answer}, "The faces.", _picture_body(Limits().pictures))


def annotate() -> dict[str, Any]:
    """Of POST /api/v1/annotate."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    return _route({"image/png": binary, "image/jpeg": binary}, "The drawn picture.", _picture_body(1))


def predict() -> dict[str, Any]:
    """Of POST /predict."""
    return _route({"application/json": {"schema": PREDICTION}}, "The largest face.", _picture_body(1))


def models() -> dict[str, Any]:
    """Of GET /api/v1/models."""
    return _route({"application/json": {"schema": MODELS}}, "The models.", problems=(401, 421, 500))


def health() -> dict[str, Any]:
    """Of GET /healthz."""
    schema = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]}
    return _route(
        {"application/json": {"schema": schema}}, "Pictures are analysed.", problems=(421, 500, 503)
    )


def metrics() -> dict[str, Any]:
    """Of GET /metrics."""
    answer = {"text/plain": {"schema": {"type": "string"}}}
    return _route(answer, "Prometheus text format.", problems=(401, 421, 500))


def _route(
    answer: dict[str, Any],
    told: str,
    body: dict[str, Any] | None = None,
    problems: tuple[int, ...] = tuple(_TOLD),
) -> dict[str, Any]:
    """Arguments of a route: its answers, all errors as problems, and its body."""
    responses: dict[int, Any] = {200: {"description": told, "content": answer}}
    for status in problems:
        responses[status] = {
            "description": _TOLD[status],
            "content": {MEDIA_TYPE: {"schema": PROBLEM, "example": {**_EXAMPLE, "status": status}}},
        }
    route: dict[str, Any] = {"responses": responses}
    if body is not None:
        route["openapi_extra"] = {"requestBody": body}
    return route


def _picture_body(most: int) -> dict[str, Any]:
    """The three ways in which pictures come, so many at most."""
    file = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    several = {"type": "array", "items": file, "minItems": 1, "maxItems": most}
    files = file if most == 1 else {"anyOf": [file, several]}
    form = {
        "type": "object",
        "properties": {"file": files, "image": files},
        "oneOf" if most == 1 else "anyOf": [{"required": ["file"]}, {"required": ["image"]}],
    }
    url = {"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": 2000}
    urls = {"type": "array", "items": url, "minItems": 1, "maxItems": most}
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": form},
            "application/json": {
                "schema": {"oneOf": [_only("url", url), _only("urls", urls)]},
                "example": {"url": "https://example.org/a.jpg"},
            },
            "image/*": {"schema": file},
        },
    }


def _only(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """An object with one key and no other."""
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}
