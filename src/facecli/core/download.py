"""A large public file over HTTP: resumable, bounded, retried, checked. Standard library only."""

import hashlib
import http.client
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facecli.core.console import redacted
from facecli.core.errors import DownloadError, FacecliError, OutputError

MAX_BYTES = 1 << 30
_CHUNK = 1 << 16
_GONE = (404, 410)
_RETRIED_STATUS = (408, 429, 500, 502, 503, 504)

log: logging.Logger = logging.getLogger(__name__)
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class PublishedFile:
    """One published file. Each check applies when it is known.

    Attributes:
        file_name: name that it gets.
        urls: public addresses, tried in order while one says "not found"; may be empty.
        size: bytes.
        sha256: hex digest of the file.
    """

    file_name: str
    urls: tuple[str, ...] = ()
    size: int | None = None
    sha256: str | None = None

    def problem(self, path: Path) -> str | None:
        """The first difference between the file at `path` and what is known; None when there is none."""
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"has {size} bytes instead of {self.size}"
        if self.sha256 and (found := sha256_of(path)) != self.sha256:
            return f"has sha256 {found} instead of {self.sha256}"
        return None


class NotFoundError(DownloadError):
    """The address answers that there is no such file."""


class _CutShortError(Exception):
    """The connection ended before the announced size; what came is kept."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long and how often to try."""

    tries: int = 3
    timeout_s: float = 30.0
    pause_s: float = 1.0


DEFAULT_RETRY = RetryPolicy()


def download(
    url: str,
    part: Path,
    on_progress: Progress = lambda done, total: None,
    max_bytes: int = MAX_BYTES,
    retry: RetryPolicy = DEFAULT_RETRY,
) -> None:
    """Fetches `url` into `part`, going on where an earlier attempt was cut.

    A resume asks with If-Range for the very same version (its ETag is kept beside `part`);
    a server that has another version, or ignores Range, sends the whole file, which
    replaces the old start. `part` stays after a failure or Ctrl-C, for the next attempt.

    Args:
        url: http or https.
        part: file to fill; its folder exists.
        on_progress: called with (bytes so far, total bytes or None when unknown).
        max_bytes: a longer answer is refused.
        retry: tries, and timeouts in seconds.

    Raises:
        NotFoundError: the server has no such file.
        DownloadError: offline, refused, cut again and again, too long, or the disk is full.
    """
    called = redacted(url)
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"{called} is not an http address", "install a local file with '--from PATH'")
    for attempt in range(1, retry.tries + 1):
        try:
            return _attempt(url, part, on_progress, max_bytes, retry.timeout_s)
        except urllib.error.HTTPError as error:
            if error.code in _GONE:
                raise NotFoundError(f"{called} does not exist (HTTP {error.code})") from error
            if error.code not in _RETRIED_STATUS or attempt == retry.tries:
                raise DownloadError(f"{called} was refused: HTTP {error.code} {error.reason}") from error
            reason = f"HTTP {error.code}"
        except (http.client.InvalidURL, ValueError):
            # Its text would show what it takes for the port, which may be part of a password.
            raise DownloadError(f"{called} cannot be asked; check the address") from None
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            ConnectionError,
            TimeoutError,
            _CutShortError,
        ) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
            if attempt == retry.tries:
                raise DownloadError(f"cannot fetch {called} ({reason}){_what_is_kept(part)}") from error
        except OSError as error:
            raise DownloadError(f"cannot write {part}: {error.strerror or error}") from error
        log.info("%s: %s, trying again", called, reason)
        time.sleep(retry.pause_s * attempt)


def _what_is_kept(part: Path) -> str:
    kept = part.stat().st_size if part.exists() else 0
    return f"; {kept} bytes are kept, the same command goes on from there" if kept else ""


def discard(part: Path) -> None:
    """Removes a partial file and what is remembered about it."""
    part.unlink(missing_ok=True)
    _etag_file(part).unlink(missing_ok=True)


def _attempt(url: str, part: Path, on_progress: Progress, max_bytes: int, timeout_s: float) -> None:
    have, etag = _resumable(part)
    headers = {"User-Agent": "facecli", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": etag}
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            discard(part)
            raise _CutShortError("the kept part was of no use") from error
        raise
    with answer:
        resumed = answer.status == http.client.PARTIAL_CONTENT
        if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            discard(part)
            raise _CutShortError("the server sent another range than asked")
        _receive(answer, part, have if resumed else 0, on_progress, max_bytes)


def _receive(answer: Any, part: Path, have: int, on_progress: Progress, max_bytes: int) -> None:
    length = answer.headers.get("Content-Length")
    total = have + int(length) if length and length.isdigit() else None
    if total is not None and total > max_bytes:
        raise DownloadError(
            f"{redacted(answer.url)} has {total} bytes, expected at most {max_bytes}; not downloaded"
        )
    _remember(part, answer.headers.get("ETag"))
    with part.open("ab" if have else "wb") as file:
        while chunk := _read(answer):
            have += len(chunk)
            if have > max_bytes:
                raise DownloadError(
                    f"{redacted(answer.url)} sends more than the expected {max_bytes} bytes; stopped"
                )
            file.write(chunk)
            on_progress(have, total)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and have < total:
        raise _CutShortError(f"cut after {have} of {total} bytes")


def _read(answer: Any) -> bytes:
    try:
        return answer.read(_CHUNK)
    except OSError as error:  # told apart from a failing disk
        raise _CutShortError(str(error)) from error


def _resumable(part: Path) -> tuple[int, str]:
    """Bytes already there and their ETag; (0, "") when it cannot be told which version they are."""
    etag_file = _etag_file(part)
    if not part.is_file() or not etag_file.is_file():
        return 0, ""
    etag = etag_file.read_text(encoding="ascii", errors="ignore").strip()
    return (part.stat().st_size, etag) if etag else (0, "")


def _remember(part: Path, etag: str | None) -> None:
    # A weak ETag (W/"...") does not promise identical bytes, so If-Range may not use it.
    strong = etag if etag and etag.startswith('"') else ""
    _etag_file(part).write_text(strong, encoding="ascii", errors="ignore")


def _etag_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def fetch_file(
    file: PublishedFile,
    url: str,
    target: Path,
    on_progress: Progress = lambda done, total: None,
    retry: RetryPolicy = DEFAULT_RETRY,
    problem_of: Callable[[Path], str | None] | None = None,
) -> Path:
    """Downloads a published file to `target`, which appears when it is whole and passed the checks.

    Args:
        file: what is known of it.
        url: one of its addresses, or another.
        target: where it shall be; its folder is made.
        on_progress: called with (bytes so far, total bytes or None when unknown).
        retry: tries, and timeouts in seconds.
        problem_of: says what is wrong with a file; by default what `file` knows.

    Raises:
        DownloadError: see `download`; or it is not what was published: nothing is kept then.
        OutputError: the folder cannot be written.
    """
    part = target.with_name(target.name + ".part")
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    download(url, part, on_progress, file.size or MAX_BYTES, retry)
    try:
        problem = (problem_of or file.problem)(part)
    except FacecliError:
        discard(part)
        raise
    if problem:
        discard(part)
        raise DownloadError(f"the file from {redacted(url)} {problem}; nothing was installed")
    with _writing(target):
        os.replace(part, target)
        discard(part)
    log.info("installed %s", target)
    return target


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
