"""`facecli train`: retrain a model, measure it, plot it."""

import click

from facecli.commands.messages import say
from facecli.commands.model_options import model_type_option
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
from facecli.recipes import TrainRequest, resolve, run_defaults


@click.command()
@model_type_option()
@click.option(
    "--backbone",
    type=click.Choice(["normal", "compact", "mobile-se", "inception-resnet-v1"]),
    help="For facenet: that of the distilled student (compact is the default), or inception-resnet-v1 "
    "(the genuine trunk, needs 'facecli weights get facenet').",
)
@click.option("--eval", "evaluate", is_flag=True, help="Measure on the test split; write plots and tables.")
@click.option(
    "--rebalance",
    type=click.Choice(["none", "oversample", "weights"]),
    default="none",
    show_default=True,
    help="Of age groups, on training rows only.",
)
@click.option(
    "--unfreeze",
    type=click.IntRange(0),
    default=0,
    help="Train the last N blocks of the genuine trunk too, at a twentieth of the rate.",
)
@click.option(
    "--unfreeze-epochs",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Epochs of that, after those of the heads (--epochs 0: the heads begin with it).",
)
@click.option("--name", help="Folder in saved_model/.  [default: <model-type>_model]")
@click.option(
    "--embedding", default="facenet_embedding", show_default=True, help="Distilled student to start from."
)
@click.option("--initial", help="Model (name or folder) of the same backbone to go on from.")
@training_options
def train(**options) -> None:
    """Train a model on labelled faces and write saved_model/NAME.

    \b
    Examples:
      facecli train --eval                              the compact student, then measure it
      facecli train --eval --model-type normal          the scratch CNN
      facecli train --backbone inception-resnet-v1      heads on the genuine FaceNet
    """
    fields = TrainRequest.__dataclass_fields__
    asked = TrainRequest(**{key: options[key] for key in fields if key in options}, command=command_line())
    request = resolve(asked)
    options = resolved(options, run_defaults(request))
    places = data_paths(options)
    if options.pop("dry_run"):
        about = {"backbone": request.backbone, "name": request.name, "heads": request.heads}
        show_plan("would train:", {**options, "data_paths": [str(place) for place in places], **about})
        return
    import_keras()
    from facecli.training.prepare import prepare_data
    from facecli.training.train import train as run_training

    log_to_stderr()
    data = prepare_data(places, options["seed"], options["limit"])
    options["shares"] = checked_shares(options, data)
    checkpoint = run_training(data, request, fit_options(options))
    click.echo(f"saved {checkpoint.folder}")
    if options["evaluate"]:
        _evaluate(checkpoint, data, options["rebalance"], options["seed"])


def _evaluate(checkpoint, data, rebalance: str, seed: int) -> None:
    from facecli.commands.evaluate import evaluate_sets
    from facecli.commands.metric_table import show_metrics
    from facecli.data.statistics import save_data_stats
    from facecli.models.structure import draw_structure, structure_table
    from facecli.paths import replacing
    from facecli.training.start import load_network

    save_data_stats(data.frame, rebalance, seed)
    measured = evaluate_sets(checkpoint, data)
    network, folder = load_network(checkpoint), next(iter(measured.values()))[1][0].parent
    draw_structure(network, folder / "structure.png")
    with replacing(folder / "structure.txt") as temporary:
        temporary.write_text(structure_table(network) + "\n", encoding="utf-8")
    show_metrics({name: metrics for name, (metrics, _) in measured.items()})
    say(f"wrote tables and plots to {folder}")
