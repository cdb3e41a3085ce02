"""A trained network becomes a file of another format, whole or not at all."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from facecli.models.checkpoint import file_sha256
from facecli.models.export_formats import resolve_format
from facecli.models.export_litert import litert_bytes
from facecli.models.export_onnx import onnx_bytes
from facecli.models.export_saved_model import replacing_saved_model, write_saved_model
from facecli.paths import replacing

log = logging.getLogger(__name__)


def export_model(
    network: keras.Model,
    path: Path,
    file_format: str,
    dtype: str | None = None,
    range_crops: np.ndarray | None = None,
) -> str:
    """Writes a network as LiteRT, ONNX or SavedModel in place of what lies at `path`.

    All take `image`, (n, h, w, 3) uint8 RGB, n free, and give head -> probabilities
    (n, classes) float32; LiteRT and SavedModel have them in the signature `serve`.

    Args:
        network: as above, with a dict of outputs.
        path: of the file, or of the folder of a SavedModel.
        file_format: name from `export_formats.FORMATS`.
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
    log.info("wrote %s (%.1f MB, %s)", path, size_of(path) / 1e6, dtype)
    return digest_of(path)


def export_tflite(network: keras.Model, path: Path, half: bool = False) -> Path:
    """Writes a LiteRT model, with weights in float16 when `half`; see `export_model`."""
    export_model(network, path, "tflite", "float16" if half else "float32")
    return path


def heads_only(network: keras.Model, heads: Sequence[str]) -> keras.Model:
    """The same layers with the named outputs alone: without what only training needs."""
    return keras.Model(network.input, {head: network.output[head] for head in heads})


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in _files(path))


def digest_of(path: Path) -> str:
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
