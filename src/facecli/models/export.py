"""A trained network becomes a file of another format, whole or not at all: LiteRT, ONNX, SavedModel.

Keras is imported where a network is converted: what cannot work is refused before.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facecli.core.arrays import Array
from facecli.core.errors import FacecliError, InputError, OutputError
from facecli.core.paths import how_to_install, replacing
from facecli.core.process import quiet_stderr
from facecli.models.checkpoint import Checkpoint, file_sha256, write_json
from facecli.models.litert import SIGNATURE, vouch_for

if TYPE_CHECKING:
    import keras

INPUT_NAME = "image"

_FLOAT_OPERATIONS = ["SOFTMAX"]
"""In int8 a probability would be a multiple of 1/256: most of 117 ages would be rounded away."""

OPSET = 17
"""What ONNX Runtime 1.12 (2022) and later read."""
_SMALLEST_HALVED = 256
"""Values of a tensor; smaller ones (biases, scales) save nothing."""

log: logging.Logger = logging.getLogger(__name__)

SAVED_MODEL_FILE = "saved_model.pb"

CONFIG_FILE = "config.json"


@dataclass(frozen=True)
class ExportFormat:
    """A file format: its name, the suffix of its files, and dtypes, the default one first.

    `suffix` is empty when the format is a folder.
    """

    name: str
    suffix: str
    dtypes: tuple[str, ...]

    @property
    def is_folder(self) -> bool:
        return not self.suffix


FORMATS = {
    "tflite": ExportFormat("tflite", ".tflite", ("float16", "float32", "int8")),
    "onnx": ExportFormat("onnx", ".onnx", ("float16", "float32")),
    "saved_model": ExportFormat("saved_model", "", ("float32",)),
}
"""Format name -> what it can hold. benchmarks/export.md has the measurements behind the defaults."""


def resolve_format(name: str, dtype: str | None) -> tuple[ExportFormat, str]:
    """The format of a name and the dtype to use; None takes the format's default.

    Raises InputError for an unknown name and for a dtype that the format does not have.
    """
    if name not in FORMATS:
        raise InputError(f"no export format '{name}'; choose one of {', '.join(FORMATS)}")
    file_format = FORMATS[name]
    if dtype is None:
        return file_format, file_format.dtypes[0]
    if dtype not in file_format.dtypes:
        able = ", ".join(other.name for other in FORMATS.values() if dtype in other.dtypes)
        elsewhere = f", or --format {able}" if able else ""
        raise InputError(
            f"{name} cannot be written as {dtype}",
            f"use --dtype {' or '.join(file_format.dtypes)}{elsewhere}",
        )
    return file_format, dtype


def check_output(path: Path, file_format: ExportFormat) -> None:
    """Finds before any work what would refuse the result after it.

    Raises:
        InputError: a file name with another suffix, a folder where a file goes, or a folder that
            is not empty and no SavedModel and would be lost.
        OutputError: the folder cannot be written.
    """
    if file_format.is_folder:
        _check_folder(path)
    elif path.suffix.lower() != file_format.suffix:
        raise InputError(f"{path} does not end in {file_format.suffix}; name the {file_format.name} file so")
    elif path.is_dir():
        raise InputError(f"{path} is a folder; name a {file_format.suffix} file")
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir():
        raise OutputError(f"cannot write {path}: {there} is not a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {path}: no permission to write into {there}")


def _check_folder(path: Path) -> None:
    if path.is_file():
        raise InputError(f"{path} is a file; a SavedModel is a folder")
    if path.is_dir() and any(path.iterdir()) and not (path / SAVED_MODEL_FILE).is_file():
        raise InputError(f"{path} is not empty and no SavedModel; name a new folder")


def check_place(path: Path, checkpoint: Checkpoint) -> None:
    """Raises InputError when `path` is a file that another model's `config.json` vouches for."""
    folder = path.absolute().parent
    if (folder / CONFIG_FILE).is_file() and not _is_inside(path, checkpoint):
        raise InputError(f"{folder} is the folder of another model; name another place than {path}")


