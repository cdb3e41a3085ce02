"""Published weights of FaceNet and MobileNet: a file becomes arrays by name, arrays fill a frozen trunk.

Arrays are named `<layer>_<variable>`, as in `Block17_1_Conv2d_1x1_kernel`, with kernels in
Keras order (height, width, in, out). Nothing in a weight file is ever executed.

MobileNet was trained on VGGFace2 identities, then on ages and genders: a frozen TensorFlow graph of
the HSE University (A. Savchenko, "Efficient facial representations for age, gender and identity
recognition in organizing photo albums using multi-output ConvNet", PeerJ CS 2019). OpenCV reads it, so
that it needs no TensorFlow.
"""

import hashlib
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np

from facecli.core import paths
from facecli.core.arrays import Array
from facecli.core.errors import WeightsError
from facecli.models.inception_resnet_v1 import (
    AFTER_BLOCK17,
    STEM,
    TAPS,
    UP_TO_BLOCK17,
    Reduction,
    Residual,
    build_inception_resnet_v1,
)
from facecli.models.weights_registry import find_weights

# (block name, first index) -> module of facenet-pytorch that holds the block or the row of blocks.
_MODULES = {
    ("Block35", 1): "repeat_1",
    ("Mixed_6a", None): "mixed_6a",
    ("Block17", 1): "repeat_2",
    ("Mixed_7a", None): "mixed_7a",
    ("Block8", 1): "repeat_3",
    ("Block8", 6): "block8",
}
_IGNORED = ("logits.", "num_batches_tracked")

Arrays = Mapping[str, Array]


def load_torch(path: Path) -> dict[str, Array]:
    """Reads a facenet-pytorch state dict (weights only, no code is run).

    Raises WeightsError when torch is not installed or the file is not such a state dict.
    """
    try:
        import torch
    except ImportError as error:
        raise WeightsError(f"reading {path} needs PyTorch: pip install torch, or use the .h5 file") from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path} cannot be read as PyTorch weights ({reason}); fetch it again") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(
            f"{path} holds no state dict of tensors; fetch it with 'facecli weights get facenet'"
        )
    return from_state_dict({name: tensor.numpy() for name, tensor in state.items()})


def from_state_dict(state: Mapping[str, Array]) -> dict[str, Array]:
    """Renames and transposes a facenet-pytorch state dict; the classifier is left out.

    Raises WeightsError naming a tensor that is missing or unknown.
    """
    left = {name: value for name, value in state.items() if not any(part in name for part in _IGNORED)}
    arrays: dict[str, Array] = {}
    try:
        for module, layer in _convolutions():
            kernel = left.pop(f"{module}.conv.weight").transpose(2, 3, 1, 0)
            arrays |= _normalized(left, f"{module}.bn", layer, kernel)
        for module, layer in _projections():
            arrays[f"{layer}_kernel"] = left.pop(f"{module}.weight").transpose(2, 3, 1, 0)
            arrays[f"{layer}_bias"] = left.pop(f"{module}.bias")
        arrays |= _normalized(left, "last_bn", "Bottleneck", left.pop("last_linear.weight").T)
    except (KeyError, ValueError) as error:
        raise WeightsError(
            f"the PyTorch weights are not facenet-pytorch's InceptionResnetV1: {error}"
        ) from error
    if left:
        raise WeightsError(f"the PyTorch weights hold unknown {', '.join(sorted(left)[:3])}")
    return arrays


def _normalized(state: dict[str, Any], module: str, layer: str, kernel: Array) -> dict[str, Array]:
    """Arrays of a bias-free layer and the batch normalisation after it.

    Our normalisation has no gamma. gamma (Wx - mean) / s = ((gamma W)x - gamma mean) / s, so
    gamma moves into the kernel's outputs and the mean without loss; in the published files it is 1.
    """
    gamma = state.pop(f"{module}.weight")
    return {
        f"{layer}_kernel": kernel * gamma,
        f"{layer}_BatchNorm_beta": state.pop(f"{module}.bias"),
        f"{layer}_BatchNorm_moving_mean": state.pop(f"{module}.running_mean") * gamma,
        f"{layer}_BatchNorm_moving_variance": state.pop(f"{module}.running_var"),
    }


def _convolutions() -> Iterator[tuple[str, str]]:
    """(facenet-pytorch module, our layer) of every convolution with batch normalisation."""
    for conv in STEM:
        yield conv.name.lower().rpartition("_")[0], conv.name
    for module, name, block in _block_modules():
        for b, branch in enumerate(block.branches):
            for c, conv in enumerate(branch):
                index = f".{c}" if len(branch) > 1 else ""
                yield f"{module}.branch{b}{index}", f"{name}_{conv.name}"


def _projections() -> Iterator[tuple[str, str]]:
    """(module, layer) of the convolution that ends each residual block."""
    for module, name, block in _block_modules():
        if isinstance(block, Residual):
            yield f"{module}.conv2d", f"{name}_Conv2d_1x1"


