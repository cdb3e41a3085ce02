"""Heat maps for people: each as a picture, and all of a run on one page that loads and runs nothing."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from string import Template
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from facecli.core.arrays import Array
from facecli.explain import METHODS
from facecli.explain.face import Explained
from facecli.explain.heat_map import REFERENCES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE_INCHES = (11.0, 4.9)
_DPI = 110
_TEXT, _QUIET = "#1b1d21", "#555b65"
_BOTH_WAYS, _ONE_WAY = "RdBu_r", "YlOrRd"
_MOST = 99.5
"""Percentile of the values' size at which colours are full: a few extreme pixels shall not pale the rest."""
_GREY = (0.299, 0.587, 0.114)

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>facecli explain</title>
<style>
:root { --ground: #f4f5f7; --panel: #fff; --text: #1b1d21; --quiet: #5b616b; --rule: #d9dce1; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #15171a; --panel: #1f2226; --text: #eceef1; --quiet: #a3a9b3; --rule: #363a41; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 80rem; background: var(--ground); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; margin: .5rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; overflow-wrap: anywhere; }
figure { margin: 1rem 0; padding: .75rem; background: var(--panel); border: 1px solid var(--rule);
  border-radius: .6rem; }
figure img { display: block; width: 100%; height: auto; border-radius: .3rem; }
figcaption { padding-top: .5rem; }
small, .quiet { color: var(--quiet); }
li, .quiet { max-width: 80ch; }
.error { color: #b3261e; }
@media (prefers-color-scheme: dark) { .error { color: #ff9d94; } }
</style>
</head>
<body>
<h1>What drove the results</h1>
<p class="quiet">Model $model. $reference</p>
<ul>
$methods
<li>A map says what this model looked at, not why a person is of an age, a gender or a race, nor whether
the model is right. Another method or another reference gives another map.</li>
<li>The check under each map: the hottest tenth of the pixels is replaced by the reference, and,
ten times, as many pixels at random. A map that points at what matters changes the result more.</li>
</ul>
$faces
</body>
</html>
""")


def render_png(explained: Explained) -> bytes:
    """An encoded PNG of about 1210 x 540 pixels."""
    buffer = io.BytesIO()
    draw_heat_map(explained).savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def draw_heat_map(explained: Explained) -> Figure:
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


def overlaid(crop: Array, colours: Array, strength: Array) -> Array:
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


def _scaled(explained: Explained) -> tuple[Array, str]:
    """The values as they are shown, and what they are called."""
    values = explained.heat.values
    if explained.heat.additive is not None:
        # A single pixel's share is too small a number to mean anything to anybody.
        return values * values.size / 100, f"{explained.target.unit} for each 1 % of the picture"
    return values / (np.abs(values).max() or 1.0), "relative, strongest = 1"


def _name_ends(axis: "Axes", explained: Explained) -> None:
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


class Shown(NamedTuple):
    """One picture of a heat map on the page."""

    explained: Explained
    png: bytes


class FaceOnPage(NamedTuple):
    """A heading and what stands under it; with an error there is nothing to show."""

    title: str
    shown: Sequence[Shown]
    error: str | None = None


def build_page(model: str, reference_name: str, faces: Iterable[FaceOnPage]) -> str:
    """The whole page as text.

    Args:
        model: its name.
        reference_name: name from `explain.heat_map.REFERENCES`.
        faces: in order; titles may be any text.
    """
    faces = list(faces)
    methods = {one.explained.method for face in faces for one in face.shown}
    return _PAGE.substitute(
        model=escape(model),
        reference=f"Reference: {escape(REFERENCES[reference_name])}.",
        methods="\n".join(f"<li>{escape(METHODS[name])}</li>" for name in METHODS if name in methods),
        faces="\n".join(_section(face) for face in faces),
    )


def _section(face: FaceOnPage) -> str:
    parts = [f"<h2>{escape(face.title)}</h2>"]
    if face.error is not None:
        parts.append(f'<p class="error">{escape(face.error)}</p>')
    return "\n".join([*parts, *(_figure(face.title, one) for one in face.shown)])


def _figure(title: str, shown: Shown) -> str:
    explained = shown.explained
    data = base64.b64encode(shown.png).decode("ascii")
    said, method = escape(explained.prediction()), escape(explained.method)
    lines = "; ".join(line for line in (explained.sum_line(), explained.check_line()) if line)
    return (
        f'<figure><img alt="{escape(title)}, {said}: heat map by {method}; {escape(lines)}" '
        f'src="data:image/png;base64,{data}">'
        f"<figcaption><b>{said}</b> <small>{escape(title)}, {method}</small></figcaption></figure>"
    )
