"""The page's frame: everything it needs is in it, and it may load nothing.

Its Content-Security-Policy allows the one script and the one style that are written into it, by
their digests, and pictures as data: addresses. Rows are JSON in elements that no browser runs.
"""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any


def page_head() -> str:
    """All that comes before the first `data_block`."""
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return Template(_asset("page.html")).substitute(policy=policy, style=style)


def data_block(kind: str, value: Any) -> str:
    """A value as an element that the page's script finds by its class.

    ASCII, and nothing in it can end the element: names may be anything.
    """
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    text = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return f'<script type="application/json" class="{kind}">{text}</script>\n'


def page_end() -> str:
    """All that comes after the last `data_block`."""
    return f"<script>{_asset('page.js')}</script>\n</body>\n</html>\n"


@cache
def _asset(name: str) -> str:
    return files("facecli.report").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """As Content Security Policy Level 3, section 2.3.1, writes it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"