def _block_modules() -> Iterator[tuple[str, str, Residual | Reduction]]:
    """(facenet-pytorch module, our name, shape) of every block."""
    for block in (*UP_TO_BLOCK17, *AFTER_BLOCK17):
        if not isinstance(block, Residual):
            yield _MODULES[block.name, None], block.name, block
            continue
        module = _MODULES[block.name, block.first]
        for i in range(block.repeats):
            yield f"{module}.{i}" if block.repeats > 1 else module, f"{block.name}_{block.first + i}", block


def load_arrays(path: Path, kind: str | None = None) -> dict[str, Array]:
    """Reads a weight file by its suffix, or as `kind` (".npz", ".h5", ".pt").

    Raises WeightsError when the file is missing, damaged or of an unknown kind.
    """
    path = Path(path)
    readers = {".npz": load_npz, ".h5": load_h5, ".pt": load_torch}
    reader = readers.get(kind or path.suffix)
    if reader is None:
        raise WeightsError(f"{path} is not a weight file; FaceNet weights are {', '.join(readers)}")
    if not path.is_file():
        raise WeightsError(f"no weight file {path}; fetch it with 'facecli weights get facenet'")
    return reader(path)


def load_npz(path: Path) -> dict[str, Array]:
    """Reads a NumPy archive of arrays by name; pickled objects are refused."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} cannot be read as an .npz of arrays ({error}); fetch it again") from error


def load_h5(path: Path) -> dict[str, Array]:
    """Reads a legacy Keras HDF5 file, `<layer>/.../<variable>:0`, of weights or of a whole model."""
    import h5py

    arrays = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            # The outer group is the layer; inner ones repeat it, sometimes with a suffix.
            arrays[f"{name.split('/')[0]}_{name.split('/')[-1].removesuffix(':0')}"] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file.get("model_weights", file).visititems(collect)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as Keras HDF5 ({error}); fetch it again") from error
    return arrays


def assign_weights(model: keras.Model, arrays: Arrays) -> None:
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


def _is_finite(array: Array) -> bool:
    return array.dtype.kind == "f" and bool(np.isfinite(array).all())


def _refuse(what: str, names: list[str], shown: int = 3) -> None:
    if not names:
        return
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    raise WeightsError(
        f"the weights {what} {', '.join(names[:shown])}{rest}: they are not of FaceNet's "
        "Inception-ResNet-v1 with 512 dimensions; fetch them with 'facecli weights get facenet'"
    )


IMAGE_SIZE = (224, 224)
"""Of MobileNet, (height, width)."""
FEATURES = 1024
_MEAN_BGR = (103.939, 116.779, 123.68)
_POOLED = "global_pooling/Mean"


def load_facenet(path: Path | None = None, taps: Sequence[str] = ("embedding",)) -> keras.Model:
    """Builds the FaceNet trunk with published weights.

    Args:
        path: a .npz, .h5 or .pt file; without it the weights folder is searched.
        taps: the features to put out, see `build_inception_resnet_v1`.

    Returns:
        A model from (n, 160, 160, 3) uint8 RGB to a dict tap -> (n, d) float32.

    Raises:
        WeightsError: no weights there, or they do not fit the network.
    """
    path = Path(path) if path else find_weights("facenet")
    if path is None:
        raise WeightsError(
            f"no FaceNet weights in {paths.weights_dir()}; fetch them with 'facecli weights get facenet'"
        )
    model = build_inception_resnet_v1(TAPS)
    assign_weights(model, load_arrays(path))
    return keras.Model(model.input, {tap: model.output[tap] for tap in taps}, name=model.name)


def load_mobilenet(path: Path | None = None) -> Callable[[Array], dict[str, Array]]:
    """Reads the graph.

    Args:
        path: the .pb file; without it the weights folder is searched.

    Returns:
        A function from (n, 224, 224, 3) uint8 RGB to {"mobilenet": (n, 1024) float32}, the
        pooled features of the last convolution.

    Raises:
        WeightsError: no such file, or another graph.
    """
    path = Path(path) if path else find_weights("mobilenet")
    if path is None:
        raise WeightsError(
            f"no MobileNet weights in {paths.weights_dir()}; "
            "install the file with 'facecli weights get mobilenet --from FILE'"
        )
    try:
        network = cv2.dnn.readNetFromTensorflow(str(path))
        known = _POOLED in network.getLayerNames()
    except cv2.error as error:
        raise WeightsError(f"{path} is not a TensorFlow graph that OpenCV can read") from error
    if not known:
        raise WeightsError(f"{path} is another graph: it has no layer {_POOLED}")

    def features(images_rgb: Array) -> dict[str, Array]:
        if not len(images_rgb):
            return {"mobilenet": np.zeros((0, FEATURES), np.float32)}
        network.setInput(cv2.dnn.blobFromImages(list(images_rgb), 1.0, IMAGE_SIZE, _MEAN_BGR[::-1], True))
        return {"mobilenet": network.forward(_POOLED).reshape(len(images_rgb), FEATURES)}

    return features
