"""`POST /predict` as face2data's clients know it: one picture, one face, three answers."""

from typing import Any

from fastapi import APIRouter, Request

from facecli.web import openapi
from facecli.web.analysis import Wish
from facecli.web.problems import Problem
from facecli.web.rest import analyze_one, receive

router = APIRouter(tags=["compatibility"])


@router.post("/predict", summary="Age, gender and race of the largest face", **openapi.predict())
async def predict(request: Request) -> dict[str, Any]:
    """For clients of face2data: field `image`, answer `{"age", "gender": {…}, "race": {…}}`."""
    state = request.app.state
    given = await receive(request)
    if len(given) > 1:
        raise Problem(422, "Too many pictures", "Only one picture is read; /api/v1/analyze takes more.")
    row = await analyze_one(state, given[0], Wish((state.roster.default,), state.roster.default_detector))
    if not row["faces"]:
        raise Problem(422, "No face", "No face was found; send a picture of an upright face.")
    face = max(row["faces"], key=_area)
    return {
        "age": face.get("age_years"),
        "gender": face.get("gender_probabilities", {}),
        "race": face.get("race_probabilities", {}),
    }


def _area(face: dict[str, Any]) -> int:
    x_min, y_min, x_max, y_max = face["box_xyxy"]
    return (x_max - x_min) * (y_max - y_min)
