"""What changed, and what is another scene."""

import numpy as np
import pytest

from facecli.live.tracking import FrameSignature

RANDOM = np.random.default_rng(5)
SCENE = np.kron(RANDOM.integers(0, 256, (9, 16, 3)), np.ones((20, 20, 1))).astype(np.uint8)
OTHER = np.kron(RANDOM.integers(0, 256, (9, 16, 3)), np.ones((20, 20, 1))).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (36, 64), (7, 900)])
def test_pictures_of_any_size(shape):
    signature = FrameSignature(np.full((*shape, 3), 9, np.uint8))
    assert signature.changed_since(signature) is None and not signature.is_cut_from(signature)


def test_everything_is_new_at_first_and_in_another_size():
    assert FrameSignature(SCENE).changed_since(None) == (0, 0, 1, 1)
    assert FrameSignature(SCENE).changed_since(FrameSignature(SCENE[:, :-20])) == (0, 0, 1, 1)
    assert FrameSignature(SCENE).is_cut_from(FrameSignature(SCENE[:, :-20]))


def test_change_is_where_it_is():
    moved = SCENE.copy()
    moved[90:135, 80:160] = 255 - moved[90:135, 80:160]
    assert FrameSignature(moved).changed_since(FrameSignature(SCENE)) == pytest.approx(
        (0.25, 0.5, 0.5, 0.75), abs=0.03
    )
    assert FrameSignature(moved).changed_since(FrameSignature(SCENE), known=[(75, 85, 165, 140)]) is None
    assert not FrameSignature(moved).is_cut_from(FrameSignature(SCENE))


def test_noise_of_a_camera_is_no_change():
    quiet = np.clip(SCENE.astype(float), 10, 245).astype(np.uint8)
    noisy = np.clip(quiet + RANDOM.normal(0, 3, SCENE.shape).round(), 0, 255).astype(np.uint8)
    assert FrameSignature(noisy).changed_since(FrameSignature(quiet)) is None


def test_another_picture_is_a_cut_and_another_exposure_is_none():
    assert FrameSignature(OTHER).is_cut_from(FrameSignature(SCENE))
    assert FrameSignature(np.zeros_like(SCENE)).is_cut_from(FrameSignature(SCENE))
    assert not FrameSignature((SCENE * 0.8).astype(np.uint8)).is_cut_from(FrameSignature(SCENE))
    assert not FrameSignature(np.roll(SCENE, 4, axis=1)).is_cut_from(FrameSignature(SCENE))
