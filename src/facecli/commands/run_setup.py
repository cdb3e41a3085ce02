"""What both kinds of `facecli run` need: the analyzer, a display to show on, covers for faces."""

import contextlib
import functools
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from facecli.commands.model_options import model_given
from facecli.errors import FacecliError, InputError

_EXIT_TERMINATED = 128 + 15


def build_analyzer(options: dict):
    """The analyzer that the options of `run` describe.

    Raises InputError or CheckpointError.
    """
    import cv2

    from facecli.commands.run_details import build_comparison, build_reading, compared_folders
    from facecli.models.checkpoint import load_checkpoint
    from facecli.paths import find_model
    from facecli.vision.analyze import Analyzer
    from facecli.vision.predict import Predictor

    if options["threads"]:
        cv2.setNumThreads(options["threads"])
    detector = build_face_detector(options)
    reading = build_reading(options)

    def build(checkpoint) -> Analyzer:
        predictor = Predictor(checkpoint, options["threads"])
        # A face that the model refuses is a face to be covered nevertheless.
        all_found = options["show_rejected"] or bool(options["anonymize"])
        return Analyzer(detector, predictor, options["margin"], all_found, reading)

    if options.get("compare"):
        return build_comparison(compared_folders(options["compare"]), build)
    return build(load_checkpoint(find_model(model_given(options))))


def build_face_detector(options: dict):
    """The detector that the options of `run` describe; one thread at a time may use it.

    Raises InputError or CheckpointError.
    """
    from facecli.vision.detect import build_detector
    from facecli.vision.haar import HaarOptions

    haar_options = HaarOptions(options["scale_factor"], options["min_neighbors"], options["min_size"])
    return build_detector(options["detector"], haar_options, _yunet_weights(options))


def _yunet_weights(options: dict) -> Path | None:
    if options["detector"] != "yunet":
        return None
    if options["detector_weights"]:
        return Path(options["detector_weights"])
    from facecli.models.weights import find_weights

    return find_weights("yunet")


def check_display(consequence: str) -> None:
    """Raises InputError, naming the options, when no window can be opened."""
    from facecli.stream.display import display_available

    if not display_available():
        raise InputError(
            f"there is no display to show {consequence} on; add --no-show, or --no-show with "
            "--output PATH or --json FILE"
        )


def closing_all(files: contextlib.ExitStack) -> Callable[[FacecliError], None]:
    """What `stream.screen.Screen` calls when there is no other way out than the end of the process.

    It closes the files as if the error had been raised, and reports it like `cli`.
    """

    def close(error: FacecliError) -> None:
        try:
            with files:
                raise error
        except FacecliError as last:
            click.ClickException(str(last)).show()

    return close


def protection(options: dict):
    """What covers faces in a picture, or None."""
    if options["anonymize"] is None:
        return None
    from facecli.vision.anonymize import anonymize

    return functools.partial(anonymize, method=options["anonymize"])


@contextlib.contextmanager
def closing_on_sigterm() -> Iterator[None]:
    """A polite kill unwinds like Ctrl-C, so that files are closed."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(_EXIT_TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
