"""A crowd's figures as a picture. Needs matplotlib, which only comes with the train lane."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from facecli.core.errors import InputError
from facecli.core.faces import NAMED_HEADS
from facecli.core.paths import replacing
from facecli.crowd.figures import Figures, Share

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

_SAID, _CORRECTED, _DARK = "#B8C4CE", "#0072B2", "#333333"
"""The blue is Okabe and Ito's (2008), which colour-blind people can tell apart."""
_SUFFIXES = (".png", ".svg", ".pdf")
_STYLE: "dict[RcKeyType, Any]" = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10,
    "axes.axisbelow": True,
}


def check_suffix(path: Path) -> None:
    """Raises InputError when no such file can be written; ModuleNotFoundError without matplotlib."""
    import matplotlib.figure  # noqa: F401 - to fail before the work and not after it

    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"{path} is no {', '.join(_SUFFIXES)} file; name one for --plot")
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; name a file")


def save_plot(path: Path, figures: Figures, model: str) -> None:
    """Draws the histogram of ages, and for each head its shares as said and as corrected.

    Raises OutputError when the file cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    heads = [head for head in NAMED_HEADS if head in figures.shares]
    panels = 1 + len(heads)
    columns = min(panels, 2)
    rows = -(-panels // columns)
    with rc_context(_STYLE):
        figure = Figure(figsize=(5.4 * columns, 3.5 * rows + 0.9), dpi=130, layout="constrained")
        axes = list(figure.subplots(rows, columns, squeeze=False).flat)
        _draw_ages(axes[0], figures)
        for head, panel in zip(heads, axes[1:], strict=False):
            _draw_shares(panel, head, figures.shares[head])
        for spare in axes[panels:]:
            spare.set_axis_off()
        figure.suptitle(_title(figures), x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(_footnote(figures, model), x=0.01, ha="left", fontsize=8, color="#555555")
        with replacing(path) as temporary:
            figure.savefig(temporary)


def _title(figures: Figures) -> str:
    count = len(figures.crowd.subjects)
    return "1 person" if count == 1 else f"{count:,} people"


def _footnote(figures: Figures, model: str) -> str:
    said = "Lines: 90 % intervals."
    if figures.confusions:
        said += (
            f" Corrected: without what {model} is known to confuse, if it errs here as on its test faces;"
            "\nthe chance of who was seen and of the test faces is in the interval."
        )
    return said


def _draw_ages(axes, figures: Figures) -> None:
    ages = figures.ages
    names = list(ages.histogram)
    axes.bar(range(len(names)), list(ages.histogram.values()), width=0.9, color=_CORRECTED)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_xlabel("years")
    axes.set_ylabel("people")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color="#e6e6e6")
    if ages.median_years is None:
        axes.set_title("age", loc="left")
        return
    interval = ages.interval_90
    sure = "" if interval is None else f" ({interval[0]:.1f} to {interval[1]:.1f})"
    axes.set_title(f"age: median {ages.median_years:.1f}{sure}", loc="left")
    # Bar 0 is the years 0 to 9, centred at 0: a year is a tenth of a bar.
    place = min(ages.median_years / 10, len(names)) - 0.5
    axes.axvline(place, color=_DARK, linewidth=1.2)
    if interval is not None:
        low, high = (min(bound / 10, len(names)) - 0.5 for bound in interval)
        axes.axvspan(low, high, color=_DARK, alpha=0.12, linewidth=0)


def _draw_shares(axes, head: str, shares: dict[str, Share]) -> None:
    names = list(shares)
    corrected = all(share.corrected_share is not None for share in shares.values())
    height = 0.38 if corrected else 0.6
    for place, share in enumerate(shares.values()):
        shift = height / 2 if corrected else 0
        _draw_bar(axes, place - shift, height, share.share, share.interval_90, _SAID)
        if corrected:
            interval = share.corrected_interval_90
            _draw_bar(axes, place + shift, height, share.corrected_share, interval, _CORRECTED)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of people")
    axes.grid(axis="x", color="#e6e6e6")
    axes.set_title(head, loc="left")
    axes.barh([0], [0], color=_SAID, label="as the model says")
    if corrected:
        axes.barh([0], [0], color=_CORRECTED, label="corrected")
    axes.legend(frameon=False, fontsize=8, loc="best")


def _draw_bar(
    axes,
    place: float,
    height: float,
    share: float | None,
    interval: tuple[float, float] | None,
    colour: str,
) -> None:
    """A bar with its interval; none of a share that is not known."""
    if share is None or interval is None:
        return
    low, high = interval
    error = [[100 * (share - low)], [100 * (high - share)]]
    axes.barh(
        [place], [100 * share], height=height, color=colour, xerr=error, ecolor=_DARK,
        error_kw={"linewidth": 1.2, "capsize": 2},
    )  # fmt: skip
