"""A list of labelled pictures as a data set: addresses are fetched and faces are cut, each once.

What was fetched and what was cut lies in the data folder under a name that its address, or its picture and
box, decide; each file is whole or not there, so that a killed run goes on where it was. What could not be
fetched, or has no face, is kept as the reason why, too: training sees the set that was checked before. A
face is cut as everywhere: upright by its landmarks, else by its box. `table.file` names the cut chip.
"""

import logging
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import numpy as np
import pandas as pd

from facecli.core import paths
from facecli.core.arrays import Array
from facecli.core.attributes import CLASS_NAMES, MISSING, MOST_CLASSES, PRESENCE, RACE_OF_7, RACES
from facecli.core.errors import DataError, ImageError, InputError, PrivateAddressError
from facecli.core.files import harmless_name
from facecli.core.images import check_image
from facecli.core.paths import is_storage_address
from facecli.data.chips import CHIP_SIDE, VERSION, Chip, KeptFiles, cut_chips, digest, in_parallel
from facecli.data.labels import NOTHING, SPLIT, SPLITS, Given, Meaning, Reading, age_years, read_labels
from facecli.data.lists import Label, Listing, read_listing
from facecli.data.table import Table, build_table
from facecli.sources.files import Entry, check_regular, shown
from facecli.sources.web import LIMITS, FetchLimits, check_url, fetch, is_url

log: logging.Logger = logging.getLogger(__name__)

SOURCE = "list"
"""Column `source` of its tables."""
WAYS = ("auto", "find", "box", "whole")
"""How faces are had: by the row's box where it has one, else searched; always searched; by the box only;
each picture is a face."""
_FETCHING = 8
_LETTERS = 40
"""Of a picture's name in that of its chip."""


class LeftOut(NamedTuple):
    """A row that nothing is learnt from: which of the list, the picture as people may see it, and why."""

    row: int
    picture: str
    reason: str


@dataclass(frozen=True)
class ListReport:
    """What is told of a list.

    Attributes:
        path: of the list.
        rows: faces that it names.
        pictures, addresses: different pictures, and how many of them are addresses.
        fetched, kept: addresses whose pictures came now, and those that were here.
        chips: faces that are there now, by how each was had: "found", "box", "whole".
        reading: what the labels were taken for.
        unknown: labels that nobody understands -> rows.
        counts: attribute -> class -> rows: of the faces that are there, or, before a look at them, of all.
        notes: what the user should know, a sentence each.
        left_out: every row that is not used.
        is_private: an address was not asked because it is one of the own network.
        is_stored: another was not, because it is one of object storage.
    """

    path: Path
    rows: int
    pictures: int
    addresses: int
    reading: Reading
    unknown: Mapping[Label, int]
    counts: Mapping[str, Mapping[str, int]]
    notes: tuple[str, ...] = ()
    fetched: int = 0
    kept: int = 0
    chips: Mapping[str, int] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    is_private: bool = False
    is_stored: bool = False


@dataclass(frozen=True)
class ListOptions:
    """How lists are read.

    Attributes:
        faces: one of WAYS.
        given: what labels mean, as the user says; the rest is guessed.
        allow_private: also fetch from the own network and machine.
        allow_storage: also read objects that a list names (s3://bucket/key), with this machine's credentials.
        retry: ask again for what could not be fetched, and look again for faces, where that failed before.
        tell: takes the report before anything is judged by it.
        limits: of each address.
    """

    faces: str = "auto"
    given: Given = field(default_factory=dict)
    allow_private: bool = False
    allow_storage: bool = False
    retry: bool = False
    tell: Callable[[ListReport], None] = lambda report: None
    limits: FetchLimits = LIMITS


PLAIN = ListOptions()


