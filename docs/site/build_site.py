"""Builds the docs site from a checkout: `make docs`, or python docs/site/build_site.py.

Pages lie in the repository so that they read well there. Here they are staged in build/docs with their links
led to where they lie on the site, reference pages are made from the code itself, Zensical makes HTML of them,
and every link and anchor of the result is followed. Nothing is fetched but the runtime of the demonstration
(npm; without it that page says so), and the finished site asks no other host for anything.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import demonstration
import links
import reference
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    *("docs", "benchmarks"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "statistics/scoreboard.md"),
)
"""Folders and files of the checkout whose Markdown is on the site."""
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#\s]*)(#[^)\s]*)?\)")
_CODE = re.compile(r"^(```.*?^```)$", re.DOTALL | re.MULTILINE)
_LIST_AFTER_TEXT = re.compile(r"^(?![*\-|#>\s]|\d+\. )(.+)\n(?=[*-] )", re.MULTILINE)
"""Text with a list right below it: GitHub sees a list there, Markdown as it was written does not."""
_ROW = re.compile(r"^\|.*$", re.MULTILINE)
_CODE_SPAN = re.compile(r"`[^`]*`")
Config = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Builds; returns 1 when a page, a link or an anchor is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--into", type=Path, default=ROOT / "build", help="folder for docs/ and site/")
    parser.add_argument("--without-demonstration", action="store_true", help="fetch nothing from npm")
    options = parser.parse_args(arguments)
    docs, site = options.into / "docs", options.into / "site"
    for folder in (docs, site):
        shutil.rmtree(folder, ignore_errors=True)
    stage(docs)
    commands = reference.write(docs)
    runtime = None if options.without_demonstration else demonstration.fetch(options.into / "npm")
    demonstration.write(docs, runtime)
    config = options.into / "mkdocs.yml"
    config.write_text(effective_config(docs, commands), encoding="utf-8")
    # Not the script beside this Python: a build must not depend on what PATH says.
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", str(config)]
    if subprocess.run(command, cwd=options.into, check=False).returncode:
        return 1
    finish(site, runtime)
    wrong = links.wrong_links(site)
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    sys.stderr.write(f"{site}: {len(list(site.rglob('*.html')))} pages, {len(wrong)} broken links\n")
    return 1 if wrong else 0


def stage(docs: Path) -> None:
    """Copies the pages, and what they show or link to, into an empty folder."""
    for page in (page for name in PAGES for page in _markdown_below(ROOT / name)):
        target = docs / site_path(page)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(staged(page, docs), encoding="utf-8")
    shutil.copytree(Path(__file__).parent / "assets", docs / "assets", dirs_exist_ok=True)


def _markdown_below(path: Path) -> list[Path]:
    return sorted(path.rglob("*.md")) if path.is_dir() else [path]


def site_path(path: Path) -> Path:
    """Where a file of the checkout lies on the site: docs/ is its top."""
    inside = path.relative_to(ROOT)
    return inside.relative_to("docs") if inside.parts[0] == "docs" else inside


def staged(page: Path, docs: Path) -> str:
    """The text of a page, with links as they have to be on the site."""
    parts = _CODE.split(page.read_text(encoding="utf-8"))
    # Every second part is a block of code, which stays as it is.
    parts[::2] = [
        _LIST_AFTER_TEXT.sub(r"\1\n\n", _LINK.sub(lambda found: _led(found, page, docs), _with_bars(part)))
        for part in parts[::2]
    ]
    return "".join(parts)


def _with_bars(text: str) -> str:
    """Code in tables without the backslashes before bars that GitHub wants and the generator shows."""
    return _ROW.sub(
        lambda row: _CODE_SPAN.sub(lambda code: code[0].replace("\\|", "|"), row[0]),
        text,
    )


def _led(found: re.Match[str], page: Path, docs: Path) -> str:
    """A link of a page as one of the site; files that it leads to are copied, too."""
    image, text, target, anchor = found.group(1), found.group(2), found.group(3), found.group(4) or ""
    text = _LINK.sub(lambda inner: _led(inner, page, docs), text)
    if not target or "://" in target or target.startswith("mailto:"):
        return f"{image}[{text}]({target}{anchor})"
    path = (page.parent / target).resolve()
    if path == ROOT / "README.md":
        path, anchor = ROOT / "docs" / "index.md", ""
    if path.is_dir():
        # Folders of the repository are no pages.
        return text
    goal = site_path(path) if path.is_relative_to(ROOT) and path.is_file() else None
    if goal is None:
        # Made by the build, or wrong: then the strict build says so.
        return f"{image}[{text}]({target}{anchor})"
    if path.suffix != ".md":
        copy = docs / goal
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    up = "../" * (len(site_path(page).parts) - 1)
    return f"{image}[{text}]({up}{goal.as_posix()}{anchor})"


def effective_config(docs: Path, commands: list[str]) -> str:
    """mkdocs.yml as one beside the staged pages: those that are there, and one for each command."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    head, marker, nav = text.partition("\nnav:\n")
    # The head has a tag of Python's, which only the generator has to read.
    head = head.replace("docs_dir: build/", "docs_dir: ").replace("site_dir: build/", "site_dir: ")
    entries = _present(yaml.safe_load(nav), docs, commands)
    return head + marker + yaml.safe_dump(entries, allow_unicode=True, sort_keys=False)


def _present(entries: list[Config], docs: Path, commands: list[str]) -> list[Config]:
    kept: list[Config] = []
    for entry in entries:
        ((title, goal),) = entry.items()
        if goal == "reference/commands":
            goal = [{name: f"reference/commands/{name.replace(' ', '_')}.md"} for name in commands]
        elif isinstance(goal, list):
            goal = _present(goal, docs, commands)
        elif not (docs / goal).is_file():
            continue
        kept.append({title: goal})
    return kept


def finish(site: Path, runtime: Path | None) -> None:
    """Mends what the generator leaves: the one address that the theme loads from elsewhere, empty heads.

    The address is that of what lets search work from files.
    """
    shim = demonstration.search_shim(runtime)
    if shim is not None:
        shutil.copyfile(shim, site / "assets" / "javascripts" / "iframe-worker.js")
    tag = re.compile(r"""<script src=["']?https://unpkg\.com/iframe-worker/shim["']?[^>]*></script>""")
    address = re.compile(r"https://unpkg\.com/iframe-worker/shim")
    for page in site.rglob("*.html"):
        up = "../" * (len(page.relative_to(site).parts) - 1)
        text = page.read_text(encoding="utf-8")
        text = address.sub(f"{up}assets/javascripts/iframe-worker.js", text) if shim else tag.sub("", text)
        # A head of a table without a word is none, to those who have it read to them.
        text = re.sub(r"<th([^>]*)></th>", r"<td\1></td>", text)
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
