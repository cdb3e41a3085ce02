"""Where cases are tried: a folder, a tiny model, an environment without the user's own models."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from campaign.child import FACECLI, PLAIN, Ended, Limits, run_child

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
TINY_MODEL = GOLDEN / "model"
ROWS = GOLDEN / "rows.jsonl"
QUICK = ("--no-show", "--detector", "haar", "--model-path", str(TINY_MODEL))
"""Options of `facecli run`: what the network says does not matter here."""


@dataclass(frozen=True)
class Bench:
    """Where and from which chance cases are made.

    Attributes:
        root: the folder to work in.
        seed: of all chance.
        keep: a folder that gets copies of the cases' files.
    """

    root: Path
    seed: int
    keep: Path | None = None

    @cached_property
    def environment(self) -> dict[str, str]:
        """That of the children: no models but those that ship, no colours."""
        kept = {name: value for name, value in os.environ.items() if name != "FACECLI_TOKEN"}
        return kept | {"FACECLI_HOME": str(self.root / "home"), "NO_COLOR": "1"}

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A new folder that goes with the block."""
        path = Path(tempfile.mkdtemp(dir=self.root))
        try:
            yield path
        finally:
            if self.keep is not None:
                shutil.copytree(path, self.keep / path.name, dirs_exist_ok=True)
            shutil.rmtree(path, ignore_errors=True)

    def facecli(self, *words: str, cwd: Path, limits: Limits = PLAIN, home: Path | None = None) -> Ended:
        """Runs `facecli WORDS`; `home` is its FACECLI_HOME."""
        moved = {} if home is None else {"FACECLI_HOME": str(home)}
        return run_child([*FACECLI, *words], cwd, self.environment | moved, limits)
