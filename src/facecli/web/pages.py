"""The pages: templates filled once in a while, and the files that they load from here."""

import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from facecli.faces import FACE_HEADS, NAMED_HEADS
from facecli.report.cautions import GENERAL
from facecli.web.page_dataset import dataset_charts
from facecli.web.page_how import model_sections
from facecli.web.page_routes import curl_examples, list_routes

router = APIRouter(include_in_schema=False)
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_TEMPLATES = Environment(
    loader=PackageLoader("facecli.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@cache
def texts() -> dict[str, Any]:
    """Every word of the pages, by page (`texts.json`)."""
    return json.loads(files("facecli.web").joinpath("texts.json").read_text(encoding="utf-8"))


@cache
def static_files() -> dict[str, bytes]:
    """What pages load, by name: the packaged files, the words that scripts say, and the names of heads."""
    found = {
        file.name: file.read_bytes()
        for file in files("facecli.web").joinpath("static").iterdir()
        if file.name.endswith(tuple(_KINDS))
    }
    heads = {"shown": NAMED_HEADS, "all": FACE_HEADS}
    return found | {"texts.js": _module(texts()["script"]), "heads.js": _module(heads)}


def _module(value: Any) -> bytes:
    """A script that gives a value to others."""
    return f"export default {json.dumps(value, ensure_ascii=True)};\n".encode("ascii")


def render(template: str, title: str, **values: Any) -> str:
    """A page as HTML."""
    return _TEMPLATES.get_template(f"{template}.html").render(t=texts(), title=title, **values)


def render_token_page() -> str:
    """The form that asks for the token."""
    return render("token", texts()["token"]["title"])


def render_error_page(title: str, detail: str) -> str:
    """What a person sees in place of a problem body."""
    return render("error", title, detail=detail, path="")


def _page(request: Request, name: str, **values: Any) -> Response:
    content = render(name, texts()[name]["title"], path=request.url.path, **values)
    return _answer(request, content.encode("utf-8"), "text/html; charset=utf-8")


def _answer(request: Request, content: bytes, kind: str) -> Response:
    """With a tag, so that a browser that has it already is told so (RFC 9110, section 8.8.3)."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)


@router.api_route("/", methods=["GET", "HEAD"])
async def index(request: Request) -> Response:
    """Pictures."""
    return _page(request, "index")


@router.api_route("/live", methods=["GET", "HEAD"])
async def live(request: Request) -> Response:
    """The camera."""
    return _page(request, "live")


@router.api_route("/dataset", methods=["GET", "HEAD"])
def dataset(request: Request) -> Response:
    """What the models learnt from."""
    return _page(request, "dataset", charts=dataset_charts())


@router.api_route("/how", methods=["GET", "HEAD"])
def how(request: Request) -> Response:
    """How it is done, and how often it is wrong."""
    return _page(request, "how", models=model_sections(request.app.state.roster.entries), cautions=GENERAL)


@router.api_route("/api", methods=["GET", "HEAD"])
def api(request: Request) -> Response:
    """For programs."""
    needs_token = request.app.state.settings.token is not None
    examples = curl_examples(str(request.base_url), needs_token)
    limits = request.app.state.settings.limits
    told = texts()["api"]["limits_text"].format(
        mib=limits.body_bytes >> 20,
        pictures=limits.pictures,
        megapixels=limits.pixels // 10**6,
        seconds=round(limits.body_s),
    )
    routes = list_routes(request.app.openapi())
    return _page(request, "api", routes=routes, examples=examples, limits=told)


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
async def static(request: Request, name: str) -> Response:
    """A file that a page loads."""
    content = static_files().get(name)
    if content is None:
        raise HTTPException(404)
    return _answer(request, content, _KINDS[name[name.rindex(".") :]])


@router.api_route("/favicon.ico", methods=["GET", "HEAD"])
async def favicon(request: Request) -> Response:
    """Browsers ask for it by themselves."""
    return _answer(request, static_files()["icon.svg"], _KINDS[".svg"])
