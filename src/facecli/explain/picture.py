"""A heat map as a picture for people: the crop, the map, one over the other, and what the colours mean."""

import io

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from facecli.explain.explained import Explained

_SIZE_INCHES = (11.0, 4.9)
_DPI = 110
_TEXT, _QUIET = "#1b1d21", "#555b65"
_BOTH_WAYS, _ONE_WAY = "RdBu_r", "YlOrRd"
_MOST = 99.5
"""Percentile of the values' size at which colours are full: a few extreme pixels shall not pale the rest."""
_GREY = (0.299, 0.587, 0.114)


def render_png(explained: Explained) -> bytes:
    """An encoded PNG of about 1210 x 540 pixels."""
    buffer = io.BytesIO()
    draw(explained).savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def draw(explained: Explained) -> Figure:
    """The figure; made without pyplot, so that no window system is asked for."""
    values, label = _scaled(explained)
    most = float(np.percentile(np.abs(values), _MOST)) or float(np.abs(values).max()) or 1.0
    norm = Normalize(-most if explained.heat.signed else 0, most)
    colours = colormaps[_BOTH_WAYS if explained.heat.signed else _ONE_WAY]
    layout = ConstrainedLayoutEngine(rect=(0.005, 0.1, 0.99, 0.78))
    figure = Figure(figsize=_SIZE_INCHES, layout=layout, facecolor="white")
    axes = figure.subplots(1, 3)
    overlay = overlaid(explained.crop, colours(norm(values))[..., :3], np.abs(values) / most)
    shown = (explained.crop, values, overlay)
    for axis, picture, title in zip(axes, shown, ("what the model sees", "heat map", "both"), strict=True):
        drawn = axis.imshow(picture, cmap=colours, norm=norm, interpolation="bilinear")
        axis.set_title(title, fontsize=11, color=_QUIET)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_color("#c9cdd3")
        if axis is axes[1]:
            scale = drawn
    bar = figure.colorbar(scale, ax=axes, location="right", fraction=0.035, pad=0.015, aspect=22)
    bar.outline.set_visible(False)
    bar.set_label(label, fontsize=10, color=_TEXT)
    bar.ax.tick_params(labelsize=9)
    _name_ends(bar.ax, explained)
    _write(figure, explained)
    return figure


def overlaid(crop: np.ndarray, colours: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """A grey crop under colours that are the stronger the more a pixel counts.

    Args:
        crop: (h, w, 3) uint8 RGB.
        colours: (h, w, 3) floats, 0..1.
        strength: (h, w) floats; 1 and more is full.

    Returns:
        (h, w, 3) floats, 0..1.
    """
    grey = (crop.astype(np.float32) / 255 @ np.array(_GREY, np.float32))[..., None]
    opacity = 0.75 * np.clip(strength, 0, 1)[..., None] ** 0.7
    return np.clip((1 - opacity) * grey + opacity * colours, 0, 1)


def _scaled(explained: Explained) -> tuple[np.ndarray, str]:
    """The values as they are shown, and what they are called."""
    values = explained.heat.values
    if explained.heat.additive is not None:
        # A single pixel's share is too small a number to mean anything to anybody.
        return values * values.size / 100, f"{explained.target.unit} for each 1 % of the picture"
    return values / (np.abs(values).max() or 1.0), "relative, strongest = 1"


def _name_ends(axis, explained: Explained) -> None:
    low, high = explained.target.ends if explained.heat.signed else ("no matter", "matters")
    for place, name, side in ((1.02, high, "bottom"), (-0.02, low, "top")):
        axis.text(
            0.5, place, name, transform=axis.transAxes, ha="center", va=side, fontsize=10, weight="bold"
        )


def _write(figure: Figure, explained: Explained) -> None:
    figure.text(0.012, 0.975, explained.prediction(), fontsize=16, weight="bold", va="top", color=_TEXT)
    figure.text(0.988, 0.968, explained.method, fontsize=11, va="top", ha="right", color=_QUIET)
    lines = [line for line in (explained.sum_line(), explained.check_line()) if line]
    figure.text(0.012, 0.022, "\n".join(lines), fontsize=10.5, va="bottom", color=_TEXT, linespacing=1.4)
