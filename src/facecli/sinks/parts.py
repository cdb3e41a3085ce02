"""Rows of many machines: each takes its shard of the pictures and writes parts, which are joined at the end.

A part is a Parquet file of `facecli.schema.picture_schema`, a row for each picture. It is there when it is
whole: a run that is gone on with passes over what parts hold.
"""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from facecli.core.errors import InputError, OutputError, SourceError
from facecli.core.files import AtomicFile, GrowingTextFile, expand_pattern, worth_writing
from facecli.core.paths import is_storage_address
from facecli.schema import check_pyarrow, from_arrow, picture_schema, to_arrow
from facecli.sinks.base import Record
from facecli.sinks.rows import Journal
from facecli.sources.files import Entry, one_line, shown

if TYPE_CHECKING:
    import pyarrow

log: logging.Logger = logging.getLogger(__name__)

PART_SIZE = 2000
"""Pictures of a part, when nothing else is said."""
_ROWS_AT_ONCE = 250
_NAME = re.compile(r"shard-([0-9]+)-of-([0-9]+)-part-([0-9]+)[.]parquet")
_SHARD = re.compile(r"([0-9]{1,7})/([0-9]{1,7})", re.ASCII)
_AUTO = re.compile(r"auto(?:/([0-9]{1,7}))?", re.ASCII)


