"""`facecli data negatives`: crops that show no face, for the head `face` to refuse."""

import os
from pathlib import Path

import click

from facecli import paths
from facecli.console import stderr_console
from facecli.errors import OutputError

_PARTS = {"train": 0.9, "test": 0.1}


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="New folder.  [default: data/not_face]",
)
@click.option("--count", type=click.IntRange(10), default=4000, show_default=True, help="How many, at most.")
@click.option("--side", type=click.IntRange(32, 512), default=112, show_default=True, help="Side in pixels.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the split and the choice.")
@click.option("--limit", type=click.IntRange(10), help="Use that many random pictures (a quick try).")
def negatives(path: Path, output: Path | None, count: int, side: int, seed: int, limit: int | None) -> None:
    """Cut what is no face out of PATH, a folder or archive of face chips, and draw more.

    Train on it with --extra-data. A picture of the test split gives test crops only. Pictures
    of your own room may be laid beside them, into train/not_face/.

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
    click.echo(f"{output}: {', '.join(f'{number} {split}' for split, number in written.items())}")


def _write(data, split: str, folder: Path, count: int, side: int, seed: int) -> int:
    """Writes at most `count` crops of a split's pictures as PNG; gives the number."""
    import itertools

    from rich.progress import track

    from facecli.data.negatives import iter_negatives, loose_cascade
    from facecli.images import load_image, save_image

    files = data.frame["file"].iloc[data.rows(split)].sample(frac=1, random_state=seed)
    chips = (load_image(data.folder / file) for file in files)
    crops = iter_negatives(chips, loose_cascade(os.fspath(paths.find_cascade())), side, seed)
    wanted = track(
        itertools.islice(crops, count), f"{split} crops", count, console=stderr_console(), transient=True
    )
    number = 0
    for number, crop in enumerate(wanted, start=1):
        save_image(folder / f"{number:05d}.png", crop)
    return number
