"""The query parameters that all analysing routes share."""

from typing import Annotated

from fastapi import Depends, Query, Request

from facecli.vision.anonymize import METHODS
from facecli.vision.detect import DETECTORS
from facecli.web.analysis import Wish, unusable
from facecli.web.problems import Problem
from facecli.web.roster import Roster

_MOST_MODELS = 8


async def read_wish(
    request: Request,
    model: Annotated[
        str | None,
        Query(
            max_length=400,
            description="Name of a model (see /api/v1/models), or several with commas: then every face has "
            "`models`. The server's default when left out.",
            examples=["facenet"],
        ),
    ] = None,
    detector: Annotated[
        str | None,
        Query(description=f"How faces are found: {', '.join(DETECTORS)} (none: the picture is one face)."),
    ] = None,
    details: Annotated[bool, Query(description="The age distribution; panels in drawn pictures.")] = False,
    anonymize: Annotated[
        str | None,
        Query(
            description="Cover heads in drawn pictures; rows then say where they are (`heads_xyxy`).",
            pattern=f"^({'|'.join(METHODS)})$",
        ),
    ] = None,
    show_rejected: Annotated[bool, Query(description="Also boxes that the model takes for no face.")] = False,
) -> Wish:
    """What the client wants. Raises Problem for a model or detector that is not here."""
    roster: Roster = request.app.state.roster
    names = (model or roster.default).split(",")
    models = tuple(dict.fromkeys(name.strip() for name in names))
    wish = Wish(models, detector or roster.default_detector, details, anonymize, show_rejected)
    if len(models) > _MOST_MODELS:
        raise Problem(422, "Wrong parameters", f"At most {_MOST_MODELS} models can be compared.")
    if not set(models) <= set(roster.entries) or wish.detector not in roster.detectors:
        raise unusable(wish._replace(models=("?",)) if len(model or "") > 100 else wish)
    return wish


Wished = Annotated[Wish, Depends(read_wish)]
"""Type of a route's parameter."""
