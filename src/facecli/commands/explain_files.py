"""Where `facecli explain` writes to: pictures, rows, a page, and a table for people."""

import contextlib
import json
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from facecli.commands.messages import say
from facecli.commands.run_failures import printable
from facecli.commands.show_table import show_table
from facecli.errors import OutputError
from facecli.paths import replacing

if TYPE_CHECKING:
    from facecli.stream.text_file import TextFile


class ExplainFiles:
    """A folder of pictures with its page, and the rows. Pictures are written as they come, the page last."""

    def __init__(self, options: dict, model: str) -> None:
        self._folder = Path(options["output"])
        self._target = options["json_target"]
        self._reference, self._model = options["reference"], model
        self._faces: list = []
        self._table: list[tuple[str, ...]] = []
        self._stack = contextlib.ExitStack()
        self._rows: TextFile | None = None
        self._count, self._is_new = 0, False

    def __enter__(self) -> "ExplainFiles":
        """Raises OutputError when folder or file cannot be written, before anything is computed."""
        self._is_new = not self._folder.exists()
        check_folder(self._folder)
        if self._target:
            from facecli.stream.text_file import TextFile

            self._rows = self._stack.enter_context(TextFile(self._target))
        return self

    def __exit__(self, *failure) -> None:
        self._stack.__exit__(*failure)
        if self._is_new:
            # Without a result it was made only to see that it can be; rmdir takes empty ones alone.
            with contextlib.suppress(OSError):
                self._folder.rmdir()

    def add_face(self, item, number: int, face, explained: list) -> None:
        """Writes a picture for each of its maps, then their rows. Raises OutputError."""
        from facecli.explain.page import FaceOnPage, Shown
        from facecli.explain.picture import render_png

        shown = []
        for one in explained:
            png = render_png(one)
            path = self._folder / file_name(item.target_name, number, one.target.head, one.method)
            with replacing(path) as temporary:
                temporary.write_bytes(png)
            self._count += 1
            shown.append(Shown(one, png))
            place = {"source": item.source, "face": number, "box_xyxy": [int(side) for side in face.box_xyxy]}
            self._write({**place, **one.to_json(), "file": str(path), "error": None})
            self._table.append(_cells(item.source, number, one))
        self._faces.append(FaceOnPage(f"{item.source}, face {number}", shown))

    def add_error(self, source: str, error: str) -> None:
        """Notes a picture without a result."""
        from facecli.explain.page import FaceOnPage

        self._write({"source": source, "face": None, "error": error})
        self._faces.append(FaceOnPage(source, (), error))

    def finish(self) -> None:
        """Writes the page, prints the table. Raises OutputError."""
        from facecli.explain.page import build_page

        if not self._count:
            return
        page = self._folder / "index.html"
        with replacing(page) as temporary:
            temporary.write_text(build_page(self._model, self._reference, self._faces), encoding="utf-8")
        if self._target != "-":
            header = ("picture", "face", "result", "method", "less hottest", "less random")
            show_table([header, *self._table], right=(1, 4, 5), folded=0)
        say(f"wrote {self._count} heat maps and {page}")

    def _write(self, row: dict) -> None:
        if self._rows is not None:
            self._rows.write(json.dumps(row, ensure_ascii=False) + "\n")


def check_folder(folder: Path) -> None:
    """Makes the folder. Raises OutputError when it cannot be made or nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write {folder}: {error.strerror or error}; name another --output"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {folder}: no permission; name another --output")


def file_name(target_name: str, number: int, head: str, method: str) -> str:
    """ "sub/photo.jpg", 1, "age", "grad-cam" -> "sub/photo.jpg-face1-age-grad-cam.png".

    The suffix stays in it: photo.jpg and photo.png are two pictures.
    """
    path = PurePosixPath(target_name)
    return path.with_name(f"{path.name}-face{number}-{head}-{method}.png").as_posix()


def _cells(source: str, number: int, explained) -> tuple[str, ...]:
    """A row for people: the result, and what it is without the hottest and without a random tenth."""
    found = explained.deletion
    is_age = explained.target.class_index is None
    values = (found.value, found.value_hottest, found.value_random)
    before, *after = (f"{one:.1f}" if is_age else f"{100 * one:.0f} %" for one in values)
    return (printable(source), str(number), f"{explained.target.name} {before}", explained.method, *after)
