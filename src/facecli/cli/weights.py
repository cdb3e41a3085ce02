"""`facecli weights`: published weights on this machine."""

from pathlib import Path

import click

from facecli.cli.output import download_bar, show_text
from facecli.core import paths
from facecli.core.errors import InputError, WeightsError

_NAMES = click.Choice(["facenet", "mobilenet", "yunet"])


@click.group()
def weights() -> None:
    """Fetch, list and verify published weights (FaceNet, YuNet).

    \b
    Examples:
      facecli weights list
      facecli weights get yunet
    """


@weights.command()
@click.argument("name", type=_NAMES)
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="Install this file instead of downloading; it must pass the same checks.",
)
@click.option("--url", help="Download from this address instead of the known ones.")
def get(name: str, source: Path | None, url: str | None) -> None:
    """Download the weights NAME, check them, and put them where facecli finds them.

    A download that was cut goes on where it stopped when the command is given again.

    \b
    Examples:
      facecli weights get yunet
      facecli weights get facenet --from vggface2.pt
    """
    from facecli.models.weights import fetch, install

    if source and url:
        raise InputError("--from and --url exclude each other; give one of them")
    if source:
        show_text(str(install(name, source)))
        return
    with download_bar(name) as on_progress:
        path = fetch(name, url, on_progress)
    show_text(str(path))


@weights.command(name="list")
def list_() -> None:
    """Say which weights are known, and which are here.

    \b
    Examples:
      facecli weights list
    """
    from facecli.models.weights import WEIGHTS, installed

    for known in WEIGHTS.values():
        here = [path.name for _, path in installed(known.name)]
        show_text(f"{known.name:<9} {', '.join(here) or 'not here'}")
        show_text(f"{'':<9} {known.about}")
        show_text(f"{'':<9} {known.licence}")
    show_text(f"folder    {paths.weights_dir()}")


@weights.command()
@click.argument("name", type=_NAMES, required=False)
def verify(name: str | None) -> None:
    """Check the weights that are here (or only NAME) against the published digests.

    \b
    Examples:
      facecli weights verify
      facecli weights verify yunet
    """
    from facecli.models.weights import WEIGHTS, check, installed

    names = [name] if name else list(WEIGHTS)
    found = [entry for known in names for entry in installed(known)]
    if not found:
        raise WeightsError(
            f"no weights of {' or '.join(names)} in {paths.weights_dir()}; "
            "fetch them with 'facecli weights get'"
        )
    failures = []
    for file, path in found:
        try:
            check(file, path)
        except WeightsError as error:
            failures.append(error)
            show_text(f"WRONG {path}")
        else:
            show_text(f"ok    {path}")
    if failures:
        raise failures[0]