@dataclass(frozen=True)
class Labels:
    """The label columns of a table.

    Attributes:
        count: n, of all rows.
        columns: name -> (n,) int64, -1 where a row has no such label; SPLIT, of SPLITS, where rows have one.
        classes: attribute that facecli does not know -> its classes, in the order of their numbers.
        notes: as of `Reading`.
    """

    count: int
    columns: Mapping[str, Array]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def are_there(self) -> Array:
        """(n,) has a row any label?"""
        found = np.zeros(self.count, bool)
        for name, values in self.columns.items():
            if name != SPLIT:
                found |= values != MISSING
        return found


def read_list(path: Path, options: ListOptions = PLAIN) -> tuple[Path, Table]:
    """Reads a list, fetches its pictures and cuts the faces, as far as that was not done before.

    Returns:
        The folder of the chips, and the table; maybe empty. Rows whose picture or face cannot be had, that
        have no label, or that are there already, are in its problems.

    Raises:
        DataError, InputError: no list, see `data.lists.read_listing`, or no option.
        OutputError: the data folder cannot be written.
    """
    if options.faces not in WAYS:
        raise InputError(f"unknown value of faces '{options.faces}'; choose one of {', '.join(WAYS)}")
    return _Work(path, options).done()


def survey_list(path: Path, options: ListOptions = PLAIN) -> ListReport:
    """What a list says, without a look at its pictures. Raises as `read_list`."""
    return _Work(path, options).report()


