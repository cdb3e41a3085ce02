"""`facecli train` and `facecli distil`: retrain a model, or let a compact one learn from FaceNet."""

from typing import TYPE_CHECKING, Any

import click

from facecli.cli.detector import FINDERS, FOR_TRAINING, refuse_given, teacher_option, train_finder
from facecli.cli.options import model_type_option
from facecli.cli.output import say, show_text
from facecli.cli.training_options import (
    check_data,
    checked_shares,
    command_line,
    data_paths,
    fit_options,
    import_keras,
    keep_option,
    lists_of,
    log_to_stderr,
    resolved,
    show_plan,
    training_options,
)
from facecli.core import paths
from facecli.core.attributes import HEAD_CLASSES, UTKFACE_HEADS
from facecli.core.recipes import (
    KEEP_BEST,
    LEFT_OUT,
    REBALANCINGS,
    RUN_DEFAULTS,
    DistilRequest,
    TrainRequest,
    check_head_weights,
    resolve,
    run_defaults,
)

if TYPE_CHECKING:
    from facecli.models.checkpoint import Checkpoint
    from facecli.training.prepare import PreparedData

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
@click.option("--initial", help="Student (name or folder) to continue from; its image size may differ.")
@click.option(
    "--average",
    multiple=True,
    help="Another student, trained from the --initial one or from the same start: begin with the "
    "mean of their weights; may be repeated.",
)
@click.option(
    "--backbone",
    type=click.Choice(["compact", "mobile-se", "mobileface"]),
    default="compact",
    show_default=True,
    help="Architecture of the student; 'facecli train' builds on compact.",
)
@click.option(
    "--teachers",
    callback=_teachers,
    default="facenet",
    show_default=True,
    help="Comma-separated: facenet, mobilenet (see 'facecli weights list'), or none.",
)
@click.option(
    "--looks",
    type=click.IntRange(1, 3),
    default=3,
    show_default=True,
    help="Crops of each face that FaceNet sees for softer labels; each costs another pass over all faces.",
)
@click.option(
    "--teacher-model",
    help="Trained model (name or folder) whose predictions for each view of a picture are learnt.",
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
    help="Side of the views in pixels, so that students of several sizes can share them.  [default: "
    "the student's]",
)
@training_options
def distil(**options: Any) -> None:
    """Train a compact student network from random weights to reproduce FaceNet's features.

    Needs the original FaceNet weights ('facecli weights get facenet'). 'facecli train --model-type
    facenet' then starts from the student. It is fastest to train on small pictures first, then on
    larger ones:

    \b
    Examples:
      facecli distil --image-size 72 --epochs 12
      facecli distil --image-size 96 --epochs 5 --learning-rate 1e-3 --initial facenet_embedding
    """
    # A student starts from random weights: its options are those of a scratch run.
    options = resolved(options, RUN_DEFAULTS["normal"])
    options["heads"] = options["heads"] or UTKFACE_HEADS
    if further := [head for head in options["heads"] if head not in HEAD_CLASSES]:
        raise click.UsageError(
            f"'{further[0]}' is not a head of a student; only 'facecli train' accepts columns of the data"
        )
    check_head_weights(options["head_weights"], options["heads"])
    places = data_paths(options)
    if not options["teachers"] and not options["teacher_model"]:
        raise click.UsageError("no teacher: give --teachers or --teacher-model")
    if options["average"] and not options["initial"]:
        raise click.UsageError("--average needs --initial, the first of the students")
    if options.pop("dry_run"):
        show_plan("would distil:", {**options, "data_paths": [str(place) for place in places]})
        return
    check_data(places)
    lists = lists_of(options)
    import_keras()
    from facecli.training.distil import distil as run_distillation
    from facecli.training.prepare import prepare_data

    log_to_stderr()
    data = prepare_data(places, options["seed"], options["limit"], lists)
    options["shares"] = checked_shares(options, data)
    fields = DistilRequest.__dataclass_fields__
    request = DistilRequest(**{key: options[key] for key in fields if key in options}, command=command_line())
    checkpoint = run_distillation(data, fit_options(options), request)
    cosine = checkpoint.config["val_cosine"]
    told = f"; cosine to the teachers on validation pictures: {cosine}" if cosine else ""
    show_text(f"saved {checkpoint.folder}{told}")


