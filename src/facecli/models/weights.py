"""Published weights on this machine: find, fetch, install, check.

A large public file comes over HTTP: resumable, bounded, retried. Imports the standard library only.
"""

import hashlib
import http.client
import logging
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facecli.core import paths
from facecli.core.errors import OutputError, WeightsError
from facecli.core.redaction import redacted
from facecli.models.weights_registry import WEIGHTS, Weights, WeightsFile, find_weights, installed, registered

__all__ = ["WEIGHTS", "check", "fetch", "find_weights", "install", "installed"]

MAX_BYTES = 1 << 30
_CHUNK = 1 << 16
_GONE = (404, 410)
_RETRIED_STATUS = (408, 429, 500, 502, 503, 504)

logger = logging.getLogger(__name__)
Progress = Callable[[int, int | None], None]


class NotFoundError(WeightsError):
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
        WeightsError: offline, refused, cut again and again, too long, or the disk is full.
    """
    called = redacted(url)
    if not url.startswith(("https://", "http://")):
        raise WeightsError(f"{called} is no http address", "install a local file with '--from PATH'")
    for attempt in range(1, retry.tries + 1):
        try:
            return _attempt(url, part, on_progress, max_bytes, retry.timeout_s)
        except urllib.error.HTTPError as error:
            if error.code in _GONE:
                raise NotFoundError(f"{called} does not exist (HTTP {error.code})") from error
            if error.code not in _RETRIED_STATUS or attempt == retry.tries:
                raise WeightsError(f"{called} was refused: HTTP {error.code} {error.reason}") from error
            reason = f"HTTP {error.code}"
        except (http.client.InvalidURL, ValueError):
            # Its text would show what it takes for the port, which may be part of a password.
            raise WeightsError(f"{called} cannot be asked; check the address") from None
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            ConnectionError,
            TimeoutError,
            _CutShortError,
        ) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
            if attempt == retry.tries:
                raise WeightsError(f"cannot fetch {called} ({reason}){_what_is_kept(part)}") from error
        except OSError as error:
            raise WeightsError(f"cannot write {part}: {error.strerror or error}") from error
        logger.info("%s: %s, trying again", called, reason)
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


def _receive(answer, part: Path, have: int, on_progress: Progress, max_bytes: int) -> None:
    length = answer.headers.get("Content-Length")
    total = have + int(length) if length and length.isdigit() else None
    if total is not None and total > max_bytes:
        raise WeightsError(
            f"{redacted(answer.url)} announces {total} bytes, expected at most {max_bytes}; not fetched"
        )
    _remember(part, answer.headers.get("ETag"))
    with part.open("ab" if have else "wb") as file:
        while chunk := _read(answer):
            have += len(chunk)
            if have > max_bytes:
                raise WeightsError(
                    f"{redacted(answer.url)} sends more than the expected {max_bytes} bytes; stopped"
                )
            file.write(chunk)
            on_progress(have, total)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and have < total:
        raise _CutShortError(f"cut after {have} of {total} bytes")


def _read(answer) -> bytes:
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


def fetch(
    name: str,
    url: str | None = None,
    on_progress: Progress = lambda done, total: None,
    retry: RetryPolicy = DEFAULT_RETRY,
) -> Path:
    """Downloads, checks and installs the weights `name`; present and genuine ones are kept.

    Args:
        name: a key of WEIGHTS.
        url: another address of one of the known files; the checks stay the same.
        on_progress: called with (bytes so far, total bytes or None).
        retry: tries and timeouts.

    Returns:
        The installed file.

    Raises:
        WeightsError: it cannot be fetched, or is not what it should be.
        OutputError: the weights folder cannot be written.
    """
    weights = registered(name)
    if url is None:
        for file, path in installed(name):
            check(file, path)
            return path
    missing = []
    for file, address in _addresses(weights, url):
        try:
            return _fetch_file(file, address, on_progress, retry)
        except NotFoundError as error:
            missing.append(str(error))
        except WeightsError as error:
            raise WeightsError(f"{error}; or {_by_hand(name)}") from error
    reasons = "; ".join(missing) or f"no public address of '{name}' is known"
    raise WeightsError(f"{reasons}; {_by_hand(name)}")


def install(name: str, source: Path) -> Path:
    """Copies a file that the user already has into the weights folder, once it passed the checks.

    Raises WeightsError when it is missing or is none of the known files, OutputError when
    it cannot be written.
    """
    weights = registered(name)
    source = Path(source)
    if not source.is_file():
        raise WeightsError(f"no file {source}; name one of {_file_names(weights)}")
    target = paths.weights_dir() / _recognised(weights, source).file_name
    if source.resolve() == target.resolve():
        return target
    with paths.replacing(target) as temporary:
        shutil.copyfile(source, temporary)
    return target


def check(file: WeightsFile, path: Path) -> None:
    """Raises WeightsError when the file at `path` is not the published one."""
    if problem := _problem(file, path):
        raise WeightsError(f"{path} {problem}; delete it and fetch it again")


def _problem(file: WeightsFile, path: Path) -> str | None:
    """The first difference between a file and what is known of it, None when there is none."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"has {size} bytes instead of {file.size}"
    if file.sha256 and (found := _sha256(path)) != file.sha256:
        return f"has sha256 {found} instead of {file.sha256}"
    if file.content and (found := _content(file, path)) != file.content:
        return f"holds other arrays than the published ones (digest {found} instead of {file.content})"
    return None


def _fetch_file(file: WeightsFile, url: str, on_progress: Progress, retry: RetryPolicy) -> Path:
    target = paths.weights_dir() / file.file_name
    part = target.with_name(target.name + ".part")
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    download(url, part, on_progress, file.size or MAX_BYTES, retry)
    try:
        problem = _problem(file, part)
    except WeightsError:
        discard(part)
        raise
    if problem:
        discard(part)
        raise WeightsError(f"what {redacted(url)} sent {problem}; nothing was installed")
    with _writing(target):
        os.replace(part, target)
        discard(part)
    logger.info("installed %s", target)
    return target


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error


def _addresses(weights: Weights, url: str | None) -> Iterator[tuple[WeightsFile, str]]:
    if url is None:
        yield from ((file, address) for file in weights.files for address in file.urls)
        return
    yield _candidates(weights, url.partition("?")[0].rpartition("/")[2], redacted(url))[0], url


def _recognised(weights: Weights, source: Path) -> WeightsFile:
    """The registered file that `source` is; the checks decide, whatever its name."""
    problems = []
    for file in _candidates(weights, source.name, str(source)):
        problem = _problem(file, source)
        if problem is None:
            return file
        problems.append(problem)
    raise WeightsError(f"{source} {problems[0]}; it was not installed")


def _candidates(weights: Weights, name: str, where: str) -> list[WeightsFile]:
    """Registered files of the same suffix as `name`, the one of the very same name first."""
    suffix = Path(name).suffix
    files = [file for file in weights.files if Path(file.file_name).suffix == suffix]
    if not files:
        raise WeightsError(f"{where} is none of {_file_names(weights)}")
    return sorted(files, key=lambda file: file.file_name != name)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _content(file: WeightsFile, path: Path) -> str:
    from facecli.models import pretrained

    return pretrained.content_digest(pretrained.load_arrays(path, Path(file.file_name).suffix))


def _file_names(weights: Weights) -> str:
    return ", ".join(file.file_name for file in weights.files)


def _by_hand(name: str) -> str:
    return (
        f"fetch the file elsewhere and install it into {paths.weights_dir()} "
        f"with 'facecli weights get {name} --from PATH'"
    )
