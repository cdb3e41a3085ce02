"""Follows every link of built HTML: files and anchors are there, and nothing is loaded from another host."""

import os
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
"""Tag -> the attribute whose address a browser loads by itself; of `link` that is `href`."""
_CSS_ADDRESS = re.compile(r"url\(\s*[\"']?([^)\"']+)|@import\s+[\"']([^\"']+)")
_LOADED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "manifest", "preconnect", "dns-prefetch"}


@dataclass
class Page(HTMLParser):
    """What a page has and leads to."""

    anchors: set[str] = field(default_factory=set)
    goals: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag == "link" and _LOADED_LINKS & set(values.get("rel", "").split()):
            self.loaded.append(values.get("href", ""))
        elif tag in LOADED and values.get(LOADED[tag]):
            self.loaded.append(values[LOADED[tag]])
        elif values.get("href"):
            self.goals.append(values["href"])


def wrong_links(site: Path) -> list[str]:
    """A line for each link of a folder of HTML that leads nowhere, or that loads from elsewhere."""
    site = site.resolve()
    pages = {path: _parsed(path) for path in sorted(site.rglob("*.html"))}
    wrong = []
    for path, page in pages.items():
        where = path.relative_to(site)
        foreign = [address for address in page.loaded if _is_foreign(address)]
        wrong += [f"{where}: loads {address}" for address in foreign]
        for address in [*page.goals, *page.loaded]:
            if not _is_foreign(address) and not _leads(address, path, site, pages):
                wrong.append(f"{where}: {address} leads nowhere")
    return wrong + [f"{path}: loads {address}" for path, address in _foreign_styles(site)]


def _parsed(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def _is_foreign(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def _leads(address: str, path: Path, site: Path, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(address)
    if parts.scheme == "data":
        return True
    here = unquote(parts.path)
    goal = path if not here else (site / here.lstrip("/") if here.startswith("/") else path.parent / here)
    goal = Path(os.path.normpath(goal))
    if goal not in pages and goal.is_dir():
        goal = goal / "index.html"
    if goal in pages:
        return not parts.fragment or unquote(parts.fragment) in pages[goal].anchors
    return goal.is_relative_to(site) and goal.is_file()


def _foreign_styles(site: Path) -> list[tuple[Path, str]]:
    found = []
    for path in sorted(site.rglob("*.css")):
        for groups in _CSS_ADDRESS.findall(path.read_text(encoding="utf-8")):
            address = groups[0] or groups[1]
            if _is_foreign(address):
                found.append((path.relative_to(site), address))
    return found
