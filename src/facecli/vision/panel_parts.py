"""What stands on a panel: the curve of the ages, and a bar for each class."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from facecli.faces import UNCERTAIN, Face
from facecli.labels import MAX_AGE_YEARS
from facecli.vision.colours import Colour
from facecli.vision.panel_ink import QUIET, RULE, SUNKEN, TEXT, Ink, text_width
from facecli.vision.place import Rectangle

LINE = 1.5
"""Height of a line in letter heights."""
_APART = 0.4
"""Room between two heads, in lines."""
_NAMES = 4.6
"""Room for the names of classes, in letter heights."""
_YEARS_APART = 20
_INTERVAL_SHARE, _CURVE_SHARE = 0.28, 0.62
"""How much of the face's colour is in the interval's ground and in the area below the curve."""


class Style(NamedTuple):
    """Height of the letters in pixels, and the colour of the face."""

    letters: int
    colour: Colour


def draw_age_curve(ink: Ink, place: Rectangle, face: Face, style: Style) -> None:
    """Probability by year, the 90 % interval behind it, the expectation as a line; nothing without an age."""
    if face.age_years is None:
        return
    left, right = place.left, place.right - 1
    base, top = place.bottom - round(1.7 * style.letters), place.top

    def across(years: float) -> float:
        return left + (right - left) * min(max(years, 0), MAX_AGE_YEARS) / MAX_AGE_YEARS

    ink.box(left, top, right + 1, base, SUNKEN)
    low, high = face.age_interval_90 or (face.age_years, face.age_years)
    # Ages are whole years: the interval holds all of its last one.
    ink.box(across(low - 0.5), top, across(high + 0.5), base, _mixed(SUNKEN, style.colour, _INTERVAL_SHARE))
    if face.age_distribution is not None:
        heights = np.asarray(face.age_distribution) / max(face.age_distribution)
        curve = np.array(
            [(across(year), base - 0.92 * (base - top) * share) for year, share in enumerate(heights)]
        )
        ink.area(np.array([(left, base), *curve, (right, base)]), _mixed(SUNKEN, style.colour, _CURVE_SHARE))
        ink.line(curve, style.colour, max(1, style.letters // 9))
    expected = across(face.age_years)
    ink.line(np.array([(expected, top), (expected, base)]), TEXT, max(1, style.letters // 10))
    for years in range(0, MAX_AGE_YEARS + 1, _YEARS_APART):
        ink.line(np.array([(across(years), base), (across(years), base + style.letters // 4)]), RULE)
        anchor = "ls" if years == 0 else "ms"
        ink.write(across(years), place.bottom - 2, str(years), round(0.85 * style.letters), QUIET, anchor)


def bar_lines(face: Face, heads: Sequence[str]) -> float:
    """Lines that `draw_bars` needs for these heads; 0 when the face has none of them."""
    shown = [probabilities for head in heads if (probabilities := face.probabilities(head))]
    return sum(len(probabilities) + 1 for probabilities in shown) + _APART * max(len(shown) - 1, 0)


def draw_bars(
    ink: Ink, place: Rectangle, face: Face, heads: Sequence[str], style: Style, uncertain_below: float
) -> None:
    """A heading for each head that the face has, then name, bar and percentage of every class."""
    line = round(LINE * style.letters)
    y = place.top
    for head in heads:
        probabilities = face.probabilities(head)
        if not probabilities:
            continue
        label = getattr(face, head)
        sure = probabilities[label] >= uncertain_below
        heading = head if sure else f"{head}: {UNCERTAIN}"
        ink.write(place.left, y + round(1.1 * style.letters), heading, style.letters, QUIET)
        y += line
        start = place.left + _names_width(probabilities, style.letters)
        for name, share in probabilities.items():
            row = Rectangle(place.left, y, place.right, y + line)
            _draw_bar(ink, row, start, (name, share), sure and name == label, style)
            y += line
        y += round(_APART * line)


def _names_width(names: Iterable[str], letters: int) -> int:
    """Pixels before the bars of a head: the same for all heads with short names."""
    longest = max(text_width(name, letters) for name in names)
    return round(max(_NAMES * letters, longest + 0.5 * letters))


def _draw_bar(
    ink: Ink, row: Rectangle, start: int, named: tuple[str, float], chosen: bool, style: Style
) -> None:
    """A class's name, its bar from `start` on, and how probable it is."""
    name, share = named
    baseline = row.top + round(1.1 * style.letters)
    colour = TEXT if chosen else QUIET
    end = row.right - round(2.9 * style.letters)
    top, bottom = row.top + round(0.28 * style.letters), row.top + round(1.2 * style.letters)
    ink.write(row.left, baseline, name, style.letters, colour)
    ink.box(start, top, end, bottom, SUNKEN)
    bar = style.colour if chosen else _mixed(SUNKEN, style.colour, 0.5)
    ink.box(start, top, start + (end - start) * share, bottom, bar)
    ink.write(row.right, baseline, percent(share), style.letters, colour, "rs")


def percent(share: float) -> str:
    """ "98 %"; what is neither nothing nor everything is not called so."""
    rounded = round(100 * share)
    if rounded == 0 and share > 0.0005:
        return "< 1 %"
    return f"{rounded} %"


def _mixed(ground: Colour, colour: Colour, share: float) -> Colour:
    red, green, blue = (
        round((1 - share) * below + share * above) for below, above in zip(ground, colour, strict=True)
    )
    return red, green, blue
