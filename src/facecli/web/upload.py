"""What a request brings: pictures as bytes, or addresses, fetched by the rules of the command line."""

import asyncio
import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from facecli.core.console import redacted
from facecli.core.errors import ImageError, InputError
from facecli.sources.files import as_text
from facecli.sources.web import FetchLimits as FetchLimits
from facecli.sources.web import check_url, fetch, is_url
from facecli.web.schemas import Problem, busy
from facecli.web.settings import Limits

log: logging.Logger = logging.getLogger(__name__)
_THREADS, _MOST_WAITING = 8, 32

FIELDS = ("file", "image")
_MOST_FIELDS = 20
_LONGEST_NAME = 200
_LONGEST_URL = 2000


class Fetcher:
    """Fetches beside the workers, so that slow servers hold none of them."""

    def __init__(self, max_bytes: int, whole_s: float = 10.0) -> None:
        """A picture has `max_bytes` at most and must be here within `whole_s` seconds."""
        self._limits = FetchLimits(whole_s=whole_s, connect_s=min(whole_s, 5.0), max_bytes=max_bytes)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="pictures")
        self._taken = 0

    async def fetch(self, url: str) -> bytes:
        """The content at a public address.

        Raises:
            Problem: it cannot be had, and the client is not told why: who may make a server ask
                must not learn from it which hosts and ports of its network answer.
        """
        if self._taken >= _MOST_WAITING:
            raise busy()
        self._taken += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, fetch, url, False, self._limits)
        except ImageError as error:
            log.info("not fetched: %s", error)
            raise self._refusal() from error
        finally:
            self._taken -= 1

    def _refusal(self) -> Problem:
        detail = (
            "The address gives no picture: it must be public and answer with the picture itself within "
            f"{self._limits.whole_s:g} seconds, {self._limits.max_bytes >> 20} MiB at most."
        )
        return Problem(422, "Address not fetched", detail)

    def close(self) -> None:
        """Leaves those that still wait; each ends by itself in time."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class UploadedPicture(NamedTuple):
    """A picture that came with a request: what rows call it, and its bytes."""

    name: str
    data: bytes


class PictureAddress(NamedTuple):
    """A picture that a request names: what rows call it, and the address that it is fetched from."""

    name: str
    url: str


Given = UploadedPicture | PictureAddress


class _Parser(MultiPartParser):
    """Keeps what it reads in memory, however large: nothing of a picture may reach a disk."""

    spool_max_size = 1 << 40


async def read_given(request: Request, limits: Limits) -> Sequence[Given]:
    """The pictures of a request, one at least, in their order.

    Args:
        request: multipart/form-data with the fields FIELDS, an image/* body, or JSON with `url` or `urls`.
        limits: how many there may be.

    Raises:
        Problem: something else, none, too many, or an address that is none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _read_form(request, limits)
    if kind == "application/json":
        return _read_addresses(await request.body(), limits)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return [UploadedPicture("picture", await request.body())]
    detail = "Send multipart/form-data with the field 'file', the picture itself as image/*, or JSON."
    raise Problem(415, "Unsupported media type", detail)


async def _read_form(request: Request, limits: Limits) -> Sequence[UploadedPicture]:
    parser = _Parser(
        Headers(scope=request.scope), request.stream(), max_files=limits.pictures, max_fields=_MOST_FIELDS
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise _unreadable_form(error.message, limits) from error
    except (LookupError, ValueError) as error:
        # No boundary, a charset that does not exist.
        raise _unreadable_form("its head is damaged", limits) from error
    given: list[UploadedPicture] = []
    try:
        for field, value in form.multi_items():
            if field in FIELDS and isinstance(value, UploadFile):
                given.append(UploadedPicture(_name(value.filename, len(given)), await value.read()))
    finally:
        await form.close()
    if not given:
        raise Problem(422, "No picture", "The form has no file in a field 'file' or 'image'.")
    return given


def _unreadable_form(reason: str, limits: Limits) -> Problem:
    if reason.startswith("Too many files"):
        return _too_many(limits)
    return Problem(400, "Unreadable form", f"The form cannot be read: {' '.join(reason.split())[:200]}.")


def _name(filename: str | None, index: int) -> str:
    """The last part of the name that the client gives, in one line."""
    last = as_text(filename or "").replace("\\", "/").rpartition("/")[2]
    name = "".join(letter for letter in last if letter.isprintable()).strip()
    return name[:_LONGEST_NAME] or f"picture {index + 1}"


def _read_addresses(body: bytes, limits: Limits) -> Sequence[PictureAddress]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "Unreadable JSON", 'The body is not JSON; send {"url": "https://…"}.') from error
    urls = _urls(value)
    if urls is None or not all(isinstance(url, str) for url in urls):
        detail = 'The body is {"url": "https://…"} or {"urls": ["https://…", …]}, and nothing else.'
        raise Problem(422, "Wrong parameters", detail)
    if len(urls) > limits.pictures:
        raise _too_many(limits)
    for url in urls:
        _check(url)
    return [PictureAddress(redacted(url), url) for url in urls]


def _urls(value: Any) -> Sequence[Any] | None:
    """The addresses that a body names; None when it is of another shape."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    if "url" in value:
        return [value["url"]]
    urls = value.get("urls")
    return urls if isinstance(urls, list) and urls else None


def _check(url: str) -> None:
    try:
        if not is_url(url) or len(url) > _LONGEST_URL or as_text(url) != url:
            raise InputError("it does not begin with http:// or https://, or is too long")
        check_url(url)
    except InputError as error:
        detail = f"Of the addresses one cannot be used: {' '.join(as_text(str(error)).split())[:300]}."
        raise Problem(422, "Wrong address", detail) from error


def _too_many(limits: Limits) -> Problem:
    return Problem(
        422, "Too many pictures", f"A request may contain {limits.pictures} pictures; send several requests."
    )
