"""The routes that analyse: pictures in, rows or drawn pictures out."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import State
from starlette.responses import JSONResponse

from facecli.web import openapi
from facecli.web.analysis import Wish, analyze_picture, annotate_picture, failed_row
from facecli.web.given import Given, Named, read_given
from facecli.web.problems import Problem, busy
from facecli.web.service import Busy
from facecli.web.wishes import Wished

router = APIRouter(prefix="/api/v1", tags=["analysis"])
_AGAIN_S = 0.02
_MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg"}
_SUFFIXES = {"png": ".png", "jpeg": ".jpg"}


@router.post(
    "/analyze",
    summary="Faces of one picture or of several",
    response_class=JSONResponse,
    **openapi.analyze(),
)
async def analyze(request: Request, wish: Wished) -> Response:
    """The row of `facecli run --json` for one picture; `{"pictures": [row, …]}` for several.

    Of several pictures, one that cannot be read is a row with `error`; alone it is a problem.
    """
    state = request.app.state
    given = await receive(request)
    if len(given) == 1:
        return JSONResponse(await analyze_one(state, given[0], wish))
    rows = [await _row_or_error(state, one, wish, index > 0) for index, one in enumerate(given)]
    return JSONResponse({"pictures": rows})


@router.post(
    "/annotate", summary="One picture with its faces drawn in", response_class=Response, **openapi.annotate()
)
async def annotate(
    request: Request,
    wish: Wished,
    format: Annotated[Literal["png", "jpeg"], Query(description="Of the answer.")] = "jpeg",
) -> Response:
    """Boxes and labels, with `details` also a panel for each face; heads covered with `anonymize`."""
    state = request.app.state
    given = await receive(request)
    if len(given) > 1:
        raise Problem(422, "Too many pictures", "Only one picture is drawn at a time.")
    name, data = await _loaded(state, given[0])
    drawn = await in_turn(
        state, annotate_picture, state.service, name, data, wish, _pixels(state), _SUFFIXES[format]
    )
    state.meters.analysed(wish.detector)
    return Response(drawn, media_type=_MEDIA_TYPES[format])


async def receive(request: Request) -> Sequence[Given]:
    """The pictures of a request. Raises Problem; when the queue is full, before the body is read."""
    state = request.app.state
    if state.service.is_full:
        raise busy()
    return await read_given(request, state.settings.limits)


async def analyze_one(state: State, given: Given, wish: Wish, waits: bool = False) -> dict[str, Any]:
    """The row of a picture. Raises Problem.

    Args:
        state: of the application.
        given: the picture.
        wish: what is wanted.
        waits: a full queue is waited for, since others of the same request were analysed.
    """
    name, data = await _loaded(state, given)
    arguments = state.service, name, data, wish, _pixels(state)
    row = await in_turn(state, analyze_picture, *arguments, waits=waits)
    state.meters.analysed(wish.detector)
    return row


async def _row_or_error(state: State, given: Given, wish: Wish, waits: bool) -> dict[str, Any]:
    try:
        return await analyze_one(state, given, wish, waits)
    except Problem as problem:
        if problem.status >= 500:
            raise
        return failed_row(given.name, problem.detail)


async def _loaded(state: State, given: Given) -> tuple[str, bytes]:
    """Name and bytes, fetched when it is an address."""
    if isinstance(given, Named):
        return given.name, await state.fetcher.fetch(given.url)
    return given.name, given.data


async def in_turn(state: State, function: Callable[..., Any], *arguments: Any, waits: bool = False) -> Any:
    """What a worker makes of it when it is its turn.

    Raises Problem when there is no place in the queue, or it takes too long.
    """
    limit_s = state.settings.limits.answer_s
    try:
        return await asyncio.wait_for(_when_free(state, function, arguments, waits), limit_s)
    except asyncio.TimeoutError:
        raise Problem(
            503, "Too slow", f"No answer within {limit_s:g} seconds.", {"Retry-After": "10"}
        ) from None


async def _when_free(state: State, function: Callable[..., Any], arguments: tuple, waits: bool) -> Any:
    while True:
        try:
            return await state.service.run(function, *arguments)
        except Busy:
            if not waits:
                raise busy() from None
            await asyncio.sleep(_AGAIN_S)


def _pixels(state: State) -> int:
    return state.settings.limits.pixels