class _Work:
    """One list on its way to a table."""

    def __init__(self, path: Path, options: ListOptions) -> None:
        self._path, self._options = path, options
        self._listing = read_listing(path)
        self._reading = read_labels(self._listing, options.given)
        self._labels = encode_labels(self._listing, self._reading)
        self._why: dict[int, str] = dict(self._listing.faults)
        self._notes = [*self._reading.notes, *self._labels.notes, *_outside(path, self._listing)]
        self._fetched = self._kept = 0
        self._is_private = self._is_stored = False
        for row in np.flatnonzero(~self._labels.are_there).tolist():
            self._why.setdefault(row, "it has no label that is understood")

    def report(self, rows: Array | slice = slice(None), ways: Mapping[str, int] | None = None) -> ListReport:
        """What is known by now; labels are counted in some rows, or in all."""
        listing, counts = self._listing, self._listing.counts
        different = set(listing.pictures)
        left_out = (
            LeftOut(int(listing.numbers[row]), shown(listing.pictures[row]), self._why[row])
            for row in sorted(self._why)
        )
        return ListReport(
            self._path,
            len(listing.pictures),
            len(different),
            sum(map(_is_address, different)),
            self._reading,
            {label: counts[label] for label in self._reading.unknown},
            label_counts(self._labels, rows),
            tuple(self._notes),
            self._fetched,
            self._kept,
            ways or {},
            tuple(left_out),
            self._is_private,
            self._is_stored,
        )

    def done(self) -> tuple[Path, Table]:
        """The folder and the table."""
        folder = paths.data_dir() / "lists" / (harmless_name(self._path.stem) or SOURCE)
        chips = self._cut(folder, self._pictures())
        rows = np.array(self._without_repeated(chips), np.int64)
        self._options.tell(self.report(rows, _ways([chips[row] for row in rows.tolist()])))
        columns = {name: values[rows] for name, values in self._labels.columns.items()}
        if "face" in columns:
            # Who is asked for an age is a face.
            columns["face"] = np.where(columns["face"] == MISSING, PRESENCE.index("face"), columns["face"])
        if SPLIT in columns:
            columns["published_split"] = np.array([*SPLITS, ""])[columns.pop(SPLIT)]
        numbers = {picture: number for number, picture in enumerate(dict.fromkeys(self._listing.pictures))}
        columns["photograph"] = np.array([numbers[self._listing.pictures[row]] for row in rows.tolist()])
        files = [chips[row].file for row in rows.tolist()]
        cells = pd.DataFrame({"file": files, **columns}).to_dict("records")
        problems = [(shown(self._listing.pictures[row]), self._why[row]) for row in sorted(self._why)]
        table = build_table(folder, cells, problems, SOURCE)
        return folder, Table(table.frame, table.problems, self._labels.classes)

    def _wanted(self) -> Iterator[int]:
        return (row for row in range(len(self._listing.pictures)) if row not in self._why)

    def _pictures(self) -> dict[int, Path]:
        """Row -> the file of its picture; those of addresses are fetched first."""
        fetched = self._fetch({self._listing.pictures[row] for row in self._wanted()} - {""})
        found: dict[int, Path] = {}
        for row in list(self._wanted()):
            picture = self._listing.pictures[row]
            place = fetched[picture] if picture in fetched else _local(self._path.parent, picture)
            if isinstance(place, Path):
                found[row] = place
            else:
                self._why[row] = place
        return found

    def _fetch(self, pictures: Collection[str]) -> dict[str, Path | str]:
        """Address -> its file here, or the reason why there is none."""
        addresses = sorted([*filter(is_url, pictures), *self._stored(pictures)])
        if not addresses:
            return {}
        store = KeptFiles(paths.data_dir() / "lists" / "fetched")
        found: dict[str, Path | str] = {}
        asked = []
        for address in addresses:
            known = store.find(digest(address))
            if known is None or (isinstance(known, str) and self._options.retry):
                asked.append(address)
            else:
                found[address] = known
        self._kept = sum(isinstance(place, Path) for place in found.values())
        got = in_parallel([partial(self._got, store)] * _FETCHING, asked, "fetching")
        found |= dict(zip(asked, got, strict=True))
        self._fetched = sum(isinstance(found[address], Path) for address in asked)
        return found

    def _got(self, store: KeptFiles, address: str) -> Path | str:
        try:
            data = self._bytes(address)
            check_image(data, "it")
        except PrivateAddressError as error:
            # It is another question when it is allowed.
            self._is_private = True
            return str(error)
        except (ImageError, InputError) as error:
            return store.refuse(digest(address), str(error).replace(shown(address), "it"))
        return store.keep(digest(address), data)

    def _stored(self, pictures: Iterable[str]) -> list[str]:
        """Addresses of object storage among some, where the user allows that these are read.

        Raises InputError when what reads such storage is not installed.
        """
        found = [picture for picture in pictures if is_storage_address(picture)]
        if found and not self._options.allow_storage:
            self._is_stored = True
            return []
        for scheme in {picture.partition("://")[0] for picture in found}:
            # A bucket is not asked here: that its name is none is said of its rows.
            from facecli.sources.cloud import storage_of

            storage_of(f"{scheme}://bucket")
        return found

    def _bytes(self, address: str) -> bytes:
        """The content behind an address. Raises ImageError, PrivateAddressError or InputError."""
        if is_storage_address(address):
            from facecli.sources.cloud import storage_of

            return storage_of(address).read(Entry(address), self._options.limits)
        check_url(address)
        return fetch(address, self._options.allow_private, self._options.limits)

    def _cut(self, folder: Path, pictures: Mapping[int, Path]) -> dict[int, "Chip"]:
        """Row -> its chip; those that are not there yet are cut."""
        store = KeptFiles(folder / "chips", ".jpg")
        chips: dict[int, Chip] = {}
        missing: defaultdict[Path, list[tuple[int, Chip]]] = defaultdict(list)
        for row, picture in pictures.items():
            chip = self._planned(folder, store, row, picture)
            if isinstance(chip, str):
                self._why[row] = chip
                continue
            known = store.find(chip.key)
            if known is None or (isinstance(known, str) and self._options.retry):
                missing[picture].append((row, chip))
            elif isinstance(known, str):
                self._why[row] = known
            else:
                chips[row] = chip
        wanted = {picture: [chip for _, chip in its] for picture, its in missing.items()}
        reasons = cut_chips(store, wanted) if wanted else {}
        for row, chip in chain.from_iterable(missing.values()):
            if reason := reasons[chip.key]:
                self._why[row] = reason
            else:
                chips[row] = chip
        return chips

    def _planned(self, folder: Path, store: KeptFiles, row: int, picture: Path) -> "Chip | str":
        """The chip that a row is to have, or the reason why it cannot."""
        numbers = self._listing.boxes[row]
        box = None if np.isnan(numbers).any() else tuple(numbers.tolist())
        way = self._options.faces
        is_face = "face" not in self._labels.columns or self._labels.columns["face"][row] != _NOT_FACE
        if way == "box" and box is None:
            return "it has no box"
        if way == "whole" or (not is_face and box is None):
            way, box = "whole", None
        elif way == "find" and is_face or box is None:
            way, box = "found", None
        else:
            way = "box"
        named = self._listing.pictures[row]
        try:
            state = os.stat(picture)
        except OSError as error:
            return f"cannot read it: {error.strerror or error}"
        which = named if _is_address(named) else f"{picture.absolute()} {state.st_mtime_ns}"
        recipe = f"{VERSION} {CHIP_SIDE} {which} {state.st_size} {way} {box} {is_face}"
        key = f"{_called(named)}-{digest(recipe)[:24]}"
        return Chip(key, store.path(key).relative_to(folder).as_posix(), way, box, is_face)

    def _without_repeated(self, chips: Mapping[int, "Chip"]) -> list[int]:
        """The rows that have a chip, without those of which all was said before."""
        kept, seen = [], set()
        columns = list(self._labels.columns.values())
        for row in sorted(chips):
            said = (chips[row].key, *(int(values[row]) for values in columns))
            if said in seen:
                self._why[row] = "a row before it says the same"
            else:
                kept.append(row)
                seen.add(said)
        return kept


