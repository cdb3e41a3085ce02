"""Transfer from the genuine FaceNet trunk: heads on frozen features, then perhaps its last blocks.

Age lives in the middle of the trunk, so the heads see the pooled output of Block17 and of
the last block beside the embedding.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from keras import layers

from facecli.core.errors import InputError
from facecli.core.recipes import FitOptions
from facecli.models.build import attach_heads
from facecli.models.inception_resnet_v1 import TAP_DIMS
from facecli.models.trunks import load_facenet
from facecli.training.augment import build_augmentation
from facecli.training.engine import Rows, fit
from facecli.training.prepare import PreparedData
from facecli.training.targets import build_targets
from facecli.training.teachers import TAPS, facenet_features

HIDDEN_UNITS = 256
DROPOUT = 0.5
UNFREEZE_RATE = 0.05
"""Share of the learning rate that pretrained weights are trained with."""
_BLOCK = re.compile(r"^(Block\d+_\d+|Mixed_\d[a-z]|Bottleneck)")


def train_transfer(
    data: PreparedData,
    rows: np.ndarray,
    weights: np.ndarray | None,
    heads: Sequence[str],
    options: FitOptions,
    folder: Path,
    trunk_weights: Path | None = None,
    unfreeze: int = 0,
    unfreeze_epochs: int = 2,
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Trains heads on FaceNet, then perhaps both; with `options.epochs` 0 both from the beginning.

    Args:
        data, heads, options: as everywhere.
        rows, weights: rebalanced training rows (positions in the table) and their weights.
        folder: where the epochs are kept.
        trunk_weights: FaceNet weight file, else the weights folder is searched.
        unfreeze: how many of the trunk's last blocks learn too, after the heads.
        unfreeze_epochs: epochs of that second part.

    Returns:
        A network (n, 160, 160, 3) uint8 RGB -> head -> probabilities, and the history.
    """
    targets = build_targets(data.frame, heads)
    keras.utils.set_random_seed(options.seed)
    head_network = build_feature_heads(sum(TAP_DIMS[tap] for tap in TAPS), heads)
    history = []
    if options.epochs or not unfreeze:
        features = _features(data, trunk_weights)
        train = Rows(features, targets, rows, weights, data.of_set)
        val = Rows(features, targets, data.rows("val"), sets=data.of_set)
        history = fit(head_network, train, val, options, folder)
    network = compose(load_facenet(trunk_weights, TAPS), head_network)
    if unfreeze:
        unfreeze_blocks(network, unfreeze)
        second = replace(
            options,
            epochs=unfreeze_epochs,
            learning_rate=options.learning_rate * UNFREEZE_RATE,
            warmup_epochs=0.5,
        )
        crops = data.crops((160, 160))
        train = Rows(crops, targets, rows, weights, data.of_set)
        val = Rows(crops, targets, data.rows("val"), sets=data.of_set)
        augmentation = build_augmentation((160, 160), options.degraded_share, options.seed)
        history = history + fit(network, train, val, second, folder / "unfrozen", augmentation)
    return network, history


def build_feature_heads(size: int, heads: Sequence[str]) -> keras.Model:
    """Heads on stored features (n, size); the features are standardised by batch statistics."""
    features = keras.Input((size,), name="features")
    normed = layers.BatchNormalization(center=False, scale=False, name="standardise")(features)
    backbone = keras.Model(features, normed, name="standardised")
    return attach_heads(backbone, heads, DROPOUT, hidden=HIDDEN_UNITS)


def compose(trunk: keras.Model, head_network: keras.Model) -> keras.Model:
    """One network out of a trunk with the taps TAPS and heads trained on its features."""
    trunk.trainable = False
    taps = trunk(trunk.input)
    features = layers.Concatenate(name="taps")([taps[tap] for tap in TAPS])
    return keras.Model(trunk.input, head_network(features), name="facecli")


def unfreeze_blocks(network: keras.Model, count: int) -> list[str]:
    """Makes the last `count` blocks of the trunk trainable and returns their names.

    Raises InputError when the trunk has not so many.
    """
    trunk = next(
        layer for layer in network.layers if isinstance(layer, keras.Model) and len(layer.layers) > 50
    )
    trunk.trainable = True
    names = [match[1] for layer in trunk.layers if (match := _BLOCK.match(layer.name))]
    blocks = list(dict.fromkeys(names))
    if count > len(blocks):
        raise InputError(f"cannot unfreeze {count} blocks: the trunk has {len(blocks)}")
    chosen = blocks[-count:]
    for layer in trunk.layers:
        match = _BLOCK.match(layer.name)
        layer.trainable = bool(match and match[1] in chosen)
    return chosen


def _features(data: PreparedData, weights: Path | None) -> np.ndarray:
    files = [data.folder / file for file in data.frame["file"]]
    found = facenet_features(files, data.frame["sha256"].tolist(), weights)
    return np.concatenate([found[tap] for tap in TAPS], axis=1)
