"""`index.html`: all heat maps of a run on one page that loads nothing and runs nothing."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from string import Template
from typing import NamedTuple

from facecli.explain.explained import Explained
from facecli.explain.method_names import METHODS
from facecli.explain.reference import REFERENCES

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
        reference_name: name from `reference.REFERENCES`.
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
