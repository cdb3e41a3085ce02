"""`facecli distil`: the compact backbone learns from the genuine FaceNet."""

import click

from facecli.commands.training_options import (
    checked_shares,
    command_line,
    data_paths,
    fit_options,
    import_keras,
    log_to_stderr,
    resolved,
    show_plan,
    training_options,
)
from facecli.labels import UTKFACE_HEADS
from facecli.recipes import RUN_DEFAULTS, DistilRequest

TEACHERS = ("facenet", "mobilenet")


def _teachers(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    teachers = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
    if teachers == ("none",):
        return ()
    if not teachers or not set(teachers) <= set(TEACHERS):
        raise click.BadParameter(f"{value!r}: choose among {', '.join(TEACHERS)}")
    return teachers


@click.command()
@click.option("--name", default="facenet_embedding", show_default=True, help="Folder in saved_model/.")
@click.option("--initial", help="Student (name or folder) to go on from, perhaps of another image size.")
@click.option(
    "--average",
    multiple=True,
    help="Student that went on from one with --initial: start from the mean of their weights; repeatable.",
)
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
    help="Comma-separated: facenet, mobilenet (see 'facecli weights list'), or none.",
)
@click.option(
    "--teacher-model",
    help="Trained model (name or folder) that looks at every view of a picture: its answers are learnt.",
)
@click.option(
    "--views",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Augmented views of each picture for --teacher-model.",
)
@click.option(
    "--view-size",
    type=click.IntRange(32, 512),
    help="Side of the views in pixels, to share them among students.  [default: the student's]",
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
    options = resolved(options, RUN_DEFAULTS["normal"])
    options["heads"] = options["heads"] or UTKFACE_HEADS
    places = data_paths(options)
    if not options["teachers"] and not options["teacher_model"]:
        raise click.UsageError("nobody teaches: give --teachers or --teacher-model")
    if options["average"] and not options["initial"]:
        raise click.UsageError("--average needs --initial, the first of the students")
    if options.pop("dry_run"):
        show_plan("would distil:", {**options, "data_paths": [str(place) for place in places]})
        return
    import_keras()
    from facecli.training.distil import distil as run_distillation
    from facecli.training.prepare import prepare_data

    log_to_stderr()
    data = prepare_data(places, options["seed"], options["limit"])
    options["shares"] = checked_shares(options, data)
    fields = DistilRequest.__dataclass_fields__
    request = DistilRequest(**{key: options[key] for key in fields if key in options}, command=command_line())
    checkpoint = run_distillation(data, fit_options(options), request)
    cosine = checkpoint.config["val_cosine"]
    told = f"; cosine to the teachers on validation pictures: {cosine}" if cosine else ""
    click.echo(f"saved {checkpoint.folder}{told}")
