"""`facecli data`: look at a data set before training on it; cut what shows no face."""

import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecli.cli.options import check_targets, files_below
from facecli.cli.output import download_bar, say, show_text, warn
from facecli.cli.training_options import list_options, lists_of, warn_of_skipped
from facecli.core import paths
from facecli.core.attributes import CLASS_NAMES, HEAD_CLASSES, ClassNames, wrong_in_head
from facecli.core.console import is_terminal, with_bar
from facecli.core.errors import FacecliError, InputError, OutputError
from facecli.core.recipes import REBALANCINGS

if TYPE_CHECKING:
    import pandas as pd

    from facecli.data.groups import Conflict
    from facecli.data.labels import Meaning
    from facecli.data.listed import ListOptions, ListReport
    from facecli.data.lists import Label
    from facecli.data.statistics import Distribution
    from facecli.data.table import Table
    from facecli.training.prepare import PreparedData


_PARTS = {"train": 0.9, "test": 0.1}

_SHEET_FACES = 64
_SHEET_COLUMNS = 8


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="New folder.  [default: data/not_face]",
)
@click.option(
    "--count", type=click.IntRange(10), default=4000, show_default=True, help="Maximum number of crops."
)
@click.option(
    "--side",
    type=click.IntRange(32, 512),
    default=112,
    show_default=True,
    help="Side of the crops in pixels.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Random seed of the split and the selection."
)
@click.option(
    "--limit", type=click.IntRange(10), help="Use only this many random pictures, for a quick test."
)
def negatives(path: Path, output: Path | None, count: int, side: int, seed: int, limit: int | None) -> None:
    """Create pictures without a face, cut from the face pictures in PATH (a folder or archive) and drawn.

    Use the result as a further --data-path of 'facecli train'. Pictures of the test split give only test
    crops. You may add pictures of your own room to train/not_face/.

    \b
    Examples:
      facecli data negatives data/UTKFace --output data/not_face
    """
    from facecli.training.prepare import prepare_data

    output = output or paths.data_dir() / "not_face"
    if output.is_dir() and any(output.iterdir()):
        raise OutputError(f"{output} exists already; delete it or name another folder with --output")
    data = prepare_data(path, seed, limit)
    with paths.replacing_folder(output) as folder:
        written = {
            split: _write(data, split, folder / split / "not_face", round(part * count), side, seed)
            for split, part in _PARTS.items()
        }
    show_text(f"{output}: {', '.join(f'{number} {split}' for split, number in written.items())}")


def _write(data: "PreparedData", split: str, folder: Path, count: int, side: int, seed: int) -> int:
    """Writes at most `count` crops of a split's pictures as PNG; gives the number."""
    import itertools

    from facecli.core.images import load_image, save_image
    from facecli.data.negatives import iter_negatives, loose_cascade

    files = data.frame["file"].iloc[data.rows(split)].sample(frac=1, random_state=seed)
    chips = (load_image(data.folder / file) for file in files)
    crops = iter_negatives(chips, loose_cascade(os.fspath(paths.find_cascade())), side, seed)
    wanted = with_bar(itertools.islice(crops, count), f"{split} crops", count)
    number = 0
    for number, crop in enumerate(wanted, start=1):
        save_image(folder / f"{number:05d}.png", crop)
    return number


@click.group()
def data() -> None:
    """Download and check data sets of faces.

    \b
    Examples:
      facecli data get lfw
      facecli data check data/UTKFace data/fairface
      facecli data negatives data/UTKFace --output data/not_face
    """


data.add_command(negatives)


@data.command()
@click.argument("name", type=click.Choice(["utkface", "fairface", "fer2013", "lfw", "wiki"]))
@click.option("--accept-terms", is_flag=True, help="Agree to the terms of the data set without being asked.")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="Unpack this archive instead of downloading one.",
)
@click.option("--url", help="Download from this address instead of the known ones.")
def get(name: str, accept_terms: bool, source: Path | None, url: str | None) -> None:
    """Download the public data set NAME and unpack it into the data folder.

    You are asked to agree to its terms first. If a download is interrupted, the same command continues it.
    For data sets that need an account, it prints where to get them.

    \b
    Examples:
      facecli data get lfw
      facecli data get utkface --from Downloads/UTKFace.tar.gz
    """
    from facecli.data.archives import DATASETS, get_dataset

    if source and url:
        raise InputError("--from and --url exclude each other; give one of them")
    known = DATASETS[name]
    say(f"{known.title} ({known.size})")
    say(f"terms: {known.terms}; see {known.page}")
    if (source or url or known.files) and not accept_terms:
        _ask_for_consent()
    with download_bar(name) as on_progress:
        folder = get_dataset(name, source, url, lambda _, done, total: on_progress(done, total))
    show_text(str(folder))


