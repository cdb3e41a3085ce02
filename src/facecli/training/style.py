"""One look for all plots of an evaluation.

Figures are made without pyplot, so that no backend is chosen and none stays in memory.
Colours are Okabe and Ito's (2008), which colour-blind people can tell apart.
"""

import functools
from collections.abc import Callable

from matplotlib import rc_context
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
STYLE = {
    "figure.dpi": 120,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorator: everything that the function draws, legends and texts too, has the style."""

    @functools.wraps(draw)
    def in_style(*arguments, **options) -> Figure:
        with rc_context(STYLE):
            return draw(*arguments, **options)

    return in_style


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1):
    """A figure of `width` x `height` inches and its (rows, columns) array of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)
