"""A manifest: which pictures there are, listed once, for runs on one machine or many.

A table of `source`, `size`, `etag` and `mtime_ns` (`facecli.sources.files.Entry`), sorted by source: Parquet,
CSV or JSON lines. What was changed since is not analysed: its row says so.
"""

import csv
import heapq
import io
import json
import logging
import os
import re
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

from facecli.core.errors import ImageError, InputError, OutputError, SourceError
from facecli.core.files import GrowingTextFile, TargetNames, harmless_name
from facecli.core.images import read_bytes
from facecli.core.paths import how_to_install, is_storage_address, replacing
from facecli.sources.files import Entry, Item, check_regular, entry_of, one_line, shown
from facecli.sources.web import fetch, is_url

log: logging.Logger = logging.getLogger(__name__)

COLUMNS = ("source", "size", "etag", "mtime_ns")
SUFFIXES = (".parquet", ".csv", ".jsonl")
_AT_ONCE = 10_000
"""Entries of a table that are held."""
_LONGEST_LINE = 1 << 20


def is_manifest(path: Path) -> bool:
    """Is a file one, by its suffix and its beginning? Of Parquet files any is taken for one."""
    suffix = path.suffix.lower()
    try:
        with open(path, "rb") as file:
            begin = file.readline(4096)
    except OSError:
        return False
    if suffix == ".parquet":
        return begin.startswith(b"PAR1")
    if suffix == ".csv":
        return begin.rstrip(b"\r\n") == ",".join(COLUMNS).encode()
    return suffix == ".jsonl" and begin.startswith(b'{"source": ') and b'"mtime_ns": ' in begin


def read_manifest(path: Path) -> Iterator[Entry]:
    """The entries of a manifest, in its order; memory does not depend on how many there are.

    Raises:
        InputError: at once: it is none, is cut short, or needs pyarrow.
        SourceError: on the way: a row that is no entry.
    """
    rows = _rows_of_parquet(path) if path.suffix.lower() == ".parquet" else _rows_of_text(path)
    return (_checked(row, path, number) for number, row in enumerate(rows, start=1))


def _rows_of_parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    parquet = _pyarrow_parquet()
    import pyarrow

    try:
        file = parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(
            f"{shown(path)} is not a Parquet file, damaged, or cut short ({one_line(error)[:100]})"
        ) from error
    if missing := set(COLUMNS) - set(file.schema_arrow.names):
        file.close()
        raise InputError(
            f"{shown(path)} is not a manifest (no {', '.join(sorted(missing))}); 'facecli manifest' makes one"
        )

    def rows() -> Iterator[Mapping[str, Any]]:
        try:
            with file:
                for batch in file.iter_batches(_AT_ONCE, columns=list(COLUMNS)):
                    yield from batch.to_pylist()
        except (pyarrow.ArrowException, OSError) as error:
            raise SourceError(f"{shown(path)} is damaged ({one_line(error)[:100]})") from error

    return rows()


def _pyarrow_parquet() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            f"a manifest in Parquet needs pyarrow: {how_to_install('parquet')}; .csv and .jsonl do without"
        ) from error
    return pyarrow.parquet


