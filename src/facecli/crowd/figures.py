"""A crowd as figures: how many, how old, which shares; as a picture (needs matplotlib), and as a document.

The document is what `facecli summarize` says: for programs, with notes that people read too.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facecli.core.arrays import Array
from facecli.core.attributes import AGE_GROUPS, age_group
from facecli.core.errors import InputError
from facecli.core.paths import replacing
from facecli.core.stats import Z_90, median_interval, wilson_interval
from facecli.crowd.correct import Confusion, Corrected, correct_shares
from facecli.crowd.gather import Crowd
from facecli.crowd.rows import Reading
from facecli.sinks.summary import Person, classes_of

METHOD = "maximum likelihood (expectation-maximisation) on the confusion counts; Bayesian bootstrap"
_NAMED = 5
"""Of models that wrote rows."""
_DIGITS = 4


@dataclass(frozen=True)
class Share:
    """One class of a head.

    Attributes:
        count: people whose most probable class it is.
        share: of those with such a label; None without any.
        interval_90: Wilson's, low and high; None likewise.
        corrected_share, corrected_interval_90: without the model's known confusions; None when these
            are not known.
    """

    count: int
    share: float | None = None
    interval_90: tuple[float, float] | None = None
    corrected_share: float | None = None
    corrected_interval_90: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """As docs/crowds.md says; numbers rounded."""
        return {
            "count": self.count,
            "share": _rounded(self.share),
            "interval_90": _rounded(self.interval_90),
            "corrected_share": _rounded(self.corrected_share),
            "corrected_interval_90": _rounded(self.corrected_interval_90),
        }


@dataclass(frozen=True)
class Ages:
    """How old.

    Attributes:
        count: people with an age.
        median_years, interval_90: None when there are none, or too few for an interval.
        histogram: decade -> people.
    """

    count: int
    median_years: float | None
    interval_90: tuple[float, float] | None
    histogram: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """As docs/crowds.md says; years with one digit."""
        interval = self.interval_90
        return {
            "count": self.count,
            "median_years": None if self.median_years is None else round(self.median_years, 1),
            "interval_90": None if interval is None else [round(bound, 1) for bound in interval],
            "histogram": self.histogram,
        }


@dataclass(frozen=True)
class Figures:
    """All figures of a crowd.

    Attributes:
        crowd: who.
        ages: how old.
        shares: head -> class -> its share; heads that nobody has are left out.
        confusions: head -> what its shares are corrected by.
        misfits: heads whose answers no shares explain: the model errs here in another way than known,
            and nothing is corrected.
    """

    crowd: Crowd
    ages: Ages
    shares: dict[str, dict[str, Share]]
    confusions: Mapping[str, Confusion]
    misfits: tuple[str, ...] = ()


def figures_of(crowd: Crowd, confusions: Mapping[str, Confusion]) -> Figures:
    """Counts the people of a crowd, each once.

    Args:
        crowd: may be empty.
        confusions: head -> what the model that wrote the rows takes for what.
    """
    people = [subject.person for subject in crowd.subjects]
    shares, used, misfits = {}, {}, []
    for head, classes in classes_of(people).items():
        known = confusions.get(head)
        labels = Counter(label for person in people if (label := person.label(head)) is not None)
        # Of a model's own head the order is the model's; others may have classes that it does not know.
        names = known.classes if known and set(classes) == set(known.classes) else classes
        said = np.array([labels[name] for name in names])
        corrected = correct_shares(said, known.counts) if known and names == known.classes else None
        if corrected is not None and not corrected.fits:
            misfits.append(head)
            corrected = None
        elif corrected is not None:
            used[head] = confusions[head]
        shares[head] = _shares(names, said, corrected)
    return Figures(crowd, _ages(people), shares, used, tuple(misfits))


def _ages(people: Sequence[Person]) -> Ages:
    years = [person.age_years for person in people if person.age_years is not None]
    groups = Counter(map(age_group, years))
    median, interval = median_interval(years) or (None, None)
    return Ages(len(years), median, interval, {group: groups[group] for group in AGE_GROUPS})


def _shares(names: Sequence[str], said: Array, corrected: Corrected | None) -> dict[str, Share]:
    total, found = int(said.sum()), {}
    for index, name in enumerate(names):
        right: tuple[Any, ...] = ()
        if corrected is not None:
            right = float(corrected.share[index]), (float(corrected.low[index]), float(corrected.high[index]))
        count = int(said[index])
        found[name] = Share(count, count / total, wilson_interval(count, total, Z_90), *right)
    return found


def _rounded(value: float | Sequence[float] | None) -> float | list[float] | None:
    if value is None or isinstance(value, float):
        return None if value is None else round(value, _DIGITS)
    return [round(bound, _DIGITS) for bound in value]


if TYPE_CHECKING:
    from matplotlib.axes import Axes
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
        raise InputError(f"{path} is not a {', '.join(_SUFFIXES)} file; name one for --plot")
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; name a file")


def save_plot(path: Path, figures: Figures, model: str) -> None:
    """Draws the histogram of ages, and for each head its shares as said and as corrected.

    Raises OutputError when the file cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    heads = list(figures.shares)
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


