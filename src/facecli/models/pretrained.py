"""Published FaceNet weights: a file becomes arrays by name, arrays become a Keras trunk.

Arrays are named `<layer>_<variable>`, as in `Block17_1_Conv2d_1x1_kernel`, with kernels in
Keras order (height, width, in, out). Nothing in a weight file is ever executed.
"""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from facecli.errors import WeightsError
from facecli.models.pretrained_torch import load_torch

Arrays = Mapping[str, np.ndarray]


def load_arrays(path: Path, kind: str | None = None) -> dict[str, np.ndarray]:
    """Reads a weight file by its suffix, or as `kind` (".npz", ".h5", ".pt").

    Raises WeightsError when the file is missing, damaged or of an unknown kind.
    """
    path = Path(path)
    readers = {".npz": load_npz, ".h5": load_h5, ".pt": load_torch}
    reader = readers.get(kind or path.suffix)
    if reader is None:
        raise WeightsError(f"{path} is no weight file; FaceNet weights are {', '.join(readers)}")
    if not path.is_file():
        raise WeightsError(f"no weight file {path}; fetch it with 'facecli weights get facenet'")
    return reader(path)


def load_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads a NumPy archive of arrays by name; pickled objects are refused."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} cannot be read as an .npz of arrays ({error}); fetch it again") from error


def load_h5(path: Path) -> dict[str, np.ndarray]:
    """Reads a legacy Keras HDF5 file, `<layer>/.../<variable>:0`, of weights or of a whole model."""
    import h5py

    arrays = {}

    def collect(name: str, item) -> None:
        if isinstance(item, h5py.Dataset):
            # The outer group is the layer; inner ones repeat it, sometimes with a suffix.
            arrays[f"{name.split('/')[0]}_{name.split('/')[-1].removesuffix(':0')}"] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file.get("model_weights", file).visititems(collect)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as Keras HDF5 ({error}); fetch it again") from error
    return arrays


def assign(model: keras.Model, arrays: Arrays) -> None:
    """Sets every weight of `model` from `arrays`, all or none.

    Raises WeightsError naming the arrays that are missing, unknown or of another shape.
    """
    weights = {f"{layer.name}_{weight.name}": weight for layer in model.layers for weight in layer.weights}
    _refuse("miss", sorted(set(weights) - set(arrays)))
    _refuse("hold unknown", sorted(set(arrays) - set(weights)))
    wrong = [name for name, weight in weights.items() if tuple(weight.shape) != arrays[name].shape]
    _refuse("hold, in another shape,", sorted(wrong))
    _refuse("hold, as other than finite numbers,", [name for name in weights if not _is_finite(arrays[name])])
    for name, weight in weights.items():
        weight.assign(arrays[name].astype("float32"))


def content_digest(arrays: Arrays) -> str:
    """SHA-256 over names, shapes and float16 values, whatever file and precision they came in."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        # Deliberate: float32 values beyond float16's range become infinities on both sides.
        with np.errstate(over="ignore"):
            rounded = np.ascontiguousarray(arrays[name], dtype="<f2")
        digest.update(f"{name}{rounded.shape}".encode())
        digest.update(rounded.tobytes())
    return digest.hexdigest()


def _is_finite(array: np.ndarray) -> bool:
    return array.dtype.kind == "f" and bool(np.isfinite(array).all())


def _refuse(what: str, names: list[str], shown: int = 3) -> None:
    if not names:
        return
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    raise WeightsError(
        f"the weights {what} {', '.join(names[:shown])}{rest}: they are not of FaceNet's "
        "Inception-ResNet-v1 with 512 dimensions; fetch them with 'facecli weights get facenet'"
    )