def write_record(path: Path, checkpoint: Checkpoint, file_format: str, dtype: str, digest: str) -> Path:
    """Records an exported file, and returns where.

    In the model's own folder `config.json` gets the digest, so that facecli accepts the file.
    Anywhere else `<path>.json` is a copy of `config.json` (labels, crops, calibration) whose
    `sha256` names this file alone. Both have `exports`: file -> format and dtype.

    Raises OutputError when it cannot be written.
    """
    config, inside = checkpoint.config, _is_inside(path, checkpoint)
    about: dict[str, Any] = {path.name: {"format": file_format, "dtype": dtype}}
    if inside:
        about = {**config.get("exports", {}), **about}
    digests = {**config["sha256"], path.name: digest} if inside else {path.name: digest}
    record = checkpoint.folder / CONFIG_FILE if inside else path.with_name(f"{path.name}.json")
    write_json(record, {**config, "exports": about, "sha256": digests})
    return record


def _is_inside(path: Path, checkpoint: Checkpoint) -> bool:
    return path.absolute().parent.resolve() == checkpoint.folder.resolve()


def write_saved_model(network: keras.Model, folder: Path) -> None:
    """Writes a SavedModel into a new or empty folder.

    Its signature `serve` (also `serving_default`) takes `image`, (n, h, w, 3) uint8 RGB, n free,
    and returns head -> probabilities (n, classes) float32.

    Raises:
        FacecliError: TensorFlow, which holds the writer, cannot be imported.
        OutputError: the folder cannot be written, or the disk is full.
    """
    signature = [image_spec(network)]
    import keras
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


def serving(network: keras.Model) -> Callable[[Any], dict[str, Any]]:
    """What the signature computes, as a function of `image`."""

    def serve(image: Any) -> dict[str, Any]:
        return dict(network(image, training=False))

    return serve


def image_spec(network: keras.Model) -> Any:
    """The `tf.TensorSpec` of the input. Raises FacecliError unless Keras computes with TensorFlow."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise FacecliError("exporting needs Keras on TensorFlow: unset KERAS_BACKEND")
    try:
        import tensorflow as tf
    except ImportError as error:
        raise FacecliError(f"exporting needs TensorFlow: {how_to_install('train')}") from error
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


def litert_bytes(
    network: keras.Model,
    dtype: str,
    range_crops: Array | None = None,
    float_layers: Sequence[str] = (),
    float_operations: Sequence[str] = (),
) -> bytes:
    """A LiteRT model with the signature `serve`; arguments and errors as in `models.export.export_model`.

    float16 is of the weights: XNNPACK computes in float32 either way. int8 is of weights and
    activations; only the softmax, which makes the probabilities, stays float32, and so do `float_layers`
    and LiteRT's `float_operations`, whose outputs would be too coarse with 256 values.
    """
    ranges = [] if range_crops is None else list(range_crops)
    if dtype == "int8" and not ranges:
        raise InputError("int8 needs pictures of faces to set its ranges by, and there are none")
    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(network, Path(folder))
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        try:
            nodes = _nodes_of(converter.convert(), float_layers) if float_layers else []
            operations = [*_FLOAT_OPERATIONS, *float_operations]
            return _convert_to_litert(converter, dtype, ranges, nodes, operations)
        except (ValueError, RuntimeError, tf.errors.OpError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            raise FacecliError(f"the network cannot be converted to LiteRT {dtype}: {reason}") from error


def _nodes_of(model: bytes, layers: Sequence[str]) -> list[str]:
    """Names that a converted model has for what comes out of some layers."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet_stderr():
        tensors = Interpreter(model_content=model).get_tensor_details()
    return [one["name"] for one in tensors if any(f"/{layer}" in one["name"] for layer in layers)]


