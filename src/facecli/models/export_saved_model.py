"""TensorFlow's SavedModel: a folder for TensorFlow Serving, and the first step of LiteRT."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras

from facecli.errors import FacecliError, OutputError

INPUT_NAME = "image"
SIGNATURE = "serve"


def write_saved_model(network: keras.Model, folder: Path) -> None:
    """Writes a SavedModel into a new or empty folder.

    Its signature `serve` (also `serving_default`) takes `image`, (n, h, w, 3) uint8 RGB, n free,
    and returns head -> probabilities (n, classes) float32.

    Raises:
        FacecliError: TensorFlow, which holds the writer, cannot be imported.
        OutputError: the folder cannot be written, or the disk is full.
    """
    signature = [image_spec(network)]
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint(SIGNATURE, serving(network), input_signature=signature)
    try:
        archive.write_out(str(folder), verbose=False)
    except tf.errors.OpError as error:
        raise OutputError(
            f"cannot write {folder}: {(error.message or str(error)).splitlines()[0]}"
        ) from error


def serving(network: keras.Model):
    """What the signature computes, as a function of `image`."""

    def serve(image):
        return dict(network(image, training=False))

    return serve


def image_spec(network: keras.Model):
    """The `tf.TensorSpec` of the input. Raises FacecliError unless Keras computes with TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        raise FacecliError("exporting needs Keras on TensorFlow: unset KERAS_BACKEND")
    try:
        import tensorflow as tf
    except ImportError as error:
        raise FacecliError("exporting needs TensorFlow: pip install 'facecli[train]'") from error
    return tf.TensorSpec((None, *network.input.shape[1:]), "uint8", name=INPUT_NAME)


@contextlib.contextmanager
def replacing_saved_model(path: Path) -> Iterator[Path]:
    """Yields the path of a folder to write that takes the place of `path` when the block succeeds.

    What lies at `path` is moved aside and deleted only when the new folder stands; on any error
    it stays or returns. Raises OutputError when the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    with scratch as folder:
        new, old = Path(folder, "new"), Path(folder, "old")
        yield new
        try:
            if path.exists():
                path.rename(old)
            new.rename(path)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
        finally:
            if old.exists() and not path.exists():
                old.rename(path)
