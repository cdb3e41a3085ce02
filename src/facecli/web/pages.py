"""The pages: templates filled once in a while, the files they load, what they say of data and models."""

import csv
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from facecli.core import paths
from facecli.core.attributes import FACE_HEADS, NAMED_HEADS
from facecli.models.registry import Entry
from facecli.sinks.html import GENERAL_CAUTIONS, measured_cautions
from facecli.sinks.rows import COLUMNS

log: logging.Logger = logging.getLogger(__name__)
NAMES = ("age_group", "gender", "race", "age")
BEFORE, AFTER, ALL = "training", "adjusted", "raw"
"""Folders of `facecli.data.statistics`: training rows before and after rebalancing, and all pictures."""
_YEARS_A_ROW = 5
_COLUMNS = {
    "age_mae": (1, "{:.1f}"),
    "bias": (1, "{:+.1f}"),
    "gender_accuracy": (100, "{:.1f}"),
    "race_accuracy": (100, "{:.1f}"),
}
_FEWEST = 100
"""Faces of a group: fewer say little."""

_TOKEN = " -H 'Authorization: Bearer TOKEN'"

router: APIRouter = APIRouter(include_in_schema=False)
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_TEMPLATES = Environment(
    loader=PackageLoader("facecli.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class ChartRow(NamedTuple):
    """A class: for each side `count` and `share` as text, and `fill` of the bar in [0, 1]."""

    name: str
    cells: list[dict[str, Any]]


class Chart(NamedTuple):
    """One table of the data set: all pictures, training rows, and rebalanced ones where they differ."""

    name: str
    sides: tuple[str, ...]
    rows: list[ChartRow]


def dataset_charts() -> list[Chart]:
    """The charts that can be drawn here; none where nothing was counted."""
    return [chart for name in NAMES if (chart := _chart(name)) is not None]


def statistics_places() -> list[Path]:
    """Where statistics may lie: the user's folder first, then the shipped ones."""
    return [paths.statistics_dir(), *paths.shipped_places("statistics")]


def _chart(name: str) -> Chart | None:
    for place in statistics_places():
        read = {side: _counts(place / "data_stats" / side / f"{name}.csv") for side in (ALL, BEFORE, AFTER)}
        if name == "age":
            read = {side: _grouped(counts) for side, counts in read.items()}
        sides = {side: counts for side, counts in read.items() if counts}
        if sides.get(AFTER) == sides.get(BEFORE):
            # Nothing was rebalanced, and there is no "after".
            sides.pop(AFTER, None)
        if sides:
            return _built(name, sides)
    return None


def _grouped(years: Mapping[str, float]) -> dict[str, float]:
    """Single years as spans of five: "20-24". Raises nothing: a class that is no year is left out."""
    spans: dict[str, float] = {}
    for name, count in years.items():
        if name.isdecimal():
            low = int(name) // _YEARS_A_ROW * _YEARS_A_ROW
            span = f"{low}-{low + _YEARS_A_ROW - 1}"
            spans[span] = spans.get(span, 0.0) + count
    return spans


def is_rebalanced(charts: Sequence[Chart]) -> bool:
    """Do training rows before and after rebalancing differ in any of them?"""
    return any({BEFORE, AFTER} <= set(chart.sides) for chart in charts)


def _built(name: str, sides: dict[str, dict[str, float]]) -> Chart:
    classes = [one for one in next(iter(sides.values())) if any(counts.get(one) for counts in sides.values())]
    most = {side: max(counts.values()) or 1.0 for side, counts in sides.items()}
    total = {side: sum(counts.values()) or 1.0 for side, counts in sides.items()}
    rows = []
    for one in classes:
        cells = []
        for side, counts in sides.items():
            count = counts.get(one, 0.0)
            share = f"{100 * count / total[side]:.1f} %"
            cells.append({"count": f"{count:,.0f}", "share": share, "fill": round(count / most[side], 4)})
        rows.append(ChartRow(one, cells))
    return Chart(name, tuple(sides), rows)


def _counts(path: Path) -> dict[str, float]:
    """Class -> count; {} for a table that is missing or damaged."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return dict(_pairs(csv.DictReader(file)))
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        log.info("%s is not shown: %r", path, error)
        return {}


def _pairs(rows: "csv.DictReader[str]") -> Iterator[tuple[str, float]]:
    for row in rows:
        count = float(row["count"] or 0)
        if not 0 <= count < 1e12:
            raise ValueError(f"a count of {count}")
        yield row["class"], count


def model_sections(entries: Mapping[str, Entry]) -> list[dict[str, Any]]:
    """A section for each model: name, facts, measured, structure (or None), groups."""
    return [
        {
            "name": name,
            "facts": _facts(entry),
            "measured": measured_cautions(entry.metrics, entry.further),
            "structure": _structure(entry.name),
            "groups": _groups(entry.name),
        }
        for name, entry in entries.items()
    ]


def _facts(entry: Entry) -> str:
    config = entry.config
    height, width = config["image_size"]
    return (
        f"{', '.join(config['heads'])}; takes {width} x {height} pixels; {entry.network_bytes / 1e6:.1f} MB."
    )


def _find(model: str, name: str) -> Path | None:
    found = (place / "model_metrics" / model / name for place in statistics_places())
    return next((path for path in found if path.is_file()), None)


def _structure(model: str) -> str | None:
    path = _find(model, "structure.txt")
    return None if path is None else path.read_text(encoding="utf-8", errors="replace")


def _groups(model: str) -> list[tuple[str, ...]]:
    """Rows of the table by group; [] when there is none, or it cannot be read."""
    path = _find(model, "fairness_report.csv")
    if path is None:
        return []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return [_group(row) for row in csv.DictReader(file) if int(row["count"]) >= _FEWEST]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        log.info("%s is not shown: %r", path, error)
        return []


def _group(row: Mapping[str, str]) -> tuple[str, ...]:
    """Its name, how many faces, and the figures as text; blank is what was not measured."""
    figures = (
        form.format(factor * float(row[name])) if row[name] else ""
        for name, (factor, form) in _COLUMNS.items()
    )
    return row["group"], f"{int(row['count']):,}", *figures


class Route(NamedTuple):
    """One line of the list."""

    method: str
    path: str
    summary: str


def list_routes(openapi: dict[str, Any]) -> list[Route]:
    """Those that /openapi.json describes."""
    return [
        Route(method.upper(), path, described.get("summary", ""))
        for path, methods in openapi["paths"].items()
        for method, described in methods.items()
    ]


def curl_examples(base_url: str, needs_token: bool) -> str:
    """Lines for a shell, with the address that the page was asked at."""
    curl = "curl" + (_TOKEN if needs_token else "")
    base = base_url.rstrip("/")
    lines = (
        f"{curl} -F file=@photo.jpg {base}/api/v1/analyze",
        f"{curl} -F file=@a.jpg -F file=@b.jpg '{base}/api/v1/analyze?model=facenet,normal&details=true'",
        f'{curl} --json \'{{"url": "https://example.org/photo.jpg"}}\' {base}/api/v1/analyze',
        f"{curl} -F file=@photo.jpg '{base}/api/v1/annotate?anonymize=blur&format=png' -o drawn.png",
        f"{curl} {base}/api/v1/models",
    )
    return "\n".join(lines)


@cache
def texts() -> dict[str, Any]:
    """Every word of the pages, by page (`texts.json`)."""
    return json.loads(files("facecli.web").joinpath("texts.json").read_text(encoding="utf-8"))


@cache
def static_files() -> dict[str, bytes]:
    """What pages load, by name: the packaged files, the words of scripts, the names of heads and columns."""
    found = {
        file.name: file.read_bytes()
        for file in files("facecli.web").joinpath("static").iterdir()
        if file.name.endswith(tuple(_KINDS))
    }
    heads = {"shown": NAMED_HEADS, "all": FACE_HEADS, "columns": COLUMNS}
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
    charts = dataset_charts()
    counted = {side for chart in charts for side in chart.sides}
    told = "rebalanced" if is_rebalanced(charts) else "as_it_is" if BEFORE in counted else "unknown"
    return _page(request, "dataset", charts=charts, told=told)


@router.api_route("/how", methods=["GET", "HEAD"])
def how(request: Request) -> Response:
    """How it is done, and how often it is wrong."""
    return _page(
        request, "how", models=model_sections(request.app.state.registry.entries), cautions=GENERAL_CAUTIONS
    )


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


@router.api_route("/docs", methods=["GET", "HEAD"])
async def docs() -> Response:
    """Where servers of this kind have their interactive page."""
    return RedirectResponse("/api")


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
