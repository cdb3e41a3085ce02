"""Published weights on this machine: find, fetch, install, check. Imports the standard library only."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from facecli.core import paths
from facecli.core.console import redacted
from facecli.core.download import DEFAULT_RETRY, NotFoundError, Progress, RetryPolicy, fetch_file
from facecli.core.errors import DownloadError, WeightsError
from facecli.models.weights_registry import WEIGHTS, Weights, WeightsFile, find_weights, installed, registered

__all__ = ["WEIGHTS", "check", "fetch", "find_weights", "install", "installed"]


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
        except (DownloadError, WeightsError) as error:
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


def _fetch_file(file: WeightsFile, url: str, on_progress: Progress, retry: RetryPolicy) -> Path:
    target = paths.weights_dir() / file.file_name
    return fetch_file(file, url, target, on_progress, retry, partial(_problem, file))


def _problem(file: WeightsFile, path: Path) -> str | None:
    """As of `PublishedFile`; of files that differ from release to release the arrays count."""
    if problem := file.problem(path):
        return problem
    if file.content and (found := _content(file, path)) != file.content:
        return f"holds other arrays than the published ones (digest {found} instead of {file.content})"
    return None


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