def _rows_of_text(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with open(path, "rb") as file:
            begin = file.read(1)
            file.seek(-1 if begin else 0, os.SEEK_END)
            end = file.read(1)
    except OSError as error:
        raise InputError(f"cannot read {shown(path)}: {error.strerror or error}") from error
    if begin and end != b"\n":
        raise InputError(f"{shown(path)} is cut short: its last line has no end; make it again")
    if not is_manifest(path) and (begin or path.suffix.lower() == ".csv"):
        raise InputError(f"{shown(path)} is not a manifest; 'facecli manifest' makes one")
    return _rows_of_csv(path) if path.suffix.lower() == ".csv" else _rows_of_json(path)


def _rows_of_csv(path: Path) -> Iterator[Mapping[str, Any]]:
    with _opened(path) as file:
        for cells in islice(csv.reader(file), 1, None):
            row: dict[str, Any] = dict(zip(COLUMNS, cells, strict=False))
            for name in ("size", "mtime_ns"):
                text = row.get(name)
                row[name] = int(text) if text and text.isascii() and text.isdigit() else text or None
            yield {**row, "etag": row.get("etag") or None} if len(cells) == len(COLUMNS) else {}


def _rows_of_json(path: Path) -> Iterator[Mapping[str, Any]]:
    with _opened(path) as file:
        while line := file.readline(_LONGEST_LINE):
            row = json.loads(line)
            yield row if isinstance(row, dict) else {}


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            yield file
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        raise SourceError(
            f"{shown(path)} has a line that is not an entry ({one_line(error)[:80]})"
        ) from error


def _checked(row: Mapping[str, Any], path: Path, number: int) -> Entry:
    entry = Entry(**{name: row.get(name) for name in COLUMNS})  # type: ignore[arg-type]
    numbers_fit = all(
        value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
        for value in (entry.size, entry.mtime_ns)
    )
    text_fits = isinstance(entry.source, str) and entry.source and isinstance(entry.etag, str | None)
    if not (numbers_fit and text_fits):
        raise SourceError(f"{shown(path)}, row {number}: no entry of a manifest; make it again")
    return entry


class ManifestSource:
    """The pictures of a manifest, read as it says, one after the other."""

    is_single = False

    def __init__(self, path: Path, allow_private: bool = False, given: str | None = None) -> None:
        """Looks at the beginning.

        Args:
            path: of the file.
            allow_private: see `sources.inputs.Rules`, of http addresses in it.
            given: what messages call it, when the file is a copy.

        Raises InputError: no manifest, cut short, empty, or it needs pyarrow.
        """
        self._file, self._allow_private = path, allow_private
        self.path: Path | None = None
        self.name: str = Path(given or path.absolute()).stem
        first = next(read_manifest(path), None)
        if first is None:
            raise InputError(f"{shown(given or path)} names no pictures; list some that are there")
        self.is_remote: bool = is_url(first.source) or is_storage_address(first.source)
        self.total: int | None = _count(path)

    def files(self) -> Iterator[Path]:
        """The manifest itself."""
        yield self._file

    def entries(self, after: str = "") -> Iterator[Entry]:
        """Those behind `after`."""
        for entry in read_manifest(self._file):
            if entry.source > after:
                yield entry

    def items(self, names: TargetNames, prefix: tuple[str, ...]) -> Iterator[Item]:
        """Each picture; what is made of it lies in folders called like the parts of its source."""
        for entry in read_manifest(self._file):
            parts = [part for part in _place(entry.source).split("/") if part not in ("", ".", "..")]
            load = partial(load_entry, entry, self._allow_private)
            yield Item(shown(entry.source), names.claim((*prefix, *map(harmless_name, parts or ["_"]))), load)


def _place(source: str) -> str:
    return re.split("[?#]", source.partition("://")[2])[0] if is_url(source) else source.replace("://", "/")


def _count(path: Path) -> int | None:
    """How many entries there are, where that is written down."""
    return _pyarrow_parquet().read_metadata(path).num_rows if path.suffix.lower() == ".parquet" else None


def stored_manifest(address: str, allow_private: bool = False) -> ManifestSource:
    """A manifest in object storage, of which a copy is read; it goes with the source. Raises InputError."""
    from facecli.sources.cloud import Spool

    copy = Spool(address)
    try:
        copy.fetch()
        if not copy.path.exists():
            raise InputError(f"no such object: {shown(address)}; check the address")
        source = ManifestSource(copy.path, allow_private, address)
    except InputError:
        copy.discard()
        raise
    weakref.finalize(source, copy.discard)
    return source


def load_entry(entry: Entry, allow_private: bool = False) -> bytes:
    """The content of a picture, which must still be as it was listed.

    Raises ImageError: it cannot be read, or was changed since.
    """
    if is_storage_address(entry.source):
        from facecli.sources.cloud import storage_of

        return storage_of(entry.source).read(entry)
    if is_url(entry.source):
        data = fetch(entry.source, allow_private)
    else:
        path = Path(entry.source)
        check_regular(path)
        now = entry_of(path)
        if (now.size, now.mtime_ns) != (entry.size or now.size, entry.mtime_ns or now.mtime_ns):
            raise ImageError(f"{shown(path)} was changed since it was listed; list it again")
        data = read_bytes(path)
    if entry.size is not None and len(data) != entry.size:
        raise ImageError(f"{shown(entry.source)} was changed since it was listed; list it again")
    return data


def sorted_entries(sources: Sequence[Any], after: str = "") -> Iterator[Entry]:
    """What all sources hold, in the order of names, each once; of each source one page is held.

    Args:
        sources: of `sources.inputs.Inputs`.
        after: only what lies behind this name.

    Raises:
        InputError: a source that cannot be listed, such as an archive.
        SourceError: a listing that breaks off, or has no order.
    """
    for source in sources:
        if not callable(getattr(source, "entries", None)):
            raise InputError(f"{shown(source.name)} cannot be listed: it is read from its beginning only")
    last = after
    streams = [_in_order(source, after) for source in sources]
    for entry in heapq.merge(*streams, key=lambda entry: entry.source):
        if entry.source > last:
            last = entry.source
            yield entry


def _in_order(source: Any, after: str) -> Iterator[Entry]:
    last = ""
    for entry in source.entries(after):
        if entry.source < last:
            raise SourceError(
                f"{shown(entry.source)} comes after {shown(last)}: this storage does not sort names"
            )
        last = entry.source
        yield entry


class Listing:
    """A manifest in the making: lines in a file beside it, with which a later run can go on.

    Attributes:
        path: of that file; it goes when the manifest is whole.
        count, bytes: what was listed so far.
    """

    def __init__(self, target: Path, given: Sequence[str], resume: bool = False) -> None:
        """Nothing is read or written yet.

        Args:
            target: the manifest, on this machine.
            given: what is listed; a listing of something else is not gone on with.
            resume: go on with what an interrupted run has listed.
        """
        if target.suffix.lower() not in SUFFIXES:
            raise InputError(
                f"{target} is not the name of a manifest; use a name that ends in {', '.join(SUFFIXES)}"
            )
        if target.suffix.lower() == ".parquet":
            _pyarrow_parquet()
        self._target, self._given, self._resumes = target, [shown(one) for one in given], resume
        self.path: Path = target.with_name(f".{target.name}.listing")
        self.count: int = 0
        self.bytes: int = 0

    def make(self, list_after: Callable[[str], Iterable[Entry]], notify: Callable[[int], None]) -> None:
        """Lists and writes the manifest.

        Args:
            list_after: gives the entries behind a name, in order.
            notify: told how many there are, every now and then.

        Raises:
            InputError: another run makes it, or what is to be gone on with lists something else.
            SourceError: the listing broke off; what was listed stays.
            OutputError: it cannot be written.
        """
        with GrowingTextFile(str(self.path), append=True) as file:
            after = self._last_whole() if self._resumes else self._begin(file)
            if not self.path.stat().st_size:
                self._begin(file)
            entries = iter(list_after(after))
            while held := list(islice(entries, 1000)):
                file.write("".join(map(_line, held)))
                self._add(held)
                notify(self.count)
        write_manifest(self._target, self._entries(), self._target.suffix.lower())
        self.path.unlink(missing_ok=True)

    def _begin(self, file: GrowingTextFile) -> str:
        os.truncate(self.path, 0)
        file.write(json.dumps({"listing": self._given}) + "\n")
        return ""

    def _add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.count += 1
            self.bytes += entry.size or 0

    def _last_whole(self) -> str:
        """The name of the last entry that is whole; what was cut behind it goes."""
        last, end = "", 0
        with open(self.path, "rb") as file:
            for number, line in enumerate(iter(file.readline, b"")):
                if not line.endswith(b"\n"):
                    break
                end += len(line)
                if number == 0:
                    self._check_same(line)
                    continue
                entry = _entry_of_line(line, self.path)
                last = entry.source
                self._add([entry])
        os.truncate(self.path, end)
        return last

    def _check_same(self, head: bytes) -> None:
        try:
            same = json.loads(head)["listing"] == self._given
        except (ValueError, TypeError, KeyError):
            same = False
        if not same:
            raise InputError(
                f"{self.path} was begun with other sources", "leave out --resume, or give the same sources"
            )

    def _entries(self) -> Iterator[Entry]:
        with open(self.path, "rb") as file:
            file.readline()
            for line in file:
                yield _entry_of_line(line, self.path)


def _line(entry: Entry) -> str:
    row = {name: getattr(entry, name) for name in COLUMNS}
    return json.dumps(row, ensure_ascii=False) + "\n"


def _entry_of_line(line: bytes, path: Path) -> Entry:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise SourceError(f"{path} is damaged; begin anew") from error
    return _checked(row if isinstance(row, dict) else {}, path, 0)


def write_manifest(target: Path, entries: Iterable[Entry], suffix: str) -> int:
    """Writes a manifest that takes its place when it is whole; gives the number of entries.

    Raises OutputError when it cannot be written, InputError without pyarrow.
    """
    try:
        with replacing(target) as temporary:
            if suffix == ".parquet":
                return _write_parquet(temporary, entries)
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                return _write_text(file, entries, suffix)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error


def _write_text(file: IO[str], entries: Iterable[Entry], suffix: str) -> int:
    count = 0
    if suffix == ".csv":
        file.write(",".join(COLUMNS) + "\n")
    for entry in entries:
        file.write(_csv_line(entry) if suffix == ".csv" else _line(entry))
        count += 1
    return count


def _csv_line(entry: Entry) -> str:
    text = io.StringIO()
    # What ends a line is put between quotes: with "\n" alone a "\r" would stand there bare.
    csv.writer(text, lineterminator="\r\n").writerow([getattr(entry, name) for name in COLUMNS])
    return f"{text.getvalue()[:-2]}\n"


def _write_parquet(path: Path, entries: Iterable[Entry]) -> int:
    parquet = _pyarrow_parquet()
    import pyarrow

    kinds = {"source": pyarrow.string(), "etag": pyarrow.string()}
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.int64())) for name in COLUMNS])
    rows, count = iter(entries), 0
    with parquet.ParquetWriter(path, schema) as writer:
        while held := list(islice(rows, _AT_ONCE)):
            columns = [[getattr(entry, name) for entry in held] for name in COLUMNS]
            writer.write_table(pyarrow.table(dict(zip(COLUMNS, columns, strict=True)), schema))
            count += len(held)
    return count
