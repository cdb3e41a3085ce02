"""What `facecli explain` does with its options: pictures become faces, faces heat maps, maps files."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from facecli.commands.explain_files import ExplainFiles
from facecli.commands.model_options import model_given
from facecli.commands.overwriting import check_targets, model_files
from facecli.commands.run_failures import Failures, printable
from facecli.commands.run_setup import build_face_detector
from facecli.commands.training_options import import_keras
from facecli.console import bars_wanted, stderr_console
from facecli.errors import FacecliError, InputError

_HAAR = {"scale_factor": 1.15, "min_neighbors": 5, "min_size": None}


def run_explain(options: dict) -> None:
    """Explains every face of the pictures and writes what was asked for.

    Raises FacecliError at the end when a picture could not be analysed or has no face.
    """
    from facecli.explain.method_names import check_installed
    from facecli.models.checkpoint import load_checkpoint
    from facecli.paths import find_model
    from facecli.pictures.sources import Rules, find_inputs

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


def chosen_heads(checkpoint, asked: tuple[str, ...]) -> tuple[str, ...]:
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


def _build(options: dict, checkpoint) -> tuple:
    """What finds faces and reads them with the Keras network, and that network."""
    detector = build_face_detector({**options, **_HAAR})
    import_keras()
    from facecli.explain.network import ExplainedNetwork
    from facecli.training.start import load_network
    from facecli.vision.analyze import Analyzer

    network = ExplainedNetwork(load_network(checkpoint), checkpoint)
    # It reads crops as a Predictor does: the same crops, gate and calibration as in `run`.
    return Analyzer(detector, network, show_rejected=False), network


def _explain_picture(item, analyzer, network, heads, options: dict, files: ExplainFiles) -> str | None:
    """Explains a picture's faces and hands them on; returns why there is nothing, or None."""
    from facecli.explain.face import explain_face
    from facecli.pictures.look import Unread, look

    looked = look(item, analyzer, wants_image=False)
    if isinstance(looked, Unread):
        return looked.error
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