def _draw_ages(axes: Any, figures: Figures) -> None:
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


def _draw_shares(axes: "Axes", head: str, shares: dict[str, Share]) -> None:
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
    # Beside the title: bars and intervals reach everywhere below it.
    axes.legend(
        frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2
    )


def _draw_bar(
    axes: "Axes",
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


def document(
    figures: Figures, reading: Reading, model: str, age_error: float | None = None
) -> dict[str, Any]:
    """The JSON document that docs/crowds.md describes.

    Args:
        figures: of the crowd.
        reading: what the files held.
        model: name of the model that the shares are corrected for; "" when several wrote the rows.
        age_error: see `notes`.
    """
    crowd = figures.crowd
    return {
        "files": reading.files,
        "rows": reading.rows,
        "repeated_rows": reading.repeated,
        "damaged_lines": reading.damaged_lines,
        "cut_lines": len(reading.cut),
        "pictures": crowd.pictures,
        "frames": crowd.frames,
        "videos": crowd.videos,
        "rows_with_error": crowd.failed,
        "models": {name: rows for name, rows in reading.models.items() if name is not None},
        "rejected_faces": crowd.rejected,
        "untracked_faces": crowd.untracked,
        "people": len(crowd.subjects),
        "tracks": crowd.tracks,
        "age": figures.ages.to_json(),
        **{
            head: {name: share.to_json() for name, share in shares.items()}
            for head, shares in figures.shares.items()
        },
        "correction": {
            head: {"model": model, "data": confusion.data, "faces": confusion.faces, "method": METHOD}
            for head, confusion in figures.confusions.items()
        },
        "not_explained": list(figures.misfits),
        "notes": notes(figures, reading, model, age_error),
    }


def notes(figures: Figures, reading: Reading, model: str, age_error: float | None = None) -> list[str]:
    """Sentences that say what the figures hold and what they do not.

    Args:
        age_error: mean absolute error of the model's ages in years, if known.
    """
    return [
        *_on_rows(figures, reading),
        *_on_models(figures, reading, model),
        *_on_figures(figures, model, age_error),
    ]


def _on_rows(figures: Figures, reading: Reading) -> list[str]:
    crowd = figures.crowd
    said = []
    if crowd.failed:
        said.append(f"{_count(crowd.failed, 'picture')} could not be analysed and counts nowhere.")
    if reading.repeated:
        said.append(f"{_count(reading.repeated, 'row')} there before, word for word, left out.")
    if crowd.again:
        said.append(
            f"{_count(crowd.again, 'row')} of pictures that have another row, too: their faces count again."
        )
    if crowd.tracks:
        said.append(
            "Of videos each track is one person. Who comes back or is seen after a cut is a new one: "
            "the number of people is an upper bound."
        )
    return said


def _on_models(figures: Figures, reading: Reading, model: str) -> list[str]:
    others = [
        f"{name} ({_count(rows, 'row')})"
        for name, rows in reading.models.items()
        if name not in (None, model)
    ]
    if not others:
        return []
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    wrote = f"Rows were written by {', '.join(others[:_NAMED])}{more}"
    if figures.confusions:
        return [f"{wrote}, not by {model}: what {model} is known to confuse may not be what they confuse."]
    return [f"{wrote}: shares are as the models say; --model-path names one to correct them for."]


def _on_figures(figures: Figures, model: str, age_error: float | None) -> list[str]:
    said = []
    if figures.ages.count:
        measured = "" if age_error is None else f" ({model}: {age_error:.1f} years off on average)"
        said.append(
            "The age's interval tells how much the median varies by chance of who was seen, not how much "
            f"the model errs{measured}."
        )
    if figures.confusions:
        used = "; ".join(
            f"{head}: {confusion.faces:,} faces of {confusion.data}"
            for head, confusion in figures.confusions.items()
        )
        said.append(
            f"Corrected shares take out what {model} is known to confuse ({used}). They suppose that it "
            "wrote these rows, and errs here as it did there. Their intervals hold the chance of both."
        )
    if figures.confusions and any(subject.person.frames > 1 for subject in figures.crowd.subjects):
        said.append(
            "A label from many frames errs less than one from a picture: its correction may be too large."
        )
    if figures.misfits:
        said.append(
            f"Not corrected: {', '.join(figures.misfits)}. What {model} is known to confuse does not explain "
            "its answers here: it errs on these faces in another way than on those it was measured on."
        )
    explained = {*figures.confusions, *figures.misfits}
    if model and (missing := [head for head in figures.shares if head not in explained]):
        said.append(
            f"{model} has no confusion counts of {', '.join(missing)}: these shares are as the model says; "
            "'facecli evaluate' measures them."
        )
    return said


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
