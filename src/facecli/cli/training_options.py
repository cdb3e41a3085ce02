"""Options that `train` and `distil` share."""

import logging
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecli.cli.options import config_option
from facecli.cli.output import say, show_text, warn, warn_deprecated
from facecli.core import paths
from facecli.core.attributes import CLASS_NAMES, HEAD_CLASSES, wrong_in_head
from facecli.core.console import OUTPUT_POLICY
from facecli.core.errors import Deprecation, InputError
from facecli.core.recipes import KEEP_ALL, KEEP_BEST, FitOptions

if TYPE_CHECKING:
    from facecli.data.listed import ListOptions, ListReport
    from facecli.training.prepare import PreparedData

EXTRA_DATA = Deprecation("--extra-data", "0.1.0", "give every set with --data-path", "2.0.0")
EXTRA_SHARE = Deprecation("--extra-share", "0.1.0", "give --share NAME=SHARE for each set", "2.0.0")
DEFAULT_SEED = 1
_LARGEST_WEIGHT = 1000
_TENSORFLOW = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Left alone, TensorFlow uses oneDNN on CPUs with AVX512 only, and runs several operations side by
    # side, none of them on all cores (benchmarks/training_speed.md).
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}
"""Settings that TensorFlow reads when it is imported; what the user has set stays."""


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator that adds the options of a training run; numbers left out follow the model type."""
    options = [
        click.option(
            "--share",
            "shares",
            multiple=True,
            callback=shares_option,
            metavar="NAME=SHARE",
            help="Share of each epoch that is sampled from a data set, named by its folder "
            "(fairface=0.4); may be repeated. Sets without a share are used completely.",
        ),
        click.option(
            "--allow-one-sided",
            multiple=True,
            callback=one_sided_option,
            metavar="NAME:HEAD",
            help="Let a data set train a head although one of its classes is missing there (the network "
            "may learn that its pictures always show the other classes).",
        ),
        click.option("--extra-share", type=click.FloatRange(0, 1, max_open=True), hidden=True),
        click.option(
            "--epochs",
            type=click.IntRange(0),
            help="Number of epochs; 0 keeps the initial model unchanged.  [default: by backbone]",
        ),
        click.option("--batch-size", type=click.IntRange(1), help="[default: by backbone]"),
        click.option(
            "--learning-rate",
            type=click.FloatRange(0, min_open=True),
            help="Peak learning rate, after the warm-up.  [default: by backbone]",
        ),
        click.option(
            "--schedule", type=click.Choice(["cosine", "constant"]), default="cosine", show_default=True
        ),
        click.option("--warmup-epochs", type=click.FloatRange(0), help="[default: by backbone]"),
        click.option("--weight-decay", type=click.FloatRange(0), help="[default: by backbone]"),
        click.option(
            "--patience",
            type=click.IntRange(1),
            default=8,
            show_default=True,
            help="Stop after this many epochs without a better validation score.",
        ),
        click.option(
            "--seed",
            type=int,
            default=DEFAULT_SEED,
            show_default=True,
            help="Random seed of the split, the initial weights and the order of batches.",
        ),
        click.option(
            "--mixed-precision",
            type=click.Choice(["float32", "bfloat16"]),
            default="float32",
            show_default=True,
            help="bfloat16 is faster on GPUs and on processors with AMX; measure it.",
        ),
        click.option(
            "--degraded-share",
            type=click.FloatRange(0, 1),
            help="Share of training pictures that are degraded to look like those of a cheap webcam.  "
            "[default: by backbone]",
        ),
        click.option(
            "--heads",
            callback=heads_option,
            help="Attributes to train, comma-separated; 'train' also accepts columns of the data with "
            "classes.  [default: by model type]",
        ),
        click.option(
            "--head-weights",
            metavar="HEAD=WEIGHT,...",
            callback=weights_option,
            help="Weights of the heads in the loss, such as age=0.5,race=2.  [default: age and race_7 1,"
            " others 2]",
        ),
        click.option("--image-size", type=click.IntRange(32, 512), help="Side of the crops in pixels."),
        click.option(
            "--limit", type=click.IntRange(10), help="Use only this many random pictures, for a quick test."
        ),
        click.option("--resume", is_flag=True, help="Continue after the last complete epoch."),
        click.option(
            "--tensorboard", is_flag=True, help="Write TensorBoard logs to the folder of the epochs."
        ),
        click.option("--dry-run", is_flag=True, help="Print what would be done and exit."),
        click.option(
            "--weights",
            "trunk_weights",
            type=click.Path(path_type=Path),
            help="FaceNet weight file (.npz, .h5, .pt); see 'facecli weights'.",
        ),
    ]

    for option in reversed(options):
        command = option(command)
    return config_option(data_options(command))


def list_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: how lists of pictures among the data sets are read, see `lists_of`."""
    for option in (
        click.option(
            "--allow-private", is_flag=True, help="Also fetch pictures of a list from your own network."
        ),
        click.option(
            "--allow-storage",
            is_flag=True,
            help="Also read pictures of a list from object storage (s3://...), with your credentials.",
        ),
        click.option(
            "--faces",
            type=click.Choice(["auto", "find", "box", "whole"]),
            default="auto",
            show_default=True,
            help="How to get the faces of a list's pictures: find them, use the box, or use the whole "
            "picture; auto: use the box if there is one, else find the face.",
        ),
        click.option(
            "--label",
            "label_pairs",
            metavar="LABEL=MEANING",
            multiple=True,
            help="Meaning of a label in a list (Age_20_30=age:20-30, sex:F=gender:female, sex=gender, "
            "id=ignore); may be repeated.",
        ),
        click.option(
            "--labels",
            "label_file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="YAML file with the meanings of labels, as 'facecli data check LIST --save-labels FILE'"
            " writes it.",
        ),
    ):
        command = option(command)
    return command


