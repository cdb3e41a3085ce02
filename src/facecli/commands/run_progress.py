"""The bar of `facecli run --img`: how many pictures are done, how fast, and how long it will take."""

import contextlib
import sys
from collections.abc import Iterator


class PictureBar:
    """On a terminal's standard error, for more than one picture; nothing elsewhere."""

    def __init__(self, total: int | None) -> None:
        """`total` pictures; None when nobody knows."""
        self._progress = None
        if total == 1 or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        self._progress = Progress(
            "pictures",
            BarColumn(),
            MofNCompleteColumn(),
            _rate_column(),
            TimeRemainingColumn(elapsed_when_finished=True),
            "left" if total else "",
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("pictures", total=total)

    def __enter__(self) -> "PictureBar":
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_) -> None:
        if self._progress is not None:
            self._progress.stop()

    def advance(self) -> None:
        """One more picture is done."""
        if self._progress is not None:
            self._progress.advance(self._task)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Out of the way of what is printed in the block."""
        if self._progress is None:
            yield
            return
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()


def _rate_column():
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:,.1f} a second")

    return Rate()
