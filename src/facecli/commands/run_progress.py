"""The bar of `facecli run --img`: how many pictures are done, how fast, and how long it will take."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta

from facecli.console import bars_wanted, stderr_console


class PictureBar:
    """On a terminal's standard error, for more than one picture; nothing elsewhere."""

    def __init__(self, total: int | None) -> None:
        """`total` pictures; None when nobody knows."""
        self._progress = None
        if total == 1 or not bars_wanted():
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress

        self._progress = Progress(
            "pictures",
            BarColumn(),
            MofNCompleteColumn(),
            _pace_column(),
            console=stderr_console(),
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


def pace(done: int, total: int | None, elapsed_s: float | None) -> str:
    """How fast it goes on the whole, and how long the rest will take: "12.5 a second, 0:01:20 left".

    Pictures are done in bursts, of a batch each: rates of the last moments would jump.
    """
    if not done or not elapsed_s:
        return ""
    rate = done / elapsed_s
    text = f"{rate:,.1f} a second"
    return text if total is None else f"{text}, {timedelta(seconds=round((total - done) / rate))} left"


def _pace_column():
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Pace(ProgressColumn):
        def render(self, task) -> Text:
            total = None if task.total is None else int(task.total)
            return Text(pace(int(task.completed), total, task.elapsed))

    return Pace()