def lists_of(options: Mapping[str, Any]) -> "ListOptions":
    """How lists are read, by the options of `list_options`. Raises InputError for meanings that are none."""
    from facecli.data.labels import load_given, parse_pairs
    from facecli.data.listed import ListOptions

    file, pairs = options["label_file"], parse_pairs(options["label_pairs"])
    given = {**(load_given(file) if file else {}), **pairs}
    return ListOptions(
        options["faces"], given, options["allow_private"], options["allow_storage"], tell=tell_of_list
    )


def tell_of_list(report: "ListReport") -> None:
    """What training should not begin without knowing."""
    say(f"{report.path}: {sum(report.chips.values()):,} faces of {report.rows:,} rows")
    for note in report.notes:
        say(f"{report.path}: {note}")
    if report.unknown:
        named = ", ".join(f"{label} ({count:,})" for label, count in list(report.unknown.items())[:8])
        warn(f"{report.path}: {len(report.unknown):,} labels are not understood: {named}")
    warn_of_skipped(report)


def warn_of_skipped(report: "ListReport") -> None:
    """What was not asked for lack of leave."""
    if report.is_private:
        warn("addresses of your own network were skipped; add --allow-private to fetch from them")
    if report.is_stored:
        warn("pictures in object storage were skipped; add --allow-storage to read them")


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: `--data-path`, which may recur, and `--extra-data`, an earlier name for further sets."""
    for option in (
        list_options,
        click.option("--extra-data", type=click.Path(path_type=Path), multiple=True, hidden=True),
        click.option(
            "--data-path",
            "data_paths",
            type=click.Path(path_type=Path),
            multiple=True,
            help="Data set: a folder or archive in a known layout, or a list of pictures (.json, .csv, "
            ".parquet); may be repeated.  [default: data/UTKFace]",
        ),
    ):
        command = option(command)
    return command


def data_paths(options: dict[str, Any]) -> list[Path]:
    """The data sets' places: as given, else data/UTKFace."""
    if options.get("extra_data"):
        warn_deprecated(EXTRA_DATA)
    return [*(options["data_paths"] or [_usual_data()]), *options.get("extra_data", ())]


def _usual_data() -> Path:
    return paths.data_dir() / "UTKFace"


def check_data(places: Sequence[Path]) -> None:
    """Raises InputError for one that is not there: nobody shall wait for Keras to hear that."""
    for place in places:
        if place.expanduser().exists():
            continue
        if place == _usual_data():
            raise InputError(
                f"no data set at {place}",
                "'facecli data get utkface' tells how to get it, --data-path names another",
            )
        from facecli.data.sources import check_dataset

        check_dataset(place)


def shares_option(context: click.Context, parameter: click.Parameter, value: Sequence[str]) -> dict[str, Any]:
    """Callback of --share: set -> share of an epoch."""
    shares = {}
    for text in value:
        name, _, number = text.rpartition("=")
        try:
            share = float(number)
        except ValueError:
            share = -1.0
        if not name or not 0 <= share <= 1:
            raise click.BadParameter(f"{text!r}: give the set and a number from 0 to 1, fairface=0.3")
        shares[name] = share
    if sum(shares.values()) > 1 + 1e-9:
        raise click.BadParameter(f"the shares sum to {sum(shares.values()):g}, more than 1")
    return shares


def weights_option(context: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, Any]:
    """Callback of --head-weights: head -> weight; {} when not given. Which heads there are is seen later."""
    weights: dict[str, float] = {}
    for text in (part.strip() for part in (value or "").split(",") if part.strip()):
        head, _, number = (part.strip() for part in text.partition("="))
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not head or not 0 < weight <= _LARGEST_WEIGHT:
            raise click.BadParameter(
                f"{text!r}: give a head and a number above 0, {_LARGEST_WEIGHT} at most, age=0.5"
            )
        if head in weights:
            raise click.BadParameter(f"{head} has two weights")
        weights[head] = weight
    if value is not None and not weights:
        raise click.BadParameter(f"{value!r}: give heads and their weights, age=0.5,race=2")
    return weights


