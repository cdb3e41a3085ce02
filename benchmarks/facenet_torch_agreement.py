"""Agreement of our Inception-ResNet-v1 with facenet-pytorch's on random weights.

Needs torch and facenet-pytorch, whose own pins are old, so in an environment of its own:

    python -m venv /tmp/agreement && . /tmp/agreement/bin/activate
    pip install torch keras requests tqdm platformdirs && pip install --no-deps facenet-pytorch
    KERAS_BACKEND=torch PYTHONPATH=src python benchmarks/facenet_torch_agreement.py

Every parameter and every normalisation statistic is random, gamma included (it is folded by
`models.pretrained.from_state_dict`). Exit code 1 when the networks differ by more than 1e-4.
"""

import importlib
import importlib.metadata
import importlib.util
import sys
import types
from pathlib import Path

import keras
import numpy as np
import torch

from facecli.models.inception_resnet_v1 import TAPS, build_inception_resnet_v1
from facecli.models.pretrained import assign_weights, from_state_dict

TOLERANCE = 1e-4
IMAGES = 8
SEED = 0


def main() -> None:
    """Prints the largest difference of each tap as a Markdown table."""
    torch.manual_seed(SEED)
    network = _random_network()
    model = build_inception_resnet_v1(TAPS)
    assign_weights(
        model, from_state_dict({name: tensor.numpy() for name, tensor in network.state_dict().items()})
    )
    images = np.random.default_rng(SEED).integers(0, 256, (IMAGES, 160, 160, 3), dtype=np.uint8)

    theirs = _torch_features(network, images)
    ours = {tap: keras.ops.convert_to_numpy(out) for tap, out in model(images, training=False).items()}
    print(
        f"facenet-pytorch {importlib.metadata.version('facenet-pytorch')}, torch {torch.__version__}, "
        f"keras {keras.__version__} on {keras.backend.backend()}, float32, "
        f"{IMAGES} random images, seed {SEED}\n"
    )
    print("| tap | dimensions | largest value | largest difference |\n|---|---|---|---|")
    differences = {tap: np.abs(ours[tap] - theirs[tap]).max() for tap in TAPS}
    for tap in TAPS:
        print(f"| {tap} | {ours[tap].shape[1]} | {np.abs(theirs[tap]).max():.3f} | {differences[tap]:.1e} |")
    if max(differences.values()) > TOLERANCE:
        sys.exit(f"the networks differ by more than {TOLERANCE}")


def _random_network() -> torch.nn.Module:
    network = _network_class()(pretrained=None, classify=False, num_classes=None).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0.1, 0.3)
            module.running_mean.normal_(0.0, 0.3)
            module.running_var.uniform_(0.3, 1.5)
    return network


def _network_class() -> type:
    """InceptionResnetV1, without the package's __init__, which wants torchvision for MTCNN."""
    package = types.ModuleType("facenet_pytorch")
    package.__path__ = [str(Path(importlib.util.find_spec("facenet_pytorch").origin).parent)]
    sys.modules["facenet_pytorch"] = package
    return importlib.import_module("facenet_pytorch.models.inception_resnet_v1").InceptionResnetV1


def _torch_features(network: torch.nn.Module, images: np.ndarray) -> dict[str, np.ndarray]:
    features = {}

    def keep(tap: str):
        return lambda _module, _inputs, output: features.__setitem__(tap, output.mean((2, 3)).numpy())

    network.repeat_2.register_forward_hook(keep("block17"))
    network.block8.register_forward_hook(keep("block8"))
    with torch.no_grad():
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        features["embedding"] = network((pixels - 127.5) / 128).numpy()
    return features


if __name__ == "__main__":
    main()
