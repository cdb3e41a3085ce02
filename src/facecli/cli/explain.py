"""`facecli explain`: heat maps of what drove each head."""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from facecli.cli.options import (
    check_detector_options,
    check_targets,
    detector_options,
    model_files,
    model_given,
    model_path_option,
    model_type_option,
)
from facecli.cli.output import say, show_table
from facecli.cli.run_report import Failures
from facecli.cli.run_setup import build_face_detector
from facecli.cli.training_options import import_keras
from facecli.core.console import bars_wanted, printable, stderr_console
from facecli.core.errors import FacecliError, InputError, OutputError
from facecli.core.faces import FACE_HEADS
from facecli.core.paths import replacing

if TYPE_CHECKING:
    from facecli.core.faces import Face
    from facecli.core.files import GrowingTextFile
    from facecli.explain.face import Explained
    from facecli.explain.network import ExplainedNetwork
    from facecli.infer.analyzer import Analyzer
    from facecli.models.checkpoint import Checkpoint
    from facecli.sources.files import Item


HEADS = ("age", *FACE_HEADS)
METHODS = ("integrated-gradients", "grad-cam", "smooth-grad", "shap")
REFERENCES = ("blur", "mean", "grey")


class ExplainFiles:
    """A folder of pictures with its page, and the rows. Pictures are written as they come, the page last."""

    def __init__(self, options: dict[str, Any], model: str) -> None:
        self._folder = Path(options["output"])
        self._target = options["json_target"]
        self._reference, self._model = options["reference"], model
        self._faces: list[Any] = []
        self._table: list[tuple[str, ...]] = []
        self._stack = contextlib.ExitStack()
        self._rows: GrowingTextFile | None = None
        self._count, self._is_new = 0, False

    def __enter__(self) -> "ExplainFiles":
        """Raises OutputError when folder or file cannot be written, before anything is computed."""
        self._is_new = not self._folder.exists()
        check_folder(self._folder)
        if self._target:
            from facecli.core.files import GrowingTextFile

            self._rows = self._stack.enter_context(GrowingTextFile(self._target))
        return self

    def __exit__(self, *failure: Any) -> None:
        self._stack.__exit__(*failure)
        if self._is_new:
            # Without a result it was made only to see that it can be; rmdir takes empty ones alone.
            with contextlib.suppress(OSError):
                self._folder.rmdir()

    def add_face(self, item: "Item", number: int, face: "Face", explained: list[Any]) -> None:
        """Writes a picture for each of its maps, then their rows. Raises OutputError."""
        from facecli.explain.page import FaceOnPage, Shown, render_png

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

    def _write(self, row: dict[str, Any]) -> None:
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


def _cells(source: str, number: int, explained: "Explained") -> tuple[str, ...]:
    """A row for people: the result, and what it is without the hottest and without a random tenth."""
    found = explained.deletion
    is_age = explained.target.class_index is None
    values = (found.value, found.value_hottest, found.value_random)
    before, *after = (f"{one:.1f}" if is_age else f"{100 * one:.0f} %" for one in values)
    return (printable(source), str(number), f"{explained.target.name} {before}", explained.method, *after)


def run_explain(options: dict[str, Any]) -> None:
    """Explains every face of the pictures and writes what was asked for.

    Raises FacecliError at the end when a picture could not be analysed or has no face.
    """
    from facecli.core.paths import find_model
    from facecli.explain import check_installed
    from facecli.models.checkpoint import load_checkpoint
    from facecli.sources.inputs import Rules, find_inputs

    inputs = find_inputs(options["img"], Rules(options["allow_private"], (Path(options["output"]),)))
    read = ((path, "among what is read") for path in inputs.files())
    lists = ((one[1:], "the list") for one in options["img"] if one.startswith("@") and one != "@-")
    check_targets({"--json": options["json_target"]}, [*read, *lists, *model_files(options)])
    checkpoint = load_checkpoint(find_model(model_given(options)))
    heads = chosen_heads(checkpoint, options["heads"])
    for method in options["methods"]:
        check_installed(method)
    with ExplainFiles(options, checkpoint.name) as files:
        analyzer, network = _build(options, checkpoint)
        failures, count = Failures(), 0
        for item in inputs:
            count += 1
            error = _explain_picture(item, analyzer, network, heads, options, files)
            if error is not None:
                failures.add(item.source, error)
                files.add_error(item.source, error)
                if inputs.is_single:
                    raise FacecliError(error)
        files.finish()
    if failures.count:
        failures.show()
        raise FacecliError(f"{failures.count} of {count} pictures could not be explained")