@click.command()
@model_type_option(further=FINDERS)
@teacher_option
@click.option(
    "--samples",
    type=click.IntRange(16),
    help="Number of pictures in an epoch of --model-type detector or landmarks.  [default: 4800, 24000]",
)
@click.option(
    "--backbone",
    type=click.Choice(["normal", "compact", "mobile-se", "inception-resnet-v1"]),
    help="Network architecture. For facenet: that of the distilled student (compact by default), or "
    "inception-resnet-v1 (the original FaceNet, needs 'facecli weights get facenet').",
)
@click.option("--eval", "evaluate", is_flag=True, help="Evaluate on the test split; write plots and tables.")
@click.option(
    "--rebalance",
    type=click.Choice(REBALANCINGS),
    default="none",
    show_default=True,
    help="How to rebalance ages, in training rows only.",
)
@click.option(
    "--left-out",
    type=click.FloatRange(0, 1, max_open=True),
    default=LEFT_OUT,
    show_default=True,
    help="Share of the frequent ages that --rebalance undersample leaves out, sampled anew for each epoch.",
)
@click.option(
    "--keep-epochs",
    metavar="best|all|N",
    default=KEEP_BEST,
    show_default=True,
    callback=keep_option,
    help="Epochs to keep in the model's folder: the best, all, or the N best; 'facecli run', "
    "'evaluate' and 'export' use them with --epoch.",
)
@click.option(
    "--unfreeze",
    type=click.IntRange(0),
    default=0,
    help="Also train the last N blocks of the original FaceNet network, at a twentieth of the learning rate.",
)
@click.option(
    "--unfreeze-epochs",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Number of epochs with --unfreeze, after those of the heads (--epochs 0: train both from "
    "the start).",
)
@click.option("--name", help="Folder in saved_model/.  [default: <model-type>_model]")
@click.option(
    "--embedding",
    show_default="facenet_embedding if 'facecli distil' wrote one, else facenet_model",
    help="Student network that facenet starts from.",
)
@click.option("--initial", help="Model (name or folder) with the same backbone to continue from.")
@click.option(
    "--average",
    multiple=True,
    metavar="MODEL",
    help="Another model, trained from the --initial one or from the same start: begin with the mean "
    "of their weights; may be repeated.",
)
@training_options
def train(**options: Any) -> None:
    """Train a model on labelled faces and write saved_model/NAME.

    \b
    Examples:
      facecli train --eval                              the default model, then evaluate it
      facecli train --eval --model-type normal          a CNN from random weights
      facecli train --backbone inception-resnet-v1      heads on the original FaceNet
      facecli train --epochs 50 --keep-epochs all --head-weights age=0.5,race=2
      facecli train --heads glasses --data-path mine/labels.csv
      facecli train --model-type detector --data-path data/face_boxes

    If --heads names only columns of your data, such as glasses, they are added to a finished model
    (--initial, else the shipped one). Its other predictions stay the same, and most training options
    have no effect.
    """
    if options["model_type"] in FINDERS:
        train_finder(options, data_paths(options))
        return
    refuse_given(FOR_TRAINING, detects=False)
    if options["average"] and not options["initial"]:
        raise click.UsageError("--average needs --initial, the first of the models")
    fields = TrainRequest.__dataclass_fields__
    asked = TrainRequest(**{key: options[key] for key in fields if key in options}, command=command_line())
    request = resolve(asked)
    check_head_weights(options["head_weights"], request.heads)
    options = resolved(options, run_defaults(request))
    places = data_paths(options)
    if options.pop("dry_run"):
        about = {"backbone": request.backbone, "name": request.name, "heads": request.heads}
        show_plan("would train:", {**options, "data_paths": [str(place) for place in places], **about})
        return
    check_data(places)
    lists = lists_of(options)
    import_keras()
    from facecli.training.prepare import prepare_data
    from facecli.training.train import train as run_training

    log_to_stderr()
    data = prepare_data(places, options["seed"], options["limit"], lists)
    options["shares"] = checked_shares(options, data)
    checkpoint = run_training(data, request, fit_options(options))
    show_text(f"saved {checkpoint.folder}")
    added = _show_added(checkpoint, request.heads)
    if options["evaluate"] and not added:
        _evaluate(checkpoint, data, options)


def _show_added(checkpoint: "Checkpoint", heads: tuple[str, ...]) -> bool:
    """How good heads are that were added to a finished model; False where there is none."""
    from facecli.cli.evaluate import metric_rows
    from facecli.cli.output import show_table
    from facecli.training.added import added_figures

    figures = added_figures(checkpoint, heads)
    for head, row in figures.items():
        how = f"{row['folds']}-fold cross-validation" if "folds" in row else "test split"
        say(f"{head}: measured on {row['count']:,} faces of {row['data']}, {how}")
    if figures:
        show_table(
            [("head", "measure", "value", "95 % interval", "faces"), *metric_rows(figures)], right=(2, 3, 4)
        )
    return bool(figures)


def _evaluate(checkpoint: "Checkpoint", data: "PreparedData", options: dict[str, Any]) -> None:
    from facecli.cli.evaluate import evaluate_sets, show_metrics
    from facecli.core.paths import replacing
    from facecli.data.statistics import save_data_stats
    from facecli.models.structure import draw_structure, structure_table
    from facecli.training.save import load_network

    # What is said of a part must not take the place of what is said of the whole.
    limit = options["limit"]
    part = None if limit is None else paths.statistics_dir() / "data_stats" / f"limit-{limit}"
    save_data_stats(data.frame, options["rebalance"], options["seed"], part, options["left_out"])
    measured = evaluate_sets(checkpoint, data, limit=limit)
    network, folder = load_network(checkpoint), next(iter(measured.values()))[1][0].parent
    draw_structure(network, folder / "structure.png")
    with replacing(folder / "structure.txt") as temporary:
        temporary.write_text(structure_table(network) + "\n", encoding="utf-8")
    show_metrics({name: metrics for name, (metrics, _) in measured.items()})
    say(f"wrote tables and plots to {folder}")