_NOT_FACE = PRESENCE.index("not_face")


def _is_address(picture: str) -> bool:
    return is_url(picture) or is_storage_address(picture)


def _ways(chips: Iterable[Chip]) -> dict[str, int]:
    return dict(Counter(chip.way for chip in chips))


def _called(picture: str) -> str:
    """What people recognise the picture by, for the name of its chip."""
    name = unquote(re.split("[?#]", shown(picture), maxsplit=1)[0]) if _is_address(picture) else picture
    return harmless_name(Path(name).stem)[:_LETTERS]


def _local(folder: Path, picture: str) -> Path | str:
    """The file that a row names, or the reason why it is none."""
    if is_storage_address(picture):
        return "pictures in object storage are not read without leave"
    if "://" in picture:
        return "of addresses only http:// and https:// are read; fetch it, and give its path"
    path = folder / picture
    try:
        check_regular(path)
    except ImageError as error:
        return str(error).replace(shown(path), "it").replace("; check the path", "")
    return path


def _outside(path: Path, listing: Listing) -> list[str]:
    """A sentence about pictures that lie elsewhere than a list's folder and those below."""
    top = os.path.join(os.path.abspath(path.parent), "")
    local = {
        name
        for name in set(listing.pictures)
        if (os.path.isabs(name) or ".." in name)
        and "://" not in name
        and not os.path.abspath(os.path.join(top, name)).startswith(top)
    }
    if not local:
        return []
    number = f"{len(local):,} pictures lie" if len(local) > 1 else "a picture lies"
    return [f"{number} outside the list's folder, as {shown(min(local))}; read all the same"]


_KNOWN = {**CLASS_NAMES, SPLIT: SPLITS}


def encode_labels(listing: Listing, reading: Reading) -> Labels:
    """The columns of a table for the rows of a list.

    A row that has two labels of one attribute that exclude each other has none of them.

    Raises:
        DataError: an attribute of the user's own with more than MOST_CLASSES classes.
    """
    count, notes = len(listing.pictures), []
    meant = [reading.meanings.get(label, NOTHING) for label in listing.labels]
    columns: dict[str, Array] = {}
    classes: dict[str, tuple[str, ...]] = {}

    def encoded(attribute: str, codes: Mapping[Meaning, int]) -> Array:
        of_label = np.array([codes.get(meaning, MISSING) for meaning in meant], np.int64)
        values, both = _one_a_row(listing, of_label, count)
        if both:
            notes.append(
                f"{both:,} rows have two labels of {attribute} that exclude each other; none is taken"
            )
        return values

    for attribute in dict.fromkeys(meaning.attribute for meaning in meant if meaning.attribute):
        its = dict.fromkeys(meaning for meaning in meant if meaning.attribute == attribute)
        if attribute == "age":
            columns |= _ages(its, encoded)
            continue
        if attribute not in _KNOWN:
            classes[attribute] = _own_classes(attribute, its)
        names = _KNOWN.get(attribute) or classes[attribute]
        columns[attribute] = encoded(attribute, {meaning: names.index(meaning.value) for meaning in its})
    return Labels(count, _with_races(columns), classes, tuple(notes))


