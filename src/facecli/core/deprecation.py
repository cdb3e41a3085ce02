"""What still works and is to go: what it is, since when, what to use in its place, and when it goes.

docs/releasing.md has the rules. From Python a call warns (`deprecated`); on the command line one line on
standard error does (`cli.output.warn_deprecated`, `cli.options.renamed_option`).
"""

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

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
