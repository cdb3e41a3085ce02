"""ONNX, for ONNX Runtime and whatever else reads it."""

import keras
import numpy as np

from facecli.errors import FacecliError
from facecli.models.export_saved_model import image_spec, serving

OPSET = 17
"""What ONNX Runtime 1.12 (2022) and later read."""
_SMALLEST_HALVED = 256
"""Values of a tensor; smaller ones (biases, scales) save nothing."""


def onnx_bytes(network: keras.Model, dtype: str) -> bytes:
    """An ONNX model with the input `image` and an output a head.

    `image` is (n, h, w, 3) uint8 RGB, n free; outputs are probabilities (n, classes) float32.

    Args:
        network: as above, with a dict of outputs.
        dtype: "float32", or "float16" to store the weights in half the size; either way
            the runtime computes in float32.

    Raises:
        FacecliError: tf2onnx or onnx is not installed, or the network has what ONNX has not.
    """
    check_onnx()
    import onnx

    try:
        model = _convert(network)
        if dtype == "float16":
            _halve_weights(model)
        # tf2onnx leaves operations that it does not know in the graph.
        onnx.checker.check_model(model)
    except (ValueError, RuntimeError, onnx.checker.ValidationError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise FacecliError(f"the network cannot be converted to ONNX {dtype}: {reason}") from error
    return model.SerializeToString()


def check_onnx() -> None:
    """Raises FacecliError when the packages of the extra `export` are not installed."""
    try:
        import onnx  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise FacecliError(
            f"ONNX export needs packages that are not here ({error.name}): pip install 'facecli[export]'"
        ) from error


def _convert(network: keras.Model):
    import tensorflow as tf
    import tf2onnx

    signature = [image_spec(network)]
    # Keras's own Python code is not to be rewritten into graph operations.
    function = tf.function(serving(network), input_signature=signature, autograph=False)
    model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    return model


def _halve_weights(model) -> None:
    """Stores large float32 weights as float16, each behind a cast that runtimes fold when they load."""
    import onnx

    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < _SMALLEST_HALVED:
            continue
        name = tensor.name
        values = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, f"{name}_float16"))
        casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    # Nodes are in order of execution.
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
