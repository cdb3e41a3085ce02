"""The blocks that a network is described by."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A block of layers: name, output shape (without the batch), number of weights, where from.

    `kind` is "image", "block" or "head"; `sources` are the names of the parts it reads.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    sources: tuple[str, ...] = ()

    @property
    def shape_text(self) -> str:
        """Output shape as "height x width x channels"."""
        return " x ".join(map(str, self.shape))
