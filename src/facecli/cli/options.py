"""Options that several commands share, and the check that none of them writes over what is read.

`--config FILE`, `--model-type`, `--model-path`, `--detector`; `check_targets` and its kin are asked before
anything is touched.
"""

import math
import os
import stat
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from facecli.cli.output import warn_deprecated
from facecli.core.console import redacted
from facecli.core.errors import CheckpointError, Deprecation, InputError
from facecli.core.paths import MODEL_FOLDERS, MODEL_TYPES
from facecli.detect.registry import AUTO, BEST, FREE, built_in_names, detector_names, find_entry

if TYPE_CHECKING:
    # Older releases of click take no arguments of types.
    Kind: TypeAlias = click.ParamType[Any]
    Choice: TypeAlias = click.Choice[str]
else:
    Kind, Choice = click.ParamType, click.Choice


STDIN = "/dev/stdin"
"""Of that name is the file that standard input was redirected from, on systems that give it one."""
_NOT_IN_A_FILE = ("config", "help", "resume", "dry_run")


_LONGEST_S = 1e8
"""Three years: no clip is longer."""


class Moment(Kind):
    """Seconds, or hours, minutes and seconds with colons between: 90, 1:30, 0:01:30.5."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, not negative."""
        parts = str(value).split(":")
        try:
            numbers = [float(part) for part in parts]
        except ValueError:
            numbers = []
        if not 0 < len(numbers) < 4 or any(not 0 <= number < _LONGEST_S for number in numbers):
            self.fail(f"'{value}' is not a time; write seconds, as 90, or 1:30 or 0:01:30.5", param, ctx)
        return sum(number * 60**power for power, number in enumerate(reversed(numbers)))


MOMENT = Moment()


class Span(Moment):
    """A length of time: 90, 90s, 5m, 2h, or with colons as moments have it."""

    _UNITS = {"s": 1, "m": 60, "h": 3600}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, at least one."""
        text = str(value).strip()
        unit = self._UNITS.get(text[-1:], 0)
        number = text[:-1] if unit else text
        seconds = math.nan if unit and ":" in number else super().convert(number, param, ctx) * (unit or 1)
        if not 1 <= seconds < _LONGEST_S:
            self.fail(f"'{value}' is not a time of a second or more; write 60s, 5m or 1h", param, ctx)
        return seconds


SPAN = Span()


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator that adds `--config`.

    Keys are the long names of the command's options without dashes in front (`image-size = 64`). An
    option that may recur takes a list, NAME=VALUE options a table (`share = { fairface = 0.4 }`),
    comma-separated ones a list too.
    """
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=_read,
        help="Read options from a TOML file, such as those in docs/recipes; options on the command line "
        "take precedence.",
    )(command)


def _read(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    values = _read_toml(path)
    options = {_file_name(option): option for option in context.command.params if _allowed(option)}
    if unknown := [key for key in values if key not in options]:
        known = ", ".join(sorted(options))
        raise click.BadParameter(f"{path}: no option is called {', '.join(unknown)}; there are {known}")
    read = {}
    for key, value in values.items():
        read[options[key].name] = _as_typed(options[key], value, f"{path}: {key}")
    context.default_map = {**(context.default_map or {}), **read}


def _read_toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path} is not a TOML file: {error}") from error


def _allowed(option: click.Parameter) -> bool:
    return isinstance(option, click.Option) and option.name not in _NOT_IN_A_FILE


def _file_name(option: click.Parameter) -> str:
    return max(option.opts, key=len).lstrip("-")


def _as_typed(option: click.Parameter, value: Any, where: str) -> Any:
    """A value of the file as it would be typed: text, a number, or a list of texts."""
    if isinstance(value, dict):
        value = [f"{key}={inner}" for key, inner in value.items()]
    if isinstance(value, list):
        if any(isinstance(inner, dict | list) for inner in value):
            raise click.BadParameter(f"{where} holds a list in a list")
        texts = [str(inner) for inner in value]
        return texts if option.multiple else ",".join(texts)
    return [str(value)] if option.multiple else value


