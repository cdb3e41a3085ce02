"""Pictures in object storage (s3://, gs://, az://, hf://), by fsspec, and results that are put there.

For who types an address, or gives one from Python: with it go the credentials of whoever runs facecli, which
a list, a page or a request from elsewhere must not use.
"""

import contextlib
import functools
import hashlib
import importlib
import logging
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from facecli.core.console import redacted
from facecli.core.errors import FacecliError, ImageError, InputError, OutputError, SourceError
from facecli.core.files import TargetNames, harmless_name
from facecli.core.images import SUFFIXES
from facecli.core.paths import how_to_install, is_storage_address
from facecli.sources.files import Entry, Item, as_text, one_line
from facecli.sources.web import LIMITS, FetchLimits

log: logging.Logger = logging.getLogger(__name__)

_MAGIC = re.compile(r"[*?\[]")
_LISTED_WITHIN_S = 60.0
"""A page of a listing, with the tries of the library."""


class _Kind(NamedTuple):
    """A kind of storage: the package that speaks its protocol, our extra that brings it, and its keys."""

    package: str
    extra: str
    credentials: str


_KINDS = {
    "s3": _Kind(
        "s3fs",
        "cloud",
        "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; FSSPEC_S3_ANON=true is for public "
        "buckets",
    ),
    "gs": _Kind(
        "gcsfs",
        "gcs",
        "set GOOGLE_APPLICATION_CREDENTIALS, or 'gcloud auth application-default login'",
    ),
    "az": _Kind("adlfs", "azure", "set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or log in"),
    "hf": _Kind("huggingface_hub", "hf", "set HF_TOKEN, or log in with 'hf auth login'"),
}
_ERRORS = {
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "aiohttp": ("ClientError",),
    "fsspec.exceptions": ("FSTimeoutError",),
    "google.auth.exceptions": ("GoogleAuthError",),
    "gcsfs.retry": ("HttpError",),
    "azure.core.exceptions": ("AzureError",),
    "httpx": ("HTTPError",),
    "httpx2": ("HTTPError",),
    "huggingface_hub.errors": ("HfHubHTTPError",),
}
"""What libraries raise beside errors of the system, by module; those alone that are imported count."""
_WITHOUT_KEYS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "ProfileNotFound",
    "DefaultCredentialsError",
)
_LATE = ("FSTimeoutError", "TimeoutError", "ReadTimeoutError", "ConnectTimeoutError", "ServerTimeoutError")

_CUT = ("ClientPayloadError", "IncompleteReadError", "ResponseStreamingError")


def check_address(address: str) -> None:
    """Raises InputError for an address without a bucket, or with a login in it."""
    bucket = address.partition("://")[2].partition("/")[0]
    if "@" in bucket or ":" in bucket:
        raise InputError(
            f"the address {redacted(address)} contains a login, which facecli does not send", _hint(address)
        )
    if not bucket or _MAGIC.search(bucket):
        raise InputError(f"{redacted(address)!r} names no bucket; write s3://bucket/folder")


def is_pattern(address: str) -> bool:
    """Does it stand for several objects, as s3://bucket/2024-*/**/*.jpg?"""
    return bool(_MAGIC.search(address))


