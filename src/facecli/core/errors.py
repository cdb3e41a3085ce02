"""The errors a user can cause or meet, each with one line of remedy and an exit code; and what is to go.

Exit codes: 0 done, 1 something failed while running, 2 the arguments or the given
paths are wrong, 130 interrupted by Ctrl-C, 141 nobody reads the results any more.

What still works and will go warns: from Python a call does (`deprecated`), on the command line one line on
standard error (`cli.output.warn_deprecated`, `cli.options.renamed_option`); docs/releasing.md has the rules.
"""

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_UNREAD = 141
"""As a program that SIGPIPE ends (128 + 13)."""


class FacecliError(Exception):
    """Base of every error that reaches the user as one line on stderr.

    Attributes:
        hint: what may be done about it on the command line, whose options callers from Python do not have.
    """

    exit_code = EXIT_FAILED

    def __init__(self, message: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def with_hint(self) -> str:
        """The message for who has typed a command."""
        return f"{self}; {self.hint}" if self.hint else str(self)


class InputError(FacecliError):
    """A path or an option that cannot be used: nothing was started."""

    exit_code = EXIT_USAGE


class ImageError(FacecliError):
    """A picture that cannot be decoded, or that is too large to decode safely."""


class ImageTooLargeError(ImageError):
    """A picture of more pixels than are decoded."""


class PrivateAddressError(ImageError):
    """A picture at an address of the own network or machine, which is asked only where that was allowed."""


class SourceError(FacecliError):
    """A camera, clip or stream that cannot be opened, or that ended too early."""


class OutputError(FacecliError):
    """A result that cannot be written."""


class EncodingError(OutputError):
    """A picture that the format of its file cannot hold; others may be written all the same."""


class DataError(InputError):
    """A data set that cannot be trained on or evaluated."""


class CheckpointError(FacecliError):
    """A model folder that is missing, damaged or of another kind."""


class WeightsError(FacecliError):
    """Pretrained weights that are missing, damaged or cannot be fetched."""


class DownloadError(FacecliError):
    """A public file that cannot be fetched, or that is not what was published."""


Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Deprecation:
    """One of them.

    Attributes:
        what: as users write it: an option, a function, a key of `config.json`.
        since: the release that first says so, "1.2.0".
        instead: what to do, as an order: "give every set with --data-path".
        removal: the release that has it no more, "2.0.0"; a major one.
    """

    what: str
    since: str
    instead: str
    removal: str

    @property
    def sentence(self) -> str:
        """All of it on one line, without a full stop."""
        return f"{self.what} is deprecated since {self.since} and goes in {self.removal}: {self.instead}"


_WARNED: set[Deprecation] = set()
"""Of what callers from Python were warned in this process."""


def deprecated(
    deprecation: Deprecation,
) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Decorator of a function or method that is to go: its first call of the process warns.

    The DeprecationWarning is that of the line that calls. Type checkers and docs find its text in
    `__deprecated__`, as PEP 702 has it.
    """

    def decorate(function: Callable[Given, Result]) -> Callable[Given, Result]:
        @functools.wraps(function)
        def warning(*given: Given.args, **named: Given.kwargs) -> Result:
            if deprecation not in _WARNED:
                # Remembered first: where warnings are errors, the second call works all the same.
                _WARNED.add(deprecation)
                warnings.warn(deprecation.sentence, DeprecationWarning, stacklevel=2)
            return function(*given, **named)

        warning.__deprecated__ = deprecation.sentence  # type: ignore[attr-defined]
        return warning

    return decorate