def renamed_option(earlier: str, deprecation: Deprecation, name: str, kind: Kind) -> Callable[..., Any]:
    """Decorator: the earlier name of an option, which `--help` leaves out; it works, with a warning.

    Args:
        earlier: "--min-size".
        deprecation: what is said of it.
        name: of the parameter that the option of today fills; that option wins where both are typed.
        kind: what it takes.
    """

    def take(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        # What was typed is read before what was not: the option of today finds this as its default.
        if value is not None:
            warn_deprecated(deprecation)
            context.default_map = {**(context.default_map or {}), name: value}

    return click.option(
        earlier,
        f"earlier_{name}",
        type=kind,
        hidden=True,
        expose_value=False,
        callback=take,
    )


def text_option(name: str, told: str) -> Callable[..., Any]:
    """`--json [FILE]` and the like: FILE, or standard output when nothing or - follows."""
    return click.option(
        f"--{name}", f"{name}_target", metavar="[FILE]", is_flag=False, flag_value="-", help=told
    )


def model_type_option(told: str | None = None, further: tuple[str, ...] = ()) -> Callable[..., Any]:
    """The option, with what is said of it in `--help`; `further` are types that only this command knows."""
    return click.option(
        "--model-type",
        type=click.Choice((*MODEL_TYPES, *further)),
        default=MODEL_TYPES[0],
        show_default=True,
        help=told,
    )


def model_path_option() -> Callable[..., Any]:
    """The option that names another model, as all commands have it."""
    return click.option(
        "--model-path", metavar="MODEL", help="Name or folder of a model, instead of --model-type."
    )


def model_given(options: Mapping[str, Any]) -> str:
    """Name or folder of the model: that of `--model-path`, else the one that ships as `--model-type`."""
    return options["model_path"] or MODEL_FOLDERS[options["model_type"]]


def epoch_option() -> Callable[..., Any]:
    """`--epoch`, one that training kept."""
    return click.option(
        "--epoch",
        type=click.IntRange(1),
        help="Use this epoch of the model, kept by 'facecli train --keep-epochs'; 'facecli models show' "
        "lists them.  [default: the best]",
    )


def choose_epoch(options: dict[str, Any]) -> None:
    """Lets `--model-path` name the folder of the model's `--epoch`, when that is given.

    Raises InputError for an epoch that was not kept, CheckpointError when there is no such model.
    """
    if options["epoch"] is None:
        return
    from facecli.core.paths import find_model
    from facecli.models.registry import find_epoch

    options["model_path"] = str(find_epoch(find_model(model_given(options)), options["epoch"]))


def find_compared(name: str) -> Path:
    """Folder of a model by name or folder, also by the short names of `--model-type`.

    Raises CheckpointError when there is none.
    """
    from facecli.core.paths import find_model

    try:
        return find_model(name)
    except CheckpointError as error:
        try:
            return find_model(f"{name}_model")
        except CheckpointError:
            raise error from None


def check_model_path(options: Mapping[str, Any]) -> None:
    """Raises InputError when `--model-path` is given and is neither a folder nor a model's name."""
    from facecli.core.paths import find_model

    given = options["model_path"]
    if not given or Path(given).is_dir():
        return
    try:
        find_model(given)
    except CheckpointError as error:
        raise InputError(
            f"no model '{given}': neither a folder nor a name that 'facecli models list' knows; "
            "check --model-path"
        ) from error


class DetectorName(Choice):
    """One of the detectors of facecli, or of other packages.

    The latter are looked up when one is asked for: that takes longer than all the rest of `--help`.
    """

    def __init__(self) -> None:
        super().__init__((AUTO, *built_in_names()))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in self.choices:
            return value
        return click.Choice((AUTO, *detector_names())).convert(value, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        return click.Choice((AUTO, *detector_names())).shell_complete(ctx, param, incomplete)


def detector_option(
    told: str = f"How faces are found. {AUTO}: {BEST}, or {FREE} for a model whose terms are free; none: the "
    "whole picture is one face.",
    default: str = AUTO,
) -> Callable[..., Any]:
    """`--detector`, with what is said of it in `--help`."""
    return click.option(
        "--detector",
        type=DetectorName(),
        default=default,
        show_default=True,
        help=told,
    )


def detector_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--detector`, and what detectors are told."""
    for option in (
        click.option(
            "--detector-option",
            "detector_option",
            metavar="NAME=VALUE",
            multiple=True,
            help="Set an option of the detector (yunet: score_threshold=0.8); may be repeated.",
        ),
        click.option(
            "--search-size",
            metavar="PIXELS",
            type=click.IntRange(16, 4096),
            help="Longer side to which larger pictures are resized for detection; larger values find "
            "smaller faces and take longer.  [default: 640]",
        ),
        click.option(
            "--detector-weights",
            metavar="FILE",
            help="Weights of the detector: an ONNX file for yunet, a folder for cnn.",
        ),
        detector_option(),
    ):
        command = option(command)
    return command


def check_detector_options(options: Mapping[str, Any]) -> None:
    """Raises InputError for weights that are not there or not needed, and for what is no NAME=VALUE."""
    weights = options["detector_weights"]
    if weights is not None and not Path(weights).exists():
        raise InputError(f"no detector weights at {weights}; check --detector-weights")
    name = options["detector"]
    if weights is not None and (name == AUTO or "weights" not in find_entry(name).option_names):
        raise InputError("--detector-weights needs --detector yunet or cnn")
    for pair in options["detector_option"]:
        if not pair.partition("=")[2]:
            raise InputError(f"--detector-option takes NAME=VALUE, not '{pair}'")


def check_targets(
    targets: Mapping[str, str | os.PathLike[str] | None],
    read: Iterable[tuple[str | os.PathLike[str], str]] = (),
) -> None:
    """Refuses results that would go to one place, or into what is read.

    A file is the same under all its names: by another path, a link of either kind, or upper and lower case
    where the system does not mind it.

    Args:
        targets: option -> the file or folder that it names; "-" is standard output, None is left out.
        read: files, and what to call each ("the clip itself"); asked for only when a target is there already.

    Raises:
        InputError: naming the option and what to do.
    """
    given = {flag: os.fspath(target) for flag, target in targets.items() if target}
    if any(target != "-" and os.path.exists(target) for target in given.values()):
        _check_read(given, read)
    places: dict[Hashable, str] = {}
    for flag, target in given.items():
        place = target if target == "-" else place_of(target)
        if place in places:
            raise InputError(f"{places[place]} and {flag} both write to {target}; name two")
        places[place] = flag


def check_existing(
    targets: Iterable[tuple[str, str | os.PathLike[str] | None]], overwrite: bool, remedy: str = ""
) -> None:
    """Refuses to replace results that somebody may have waited hours for.

    Pipes, devices and standard output hold none, nor does an empty file.

    Args:
        targets: options and the file that each names; None is left out.
        overwrite: what is there may be replaced.
        remedy: what else can be done than `--overwrite` and another name, as "--resume to go on with it".

    Raises:
        InputError: naming the file and the options.
    """
    there = [] if overwrite else [one for one in targets if one[1] and _holds_results(os.fspath(one[1]))]
    if not there:
        return
    flag, target = there[0]
    more = f" and {len(there) - 1} more are" if len(there) > 1 else " is"
    raise InputError(
        f"{redacted(os.fspath(target or ''))}{more} there already; give --overwrite to replace what is "
        f"there, {remedy}or another name to {flag}"
    )


def check_stored(targets: Mapping[str, str | os.PathLike[str] | None]) -> None:
    """Refuses what cannot be written to object storage: no library for it, no key, no such bucket.

    Args:
        targets: as of `check_targets`.

    Raises:
        InputError: naming what to do.
    """
    from facecli.core.paths import is_storage_address

    given = [target for target in targets.values() if isinstance(target, str) and is_storage_address(target)]
    for target in given:
        from facecli.sources.cloud import check_target

        check_target(target)


def _holds_results(target: str) -> bool:
    from facecli.core.paths import is_storage_address, is_stream

    if is_storage_address(target):
        from facecli.sources.cloud import storage_of

        return storage_of(target).exists(target)
    try:
        status = os.stat(target)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0 and not is_stream(target)


def _check_read(given: Mapping[str, str], read: Iterable[tuple[str | os.PathLike[str], str]]) -> None:
    there = {place_of(target): flag for flag, target in given.items() if target != "-"}
    for path, called in read:
        if flag := there.get(place_of(path)):
            raise InputError(f"{given[flag]} is {called}; name another file for {flag}")


def place_of(path: str | os.PathLike[str]) -> Hashable:
    """The same for all names of a file or folder; of what is not there, and of devices, its whole path."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return _real_path(path)
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        return status.st_dev, status.st_ino
    return _real_path(path)


def _real_path(path: str | os.PathLike[str]) -> str:
    try:
        return os.path.normcase(os.path.realpath(path))
    except (OSError, ValueError):
        return os.fspath(path)


def lies_in(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> bool:
    """Is a path a folder, or anywhere below it, under whatever names?"""
    place = place_of(folder)
    real = Path(os.path.realpath(path))
    return any(place_of(one) == place for one in (real, *real.parents))


def files_below(path: Path) -> Iterator[Path]:
    """The file itself, or all files of a folder and below."""
    if path.is_file():
        yield path
    for folder, _, files in os.walk(path):
        yield from (Path(folder, file) for file in files)


def model_files(options: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """What the options name as models and as weights, as `check_targets` takes it."""
    if options.get("detector_weights"):
        yield Path(options["detector_weights"]), "the weights of the detector"
    compared = [name.strip() for name in (options.get("compare") or "").split(",") if name.strip()]
    by_type = MODEL_FOLDERS.get(options.get("model_type") or "")
    for model in compared or filter(None, [options.get("model_path") or by_type]):
        yield from ((path, "a file of the model") for path in _model_folder(model).glob("*"))


def _model_folder(name: str) -> Path:
    """The name itself where no model has it."""
    try:
        return find_compared(name)
    except CheckpointError:
        return Path(name)
