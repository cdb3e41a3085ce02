"""Reads the part of the Dockerfile's language that ours is written in; standard library only."""

import fnmatch
import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """One instruction: its word in capitals, and all that follows on one line."""

    word: str
    rest: str

    @property
    def arguments(self) -> list[str]:
        """Words without options; of the JSON form its items."""
        if self.rest.startswith("["):
            return json.loads(self.rest)
        return [word for word in shlex.split(self.rest) if not word.startswith("--")]

    def option(self, name: str) -> str | None:
        """Value of `--name=value` before the arguments."""
        prefix = f"--{name}="
        words = (word for word in self.rest.split() if word.startswith(prefix))
        return next(words, "").removeprefix(prefix) or None


@dataclass
class Stage:
    """From one FROM to the next."""

    image: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def all(self, word: str) -> list[Step]:
        """Its steps of that word, in order."""
        return [step for step in self.steps if step.word == word]

    def last(self, word: str) -> Step:
        """The one that counts. Raises ValueError when there is none."""
        found = self.all(word)
        if not found:
            raise ValueError(f"stage '{self.name}' has no {word}")
        return found[-1]

    def environment(self) -> dict[str, str]:
        """What its ENV steps set; nothing is filled in."""
        pairs = [pair for step in self.all("ENV") for pair in step.arguments]
        return dict(pair.split("=", 1) for pair in pairs)


def parse(text: str) -> list[Stage]:
    """The stages of a Dockerfile. Raises ValueError when a step stands before the first FROM."""
    stages: list[Stage] = []
    for line in _logical_lines(text):
        word, _, rest = line.partition(" ")
        step = Step(word.upper(), rest.strip())
        if step.word == "FROM":
            image, *alias = step.arguments
            stages.append(Stage(image, alias[-1] if alias else str(len(stages))))
        elif not stages:
            raise ValueError(f"{step.word} before FROM")
        else:
            stages[-1].steps.append(step)
    return stages


def _logical_lines(text: str) -> list[str]:
    """Without comments and empty lines, and with continued lines as one."""
    kept = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [line.strip() for line in "\n".join(kept).replace("\\\n", " ").splitlines()]


class Ignored:
    """What a .dockerignore leaves out; the last line that fits a path or a folder above it decides."""

    def __init__(self, text: str) -> None:
        lines = (line.strip() for line in text.splitlines())
        self._lines = [line for line in lines if line and not line.startswith("#")]

    def __call__(self, path: Path) -> bool:
        """Is this path, relative to the context, left out?"""
        names = [path.as_posix(), *(parent.as_posix() for parent in path.parents if parent.name)]
        ignored = False
        for line in self._lines:
            if any(_fits(name, line.removeprefix("!")) for name in names):
                ignored = not line.startswith("!")
        return ignored


def _fits(name: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return any(fnmatch.fnmatchcase(part, pattern[3:]) for part in name.split("/"))
    return name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)
