"""A trained network becomes `model.tflite`: what the run lane loads instead of TensorFlow."""

import logging
import tempfile
from pathlib import Path

import keras

from facecli.errors import FacecliError
from facecli.paths import replacing

log = logging.getLogger(__name__)

INPUT_NAME = "image"
SIGNATURE = "serve"


def export_tflite(network: keras.Model, path: Path, half: bool = False) -> Path:
    """Writes a LiteRT model with one signature, `serve`.

    The signature takes `image`, (n, h, w, 3) uint8 RGB, n free, and returns head ->
    probabilities (n, classes) float32.

    Args:
        network: as above, with a dict of outputs.
        path: of the file.
        half: store weights in float16, half the size. XNNPACK computes in float32 either way.

    Raises:
        FacecliError: TensorFlow, which holds the converter, cannot be imported.
    """
    try:
        import tensorflow as tf
    except ImportError as error:
        raise FacecliError(f"cannot write {path}: the LiteRT converter needs TensorFlow") from error
    image = tf.TensorSpec((None, *network.input.shape[1:]), "uint8", name=INPUT_NAME)
    archive = keras.export.ExportArchive()
    archive.track(network)

    def serve(image):
        return dict(network(image, training=False))

    archive.add_endpoint(SIGNATURE, serve, input_signature=[image])
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        if half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        flatbuffer = converter.convert()
    with replacing(path) as temporary:
        temporary.write_bytes(flatbuffer)
    log.info("wrote %s (%.1f MB)", path, len(flatbuffer) / 1e6)
    return path