def _ask_for_consent() -> None:
    """Raises InputError when nobody can be asked, FacecliError when they do not agree."""
    if not is_terminal(sys.stdin):
        raise InputError("cannot ask for agreement to the terms: no terminal; add --accept-terms to agree")
    if not click.confirm("Do you agree to these terms?", err=True):
        raise FacecliError("nothing was downloaded: you did not agree to the terms")


@data.command()
@click.argument("places", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Random seed of the split and the augmentation."
)
@click.option(
    "--rebalance",
    type=click.Choice(REBALANCINGS),
    default="none",
    show_default=True,
    help="Rebalancing to show in the adjusted statistics; see 'facecli train --help'.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the statistics.  [default: statistics/data_stats]",
)
@click.option(
    "--augmented",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Also write a picture of {_SHEET_FACES} augmented training faces, .jpg or .png.",
)
@click.option(
    "--image-size", type=click.IntRange(32, 512), default=112, show_default=True, help="Side of those faces."
)
@list_options
@click.option(
    "--save-labels",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write how the labels of a list were interpreted, so that you can correct it and pass it "
    "with --labels.",
)
@click.option("--retry", is_flag=True, help="Try downloads again that failed before.")
@click.option("--no-fetch", is_flag=True, help="Only read the list: no picture is downloaded or opened.")
@click.option("--verbose", is_flag=True, help="List every problem, label, conflict and duplicate group.")
def check(
    places: tuple[Path, ...],
    seed: int,
    rebalance: str,
    output: Path | None,
    augmented: Path | None,
    image_size: int,
    save_labels: Path | None,
    retry: bool,
    no_fetch: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Check the data sets at each PATH (a folder, an archive or a list of face pictures).

    Shows malformed names, duplicates, conflicting labels and the split, and writes plots and tables of
    ages, genders and races. Several sets are counted separately; a set that lacks a class of an attribute is
    reported, because it is not used to train that attribute. The exit code is 2 if no model can be trained.

    A list (.json, .jsonl, .csv, .tsv, .parquet) has a row for each picture: file or url, labels, and
    optionally a box. Its pictures are downloaded and its faces cropped, once, and the interpretation of its
    labels is shown.

    \b
    Examples:
      facecli data check data/UTKFace
      facecli data check UTKFace.tar.gz --seed 2
      facecli data check data/UTKFace data/fairface
      facecli data check list.json --save-labels labels.yaml
    """
    import pandas as pd

    from facecli.data.table import join_classes, whole_labels
    from facecli.training.prepare import unique_names

    limit = None if verbose else 5
    read = ((file, "among what is read") for path in places for file in files_below(path))
    check_targets({"--augmented": augmented, "--save-labels": save_labels}, read)
    tell = _telling(limit, None if no_fetch else output or _default_statistics(), save_labels)
    lists = replace(lists_of(options), retry=retry, tell=tell)
    if no_fetch:
        _survey(places, lists)
        return
    checked = [_check_one(path, seed, limit, lists) for path in places]
    names = unique_names([folder.name for folder, _ in checked])
    for name, (_, table) in zip(names, checked, strict=True):
        place = output / name if output and len(checked) > 1 else output
        place = place or (_default_statistics() / name if len(checked) > 1 else None)
        _save_statistics(table.frame, rebalance, seed, place)
    frames, classes = join_classes([table for _, table in checked])
    sets = [frame.assign(set=name) for name, frame in zip(names, frames, strict=True)]
    together = whole_labels(pd.concat(sets, ignore_index=True), classes)
    _show_coverage(together, CLASS_NAMES | classes)
    if augmented:
        folder, table = checked[0]
        _save_augmented(table.frame, folder, image_size, seed, augmented)
        show_text(f"augmented faces: {augmented}")
    _judge(together, classes)


def _survey(places: Sequence[Path], lists: "ListOptions") -> None:
    """Shows what lists say of themselves. Raises InputError for what is no list."""
    from facecli.data.listed import survey_list
    from facecli.data.sources import check_dataset, names_pictures

    for place in map(check_dataset, places):
        if not names_pictures(place):
            raise InputError(f"--no-fetch works only for lists, and {place} is not a list")
        lists.tell(survey_list(place, lists))


def _telling(
    limit: int | None, place: Path | None, save_labels: Path | None
) -> "Callable[[ListReport], None]":
    """What takes the report of each list: shows it, writes what was left out, and what labels mean.

    `place`: the folder of what was left out; None where nothing was looked at.
    """
    from facecli.data.labels import Reading, save_reading

    meanings: dict[Label, Meaning] = {}
    unknown: list[Label] = []

    def tell(report: "ListReport") -> None:
        _show_list(report, limit)
        if place is not None and report.left_out:
            show_text(f"  rows that were left out: {_write_left_out(report, place)}")
        meanings.update(report.reading.meanings)
        unknown.extend(report.unknown)
        if save_labels is not None:
            save_reading(save_labels, Reading(meanings, tuple(unknown)))
            show_text(f"  what labels mean: {save_labels}; correct it and give it with --labels")

    return tell


def _write_left_out(report: "ListReport", place: Path) -> Path:
    """A line of JSON for each row."""
    import json

    target = place / f"left_out_{report.path.stem}.jsonl"
    with paths.replacing(target) as temporary:
        lines = (json.dumps(row._asdict(), ensure_ascii=False) for row in report.left_out)
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return target


def _show_list(report: "ListReport", limit: int | None) -> None:
    at = f", {report.addresses:,} of them at addresses" if report.addresses else ""
    show_text(f"{report.path}: {report.rows:,} rows, {report.pictures:,} different pictures{at}")
    if report.chips or report.left_out:
        if report.addresses:
            show_text(f"  fetched: {report.fetched:,} now, {report.kept:,} were here")
        ways = {"found": "found", "box": "by their box", "whole": "whole pictures"}
        named = ", ".join(f"{count:,} {ways[way]}" for way, count in report.chips.items())
        show_text(f"  faces: {sum(report.chips.values()):,}{f' ({named})' if named else ''}")
    for line in _meaning_lines(report, limit):
        show_text(f"  {line}")
    for attribute, counts in report.counts.items():
        if any(counts.values()):
            there = [f"{name} {count:,}" for name, count in counts.items()]
            show_text(f"  {attribute}: {_some(there, None if limit is None else 4 * limit)}")
    if report.unknown:
        named = _some([f"{label} ({count:,})" for label, count in report.unknown.items()], limit)
        remedy = "--label LABEL=MEANING says what they mean, --label LABEL=ignore that they mean nothing"
        show_text(f"  unknown labels: {named}; {remedy}")
    for note in report.notes:
        show_text(f"  {note}")
    warn_of_skipped(report)


def _meaning_lines(report: "ListReport", limit: int | None) -> Iterator[str]:
    """What labels were taken for, a line for what is called as facecli calls it, and one for each other."""
    said: list[str] = []
    alike: defaultdict[tuple[str, str], int] = defaultdict(int)
    for label, meaning in sorted(report.reading.meanings.items(), key=lambda one: one[1].attribute):
        if label.column and label.value == meaning.value:
            alike[label.column, meaning.attribute] += 1
        elif meaning.attribute:
            said.append(f"'{label}' is taken for {meaning}")
    for (column, attribute), count in alike.items():
        yield f"column '{column}' is taken for {attribute}: {count:,} different values"
    yield from said if limit is None else said[: 8 * limit]
    if limit is not None and len(said) > 8 * limit:
        yield f"... {len(said) - 8 * limit} more labels, see --verbose"


def _check_one(path: Path, seed: int, limit: int | None, lists: "ListOptions") -> "tuple[Path, Table]":
    """Shows what is in a data set; gives its folder and its grouped, split table."""
    from facecli.data.groups import add_groups, split_groups
    from facecli.data.sources import open_dataset
    from facecli.data.statistics import distributions

    folder, table = open_dataset(path, lists=lists)
    frame, conflicts = add_groups(table.frame, folder)
    frame = split_groups(frame, seed)
    _show_problems(table.problems, limit)
    _show_duplicates(frame, limit)
    _show_conflicts(conflicts, limit)
    _show_split(frame, seed)
    _show_counts(distributions(frame, classes=table.classes))
    return folder, replace(table, frame=frame)


def _save_statistics(frame: "pd.DataFrame", rebalance: str, seed: int, place: Path | None) -> None:
    from facecli.data.statistics import save_data_stats

    show_text(f"statistics: {save_data_stats(frame, rebalance, seed, place)}")


def _default_statistics() -> Path:
    from facecli.core import paths

    return paths.statistics_dir() / "data_stats"


def _show_coverage(frame: "pd.DataFrame", classes: ClassNames) -> None:
    """What each set teaches, and what it lacks, a line each."""
    from facecli.data.statistics import class_counts, find_gaps, knowing_sets

    heads = ("age", *classes)
    gaps = {(gap.set_name, gap.head): gap for gap in find_gaps(frame, heads, classes=classes)}
    for name, rows in frame.groupby("set", sort=False):
        known = [head for head in heads if name in knowing_sets(frame, head)]
        taught = [head for head in known if (name, head) not in gaps]
        show_text(f"{name} teaches {', '.join(taught) or 'no head'}")
        for head in classes:
            if counts := class_counts(rows, head, classes):
                show_text(f"  {head}: {', '.join(f'{label} {count:,}' for label, count in counts.items())}")
    for gap in gaps.values():
        show_text(gap.sentence)


def _show_problems(problems: list[tuple[str, str]], limit: int | None) -> None:
    show_text(f"left out: {len(problems)} files")
    files = defaultdict(list)
    for file, reason in problems:
        files[reason].append(file)
    for reason, named in sorted(files.items(), key=lambda entry: -len(entry[1])):
        show_text(f"  {len(named)} x {reason}: {_some(named, limit)}")


def _show_duplicates(frame: "pd.DataFrame", limit: int | None) -> None:
    identical = frame[frame.duplicated("sha256", keep=False)].groupby("sha256")["file"]
    near = [
        rows["file"].tolist()
        for _, rows in frame[frame.duplicated("group", keep=False)].groupby("group")
        if rows["sha256"].nunique() > 1
    ]
    show_text(
        f"duplicates: {identical.ngroups} groups of byte-identical files, {len(near)} groups of "
        f"near-duplicates; {frame['group'].nunique()} different pictures of {len(frame)}"
    )
    for files in near if limit is None else []:
        show_text(f"  {', '.join(files)}")


def _show_conflicts(conflicts: "list[Conflict]", limit: int | None) -> None:
    kinds = Counter(conflict.label for conflict in conflicts)
    named = ", ".join(f"{count} in {label}" for label, count in kinds.most_common())
    show_text(
        f"conflicts: {len(conflicts)} labels of byte-identical files disagree{f' ({named})' if named else ''}"
    )
    for conflict in conflicts[:limit]:
        values = " / ".join(map(str, conflict.values))
        show_text(f"  {conflict.label} {values} -> {conflict.resolved}: {', '.join(conflict.files)}")
    _more(len(conflicts), limit)


def _show_split(frame: "pd.DataFrame", seed: int) -> None:
    from facecli.data.groups import split_digest

    counts = frame["split"].value_counts()
    named = ", ".join(f"{name} {counts.get(name, 0)}" for name in ("train", "val", "test"))
    show_text(f"split with seed {seed}: {named}")
    show_text(f"split digest: {split_digest(frame)}")


def _show_counts(found: "dict[str, Distribution]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="pictures", title_justify="left")
    for heading in ("label", "class", "count", "share"):
        table.add_column(heading, justify="right" if heading in ("count", "share") else "left")
    for label in (name for name in found if name != "age"):
        for name, count, share in found[label].table().itertuples(index=False):
            shown = f"{share:.1%}" if share != "" else ""
            table.add_row(label, name, f"{count:.0f}", shown, end_section=name == "missing")
    Console().print(table)


def _save_augmented(frame: "pd.DataFrame", folder: Path, image_size: int, seed: int, target: Path) -> None:
    import numpy as np

    from facecli.core.images import save_image
    from facecli.data.sources import load_crops
    from facecli.data.statistics import contact_sheet
    from facecli.training.augment import build_augmentation

    size = (image_size, image_size)
    train = frame[frame["split"] == "train"]
    faces = train.sample(_SHEET_FACES, replace=len(train) < _SHEET_FACES, random_state=seed)
    crops = load_crops(faces, folder, size)
    # Degradation works on a part of each batch: the sheet is shuffled like a batch is.
    augmented = np.asarray(build_augmentation(size, seed=seed)(crops, training=True))
    order = np.random.default_rng(seed).permutation(len(augmented))
    save_image(target, contact_sheet(augmented[order], _SHEET_COLUMNS))


def _judge(frame: "pd.DataFrame", classes: ClassNames) -> None:
    """Says that the data can be trained on, or raises DataError."""
    from facecli.core.attributes import LABEL_COLUMNS, MISSING
    from facecli.data.statistics import check_trainable

    columns = {head: column for head, column in LABEL_COLUMNS.items() if column in frame}
    if "age_low" in frame and (frame["age_low"] != MISSING).any():
        columns["age"] = "age_low"
    fitting = {head: head for head, names in classes.items() if wrong_in_head(head, names) is None}
    known = {**columns, **fitting}
    heads = [head for head, column in known.items() if (frame[column] != MISSING).any()]
    for head in classes.keys() - fitting.keys():
        warn(f"'{head}' cannot be an attribute: it {wrong_in_head(head, classes[head])}")
    check_trainable(frame, heads, CLASS_NAMES | dict(classes))
    show_text(f"can be trained on: {', '.join(heads) or 'none of ' + ', '.join(HEAD_CLASSES)}")


def _some(names: list[str], limit: int | None) -> str:
    shown = ", ".join(names[:limit])
    return shown if limit is None or len(names) <= limit else f"{shown}, ..."


def _more(count: int, limit: int | None) -> None:
    if limit is not None and count > limit:
        show_text(f"  ... {count - limit} more, see --verbose")
