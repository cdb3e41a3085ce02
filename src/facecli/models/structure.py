"""A network's structure: its blocks as a list, as a table, and drawn as boxes and arrows (no graphviz)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from facecli.core.paths import replacing
from facecli.models.networks import Part

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Pale fills, so that black text is readable; Okabe and Ito's hues.
_FILL = {"image": "#e6e6e6", "block": "#cfe3f1", "head": "#f7d9c4"}
_EDGE = {"image": "#777777", "block": "#0072B2", "head": "#D55E00"}
_BOX_WIDTH, _BOX_HEIGHT = 3.0, 0.62
_STEP_X, _STEP_Y = 3.4, 1.0
_MARGIN = 0.5
_LINE = "#555555"
_REPEATED = re.compile(r"^(?P<stem>.*?)_?(?:block)?\d+$")

_BLOCK = re.compile(
    r"^(?P<block>stem\d+|stage\d+_(?:block\d+|down)|Block\d+_\d+|Mixed_\d[a-z]|Conv2d_\d[a-z]|embedding$)"
)


@dataclass(frozen=True)
class _Box:
    part: Part
    repeats: int = 1


def draw_parts(parts: Sequence[Part], title: str) -> "Figure":
    """Draws parts in rows by their distance from the picture; equal neighbours become one box.

    Args:
        parts: see `models.networks.Part`; from `models.structure.describe_blocks`.
        title: stands above, with the number of weights.
    """
    boxes = _collapse(parts)
    places = _places(boxes)
    left, right = (pick(x for x, _ in places.values()) for pick in (min, max))
    bottom = min(y for _, y in places.values())
    size = (right - left + _BOX_WIDTH + 2 * _MARGIN, 1.2 - bottom)
    from matplotlib.figure import Figure

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


def _draw_box(axis: "Axes", box: _Box, x: float, y: float) -> None:
    part = box.part
    from matplotlib.patches import FancyBboxPatch

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


def _arrow(axis: "Axes", start: tuple[float, float], end: tuple[float, float], fan: bool) -> None:
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


def describe_blocks(network: keras.Model) -> list[Part]:
    """The network's blocks from picture to heads, in the order of computation."""
    heads = set(network.output) if isinstance(network.output, dict) else set()
    leaves = list(_leaves(network))
    owner = {id(layer): _part_name(layer, heads) for layer in leaves}
    parts: dict[str, Part] = {}
    before: tuple[str, ...] = ()
    for layer in leaves:
        name = owner[id(layer)]
        part = parts.get(name) or Part(name, _kind(layer, name in heads), (), 0)
        # A nested network reads its own input: what was computed just before it.
        found = [owner.get(id(source)) for source in _producers(layer)]
        sources = [source for named in found for source in ((named,) if named else before)]
        parts[name] = replace(
            part,
            shape=_shape(layer),
            parameters=part.parameters + sum(int(np.prod(weight.shape)) for weight in layer.weights),
            sources=tuple(dict.fromkeys([*part.sources, *(s for s in sources if s != name)])),
        )
        before = (name,)
    return list(parts.values())


def structure_table(network: keras.Model) -> str:
    """Plain text: a line a block, then the sum."""
    parts = describe_blocks(network)
    lines = [f"{'block':28} {'output':>16} {'weights':>12}"]
    for part in parts:
        lines.append(f"{part.name:28} {part.shape_text:>16} {part.parameters:12,}")
    lines.append(f"{'all':28} {'':>16} {sum(part.parameters for part in parts):12,}")
    return "\n".join(lines)


def draw_structure(network: keras.Model, path: Path) -> Path:
    """Writes a picture of the blocks and of what flows into what, top to bottom."""

    with replacing(path) as temporary:
        draw_parts(describe_blocks(network), network.name).savefig(temporary)
    return path


def _part_name(layer: keras.layers.Layer, heads: set[str]) -> str:
    prefix = layer.name.partition("_")[0]
    if prefix in heads:
        return prefix
    match = _BLOCK.match(layer.name)
    return match["block"] if match else layer.name


def _kind(layer: keras.layers.Layer, head: bool) -> str:
    return "head" if head else "image" if isinstance(layer, keras.layers.InputLayer) else "block"


def _leaves(network: keras.Model) -> Iterator[keras.layers.Layer]:
    for position, layer in enumerate(network.layers):
        if isinstance(layer, keras.Model):
            # A nested network repeats its own input.
            yield from (leaf for leaf in _leaves(layer) if not isinstance(leaf, keras.layers.InputLayer))
        elif position == 0 or not isinstance(layer, keras.layers.InputLayer):
            yield layer


def _producers(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """The layers whose outputs a layer reads; inside nested networks, their last layers."""
    if isinstance(layer, keras.layers.InputLayer):
        return
    for tensor in keras.tree.flatten(layer.input):
        made = tensor._keras_history
        while isinstance(made.operation, keras.Model):
            made = made.operation.outputs[made.tensor_index]._keras_history
        yield made.operation


def _shape(layer: keras.layers.Layer) -> tuple[int, ...]:
    output = layer.output[0] if isinstance(layer.output, list | tuple) else layer.output
    return tuple(size for size in output.shape[1:] if size is not None)
