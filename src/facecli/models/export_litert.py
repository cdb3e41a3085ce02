"""LiteRT (TensorFlow Lite): what the run lane loads instead of TensorFlow."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from facecli.errors import FacecliError, InputError
from facecli.models.export_saved_model import INPUT_NAME, SIGNATURE, write_saved_model

_FLOAT_OPERATIONS = ["SOFTMAX"]
"""In int8 a probability would be a multiple of 1/256: most of 117 ages would be rounded away."""


def litert_bytes(network: keras.Model, dtype: str, range_crops: np.ndarray | None = None) -> bytes:
    """A LiteRT model with the signature `serve`; arguments and errors as in `export.export_model`.

    float16 is of the weights: XNNPACK computes in float32 either way. int8 is of weights and
    activations; only the softmax, which makes the probabilities, stays float32.
    """
    ranges = [] if range_crops is None else list(range_crops)
    if dtype == "int8" and not ranges:
        raise InputError("int8 needs pictures of faces to set its ranges by, and there are none")
    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(network, Path(folder))
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        try:
            return _convert(converter, dtype, ranges)
        except (ValueError, RuntimeError, tf.errors.OpError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            raise FacecliError(f"the network cannot be converted to LiteRT {dtype}: {reason}") from error


def _convert(converter, dtype: str, ranges: Sequence[np.ndarray]) -> bytes:
    import tensorflow as tf

    if dtype == "float32":
        return converter.convert()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if dtype == "float16":
        converter.target_spec.supported_types = [tf.float16]
        return converter.convert()

    def one_by_one() -> Iterator[dict[str, np.ndarray]]:
        for crop in ranges:
            yield {INPUT_NAME: crop[None]}

    converter.representative_dataset = one_by_one
    # The converter alone quantises all or nothing; its debugger can leave operations in float.
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=_FLOAT_OPERATIONS)
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=one_by_one, debug_options=options
    )
    return debugger.get_nondebug_quantized_model()
