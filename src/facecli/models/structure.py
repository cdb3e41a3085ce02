"""A network's structure: its blocks as a list and as a table; `draw_structure` draws them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from facecli.models.parts import Part
from facecli.paths import replacing

_BLOCK = re.compile(
    r"^(?P<block>stem\d+|stage\d+_(?:block\d+|down)|Block\d+_\d+|Mixed_\d[a-z]|Conv2d_\d[a-z]|embedding$)"
)


def describe(network: keras.Model) -> list[Part]:
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
    parts = describe(network)
    lines = [f"{'block':28} {'output':>16} {'weights':>12}"]
    for part in parts:
        lines.append(f"{part.name:28} {part.shape_text:>16} {part.parameters:12,}")
    lines.append(f"{'all':28} {'':>16} {sum(part.parameters for part in parts):12,}")
    return "\n".join(lines)


def draw_structure(network: keras.Model, path: Path) -> Path:
    """Writes a picture of the blocks and of what flows into what, top to bottom."""
    # Imported here: matplotlib is not needed to build or to load a network.
    from facecli.models.structure_picture import draw_parts

    with replacing(path) as temporary:
        draw_parts(describe(network), network.name).savefig(temporary)
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
