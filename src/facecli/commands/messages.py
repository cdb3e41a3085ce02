"""What commands say on standard error: sentences, or with --log-json an object a line."""

import logging
from datetime import datetime, timezone

import click

from facecli.console import MANNERS

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


def say(message: str) -> None:
    """News that nobody has to act on; --quiet leaves it out."""
    if not MANNERS.quiet:
        _write("info", message, message)


def warn(message: str) -> None:
    """Something that may not be as it was meant; --quiet leaves it out."""
    if not MANNERS.quiet:
        _write("warning", message, f"Warning: {message}")


def complain(message: str) -> None:
    """What went wrong on the way; always written."""
    _write("error", message, message)


def report_error(message: str, exit_code: int) -> None:
    """Why the command ends with `exit_code`; always written, on one line."""
    message = " ".join(message.split())
    _write("error", message, f"Error: {message}", exit_code=exit_code)


def behave(quiet: bool = False, verbose: int = 0, log_json: bool = False) -> None:
    """Decides how this command line speaks, from here on."""
    MANNERS.quiet, MANNERS.log_json = quiet, log_json
    logging.basicConfig(handlers=[_Handler()], force=_is_ours())
    level = logging.ERROR if quiet else _LEVELS[min(verbose, len(_LEVELS) - 1)]
    logging.getLogger("facecli").setLevel(level)


def _is_ours() -> bool:
    """Only the own handler is ever replaced: a program that calls `main` keeps its logging."""
    handlers = logging.getLogger().handlers
    return bool(handlers) and all(isinstance(handler, _Handler) for handler in handlers)


class _Handler(logging.Handler):
    """Log records on the standard error of the moment they come."""

    _format = logging.Formatter("%(levelname)s %(name)s: %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        try:
            extra = {"logger": record.name}
            if MANNERS.log_json and record.exc_info:
                extra["traceback"] = self._format.formatException(record.exc_info)
            _write(record.levelname.lower(), record.getMessage(), self._format.format(record), **extra)
        except Exception:  # noqa: BLE001 - logging's own rule: a message that cannot be written ends nothing
            self.handleError(record)


def _write(level: str, message: str, sentence: str, **extra: object) -> None:
    if not MANNERS.log_json:
        click.echo(sentence, err=True)
        return
    time = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    import json

    click.echo(json.dumps({"time": time, "level": level, "message": message, **extra}), err=True)