@dataclass(frozen=True)
class Shard:
    """The pictures of one machine of several: which they are follows from their names alone.

    Attributes:
        number: from 1.
        total: how many machines there are.
    """

    number: int = 1
    total: int = 1

    def has(self, source: str) -> bool:
        """Does the picture belong to it? Each picture belongs to one of the shards."""
        if self.total == 1:
            return True
        digest = blake2b(source.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.total == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """What "3/16", "auto" and "auto/16" mean; `auto` is told by Slurm, AWS Batch or Kubernetes.

    The index of a job of an array, counted from 0 or from 1, modulo the number of shards: a job that is
    started again alone takes the same pictures, where the number is given.

    Raises InputError: no shard, 5/3, 0/4, or nothing here says which one.
    """
    if found := _SHARD.fullmatch(text):
        number, total = int(found[1]), int(found[2])
        if 1 <= number <= total:
            return Shard(number, total)
        raise InputError(f"there is no shard {text}; shards are numbered from 1/{max(total, 1)}")
    if (auto := _AUTO.fullmatch(text)) is None:
        raise InputError(f"'{text}' is not a shard; write K/N, as 3/16, or auto, or auto/16")
    index, size = _array_job(environment, bool(auto[1]))
    said = int(auto[1]) if auto[1] else size
    if said is None:
        raise InputError("the number of shards is unknown; write auto/N with the size of the array")
    if said < 1:
        raise InputError(f"'{text}' is not a shard; there is one at least")
    return Shard(index % said + 1, said)


def _array_job(environment: Mapping[str, str], is_size_given: bool) -> tuple[int, int | None]:
    """The index of this job, and how many there are as far as that is said."""
    known = {
        "SLURM_ARRAY_TASK_ID": ("SLURM_ARRAY_TASK_COUNT",),
        "AWS_BATCH_JOB_ARRAY_INDEX": ("AWS_BATCH_JOB_ARRAY_SIZE",),
        "JOB_COMPLETION_INDEX": (),
    }
    there = [name for name in known if environment.get(name)]
    if len(there) != 1:
        said = f"{' and '.join(there)} both say which" if there else "nothing here says which (no array job)"
        raise InputError(f"auto: {said}; write K/N")
    index = _number(environment, there[0])
    if not is_size_given and there[0] == "SLURM_ARRAY_TASK_ID":
        _check_whole_array(environment)
    sizes = [_number(environment, name) for name in known[there[0]] if environment.get(name)]
    return index, sizes[0] if sizes else None


def _check_whole_array(environment: Mapping[str, str]) -> None:
    """Of an array with gaps the size does not say how many shards there are."""
    names = ("SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_COUNT")
    if all(environment.get(name) for name in names):
        first, last, count = (_number(environment, name) for name in names)
        if last - first + 1 != count:
            raise InputError(f"the array from {first} to {last} has {count} jobs only; write auto/N")


def _number(environment: Mapping[str, str], name: str) -> int:
    try:
        value = int(environment[name])
    except ValueError:
        value = -1
    if value < 0:
        raise InputError(f"{name} is {environment[name]!r}, no number; write K/N")
    return value


class Part(NamedTuple):
    """A file of parts: its path or address."""

    place: str

    @property
    def shard(self) -> Shard | None:
        """Whose it is, by its name; None of one that another program has named."""
        found = _NAME.fullmatch(self.place.rpartition("/")[2])
        return Shard(int(found[1]), int(found[2])) if found else None

    @property
    def number(self) -> int:
        """Its number within its shard, from 1; 0 of one that another program has named."""
        found = _NAME.fullmatch(self.place.rpartition("/")[2])
        return int(found[3]) if found else 0

    def batches(self, columns: Sequence[str] | None = None) -> Iterator["pyarrow.RecordBatch"]:
        """Its rows, some at once; of these columns alone.

        Raises InputError: it cannot be read, is damaged, cut short, or no part.
        """
        check_pyarrow()
        import pyarrow
        import pyarrow.parquet

        try:
            with self._opened() as file:
                table = pyarrow.parquet.ParquetFile(file, page_checksum_verification=True)
                if not {"source", "faces"} <= set(table.schema_arrow.names):
                    raise InputError(f"{shown(self.place)} holds no rows of pictures; name parts of a run")
                yield from table.iter_batches(_ROWS_AT_ONCE, columns=columns and list(columns))
        except (pyarrow.ArrowException, OSError) as error:
            raise InputError(
                f"{shown(self.place)} is damaged or cut short ({one_line(error)[:80]}); "
                "delete it to analyse its pictures again"
            ) from error

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        if is_storage_address(self.place):
            from facecli.sources.cloud import storage_of

            with storage_of(self.place).opened(self.place) as file:
                yield file
            return
        with open(self.place, "rb") as file:
            yield file


def parts_in(folder: str) -> list[Part]:
    """The parts of a folder, on this machine or in storage, by name; none where there is no folder."""
    if is_storage_address(folder):
        from facecli.sources.cloud import storage_of

        prefix = f"{folder.rstrip('/')}/"
        found = [entry.source for entry in storage_of(prefix).entries(prefix)]
        places = [one for one in found if "/" not in one[len(prefix) :]]
    else:
        places = sorted(str(path) for path in Path(folder).glob("*.parquet"))
    names = [(place.rpartition("/")[2], place) for place in places]
    return [Part(place) for name, place in names if name.endswith(".parquet") and not name.startswith(".")]


def find_parts(given: Iterable[str]) -> list[Part]:
    """The parts that folders, files, patterns and prefixes of storage mean, each once.

    Raises InputError where there is none.
    """
    found: dict[str, Part] = {}
    for one in given:
        if one.lower().endswith(".parquet") and (is_storage_address(one) or Path(one).is_file()):
            there = [Part(one)]
        elif is_storage_address(one) or Path(one).is_dir():
            there = parts_in(one)
        else:
            there = [Part(path) for path in expand_pattern(one) if Path(path).is_file()]
        if not there:
            raise InputError(f"no parts in {shown(one)}; name a folder of parts"[:500])
        found |= {part.place: part for part in there}
    return list(found.values())


class PartsSink:
    """Rows of one shard, in parts of some thousand pictures; goes on where an interrupted run ended.

    Attributes:
        target: the folder.
        journal: once entered, what its parts hold of this shard.
        written: how many parts this run has written.
    """

    target: str
    journal: Journal
    written: int

    wants_image = False

    def __init__(self, folder: str, shard: Shard, resume: bool = False, size: int = PART_SIZE) -> None:
        """Nothing is looked at yet.

        Args:
            folder: on this machine, or "s3://bucket/folder".
            shard: whose rows come.
            resume: go on with what is there; else nothing of this shard may be there.
            size: pictures of a part.
        """
        self.target, self._shard, self._resumes, self._size = folder, shard, resume, size
        self._stem = f"shard-{shard.number:05d}-of-{shard.total:05d}"
        self.journal, self.written = Journal(), 0
        self._skipped: Counter[str] = Counter()
        self._lock: GrowingTextFile | None = None
        self._part: _PartFile | None = None
        self._rows: list[Mapping[str, Any]] = []
        self._tables: list[pyarrow.Table] = []
        self._next = 1

    def __enter__(self) -> "PartsSink":
        """Takes the shard, and reads what is there of it.

        Raises:
            InputError: parts are there and not to be gone on with, one is damaged, another run writes this
                shard, or pyarrow is not here.
            OutputError: the folder cannot be written.
        """
        check_pyarrow()
        if not is_storage_address(self.target):
            self._enter_lock()
        try:
            self._read_parts()
        except BaseException:
            self._leave_lock()
            raise
        return self

    def _enter_lock(self) -> None:
        folder = Path(self.target)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file; parts go to a folder")
        lock = GrowingTextFile(str(folder / f".{self._stem}.lock"), append=True)
        try:
            lock.__enter__()
        except InputError as error:
            raise InputError(
                f"shard {self._shard} in {folder} is being written by another run; wait for its end"
            ) from error
        os.truncate(folder / f".{self._stem}.lock", 0)
        # What is not empty stays: a file that came and went could be locked by two.
        lock.write(f"{os.getpid()}\n")
        self._lock = lock

    def _leave_lock(self) -> None:
        if self._lock is not None:
            self._lock.__exit__()

    def _read_parts(self) -> None:
        for part in parts_in(self.target):
            owner = part.shard
            if owner == self._shard:
                self._next = max(self._next, part.number + 1)
            elif owner is not None and owner.total == self._shard.total:
                # Another machine's, by the same division: nothing of it is ours.
                continue
            if not self._resumes:
                if owner != self._shard:
                    continue
                raise InputError(
                    f"{shown(self.target)} holds parts of shard {self._shard} already",
                    "continue them with --resume, or name another folder",
                )
            self._read_part(part)

    def _read_part(self, part: Part) -> None:
        for batch in part.batches(("source", "error")):
            for row in batch.to_pylist():
                if self._shard.has(row["source"]):
                    self.journal.rows[row["source"]] += 1
                    if row["error"] is not None:
                        self.journal.failures[row["source"]] = row["error"]

    def skip(self, source: str) -> None:
        """As of `sinks.rows.RowSink`."""
        self._skipped[source] += 1

    def write(self, record: Record) -> None:
        """Raises OutputError when the part cannot be written."""
        if self._skipped[record.source]:
            self._skipped[record.source] -= 1
            return
        self._rows.append(record.result.to_json())
        part = self._part = self._part or _PartFile(self._place(), is_storage_address(self.target))
        if len(self._rows) >= min(_ROWS_AT_ONCE, self._size):
            self._flush(part)
        if part.count + len(self._rows) >= self._size:
            self._finish(part)

    def write_table(self, table: "pyarrow.Table") -> None:
        """Takes rows of `schema.picture_schema` at once. Raises OutputError when a part cannot be written."""
        while len(table):
            part = self._part = self._part or _PartFile(self._place(), is_storage_address(self.target))
            room = self._size - part.count - sum(map(len, self._tables))
            self._tables.append(table.slice(0, room))
            table = table.slice(room)
            waiting = sum(map(len, self._tables))
            if waiting >= _ROWS_AT_ONCE or part.count + waiting >= self._size:
                self._flush(part)
            if part.count >= self._size:
                self._finish(part)

    def __exit__(self, error_type: type[BaseException] | None = None, *_: object) -> None:
        """Makes a part of the rest, also after an interruption. Raises OutputError when that fails."""
        try:
            if self._part is not None:
                if worth_writing(error_type):
                    self._finish(self._part)
                else:
                    self._part.discard()
        finally:
            self._leave_lock()

    def made(self) -> str | None:
        """What was written, in words; None for nothing."""
        folder = f"{shown(self.target).rstrip('/')}/"
        return f"{folder} ({self.written} part{'s' * (self.written != 1)})" if self.written else None

    def _flush(self, part: "_PartFile") -> None:
        if self._rows:
            part.add(to_arrow(self._rows))
        if self._tables:
            import pyarrow

            # Engines give a few rows at a time, which would be as many row groups.
            part.add(pyarrow.concat_tables(self._tables).combine_chunks())
        self._rows, self._tables = [], []

    def _finish(self, part: "_PartFile") -> None:
        self._part = None
        try:
            self._flush(part)
            part.keep()
        except BaseException:
            part.discard()
            raise
        self._next += 1
        self.written += 1

    def _place(self) -> str:
        return f"{self.target.rstrip('/')}/{self._stem}-part-{self._next:06d}.parquet"


class _PartFile:
    """A part in the making."""

    def __init__(self, place: str, is_stored: bool) -> None:
        """Raises OutputError when the folder cannot be written."""
        self._place, self.count = place, 0
        self._spool = None
        path = Path(place)
        if is_stored:
            from facecli.sources.cloud import Spool

            self._spool = Spool(place)
            path = self._spool.path
        self._pending = AtomicFile(path)
        import pyarrow.parquet

        with self._told():
            self._writer = pyarrow.parquet.ParquetWriter(
                self._pending.temporary, picture_schema(), write_page_checksum=True
            )

    def add(self, rows: "pyarrow.Table") -> None:
        with self._told():
            self._writer.write_table(rows)
        self.count += len(rows)

    def keep(self) -> None:
        with self._told():
            self._writer.close()
        self._pending.keep()
        if self._spool is not None:
            try:
                self._spool.keep(is_new=True)
            except FileExistsError as error:
                self._spool.discard()
                raise OutputError(
                    f"{shown(self._place)} was written by another run meanwhile: is the same shard run twice?"
                ) from error

    def discard(self) -> None:
        try:
            self._writer.close()
        except (OSError, ValueError) as error:
            log.debug("%s: %s", self._place, error)
        self._pending.discard()
        if self._spool is not None:
            self._spool.discard()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write {shown(self._place)}: {error.strerror or error}") from error


@dataclass
class Account:
    """What parts hold, against what they should hold.

    Attributes:
        rows: of all readable parts.
        repeated: sources with more than one row, and how many rows.
        missing: entries of the manifest without a row.
        stray: sources of rows that the manifest does not have.
        damaged: lines about parts that cannot be read.
        errors: rows with `error`.
    """

    rows: int = 0
    errors: int = 0
    repeated: dict[str, int] = field(default_factory=dict)
    missing: list[Entry] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    readable: list[Part] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Has every picture exactly one row?"""
        return not (self.repeated or self.missing or self.stray or self.damaged)


def account(parts: Iterable[Part], manifest: Iterable[Entry] | None = None) -> Account:
    """Counts rows of parts, and finds what of a manifest has none yet.

    Names alone are held, as Arrow holds them: about their length in bytes each.
    """
    check_pyarrow()
    import pyarrow
    import pyarrow.compute as compute

    found, names = Account(), []
    for part in parts:
        try:
            batches = list(part.batches(("source", "error")))
        except InputError as error:
            found.damaged.append(str(error))
            continue
        found.readable.append(part)
        for batch in batches:
            names.append(batch.column(0).cast(pyarrow.large_string()))
            found.errors += batch.num_rows - batch.column(1).null_count
    sources = pyarrow.chunked_array(names, pyarrow.large_string())
    found.rows = len(sources)
    counts = compute.value_counts(sources)
    several = counts.filter(compute.greater(counts.field(1), 1))
    found.repeated = {one["values"]: one["counts"] for one in several.to_pylist()}
    if manifest is not None:
        _compare(found, counts.field(0), manifest)
    return found


def _compare(found: Account, there: Any, manifest: Iterable[Entry]) -> None:
    import pyarrow
    import pyarrow.compute as compute

    wanted = []
    for entries in _blocks(manifest):
        names = pyarrow.array([shown(entry.source) for entry in entries], pyarrow.large_string())
        wanted.append(names)
        have = compute.is_in(names, value_set=there).to_pylist()
        found.missing += [entry for entry, has in zip(entries, have, strict=True) if not has]
    known = pyarrow.chunked_array(wanted, pyarrow.large_string()).combine_chunks()
    strays = compute.invert(compute.is_in(there, value_set=known))
    found.stray = there.filter(strays).to_pylist()


def _blocks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    held: list[Entry] = []
    for entry in entries:
        held.append(entry)
        if len(held) == 100_000:
            yield held
            held = []
    if held:
        yield held


def rows_of(found: Account) -> Iterator[dict[str, Any]]:
    """The rows of all readable parts as `--json` writes them, of each source the first.

    Raises SourceError when a part is damaged further in.
    """
    seen: set[str] = set()
    for part in found.readable:
        try:
            for batch in part.batches():
                for row in from_arrow(batch):
                    if row["source"] in found.repeated:
                        if row["source"] in seen:
                            continue
                        seen.add(row["source"])
                    yield row
        except InputError as error:
            raise SourceError(str(error)) from error
