"""Values of `facecli search`: class names and ranges of years, with a hint for what is misspelt."""

import difflib

import click
from click.shell_completion import CompletionItem

from facecli.errors import InputError
from facecli.labels import CLASS_NAMES

_MEANT = {
    "man": "male", "men": "male", "boy": "male", "m": "male",
    "woman": "female", "women": "female", "girl": "female", "f": "female",
    "caucasian": "white", "african": "black", "others": "other",
    "anger": "angry", "disgusted": "disgust", "afraid": "fear", "scared": "fear", "happiness": "happy",
    "smiling": "happy", "sadness": "sad", "surprised": "surprise",
}  # fmt: skip
"""What people write -> the class that it is."""


class ClassNames(click.ParamType):
    """One name of a head's classes, or several with commas between them."""

    name = "class"

    def __init__(self, head: str) -> None:
        self._head, self._names = head, CLASS_NAMES[head]

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        names = [part.strip().lower() for part in value.split(",")]
        for name in names:
            if name not in self._names:
                self.fail(self._unknown(name), param, ctx)
        return tuple(dict.fromkeys(names))

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, [*self._names, *_MEANT], n=3)
        meant = [known for word in (name, *near) if (known := _MEANT.get(word, word)) in self._names]
        hint = f" did you mean '{meant[0]}'?" if meant else ""
        return f"'{name}' is no {self._head};{hint} it is one of {', '.join(self._names)}"

    def shell_complete(self, ctx, param, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in self._names if name.startswith(incomplete)]


class Years(click.ParamType):
    """A range of years."""

    name = "years"

    def convert(self, value: str, param, ctx):
        from facecli.crowd.age_range import parse_age_range

        try:
            return parse_age_range(value)
        except InputError as error:
            self.fail(str(error), param, ctx)
