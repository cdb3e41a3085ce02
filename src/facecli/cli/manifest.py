"""`facecli manifest` lists pictures once; `facecli merge` joins what many machines made of them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecli.cli.options import check_existing, check_stored, check_targets
from facecli.cli.output import complain, say
from facecli.core.console import redacted
from facecli.core.errors import FacecliError, InputError, SourceError
from facecli.core.paths import cache_dir, file_path, is_storage_address

if TYPE_CHECKING:
    from facecli.sinks.parts import Account
    from facecli.sources.inputs import Inputs
    from facecli.sources.manifest import Entry as ManifestEntry

_SAID_EVERY = 100_000
_SHOWN = 20
_FORMATS = (".parquet", ".jsonl", ".csv")


@click.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    required=True,
    help="Manifest to write: .parquet, .csv or .jsonl, on this machine or in object storage.",
)
@click.option("--resume", is_flag=True, help="Continue the listing of an interrupted run.")
@click.option("--overwrite", is_flag=True, help="Replace an existing manifest.")
def manifest(sources: tuple[str, ...], target: str, resume: bool, overwrite: bool) -> None:
    """Write a list of pictures, sorted by name, with the data needed to detect later changes.

    SOURCE is a folder, picture, pattern, list, or object storage (s3://bucket/folder, gs://, az://, hf://).
    'facecli run FILE' reads the pictures of a manifest; a picture that has changed becomes a row with an
    error.

    \b
    Examples:
      facecli manifest s3://bucket/photos -o pictures.parquet
      facecli manifest photos/ more/ -o pictures.csv
      facecli manifest s3://bucket/photos -o s3://bucket/pictures.parquet --resume
    """
    from facecli.sources.manifest import Listing, sorted_entries

    target = file_path(target)
    check_stored({"--output": target})
    check_existing([("--output", target)], overwrite)
    place = _listing_place(target)
    listing = Listing(place, sources, resume)
    inputs = _find(sources, target)
    try:
        listing.make(lambda after: sorted_entries(inputs.sources, after), _say_count)
    except SourceError as error:
        raise SourceError(
            str(error), error.hint or f"--resume goes on with the {listing.count:,} that are listed"
        ) from error
    if is_storage_address(target):
        _put(place, target)
    say(f"wrote {redacted(target)} ({listing.count:,} pictures, {listing.bytes / 1e6:,.1f} MB)")


def _listing_place(target: str) -> Path:
    """Where a manifest is made: of an object in a folder of this machine that the next run finds again."""
    if not is_storage_address(target):
        return Path(target)
    from hashlib import sha256

    folder = cache_dir() / "listings" / sha256(target.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return folder / target.rpartition("/")[2]


def _find(sources: tuple[str, ...], target: str) -> "Inputs":
    """Raises InputError when there is nothing, or the manifest itself is among what is read."""
    from facecli.sources.inputs import Rules, find_inputs

    inputs = find_inputs(sources, Rules(notify=say, storage=True))
    if not is_storage_address(target):
        check_targets({"--output": target}, ((path, "among what is listed") for path in inputs.files()))
    return inputs


def _put(path: Path, address: str) -> None:
    from facecli.sources.cloud import storage_of

    storage_of(address).put(path, address)
    path.unlink()


def _say_count(count: int) -> None:
    if count % _SAID_EVERY == 0:
        say(f"{count:,} pictures are listed")


@click.command()
@click.argument("parts", metavar="PARTS...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    required=True,
    help="File to write: .parquet and .csv have a row for each face, .jsonl one for each picture.",
)
@click.option(
    "--manifest", "listed", metavar="FILE", help="Manifest of the pictures that must have one row each."
)
@click.option(
    "--missing",
    metavar="FILE",
    help="Write a manifest of the pictures without a row, for another run: .parquet, .csv or .jsonl.",
)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
def merge(
    parts: tuple[str, ...], target: str, listed: str | None, missing: str | None, overwrite: bool
) -> None:
    """Join what 'facecli run --parts' wrote on many machines, and check that every picture has one row.

    PARTS are folders (also in object storage), files or patterns. The exit code is 1 if a picture of the
    manifest has no row or several (the first is used), a row belongs to no picture of the manifest, or a
    part is damaged; everything else is joined.

    \b
    Examples:
      facecli merge rows/ --manifest pictures.parquet -o rows.parquet
      facecli merge s3://bucket/rows -o rows.jsonl
      facecli merge rows/ --manifest pictures.parquet -o rows.csv --missing rest.parquet
    """
    from facecli.sinks.parts import account, find_parts

    parts, target = tuple(map(file_path, parts)), file_path(target)
    missing, listed = missing and file_path(missing), listed and file_path(listed)
    _check_merge(parts, target, listed, missing, overwrite)
    manifest_entries = None if listed is None else _entries(listed)
    there = find_parts(parts)
    targets = {"--output": target, "--missing": missing}
    check_targets(targets, ((part.place, "among the parts") for part in there))
    found = account(there, manifest_entries)
    _write(target, found)
    if missing is not None:
        _write_missing(missing, found)
    say(f"wrote {redacted(target)} ({found.rows:,} rows of {len(found.readable):,} parts)")
    if found.errors:
        say(f"{found.errors:,} of the rows have an error")
    _raise_unless_whole(found)


def _check_merge(
    parts: tuple[str, ...], target: str, listed: str | None, missing: str | None, overwrite: bool
) -> None:
    if Path(target).suffix.lower() not in _FORMATS:
        raise InputError(f"--output {redacted(target)} must end in one of {', '.join(_FORMATS)}")
    if missing is not None:
        if listed is None:
            raise InputError("--missing needs --manifest, to know which pictures are missing")
        if Path(missing).suffix.lower() not in _FORMATS or is_storage_address(missing):
            suffixes = ", ".join(_FORMATS)
            raise InputError(f"--missing {redacted(missing)} is not a file here that ends in {suffixes}")
    targets = {"--output": target, "--missing": missing}
    check_stored(targets)
    read = ((file, "among what is read") for file in (*parts, *([listed] if listed else [])))
    check_targets(targets, ((file, called) for file, called in read if os.path.isfile(file)))
    check_existing(targets.items(), overwrite)


def _entries(listed: str) -> "Iterator[ManifestEntry]":
    """The entries of a manifest, wherever it lies. Raises InputError."""
    from facecli.sources.manifest import read_manifest, stored_manifest

    if is_storage_address(listed):
        return stored_manifest(listed).entries()
    return read_manifest(Path(listed))


def _write(target: str, found: "Account") -> None:
    from facecli.sinks.parts import rows_of
    from facecli.sinks.rows import CsvSink, JsonSink, ParquetSink

    kinds = {".jsonl": JsonSink, ".csv": CsvSink, ".parquet": ParquetSink}
    with kinds[Path(target).suffix.lower()](target) as sink:
        for row in rows_of(found):
            sink.write_row(row)


def _write_missing(target: str, found: "Account") -> None:
    from facecli.sources.manifest import write_manifest

    write_manifest(Path(target), found.missing, Path(target).suffix.lower())


def _raise_unless_whole(found: "Account") -> None:
    """Says what is wrong with the rows. Raises FacecliError when anything is."""
    for line in found.damaged:
        complain(line)
    _list("has no row", [entry.source for entry in found.missing])
    _list("has more than one row; the first was taken", list(found.repeated))
    _list("has a row and is not in the manifest", found.stray)
    if not found.is_whole:
        counts = {
            "without a row": len(found.missing),
            "with several": len(found.repeated),
            "not in the manifest": len(found.stray),
        }
        said = [f"{count:,} pictures {what}" for what, count in counts.items() if count]
        said += [f"{len(found.damaged):,} damaged parts"] if found.damaged else []
        raise FacecliError(f"the rows are incomplete: {', '.join(said)}")


def _list(what: str, sources: list[str]) -> None:
    for source in sources[:_SHOWN]:
        complain(f"{source} {what}")
    if len(sources) > _SHOWN:
        complain(f"... and {len(sources) - _SHOWN:,} more")