def _convert_to_litert(
    converter: Any,
    dtype: str,
    ranges: Sequence[Array],
    float_nodes: Sequence[str],
    float_operations: Sequence[str],
) -> bytes:
    import tensorflow as tf

    if dtype == "float32":
        return converter.convert()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if dtype == "float16":
        converter.target_spec.supported_types = [tf.float16]
        return converter.convert()

    def one_by_one() -> Iterator[dict[str, Array]]:
        for crop in ranges:
            yield {INPUT_NAME: crop[None]}

    converter.representative_dataset = one_by_one
    # The converter alone quantises all or nothing; its debugger can leave operations in float.
    options = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_ops=list(float_operations), denylisted_nodes=list(float_nodes)
    )
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=one_by_one, debug_options=options
    )
    return debugger.get_nondebug_quantized_model()


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
        model = _convert_to_onnx(network)
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
            f"ONNX export needs packages that are not here ({error.name}): {how_to_install('export')}"
        ) from error


def _convert_to_onnx(network: keras.Model) -> Any:
    import tensorflow as tf
    import tf2onnx

    signature = [image_spec(network)]
    # Keras's own Python code is not to be rewritten into graph operations.
    function = tf.function(serving(network), input_signature=signature, autograph=False)
    model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    return model


def _halve_weights(model: Any) -> None:
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


def export_model(
    network: keras.Model,
    path: Path,
    file_format: str,
    dtype: str | None = None,
    range_crops: Array | None = None,
) -> str:
    """Writes a network as LiteRT, ONNX or SavedModel in place of what lies at `path`.

    All take `image`, (n, h, w, 3) uint8 RGB, n free, and give head -> probabilities
    (n, classes) float32; LiteRT and SavedModel have them in the signature `serve`.

    Args:
        network: as above, with a dict of outputs.
        path: of the file, or of the folder of a SavedModel.
        file_format: name from `FORMATS`.
        dtype: of the weights; None takes the format's default.
        range_crops: (n, h, w, 3) uint8 RGB faces whose activations set the ranges of int8;
            the other dtypes do without.

    Returns:
        The sha256 of the file, or of the folder (see `digest_of`).

    Raises:
        InputError: a format or dtype that is not known, or int8 without crops.
        FacecliError: a package that the format needs is not installed, or the conversion failed.
        OutputError: the place cannot be written.
    """
    chosen, dtype = resolve_format(file_format, dtype)
    if chosen.is_folder:
        with replacing_saved_model(path) as folder:
            write_saved_model(network, folder)
    else:
        # The temporary file comes first: a folder that cannot be written costs no conversion.
        with replacing(path) as temporary:
            if chosen.name == "onnx":
                temporary.write_bytes(onnx_bytes(network, dtype))
            else:
                temporary.write_bytes(litert_bytes(network, dtype, range_crops))
    if chosen.name == "tflite":
        vouch_for(path)
    log.info("wrote %s (%.1f MB, %s)", path, export_size(path) / 1e6, dtype)
    return export_digest(path)


def export_tflite(network: keras.Model, path: Path, half: bool = False) -> Path:
    """Writes a LiteRT model, with weights in float16 when `half`; see `export_model`."""
    export_model(network, path, "tflite", "float16" if half else "float32")
    return path


def heads_only(network: keras.Model, heads: Sequence[str]) -> keras.Model:
    """The same layers with the named outputs alone: without what only training needs."""
    import keras

    return keras.Model(network.input, {head: network.output[head] for head in heads})


def export_size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in _files(path))


def export_digest(path: Path) -> str:
    """Hex sha256 of a file, or of a folder.

    A folder's is that of the text that `sha256sum` prints for its files: a line
    "<sha256>  <path in the folder>" each, sorted by path (bytewise, / between folders).
    """
    if path.is_file():
        return file_sha256(path)
    names = sorted(file.relative_to(path).as_posix() for file in _files(path))
    lines = (f"{file_sha256(path / name)}  {name}\n" for name in names)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
