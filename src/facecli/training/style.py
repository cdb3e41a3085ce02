"""One look for all plots of an evaluation.

Figures are made without pyplot, so that no backend is chosen and none stays in memory.
Colours are Okabe and Ito's (2008), which colour-blind people can tell apart.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from matplotlib import rc_context
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

_Given = ParamSpec("_Given")
_Drawn = TypeVar("_Drawn")

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
STYLE: "dict[RcKeyType, Any]" = {
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


def styled(draw: Callable[_Given, _Drawn]) -> Callable[_Given, _Drawn]:
    """Decorator: everything that the function draws, legends and texts too, has the style."""

    @functools.wraps(draw)
    def in_style(*arguments: _Given.args, **options: _Given.kwargs) -> _Drawn:
        with rc_context(STYLE):
            return draw(*arguments, **options)

    return in_style


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1):
    """A figure of `width` x `height` inches and its (rows, columns) array of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)
