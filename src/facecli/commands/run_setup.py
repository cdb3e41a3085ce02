"""What both kinds of `facecli run` need before they start: the analyzer, and a display to show on."""

from pathlib import Path

from facecli.errors import InputError


def build_analyzer(options: dict):
    """The analyzer that the options of `run` describe.

    Raises InputError or CheckpointError.
    """
    import cv2

    from facecli.models.checkpoint import load_checkpoint
    from facecli.paths import find_model
    from facecli.vision.analyze import Analyzer
    from facecli.vision.detect import build_detector
    from facecli.vision.haar import HaarOptions
    from facecli.vision.predict import Predictor

    if options["threads"]:
        cv2.setNumThreads(options["threads"])
    folder = options["model_path"] or find_model(f"{options['model_type']}_model")
    haar_options = HaarOptions(options["scale_factor"], options["min_neighbors"], options["min_size"])
    detector = build_detector(options["detector"], haar_options, _yunet_weights(options))
    predictor = Predictor(load_checkpoint(Path(folder)), options["threads"])
    return Analyzer(detector, predictor, options["margin"])


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
