"""What `--img` means: a file, a folder, a pattern, an address, an archive, a list, standard input."""

import glob
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol

from facecli.core.errors import ImageError, InputError
from facecli.core.files import TargetNames, UnclaimedNames, expand_pattern
from facecli.core.images import is_image
from facecli.core.paths import file_path, is_storage_address
from facecli.sources.files import (
    Entry,
    FileSource,
    FolderSource,
    Item,
    StdinSource,
    check_regular,
    failed,
    shown,
)

_MAX_BYTES = 64 << 20

log: logging.Logger = logging.getLogger(__name__)
_ZIP = ".zip"
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_ARCHIVES = (_ZIP, *_TAR)
MANIFESTS = (".parquet", ".csv", ".jsonl")
"""Suffixes of manifests; other files may have them, too."""


def read_list(name: str, stdin: BinaryIO | None = None) -> list[str]:
    """Entries of a list: a line each, or separated by zero bytes as `find -print0` writes them.

    Empty lines are left out. Relative paths count from the current folder. Bytes that are no UTF-8 stay
    part of the path, as everywhere in Python.

    Args:
        name: a file, or "-" for standard input.
        stdin: replaces `sys.stdin.buffer`.

    Raises:
        InputError: it cannot be read, is larger than 64 MB, no list of paths, or empty.
    """
    called = "standard input" if name == "-" else shown(name)
    data = _read(name, called, stdin)
    if len(data) > _MAX_BYTES:
        raise InputError(f"{called} has more than {_MAX_BYTES:,} bytes; cut the list into several")
    if data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[:4] == b"\x89PNG":
        raise InputError(f"{called} is not a list in UTF-8; a list has a path on each line")
    parts = data.split(b"\0") if b"\0" in data else data.replace(b"\r\n", b"\n").split(b"\n")
    entries = [part.decode("utf-8", "surrogateescape") for part in parts if part.strip()]
    if not entries:
        raise InputError(f"{called} is an empty list; write a path on each line")
    return entries


def _read(name: str, called: str, stdin: BinaryIO | None) -> bytes:
    try:
        if name == "-":
            return (stdin or sys.stdin.buffer).read(_MAX_BYTES + 1)
        check_regular(Path(name))
        with open(name, "rb") as file:
            return file.read(_MAX_BYTES + 1)
    except ImageError as error:
        raise InputError(f"no list: {error}", error.hint) from error
    except (OSError, AttributeError, ValueError) as error:
        raise InputError(f"cannot read the list {called} ({error})") from error


class Source(Protocol):
    """Gives pictures.

    Attributes:
        is_single: it is one picture, whatever happens.
        total: how many there are; None when that is not known before.
        name: for files that are made of them.
        path: the file or folder that is read; None when there is none.
        files: every file that is read.
    """

    @property
    def is_single(self) -> bool: ...

    @property
    def total(self) -> int | None: ...

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path | None: ...

    def files(self) -> Iterator[Path]: ...

    def items(self, names: TargetNames, prefix: tuple[str, ...]) -> Iterator[Item]: ...


@dataclass(frozen=True)
class Rules:
    """What may be read.

    Attributes:
        allow_private: addresses of the own network, too.
        excluded: folders that results are written to: a folder's pictures there are left out.
        all_pages: of files that hold several pictures.
        notify: takes a line about what is left out.
        elsewhere: suffixes of files in folders that somebody else reads.
        storage: addresses of object storage, with the credentials of whoever runs this; never those of lists.
        names_files: files are made of pictures, each of which then needs a name of its own.
        share: whether a picture of that name is among those that are wanted; None: all are.
    """

    allow_private: bool = False
    excluded: tuple[Path, ...] = ()
    all_pages: bool = False
    notify: Callable[[str], None] = log.info
    elsewhere: tuple[str, ...] = ()
    storage: bool = False
    names_files: bool = True
    share: Callable[[str], bool] | None = None


class Inputs:
    """All pictures of a run, in the order in which they were given; can be gone through again."""

    sources: tuple[Source, ...]

    def __init__(self, sources: Sequence[Source], are_plain: bool = False, rules: Rules = Rules()) -> None:  # noqa: B008
        """Nothing is read yet.

        Args:
            sources: of the pictures.
            are_plain: given by name, so that one source that is one picture is all there can be.
            rules: what was read by.
        """
        self.sources, self._rules = tuple(sources), rules
        totals = [source.total for source in self.sources]
        known = [total for total in totals if total is not None]
        is_whole = not rules.all_pages and rules.share is None
        self.total: int | None = sum(known) if len(known) == len(totals) and is_whole else None
        alone = are_plain and len(self.sources) == 1 and is_whole
        self.is_single: bool = alone and self.sources[0].is_single

    @property
    def has_remote(self) -> bool:
        """Must some of them be waited for?"""
        return any(getattr(source, "is_remote", False) for source in self.sources)

    def files(self) -> Iterator[Path]:
        """Every file that is read: pictures and archives."""
        return chain.from_iterable(source.files() for source in self.sources)

    @property
    def in_place(self) -> Iterator[Path]:
        """Pictures and folders of them, which could be written over."""
        return (one.path for one in self.sources if isinstance(one, FileSource | FolderSource))

    def __iter__(self) -> Iterator[Item]:
        share = self._rules.share
        items = self._items()
        return items if share is None else (item for item in items if share(item.source))

    def _items(self) -> Iterator[Item]:
        # Names are given to all, so that those of a share are the same as in a run over everything.
        names = TargetNames() if self._rules.names_files else UnclaimedNames()
        several = len(self.sources) > 1
        for source in self.sources:
            prefix = (_without_suffix(source.name),) if several else ()
            for item in source.items(names, prefix):
                if self._rules.all_pages:
                    from facecli.sources.archives import with_pages

                    yield from with_pages(item, names)
                else:
                    yield item