class Storage:
    """Everything of one scheme. Threads may share it."""

    def __init__(self, scheme: str) -> None:
        """Raises InputError, with the extra that brings it, when the library is not here."""
        self._kind = _KINDS[scheme]
        try:
            import fsspec

            importlib.import_module(self._kind.package)
        except ImportError as error:
            name = getattr(error, "name", None) or self._kind.package
            raise InputError(
                f"{scheme}:// needs packages that are not here ({name}): {how_to_install(self._kind.extra)}"
            ) from error
        self._scheme = scheme
        # What they log with a traceback is said in a line by whoever asked.
        for name in ("fsspec", self._kind.package):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        # Listings are not kept: ten million names have no room, and would be those of a moment ago.
        with _translated(f"{scheme}://", InputError):
            self._files: Any = fsspec.filesystem(scheme, use_listings_cache=False)

    def entry(self, address: str) -> Entry | None:
        """What is known of an object; None when there is none of that very name, but some below it.

        Raises InputError when there is nothing, or it may not be seen.
        """
        with _translated(address, InputError):
            try:
                info = self._call("info", _path(address))
            except FileNotFoundError as error:
                raise InputError(
                    f"no such object or prefix: {redacted(address)}; check the address"
                ) from error
        return None if info["type"] == "directory" else _entry(address, info)

    def exists(self, address: str) -> bool:
        """Is there an object of that name? Raises InputError when nobody says."""
        with _translated(address, InputError):
            try:
                return bool(self._call("info", _path(address))["type"] != "directory")
            except (FileNotFoundError, PermissionError):
                # Who may write need not be allowed to read.
                return False

    def check_bucket(self, address: str) -> None:
        """Raises InputError when the bucket that results shall go to is not there."""
        bucket = address.partition("://")[2].partition("/")[0]
        with _translated(address, InputError):
            try:
                self._call("info", bucket)
            except FileNotFoundError as error:
                raise InputError(f"no such bucket: {redacted(address)}; check the address") from error
            except PermissionError:
                log.debug("the bucket of %s may not be looked at", redacted(address))

    def entries(self, prefix: str, after: str = "") -> Iterator[Entry]:
        """All objects whose addresses begin with a prefix, in the order of their addresses' UTF-8.

        Of S3 a page at a time, so that memory does not depend on how many there are; of others all names are
        held at once.

        Args:
            prefix: "s3://bucket/folder/".
            after: only those behind this address.

        Raises SourceError when the listing breaks off.
        """
        scheme, _, path = prefix.partition("://")
        with _translated(prefix, SourceError):
            pages = self._pages_of_s3(path, after) if scheme == "s3" else self._all_at_once(path)
            for name, info in pages:
                address = f"{scheme}://{name}"
                if address > after:
                    yield _entry(address, info)

    def _pages_of_s3(self, path: str, after: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        bucket, _, prefix = path.partition("/")
        asked = {"Bucket": bucket, "Prefix": prefix}
        if after:
            asked["StartAfter"] = after.partition("://")[2].partition("/")[2]
        while True:
            page = self._files.call_s3("list_objects_v2", timeout=_LISTED_WITHIN_S, **asked)
            for found in page.get("Contents", ()):
                if not found["Key"].endswith("/"):
                    yield f"{bucket}/{found['Key']}", {**found, "size": found["Size"]}
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]
            asked.pop("StartAfter", None)

    def _all_at_once(self, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        folder = path.rpartition("/")[0] if not path.endswith("/") else path.rstrip("/")
        found = self._call("find", folder, detail=True, within_s=None)
        yield from sorted((name, info) for name, info in found.items() if name.startswith(path))

    def read(self, entry: Entry, limits: FetchLimits = LIMITS) -> bytes:
        """The content of an object, which must still be as it was listed.

        Raises ImageError: not there, denied, not in time, cut short, too long, empty, or changed.
        """
        called = as_text(entry.source)
        too_long = ImageError(f"{called} has more than {limits.max_bytes:,} bytes; fetch it yourself")
        if (entry.size or 0) > limits.max_bytes:
            raise too_long
        begin = time.monotonic()
        with _translated(entry.source, ImageError, limits.whole_s):
            path = _path(entry.source)
            try:
                # Bounded also where it has grown since.
                data = self._call(
                    "cat_file", path, start=0, end=limits.max_bytes + 1, within_s=limits.whole_s
                )
            except OSError as error:
                if "range" not in str(error).lower():
                    raise
                # Of nothing there is no range.
                data = b""
            if len(data) > limits.max_bytes:
                raise too_long
            self._check_same(entry, data)
        if not data:
            raise ImageError(f"{called} is empty (0 bytes)")
        log.debug("%s: %d bytes in %.2f s", called, len(data), time.monotonic() - begin)
        return data

    def _check_same(self, entry: Entry, data: bytes) -> None:
        """Raises ImageError when it is not what was listed."""
        called = as_text(entry.source)
        if entry.size is not None and len(data) != entry.size:
            raise ImageError(
                f"{called} has {len(data):,} bytes and not the {entry.size:,} that were listed: it was "
                "changed or is incomplete; list it again"
            )
        if entry.etag is None or entry.etag == hashlib.md5(data, usedforsecurity=False).hexdigest():
            return
        # Not every ETag is a digest: what was written in parts, or encrypted, has another.
        now = _entry(entry.source, self._call("info", _path(entry.source))).etag
        if now != entry.etag:
            raise ImageError(f"{called} was changed since it was listed; list it again")

    def fetch(self, address: str, target: Path) -> None:
        """Copies an object into a file. Raises InputError when it cannot be read."""
        with _translated(address, InputError):
            self._call("get_file", _path(address), str(target), within_s=None)

    @contextlib.contextmanager
    def opened(self, address: str) -> Iterator[IO[bytes]]:
        """An object to be read from, here and there. Raises InputError when it cannot be."""
        with _translated(address, InputError):
            opened = self._files.open(_path(address), "rb")
        with opened as file:
            yield file

    def put(self, path: Path, address: str, is_new: bool = False) -> None:
        """Makes an object of a file, which appears when it is whole.

        Args:
            path: file.
            address: of the object.
            is_new: never in place of another, where the storage can promise that (S3 can).

        Raises:
            FileExistsError: it is there, and `is_new`.
            OutputError: it cannot be written.
        """
        with _translated(address, OutputError):
            if is_new and self._scheme == "s3":
                self._call("put_file", str(path), _path(address), mode="create", within_s=None)
                return
            if is_new and self.exists(address):
                raise FileExistsError(address)
            self._call("put_file", str(path), _path(address), within_s=None)

    def _call(self, method: str, *given: Any, within_s: float | None = _LISTED_WITHIN_S, **named: Any) -> Any:
        """A method of the library, for so long at most where it can be cut off."""
        if within_s is None or not self._files.async_impl:
            return getattr(self._files, method)(*given, **named)
        from fsspec.asyn import sync

        return sync(self._files.loop, getattr(self._files, f"_{method}"), *given, timeout=within_s, **named)


@functools.cache
def _storage(scheme: str) -> Storage:
    return Storage(scheme)


def storage_of(address: str) -> Storage:
    """What an address belongs to. Raises InputError: no address, or the library is not here."""
    check_address(address)
    return _storage(address.partition("://")[0].lower())


def _path(address: str) -> str:
    return address.partition("://")[2]


def _entry(address: str, info: Mapping[str, Any]) -> Entry:
    etag = next((info[key] for key in ("ETag", "etag", "md5Hash", "blob_id") if info.get(key)), None)
    changed = next((info[key] for key in ("LastModified", "last_modified", "updated") if info.get(key)), None)
    if isinstance(changed, str):
        with contextlib.suppress(ValueError):
            changed = datetime.fromisoformat(changed.replace("Z", "+00:00"))
    mtime_ns = int(changed.timestamp()) * 1_000_000_000 if isinstance(changed, datetime) else None
    size = info.get("size")
    return Entry(
        address, None if size is None else int(size), str(etag).strip('"') if etag else None, mtime_ns
    )


def _hint(address: str) -> str:
    return _KINDS[address.partition("://")[0].lower()].credentials


@contextlib.contextmanager
def _translated(address: str, kind: type[FacecliError], within_s: float = _LISTED_WITHIN_S) -> Iterator[None]:
    """Whatever the libraries raise, as an error of our own in one line."""
    called = redacted(as_text(address))
    try:
        yield
    except FileExistsError:
        raise
    except _library_errors() as error:
        name = type(error).__name__
        if isinstance(error, TimeoutError) or name in _LATE:
            raise kind(f"{called} does not answer completely within {within_s:g} s") from error
        if name in _CUT:
            raise kind(f"{called} comes cut short; try again") from error
        if name in _WITHOUT_KEYS or "credentials!" in str(error):
            raise kind(f"no credentials for {called}", _hint(address)) from error
        if isinstance(error, FileNotFoundError):
            raise kind(f"no such object or bucket: {called}; check the address") from error
        if isinstance(error, PermissionError):
            raise kind(f"access to {called} is denied; check the credentials") from error
        verb = "write" if kind is OutputError else "read"
        raise kind(f"cannot {verb} {called}: {one_line(error)[:200] or name}") from error


def _library_errors() -> tuple[type[Exception], ...]:
    found = [
        getattr(sys.modules[module], name)
        for module, names in _ERRORS.items()
        if module in sys.modules
        for name in names
    ]
    return (OSError, ValueError, EOFError, *found)


class ObjectSource:
    """One object, whatever it is called."""

    is_single = True
    total = 1
    path = None
    is_remote = True

    def __init__(self, entry: Entry) -> None:
        """`entry` as `Storage.entry` gives it."""
        self._entry = entry
        self.address: str = entry.source
        self.name: str = harmless_name(PurePosixPath(_path(entry.source)).name)

    def files(self) -> Iterator[Path]:
        """None here."""
        return iter(())

    def entries(self, after: str = "") -> Iterator[Entry]:
        """The object, when it lies behind `after`."""
        if self._entry.source > after:
            yield self._entry

    def items(self, names: TargetNames, prefix: tuple[str, ...]) -> Iterator[Item]:
        """The picture."""
        yield item_of(self._entry, (self.name,), names)


class PrefixSource:
    """Every picture below a prefix, or that fits a pattern, by its suffix, in the order of the keys.

    Hidden ones are left out, as in folders. It is listed while pictures are read.
    """

    is_single = False
    total = None
    path = None
    is_remote = True

    def __init__(self, address: str) -> None:
        """Looks whether there is any. Raises InputError when there is none, or it cannot be listed."""
        self._fits: Callable[[str], Any] = lambda address: True
        if is_pattern(address):
            from fsspec.utils import glob_translate

            self._fits = re.compile(glob_translate(address)).match
            self._prefix = address[: address.rindex("/", 0, _first_magic(address)) + 1]
        else:
            self._prefix = f"{address.rstrip('/')}/"
        self.address: str = self._prefix
        self.name: str = harmless_name(PurePosixPath(_path(self._prefix.rstrip("/"))).name)
        try:
            first = next(self.entries(), None)
        except SourceError as error:
            raise InputError(str(error), error.hint) from error
        if first is None:
            what = "nothing matches" if is_pattern(address) else "no pictures below"
            raise InputError(f"{what} {redacted(as_text(address))}; check the address")

    def files(self) -> Iterator[Path]:
        """None here."""
        return iter(())

    def entries(self, after: str = "") -> Iterator[Entry]:
        """Every picture behind the address `after`. Raises SourceError when the listing breaks off."""
        for entry in storage_of(self._prefix).entries(self._prefix, after):
            below = entry.source[len(self._prefix) :]
            hidden = any(part.startswith(".") for part in below.split("/"))
            if not hidden and entry.source.lower().endswith(SUFFIXES) and self._fits(entry.source):
                yield entry

    def items(self, names: TargetNames, prefix: tuple[str, ...]) -> Iterator[Item]:
        """Each picture; what is made of it lies in folders called like the parts of its key."""
        for entry in self.entries():
            parts = entry.source[len(self._prefix) :].split("/")
            yield item_of(entry, (*prefix, *map(harmless_name, parts)), names)


def _first_magic(address: str) -> int:
    found = _MAGIC.search(address)
    return found.start() if found else len(address)


def find_objects(address: str) -> ObjectSource | PrefixSource:
    """What an address means: an object, all below it, or all that fit a pattern.

    Raises InputError when there is none.
    """
    storage = storage_of(address)
    if is_pattern(address):
        # An object that has this very name comes first.
        named = storage.entry(address) if storage.exists(address) else None
        return PrefixSource(address) if named is None else ObjectSource(named)
    entry = None if address.endswith("/") or "/" not in _path(address) else storage.entry(address)
    return PrefixSource(address) if entry is None else ObjectSource(entry)


def item_of(entry: Entry, parts: Iterable[str], names: TargetNames) -> Item:
    """The picture that an object is."""
    return Item(as_text(entry.source), names.claim(parts), partial(_load, entry))


def _load(entry: Entry) -> bytes:
    return storage_of(entry.source).read(entry)


def read_object(address: str) -> bytes:
    """The content of one object. Raises ImageError when it cannot be read, InputError for no address."""
    return storage_of(address).read(Entry(address))


class Spool:
    """A file of this machine that becomes an object once it is whole."""

    def __init__(self, address: str) -> None:
        """Makes an empty folder for the file. Raises InputError for no address, or without the library."""
        self.address = address
        self._storage = storage_of(address)
        self._folder = Path(tempfile.mkdtemp(prefix="facecli-"))
        self.path: Path = self._folder / (harmless_name(PurePosixPath(_path(address)).name) or "object")

    def fetch(self) -> None:
        """Begins with the object that is there, if there is one. Raises InputError when it cannot be read."""
        if self._storage.exists(self.address):
            self._storage.fetch(self.address, self.path)

    def keep(self, is_new: bool = False) -> None:
        """Puts the file, if there is one, in place of the object, and removes it here.

        Raises OutputError, which says where the file stays, when that fails; FileExistsError: see `put`.
        """
        if self.path.exists():
            try:
                self._storage.put(self.path, self.address, is_new)
            except OutputError as error:
                raise OutputError(f"{error}; the result stays in {self.path}", error.hint) from error
        self.discard()

    def discard(self) -> None:
        """Removes the file; the object stays as it was."""
        shutil.rmtree(self._folder, ignore_errors=True)


def check_target(address: str) -> None:
    """Raises InputError when an object cannot be written: no address, no library, no bucket, no key."""
    storage = storage_of(address)
    if not _path(address).partition("/")[2].strip("/"):
        raise InputError(f"{redacted(address)} names a bucket and no object in it; add a name")
    storage.check_bucket(address)


__all__ = [
    "ObjectSource",
    "PrefixSource",
    "Spool",
    "Storage",
    "check_target",
    "find_objects",
    "is_storage_address",
    "item_of",
    "read_object",
    "storage_of",
]
