"""The blocks of a network as boxes and arrows, drawn with matplotlib (no graphviz)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from facecli.models.parts import Part

# Pale fills, so that black text is readable; Okabe and Ito's hues.
_FILL = {"image": "#e6e6e6", "block": "#cfe3f1", "head": "#f7d9c4"}
_EDGE = {"image": "#777777", "block": "#0072B2", "head": "#D55E00"}
_BOX_WIDTH, _BOX_HEIGHT = 3.0, 0.62
_STEP_X, _STEP_Y = 3.4, 1.0
_MARGIN = 0.5
_LINE = "#555555"
_REPEATED = re.compile(r"^(?P<stem>.*?)_?(?:block)?\d+$")


@dataclass(frozen=True)
class _Box:
    part: Part
    repeats: int = 1


def draw_parts(parts: Sequence[Part], title: str) -> Figure:
    """Draws parts in rows by their distance from the picture; equal neighbours become one box.

    Args:
        parts: see `parts.Part`; from `structure.describe`.
        title: stands above, with the number of weights.
    """
    boxes = _collapse(parts)
    places = _places(boxes)
    left, right = (pick(x for x, _ in places.values()) for pick in (min, max))
    bottom = min(y for _, y in places.values())
    size = (right - left + _BOX_WIDTH + 2 * _MARGIN, 1.2 - bottom)
    figure = Figure(figsize=(0.72 * size[0] + 0.4, 0.6 * size[1] + 0.5), dpi=120, layout="constrained")
    axis = figure.subplots()
    axis.set_axis_off()
    axis.set_xlim(left - _BOX_WIDTH / 2 - _MARGIN, right + _BOX_WIDTH / 2 + _MARGIN)
    axis.set_ylim(bottom - 0.6, 0.6)
    for box in boxes:
        for source in box.part.sources:
            _arrow(axis, places[source], places[box.part.name], fan=box.part.kind == "head")
        _draw_box(axis, box, *places[box.part.name])
    total = sum(part.parameters for part in parts)
    axis.set_title(f"{title}: {total:,} weights", fontsize=11, fontweight="bold")
    return figure


def _collapse(parts: Sequence[Part]) -> list[_Box]:
    """Neighbours of the same stem and output shape as one box, `sources` renamed to match."""
    boxes: list[_Box] = []
    new_name: dict[str, str] = {}
    for part in parts:
        last = boxes[-1] if boxes else None
        if last is not None and _goes_on(last.part, part):
            total = last.part.parameters + part.parameters
            boxes[-1] = _Box(replace(last.part, parameters=total), last.repeats + 1)
            new_name[part.name] = last.part.name
            continue
        new_name[part.name] = part.name
        sources = tuple(dict.fromkeys(new_name[source] for source in part.sources))
        boxes.append(_Box(replace(part, sources=sources)))
    return boxes


def _goes_on(last: Part, part: Part) -> bool:
    """Is it one more block of the same row?"""
    stem = _stem(part.name)
    alike = part.kind == "block" and last.shape == part.shape
    return alike and stem is not None and stem == _stem(last.name)


def _stem(name: str) -> str | None:
    """What the names of a row of blocks have in common; None of a name without a number."""
    match = _REPEATED.match(name)
    return match["stem"] if match else None


def _places(boxes: Sequence[_Box]) -> dict[str, tuple[float, float]]:
    """Centre of each box: a row below its lowest source, vectors to the right of the trunk's maps."""
    rank: dict[str, int] = {}
    for box in boxes:
        rank[box.part.name] = max((rank[source] + 1 for source in box.part.sources), default=0)
    places = {}
    for row in range(max(rank.values()) + 1):
        inside = [box.part for box in boxes if rank[box.part.name] == row]
        # The trunk's maps (height x width x channels) before vectors.
        inside.sort(key=lambda part: -len(part.shape))
        centred = all(part.kind == "head" for part in inside)
        start = -(len(inside) - 1) / 2 * _STEP_X if centred else 0.0
        for column, part in enumerate(inside):
            places[part.name] = (start + column * _STEP_X, -row * _STEP_Y)
    return places


def _draw_box(axis, box: _Box, x: float, y: float) -> None:
    part = box.part
    frame = FancyBboxPatch(
        (x - _BOX_WIDTH / 2, y - _BOX_HEIGHT / 2),
        _BOX_WIDTH,
        _BOX_HEIGHT,
        boxstyle="round,pad=0,rounding_size=0.1",
        facecolor=_FILL[part.kind],
        edgecolor=_EDGE[part.kind],
        zorder=2,
    )
    axis.add_patch(frame)
    name = f"{_stem(part.name)}, {box.repeats} blocks" if box.repeats > 1 else part.name
    weights = f"   {part.parameters:,} weights" if part.parameters else ""
    axis.text(x, y + 0.13, name, ha="center", va="center", fontsize=9, fontweight="bold", zorder=3)
    axis.text(x, y - 0.15, part.shape_text + weights, ha="center", va="center", fontsize=8, zorder=3)


def _arrow(axis, start: tuple[float, float], end: tuple[float, float], fan: bool) -> None:
    path = _route(start, end, fan)
    axis.plot(*zip(*path[:-1], strict=True), color=_LINE, lw=1.1, solid_capstyle="butt", zorder=1)
    arrow = {"arrowstyle": "-|>", "color": _LINE, "lw": 1.1, "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", xy=path[-1], xytext=path[-2], arrowprops=arrow, zorder=1)


def _route(start: tuple[float, float], end: tuple[float, float], fan: bool) -> list[tuple[float, float]]:
    """Corners of a line that crosses no box, from box centre `start` to box centre `end`."""
    (x0, y0), (x1, y1) = start, end
    below, above = (x0, y0 - _BOX_HEIGHT / 2), (x1, y1 + _BOX_HEIGHT / 2)
    if fan:
        middle = (below[1] + above[1]) / 2
        return [below, (x0, middle), (x1, middle), above]
    if x0 == x1 and y0 - y1 <= _STEP_Y:
        return [below, above]
    if x0 == x1:
        side, lane = x0 - _BOX_WIDTH / 2, x0 - _BOX_WIDTH / 2 - _MARGIN / 2
        return [(side, y0), (lane, y0), (lane, y1), (side, y1)]
    if x0 < x1:
        return [(x0 + _BOX_WIDTH / 2, y0), (x1, y0), above]
    return [below, (x0, y1), (x1 + _BOX_WIDTH / 2, y1)]