class FailedSource:
    """What was given and cannot be read: a row with its reason, while the rest goes on."""

    is_single: bool = True
    total: int | None = 1
    path: Path | None = None

    def __init__(self, given: str, reason: str) -> None:
        self._given, self._path, self._reason = shown(given), Path(given), reason
        self.name: str = Path(self._given).name

    def files(self) -> Iterator[Path]:
        """A damaged archive is somebody's file, too."""
        yield self._path

    def entries(self, after: str = "") -> Iterator[Entry]:
        """Raises InputError: nothing is known of it."""
        raise InputError(self._reason)

    def items(self, names: TargetNames, prefix: tuple[str, ...]) -> Iterator[Item]:
        yield failed(self._given, names.claim((self.name,)), self._reason)


def find_inputs(given: Sequence[str], rules: Rules = Rules()) -> Inputs:  # noqa: B008
    """Understands what was given; reads folders, directories of archives, and lists, but no pictures.

    One source must be there; among several, one that cannot be read becomes a picture that fails.

    Args:
        given: arguments of `--img`, at least one.
        rules: what may be read.

    Raises:
        InputError: the only source is not there, no pictures are in it, or it is of the wrong kind;
            standard input is given twice; there is an unreadable list.
    """
    if len(given) == 1:
        return Inputs(_sources(given[0], rules), not _may_be_many(given[0]), rules)
    if sum(one in ("-", "@-") for one in given) > 1:
        raise InputError("standard input can be read once; give - once")
    return Inputs([source for one in given for source in _tolerant(one, rules)], rules=rules)


def _may_be_many(given: str) -> bool:
    """Is it a list or a pattern?"""
    return not (given == "-" or is_url(given) or is_storage_address(given) or _exists(Path(given)))


def _sources(given: str, rules: Rules) -> list[Source]:
    """What one argument means. Raises InputError."""
    if not given:
        raise InputError("an empty name is not a picture", "check --img and the list")
    if given == "-":
        return [StdinSource()]
    if is_url(given):
        from facecli.sources.web import WebSource

        return [WebSource(given, rules.allow_private)]
    if is_storage_address(given):
        return [_stored(given, rules)]
    path = Path(file_path(given) if rules.storage else given)
    if _exists(path):
        return [_existing(path, rules)]
    if given.startswith("@"):
        return _listed(given[1:], rules)
    if glob.has_magic(given):
        return _matching(given, rules)
    raise InputError(f"no such picture or folder: {shown(given)}; check the path")


def _stored(address: str, rules: Rules) -> Source:
    """What an address of object storage means. Raises InputError."""
    if not rules.storage:
        raise InputError(
            f"{shown(address)} is in object storage, which lists may not name, because your "
            "credentials would be used",
            "name it on the command line, or write a manifest of it",
        )
    from facecli.sources import cloud

    if is_archive(address):
        raise InputError(f"{shown(address)} is an archive at a web address; download it first")
    if address.lower().endswith(MANIFESTS):
        from facecli.sources.manifest import stored_manifest

        return stored_manifest(address, rules.allow_private)
    return cloud.find_objects(address)


def _tolerant(given: str, rules: Rules) -> list[Source]:
    try:
        return _sources(given, rules)
    except InputError as error:
        if given.startswith("@"):
            # Without its list a run is another one.
            raise
        return [FailedSource(given, error.with_hint)]


def is_url(given: str) -> bool:
    """Is it an http(s) address?"""
    return given.lower().startswith(("http://", "https://"))


def is_archive(given: str) -> bool:
    """Is it one by its name?"""
    return given.lower().endswith(_ARCHIVES)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _existing(path: Path, rules: Rules) -> Source:
    if path.is_dir():
        return FolderSource(path, rules.excluded, rules.notify, rules.elsewhere)
    try:
        check_regular(path)
    except ImageError as error:
        raise InputError(str(error), error.hint) from error
    # What unpacks and what fetches is imported when it is needed: one picture should start at once.
    if path.name.lower().endswith(_ZIP):
        from facecli.sources.archives import ZipSource

        return ZipSource(path)
    if path.name.lower().endswith(_TAR):
        from facecli.sources.archives import TarSource

        return TarSource(path)
    if path.name.lower().endswith(MANIFESTS):
        from facecli.sources.manifest import ManifestSource, is_manifest

        if is_manifest(path):
            return ManifestSource(path, rules.allow_private)
    return FileSource(path)


def _matching(pattern: str, rules: Rules) -> list[Source]:
    """Folders, archives and pictures that match, sorted; other files only when nothing else does."""
    found = expand_pattern(pattern)
    wanted = [one for one in found if Path(one).is_dir() or is_archive(one) or is_image(Path(one))]
    if "**" in pattern:
        # Folders are gone through by the pattern itself.
        wanted = [one for one in wanted if not Path(one).is_dir()]
    if not (wanted or found):
        raise InputError(f"nothing matches {shown(pattern)}; check the pattern")
    return [
        source for one in wanted or found for source in _tolerant(f"./{one}" if one == "-" else one, rules)
    ]


def _listed(name: str, rules: Rules) -> list[Source]:
    entries = read_list(name)
    wrong = [one for one in entries if one in ("-", "@-") or (one.startswith("@") and not _exists(Path(one)))]
    if wrong:
        raise InputError(f"{shown(name)} names {shown(wrong[0])!r}: no lists or '-' within a list")
    listed = replace(rules, storage=False)
    return [source for one in entries for source in _tolerant(one, listed)]


def _without_suffix(name: str) -> str:
    suffix = next((suffix for suffix in _ARCHIVES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)] or "_"
