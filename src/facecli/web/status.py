"""What a server says of itself: models, health, figures."""

from typing import Any

from fastapi import APIRouter, Request, Response

from facecli import __version__
from facecli.faces import FACE_HEADS
from facecli.models.catalogue import Entry
from facecli.models.terms import terms_of
from facecli.report.cautions import measured
from facecli.vision.anonymize import METHODS
from facecli.web import openapi
from facecli.web.meters import MEDIA_TYPE

router = APIRouter(tags=["server"])


@router.get("/api/v1/models", summary="Models and detectors that can be asked for", **openapi.models())
async def models(request: Request) -> dict[str, Any]:
    """The models here with what was measured of them, the default first."""
    roster = request.app.state.roster
    return {
        "default": roster.default,
        "default_detector": roster.default_detector,
        "detectors": list(roster.detectors),
        "anonymize": list(METHODS),
        "models": [describe_model(name, entry) for name, entry in roster.entries.items()],
    }


@router.get("/healthz", summary="Is the server well?", **openapi.health())
async def healthz(request: Request) -> dict[str, Any]:
    """Answers as long as requests are answered; needs no token."""
    service = request.app.state.service
    return {"status": "ok", "version": __version__, "taken": service.taken, "places": service.places}


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response, **openapi.metrics())
async def metrics(request: Request) -> Response:
    """Requests, seconds, pictures, faces, queue."""
    return Response(request.app.state.meters.text(), media_type=MEDIA_TYPE)


def describe_model(name: str, entry: Entry) -> dict[str, Any]:
    """One model for clients."""
    config = entry.config
    terms = terms_of(config)
    return {
        "name": name,
        "heads": list(config["heads"]),
        "image_size": list(config["image_size"]),
        "size_bytes": entry.network_bytes,
        "shipped": entry.shipped,
        "licence": terms.licence,
        "may_be_used_for": terms.may_be_used_for,
        "measured": measured(entry.metrics),
        "metrics": _figures(entry.metrics),
    }


def _figures(metrics: dict[str, Any]) -> dict[str, float]:
    """The figures of the test split that there are."""
    found = {}
    for head, key in (("age", "mae"), *((head, "accuracy") for head in FACE_HEADS)):
        part = metrics.get(head)
        value = part.get(key) if isinstance(part, dict) else None
        if isinstance(value, float):
            found[f"{head}_{key}"] = round(value, 4)
    return found