def keep_option(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Callback of --keep-epochs: best, all, or a number as text."""
    text = str(value).strip()
    if text in (KEEP_BEST, KEEP_ALL) or (text.isascii() and text.isdigit() and 0 < int(text) < 10**6):
        return text
    raise click.BadParameter(f"{value!r}: give best, all, or the number of epochs to keep")


def one_sided_option(
    context: click.Context, parameter: click.Parameter, value: Sequence[str]
) -> tuple[Any, ...]:
    """Callback of --allow-one-sided: the texts, each a set and one of the heads."""
    for text in value:
        name, _, head = text.rpartition(":")
        if not name or head == "age" or (head not in CLASS_NAMES and wrong_in_head(head, ("one", "other"))):
            raise click.BadParameter(
                f"{text!r}: give set and head, fairface:gender ({', '.join(CLASS_NAMES)})"
            )
    return tuple(value)


def checked_shares(options: dict[str, Any], data: "PreparedData") -> dict[str, float]:
    """The shares of `--share`, or those that the deprecated `--extra-share` means.

    Raises UsageError when a set is not there, or when all sets have shares that do not sum to 1.
    """
    shares, extra = options["shares"], options.get("extra_share")
    if extra is not None:
        warn_deprecated(EXTRA_SHARE)
        rows = {name: int((data.of_set == name).sum()) for name in data.extra}
        # What there is is not repeated: a share may ask for more rows than a set has.
        most = sum(rows.values()) / max(len(data.frame), 1)
        shares = {name: min(extra, most) * count / sum(rows.values()) for name, count in rows.items()}
    if unknown := set(shares) - set(data.sets):
        raise click.UsageError(
            f"--share: no set is called {', '.join(sorted(unknown))}; there are {', '.join(data.sets)}"
        )
    total = sum(shares.values())
    whole = set(data.sets) - set(shares)
    if whole and total >= 1:
        raise click.UsageError(
            f"--share: the shares leave nothing of an epoch for {', '.join(sorted(whole))}"
        )
    if not whole and abs(total - 1) > 0.005:
        raise click.UsageError(f"--share: all sets have a share, and the shares sum to {total:g}, not to 1")
    return shares


def heads_option(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Callback of --heads: those that facecli knows in their order, then those of the data; () for none.

    Whether the data have such a column is seen when they are read.
    """
    if value is None:
        return ()
    heads = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
    further = tuple(head for head in heads if head not in HEAD_CLASSES)
    if not heads:
        raise click.BadParameter(
            f"{value!r}: choose among {', '.join(HEAD_CLASSES)}, and columns of the data"
        )
    for head in further:
        if wrong := wrong_in_head(head, ("one", "other")):
            raise click.BadParameter(f"the head {head!r} {wrong}")
    return (*(head for head in HEAD_CLASSES if head in heads), *further)


def resolved(values: dict[str, Any], defaults: Mapping[str, object]) -> dict[str, Any]:
    """The options' values with what was left out filled in."""
    given = {key: value for key, value in values.items() if value is not None}
    return {**values, **defaults, **given}


def fit_options(values: dict[str, Any]) -> FitOptions:
    """FitOptions out of resolved values; sets Keras's precision policy."""
    import keras

    policy = "mixed_bfloat16" if values["mixed_precision"] == "bfloat16" else "float32"
    keras.config.set_dtype_policy(policy)
    fields = FitOptions.__dataclass_fields__
    return FitOptions(**{key: value for key, value in values.items() if key in fields and value is not None})


def command_line() -> str:
    """The command as it was typed, for the recipe."""
    return " ".join(["facecli", *sys.argv[1:]])


def show_plan(title: str, plan: dict[str, Any]) -> None:
    """Prints resolved options, a line each, on stdout."""
    show_text(title)
    for key, value in plan.items():
        show_text(f"  {key:16} {value}")


def import_keras() -> None:
    """Imports Keras and its backend, made quick and without their chatter on stderr."""
    from facecli.core.process import quiet_stderr

    for name, value in _TENSORFLOW.items():
        os.environ.setdefault(name, value)
    # That a function is traced again for another network is no news to a user.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with quiet_stderr():
        import keras  # noqa: F401


def log_to_stderr() -> None:
    """Shows the library's own messages while a long command runs."""
    if not OUTPUT_POLICY.quiet:
        logging.getLogger("facecli").setLevel(logging.INFO)
    if not logging.getLogger().handlers:
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
