"""Events of `facecli run --video`: the options that say who is told, when and of what, and their sink."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecli.cli.options import SPAN
from facecli.cli.output import complain, say, warn
from facecli.core.errors import InputError

if TYPE_CHECKING:
    from facecli.sinks.events import EventOptions
    from facecli.sinks.targets import Target

_EVENT_OPTIONS = (
    click.option(
        "--notify",
        metavar="TARGET",
        help="Send events while people arrive, to https://..., mqtt://HOST/TOPIC, mqtts://... or "
        "'program:COMMAND'. They contain only counts and shares, of at least --min-people people.",
    ),
    click.option(
        "--after-people",
        metavar="N",
        type=click.IntRange(1),
        help="With --notify: send an event when N people have arrived since the last one.",
    ),
    click.option(
        "--notify-every",
        metavar="TIME",
        type=SPAN,
        help="With --notify: send an event after 60s, 5m or 1h of video.",
    ),
    click.option(
        "--min-people",
        metavar="N",
        type=click.IntRange(1),
        default=5,
        show_default=True,
        help="With --notify: smallest number of people in an event; fewer are counted in the next one.",
    ),
    click.option(
        "--notify-attributes",
        metavar="NAMES",
        help="With --notify: attributes to send, of age, gender, race, emotion.  [default: age,gender]",
    ),
    click.option(
        "--notify-key-file",
        metavar="FILE",
        help="With --notify: sign events with the key in FILE; without it, with the key in "
        "FACECLI_NOTIFY_KEY.",
    ),
    click.option(
        "--mqtt-discovery",
        is_flag=True,
        help="With --notify mqtt://...: announce the sensors to Home Assistant.",
    ),
)
EVENT_DEFAULTS: dict[str, Any] = {
    "notify": None,
    "after_people": None,
    "notify_every": None,
    "min_people": 5,
    "notify_attributes": None,
    "notify_key_file": None,
    "mqtt_discovery": False,
}
"""Options of events, and what they are when they are not given."""


def event_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command."""
    for option in reversed(_EVENT_OPTIONS):
        command = option(command)
    return command


def check_events(options: dict[str, Any]) -> None:
    """What can be refused before anything heavy is imported. Raises InputError."""
    if options["notify"] is None:
        strays = [name for name, default in EVENT_DEFAULTS.items() if options[name] != default]
        if strays:
            raise InputError(f"--{strays[0].replace('_', '-')} needs --notify TARGET")
        return
    _event_choices(options)
    _event_target(options)


def _event_choices(options: dict[str, Any]) -> "EventOptions":
    """When there are events and what they tell. Raises InputError."""
    from facecli.sinks.events import USUAL_ATTRIBUTES, EventOptions

    if options["after_people"] is None and options["notify_every"] is None:
        raise InputError(
            "--notify needs to know when to send events; add --after-people 20 or --notify-every 60s"
        )
    names = (options["notify_attributes"] or ",".join(USUAL_ATTRIBUTES)).split(",")
    attributes = tuple(dict.fromkeys(name.strip() for name in names))
    return EventOptions(options["after_people"], options["notify_every"], options["min_people"], attributes)


def _event_target(options: dict[str, Any]) -> "Target":
    """Who is told. Raises InputError."""
    from facecli.sinks.targets import Credentials, build_target

    credentials = Credentials(
        _event_key(options["notify_key_file"]), os.environ.get("FACECLI_NOTIFY_PASSWORD")
    )
    told = _event_choices(options).attributes if options["mqtt_discovery"] else None
    return build_target(options["notify"], credentials, attributes=told)


def _event_key(file: str | None) -> bytes | None:
    """Of the file, else of the environment; None without any. Raises InputError."""
    if file is None:
        return os.environ.get("FACECLI_NOTIFY_KEY", "").encode() or None
    try:
        return Path(file).read_bytes().strip()
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot read the key in {file}: {getattr(error, 'strerror', None) or error}"
        ) from error


def build_event_sinks(options: dict[str, Any], heads: Iterable[str]) -> list[Any]:
    """The sink of --notify, not yet entered, in a list; an empty one without.

    `heads` are those that the model reads. Raises InputError: it lacks one that was asked for by name.
    """
    if options["notify"] is None:
        return []
    from facecli.sinks.events import FEWEST, EventSink
    from facecli.sinks.targets import MqttTarget

    choices = _event_choices(options)
    missing = [name for name in choices.attributes if name not in heads]
    if missing and options["notify_attributes"]:
        raise InputError(f"--notify-attributes: the model does not predict {missing[0]}; leave it out")
    if choices.min_people < FEWEST:
        warn(
            f"--min-people {choices.min_people}: an event about so few people may reveal data of a "
            "single person"
        )
    target = _event_target(options)
    if isinstance(target, MqttTarget) and target.is_exposed:
        warn(
            f"{target.called} is a public host, and plain mqtt can be read by anybody on the way; name "
            "mqtts://..."
        )
    return [EventSink(choices, target, say, complain)]
