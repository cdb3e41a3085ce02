"""Models by name: a model type and a backbone become a network with heads."""

from collections.abc import Mapping, Sequence

import keras

from facecli.errors import InputError
from facecli.models import mobile, residual
from facecli.models.heads import attach_heads

BACKBONES = (*residual.SPECS, *mobile.SPECS)


def build_backbone(name: str, image_size: tuple[int, int] | None = None) -> keras.Model:
    """A backbone with random weights; see BACKBONES for the names.

    Raises InputError for an unknown name.
    """
    if name in mobile.SPECS:
        return mobile.build_mobile(mobile.SPECS[name], image_size)
    if name not in residual.SPECS:
        raise InputError(f"no backbone '{name}'; choose one of {', '.join(BACKBONES)}")
    return residual.build_residual(residual.SPECS[name], image_size)


def default_size(name: str) -> tuple[int, int]:
    """(height, width) of a backbone's pictures unless others are asked for."""
    if name in mobile.SPECS:
        return mobile.SPECS[name].image_size
    return residual.SPECS[name].image_size


def build_model(
    backbone: str,
    heads: Sequence[str],
    image_size: tuple[int, int] | None = None,
    projections: Mapping[str, int] | None = None,
) -> keras.Model:
    """A network with random weights from (n, h, w, 3) uint8 RGB to head -> probabilities.

    `projections`: name -> size of further linear outputs, see `heads.attach_heads`.
    """
    return attach_heads(build_backbone(backbone, image_size), heads, projections=projections)


def copy_weights(source: keras.Model, target: keras.Model) -> keras.Model:
    """Copies all weights into a network of the same shape, whatever its precision or picture size."""
    target.set_weights(source.get_weights())
    return target
