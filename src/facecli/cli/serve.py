"""`facecli serve`: the analyzer as a page in the browser and behind REST."""

import logging
import os
from typing import TYPE_CHECKING, Any

import click

from facecli.cli.options import check_model_path, detector_option, model_path_option, model_type_option
from facecli.cli.output import note_terms, say, warn
from facecli.core.console import OUTPUT_POLICY
from facecli.core.errors import InputError

if TYPE_CHECKING:
    from facecli.web.settings import Settings

_TOKEN_VARIABLE = "FACECLI_TOKEN"
_SHORTEST_TOKEN = 8


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Network address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5000,
    show_default=True,
    help="Port to listen on; 0 chooses a free one.",
)
@model_type_option()
@model_path_option()
@detector_option("Detector for requests that do not name one.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Number of pictures analysed at the same time.  [default: cores + 1]",
)
@click.option(
    "--queue",
    type=click.IntRange(0),
    help="Number of pictures that may wait; further requests get status 503.  [default: 5 for each worker]",
)
@click.option(
    "--viewers",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Number of viewers in live mode at the same time.",
)
@click.option(
    "--token",
    metavar="TOKEN",
    help=f"Token that clients must send. Better set it in {_TOKEN_VARIABLE}; process lists show it here.",
)
@click.option("--insecure", is_flag=True, help="Allow listening beyond this machine without a token.")
@click.option(
    "--allow-host",
    metavar="NAME",
    multiple=True,
    help="Also answer requests for this host name (behind a proxy); may be repeated.",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@click.option("--access-log/--no-access-log", default=True, help="Log each request on standard error.")
def serve(**options: Any) -> None:
    """Start the web page, REST API and live mode, by default at http://127.0.0.1:5000/.

    Pictures are analysed in memory and not stored. Ctrl-C finishes the running requests and ends the server.

    \b
    Examples:
      facecli serve --open
      facecli serve --port 8080 --model-type normal
      FACECLI_TOKEN=... facecli serve --host 0.0.0.0
      curl -F file=@photo.jpg http://127.0.0.1:5000/api/v1/analyze
    """
    token = _check_access(options)
    from facecli.web.app import address_of, build_app, listen, open_browser, serve
    from facecli.web.live_protocol import LiveLimits

    app = build_app(_settings(options, token), LiveLimits(sessions=options["viewers"]))
    registry = app.state.registry
    note_terms(registry.default_detector, [registry.entries[registry.default].config])
    listener = listen(options["host"], options["port"])
    address = address_of(listener)
    if options["access_log"] and not OUTPUT_POLICY.quiet:
        logging.getLogger("facecli.access").setLevel(logging.INFO)

    def started() -> None:
        say(f"serving on {address} (Ctrl-C ends it)")
        if options["opens"]:
            open_browser(address)

    serve(app, listener, started)


def _check_access(options: dict[str, Any]) -> str | None:
    """The token; empty is none. Raises InputError when others could use the server without one."""
    token = (options["token"] if options["token"] is not None else os.environ.get(_TOKEN_VARIABLE)) or None
    check_model_path(options)
    if token is not None and len(token) < _SHORTEST_TOKEN:
        raise InputError(f"a token of {len(token)} characters can be guessed; use {_SHORTEST_TOKEN} or more")
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise InputError("a token may contain only visible ASCII characters, because it is sent in a header")
    if token is None and not _is_loopback(options["host"]):
        if not options["insecure"]:
            raise InputError(
                f"--host {options['host']} is reachable from other machines; set {_TOKEN_VARIABLE} "
                "(or --token), "
                "or add --insecure to serve everybody"
            )
        warn(f"everybody who can reach {options['host']} port {options['port']} may use this server")
    return token


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _settings(options: dict[str, Any], token: str | None) -> "Settings":
    from facecli.core.paths import find_model
    from facecli.web.settings import LOOPBACK, Settings, default_workers, own_names

    # Names matter where there is no token: a page of somebody else can point a name of its own here.
    local = _is_loopback(options["host"])
    is_open = token is None and not local
    hosts = (*LOOPBACK, options["host"].lower(), *map(str.lower, options["allow_host"]))
    path = options["model_path"]
    return Settings(
        model=options["model_type"],
        model_path=find_model(path) if path else None,
        detector=options["detector"],
        workers=options["workers"] or default_workers(),
        queue=options["queue"],
        token=token,
        hosts=(*hosts, *own_names()) if is_open else hosts if local or options["allow_host"] else (),
        any_address=is_open,
    )
