"""`facecli distil`: the compact backbone learns from the genuine FaceNet."""

import click

from facecli.commands.training_options import (
    command_line,
    data_path,
    fit_options,
    import_keras,
    log_to_stderr,
    resolved,
    show_plan,
    training_options,
)

TEACHERS = ("facenet", "mobilenet")


def _teachers(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    teachers = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
    if not teachers or not set(teachers) <= set(TEACHERS):
        raise click.BadParameter(f"{value!r}: choose among {', '.join(TEACHERS)}")
    return teachers


@click.command()
@click.option("--name", default="facenet_embedding", show_default=True, help="Folder in saved_model/.")
@click.option("--initial", help="Student (name or folder) to go on from, perhaps of another image size.")
@click.option(
    "--backbone",
    type=click.Choice(["compact", "mobile-se", "mobileface"]),
    default="compact",
    show_default=True,
    help="Shape of the student; 'facecli train' stands on compact.",
)
@click.option(
    "--teachers",
    callback=_teachers,
    default="facenet",
    show_default=True,
    help="Comma-separated: facenet, mobilenet (see 'facecli weights list').",
)
@training_options
def distil(**options) -> None:
    """Train the compact backbone from random weights to reproduce FaceNet's features.

    Needs the genuine weights ('facecli weights get facenet'). What it writes is what
    'facecli train --model-type facenet' starts from. Small pictures first, then large ones,
    is the quickest way:

    \b
    Examples:
      facecli distil --image-size 72 --epochs 12
      facecli distil --image-size 96 --epochs 5 --learning-rate 1e-3 --initial facenet_embedding
    """
    # A student starts from random weights: its options are those of a scratch run.
    options = resolved(options, "normal")
    path = data_path(options["data_path"])
    if options.pop("dry_run"):
        show_plan("would distil:", {**options, "data_path": path})
        return
    import_keras()
    from facecli.training.distil import distil as run_distillation
    from facecli.training.prepare import prepare_data

    log_to_stderr()
    data = prepare_data(path, options["seed"], options["limit"], options["extra_data"])
    checkpoint = run_distillation(
        data,
        fit_options(options),
        name=options["name"],
        backbone=options["backbone"],
        image_size=options["image_size"],
        weights=options["trunk_weights"],
        initial=options["initial"],
        teachers=options["teachers"],
        heads=options["heads"],
        command=command_line(),
    )
    cosine = checkpoint.config["val_cosine"]
    click.echo(f"saved {checkpoint.folder}; cosine to FaceNet on validation pictures: {cosine}")