def chosen_heads(checkpoint: "Checkpoint", asked: tuple[str, ...]) -> tuple[str, ...]:
    """The heads to explain, in the order in which they are shown. Raises InputError for one that lacks."""
    there = tuple(head for head in checkpoint.heads if head != "face")
    lacking = [head for head in asked if head not in there]
    if lacking:
        raise InputError(
            f"{checkpoint.name} has no head '{lacking[0]}'; it has {', '.join(there) or 'none to explain'}"
        )
    if not there:
        raise InputError(f"{checkpoint.name} has no head to explain")
    return tuple(head for head in there if not asked or head in asked)


def _build(options: dict[str, Any], checkpoint: "Checkpoint") -> tuple[Any, ...]:
    """What finds faces and reads them with the Keras network, and that network."""
    detector = build_face_detector(options, [checkpoint])
    import_keras()
    from facecli.explain.network import ExplainedNetwork
    from facecli.infer.analyzer import Analyzer
    from facecli.training.save import load_network

    network = ExplainedNetwork(load_network(checkpoint), checkpoint)
    # It reads crops as a Predictor does: the same crops, gate and calibration as in `run`.
    return Analyzer(detector, network, show_rejected=False), network


def _explain_picture(
    item: "Item",
    analyzer: "Analyzer",
    network: "ExplainedNetwork",
    heads: Sequence[str],
    options: dict[str, Any],
    files: ExplainFiles,
) -> str | None:
    """Explains a picture's faces and hands them on; returns why there is nothing, or None."""
    from facecli.explain.face import explain_face
    from facecli.pipeline.batch import UnreadablePicture, prepare_picture

    looked = prepare_picture(item, analyzer, wants_image=False)
    if isinstance(looked, UnreadablePicture):
        return looked.error_with_hint
    (faces,) = analyzer.read_all([looked.found])
    crops = [crop for crop, face in zip(looked.found.crops[0], faces, strict=True) if not face.rejected]
    faces = [face for face in faces if not face.rejected]
    if not faces:
        return f"no face found in {item.source}; --detector none takes the whole picture for one"
    for number, (face, crop) in enumerate(zip(faces, crops, strict=True), start=1):
        with _saying(f"{item.source}: face {number} of {len(faces)}"):
            explained = list(explain_face(network, crop, heads, options["methods"], options["reference"]))
        files.add_face(item, number, face, explained)
    return None


@contextlib.contextmanager
def _saying(text: str) -> Iterator[None]:
    """Tells on stderr what takes so long, on a terminal."""
    if not bars_wanted():
        yield
        return
    from rich.markup import escape

    with stderr_console().status(f"explaining {escape(printable(text))}"):
        yield


@click.command()
@click.option(
    "--img",
    metavar="PATH",
    multiple=True,
    required=True,
    help="A picture, or anything else that 'facecli run --img' accepts; may be repeated.",
)
@click.option(
    "--head",
    "heads",
    metavar="HEAD",
    multiple=True,
    shell_complete=lambda context, parameter, begun: [head for head in HEADS if head.startswith(begun)],
    help="Attribute to explain, such as age; may be repeated.  [default: all attributes of the model]",
)
@click.option(
    "--method",
    "methods",
    type=click.Choice(METHODS),
    multiple=True,
    default=("integrated-gradients",),
    show_default=True,
    help="Explanation method; may be repeated. shap needs pip install 'facecli[explain]' and takes longest.",
)
@click.option(
    "--reference",
    type=click.Choice(REFERENCES),
    default="blur",
    show_default=True,
    help="Reference that each face is compared with: a blurred copy, its mean colour, or grey.",
)
@click.option(
    "--output",
    metavar="FOLDER",
    default="explained",
    show_default=True,
    help="Folder of the heat maps and index.html.",
)
@click.option(
    "--json", "json_target", metavar="FILE", help="Write the checks as JSON lines; - is standard output."
)
@model_type_option()
@model_path_option()
@detector_options
@click.option(
    "--allow-private", is_flag=True, help="Also fetch from addresses of your own network and machine."
)
def explain(**options: Any) -> None:
    """Show which parts of a face the predicted age, gender, race and emotion depend on.

    Writes a picture for each face and attribute (the crop, its heat map, and both combined), and index.html
    with all of them. Each map is checked by replacing its hottest tenth and, for comparison, a random tenth.

    \b
    Examples:
      facecli explain --img photo.jpg
      facecli explain --img chip.png --detector none --head age --method grad-cam --output age/
      facecli explain --img photo.jpg --method integrated-gradients --method shap --json -
    """
    _check(options)

    run_explain(options)


def _check(options: dict[str, Any]) -> None:
    """What can be refused before anything heavy is imported. Raises InputError."""
    output = Path(options["output"])
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file; --output must be a folder")
    same = [one for one in options["img"] if Path(one).is_dir() and Path(one).resolve() == output.resolve()]
    if same:
        raise InputError(f"{output} is the folder of the pictures; name another one for --output")
    check_detector_options(options)
