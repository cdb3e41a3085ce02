"""A network's structure as a table and as a picture."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from facecli.paths import replacing

_BLOCK = re.compile(r"^(?P<block>(?:stage|stem)\d+(?:_block\d+)?|Block\d+_\d+|Mixed_\d\w|Conv2d_\d\w)")
_COLOURS = {"image": "#cccccc", "head": "#D55E00", "block": "#0072B2"}


@dataclass(frozen=True)
class Part:
    """A block of layers: its name, output shape (without the batch) and number of weights."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


def describe(network: keras.Model) -> list[Part]:
    """The network's blocks from picture to heads, in the order of computation."""
    parts: dict[str, Part] = {}
    heads = set(network.output) if isinstance(network.output, dict) else set()
    for layer in _leaves(network):
        match = _BLOCK.match(layer.name)
        name = match["block"] if match else layer.name
        head = next((head for head in heads if name.split("_")[0] == head), None)
        kind = "image" if isinstance(layer, keras.layers.InputLayer) else "head" if head else "block"
        before = parts.pop(head or name, None)
        count = sum(int(np.prod(weight.shape)) for weight in layer.weights)
        count += before.parameters if before else 0
        parts[head or name] = Part(head or name, kind, _shape(layer), count)
    return list(parts.values())


def structure_table(network: keras.Model) -> str:
    """Plain text: a line a block, then the sum."""
    parts = describe(network)
    lines = [f"{'block':28} {'output':>16} {'weights':>12}"]
    for part in parts:
        shape = " x ".join(map(str, part.shape))
        lines.append(f"{part.name:28} {shape:>16} {part.parameters:12,}")
    lines.append(f"{'all':28} {'':>16} {sum(part.parameters for part in parts):12,}")
    return "\n".join(lines)


def draw_structure(network: keras.Model, path: Path) -> Path:
    """Writes a picture: a bar a block, its length the logarithm of its weights."""
    from matplotlib.figure import Figure

    parts = describe(network)
    figure = Figure(figsize=(7.5, 0.34 * len(parts) + 1.2), layout="constrained", dpi=120)
    axis = figure.subplots()
    lengths = [np.log10(max(part.parameters, 1)) + 0.15 for part in parts]
    axis.barh(range(len(parts)), lengths, color=[_COLOURS[part.kind] for part in parts])
    labels = [f"{part.name}   {' x '.join(map(str, part.shape))}" for part in parts]
    axis.set_yticks(range(len(parts)), labels, fontsize=8)
    for row, (part, length) in enumerate(zip(parts, lengths, strict=True)):
        if part.parameters:
            axis.text(length + 0.05, row, f"{part.parameters:,}", va="center", fontsize=8)
    axis.invert_yaxis()
    axis.set(
        xlim=(0, 7.6), xlabel="weights (powers of ten)", title=f"{sum(p.parameters for p in parts):,} weights"
    )
    axis.spines[["top", "right"]].set_visible(False)
    with replacing(path) as temporary:
        figure.savefig(temporary)
    return path


def _leaves(network: keras.Model) -> Iterator[keras.layers.Layer]:
    for position, layer in enumerate(network.layers):
        if isinstance(layer, keras.Model):
            # A nested network repeats its own input.
            yield from (leaf for leaf in _leaves(layer) if not isinstance(leaf, keras.layers.InputLayer))
        elif position == 0 or not isinstance(layer, keras.layers.InputLayer):
            yield layer


def _shape(layer: keras.layers.Layer) -> tuple[int, ...]:
    output = layer.output[0] if isinstance(layer.output, list | tuple) else layer.output
    return tuple(size for size in output.shape[1:] if size is not None)
