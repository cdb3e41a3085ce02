"""Errors as clients see them: problem details (RFC 9457), without places or traces of this machine."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from facecli.web.pages import render_error_page

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1


class Problem(Exception):
    """Ends a request with a status and a sentence that tells the client what to do."""

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
    return Problem(500, "Internal error", "Something went wrong here; the server's log says what.")


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