def _own_classes(attribute: str, meanings: Iterable[Meaning]) -> tuple[str, ...]:
    names = sorted({meaning.value for meaning in meanings}, key=lambda name: (name.lower(), name))
    if len(names) > MOST_CLASSES:
        raise DataError(
            f"{attribute} has {len(names)} classes, more than {MOST_CLASSES}; it is not an attribute"
        )
    return tuple(names)


def _ages(meanings: Iterable[Meaning], encoded: Any) -> dict[str, Array]:
    """The columns of ages, and of bands, whichever there are."""
    bounds = {meaning: age_years(meaning.value) for meaning in meanings}
    bands = {meaning: low for meaning, (low, _) in bounds.items() if "-" in meaning.value}
    years = {meaning: low for meaning, (low, _) in bounds.items() if meaning not in bands}
    columns = {"age_years": encoded("age", years)} if years else {}
    if bands:
        columns["age_low"] = encoded("age", bands)
        columns["age_high"] = encoded("age", {meaning: bounds[meaning][1] for meaning in bands})
        known = (columns["age_low"] != MISSING) & (columns["age_high"] != MISSING)
        for name in ("age_low", "age_high"):
            columns[name] = np.where(known, columns[name], MISSING)
    return columns


def _one_a_row(listing: Listing, of_label: Array, count: int) -> tuple[Array, int]:
    """(n,) the number that a row's labels have, -1 without or with several; how many have several."""
    values = of_label[listing.ids] if len(of_label) else np.zeros(0, np.int64)
    rows = listing.rows[values != MISSING]
    values = values[values != MISSING]
    least, most = np.full(count, np.iinfo(np.int64).max), np.full(count, MISSING, np.int64)
    np.minimum.at(least, rows, values)
    np.maximum.at(most, rows, values)
    both = (most != MISSING) & (least != most)
    return np.where(both, MISSING, most), int(both.sum())


def _with_races(columns: dict[str, Array]) -> dict[str, Array]:
    """With the five races that the seven are part of, where a row has none of its own."""
    if "race_7" not in columns:
        return columns
    folded = np.array([RACES.index(name) for name in RACE_OF_7] + [MISSING])[columns["race_7"]]
    own = columns.get("race", np.full(len(folded), MISSING))
    return {**columns, "race": np.where(own != MISSING, own, folded)}


def label_counts(labels: Labels, rows: Array | slice = slice(None)) -> dict[str, dict[str, int]]:
    """Attribute -> class, or band or decade of years, -> rows that have it, of some rows or all."""
    frame = pd.DataFrame({name: values[rows] for name, values in labels.columns.items()})
    found: dict[str, dict[str, int]] = {}
    for name in frame.columns.drop(["age_low", "age_high"], errors="ignore"):
        known = frame[name][frame[name] != MISSING]
        if name == "age_years":
            tens = (known // 10 * 10).value_counts().sort_index()
            found["age"] = {f"{low}-{low + 9}": int(number) for low, number in tens.items()}
        else:
            names: Sequence[str] = _KNOWN.get(name) or labels.classes[name]
            counts = known.value_counts()
            found[name] = {one: int(counts.get(index, 0)) for index, one in enumerate(names)}
    if "age_low" in frame:
        bands = frame[frame["age_low"] != MISSING].groupby(["age_low", "age_high"]).size()
        found["age band"] = {f"{low}-{high}": int(number) for (low, high), number in bands.items()}
    return found
