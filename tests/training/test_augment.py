import numpy as np
import pytest
from keras import ops

from facecli.training.augment import (
    BOX_SHARE,
    DETECTOR_BOX,
    WHOLE_CROP,
    RandomAffine,
    RandomColour,
    RandomErasing,
    WebcamDegradation,
    build_augmentation,
    jpeg_like,
)


def faces(count=8, size=32):
    """Smooth pictures: a bright disc on a gradient."""
    y, x = np.mgrid[:size, :size] / size
    disc = ((x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.08) * 100.0
    picture = np.stack([80 + 60 * x + disc, 60 + 60 * y + disc, 90 + 0 * x + disc], axis=-1)
    return np.repeat(picture[None], count, axis=0).astype("float32")


def test_nothing_happens_outside_of_training():
    images = faces().astype("uint8")
    out = ops.convert_to_numpy(build_augmentation((32, 32))(images))
    np.testing.assert_array_equal(out, images.astype("float32"))


def test_every_picture_changes_and_stays_in_range():
    out = ops.convert_to_numpy(build_augmentation((32, 32))(faces(), training=True))
    assert out.shape == (8, 32, 32, 3)
    assert out.min() >= 0 and out.max() <= 255
    assert np.abs(out - faces()).mean(axis=(1, 2, 3)).min() > 0.5
    assert np.abs(out[0] - out[1]).mean() > 0.5


def test_the_same_seed_gives_the_same_pictures():
    first, second = (
        ops.convert_to_numpy(build_augmentation((32, 32), seed=3)(faces(), training=True)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_no_picture_goes_black():
    out = ops.convert_to_numpy(build_augmentation((32, 32))(faces(64), training=True))
    assert out.mean(axis=(1, 2, 3)).min() > 40


def test_affine_without_bounds_only_flips():
    images = faces(32)
    out = ops.convert_to_numpy(RandomAffine(strength=0)(images, training=True))
    flipped = np.abs(out - images[:, :, ::-1]).max(axis=(1, 2, 3)) < 0.5
    kept = np.abs(out - images).max(axis=(1, 2, 3)) < 0.5
    assert (flipped | kept).all()
    assert flipped.any() and kept.any()


@pytest.mark.parametrize(("share", "cut"), [(0.0, WHOLE_CROP), (1.0, DETECTOR_BOX)])
def test_faces_lie_as_their_kind_of_cut_says(share, cut):
    a0, a1, a2, b0, b1, b2, *_ = RandomAffine(share)._transforms(400, 32, 32).numpy().T
    zoom = np.log(np.hypot(a0, b0))
    assert cut.closer <= zoom.min() < zoom.max() <= cut.wider + 1e-5
    assert zoom.max() - zoom.min() > 0.9 * (cut.wider - cut.closer)
    turned = np.degrees(np.arctan2(-a1, b1))
    assert 0.9 * cut.degrees < np.abs(turned).max() <= cut.degrees + 1e-3
    centre = np.stack([a0 + a1, b0 + b1]) * 15.5 + [a2, b2] - 15.5
    assert 0.9 * cut.shift * 32 < np.abs(centre).max() <= cut.shift * 32 + 1e-3


def test_half_of_the_faces_are_cut_as_detectors_do():
    a0, _, _, b0, *_ = RandomAffine()._transforms(2000, 32, 32).numpy().T
    tight = (np.log(np.hypot(a0, b0)) < WHOLE_CROP.closer).mean()
    # Of boxes, those that are tighter than any whole crop.
    box = (WHOLE_CROP.closer - DETECTOR_BOX.closer) / (DETECTOR_BOX.wider - DETECTOR_BOX.closer)
    assert tight == pytest.approx(BOX_SHARE * box, abs=0.05)


def test_a_covered_part_is_a_rectangle_of_the_mean_colour():
    images = faces(16)
    out = ops.convert_to_numpy(RandomErasing(1.1)(images, training=True))
    for before, after in zip(images, out, strict=True):
        changed = np.abs(after - before).max(axis=-1) > 1e-3
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        assert 0.1 * 32 <= len(rows) <= 0.5 * 32 and 0.1 * 32 <= len(columns) <= 0.5 * 32
        assert np.abs(after[changed] - before.mean(axis=(0, 1))).max() < 0.01
    np.testing.assert_array_equal(RandomErasing(0.0)(images, training=True), images)


def test_grey_pictures_have_three_equal_channels():
    out = ops.convert_to_numpy(RandomColour(0, 0, 0, grey=1.1)(faces(4), training=True))
    np.testing.assert_allclose(out[..., 0], out[..., 1], atol=1e-3)
    np.testing.assert_allclose(out[..., 0], out[..., 2], atol=1e-3)


def test_degradation_touches_the_first_share_only():
    images = faces(8)
    out = ops.convert_to_numpy(WebcamDegradation(0.25)(images, training=True))
    assert np.abs(out[:2] - images[:2]).max(axis=(1, 2, 3)).min() > 1
    np.testing.assert_array_equal(out[2:], images[2:])


@pytest.mark.parametrize("size", [32, 30])
def test_jpeg_is_near_at_high_quality_and_far_at_low(size):
    images = faces(2, size) + np.random.default_rng(0).normal(0, 10, (2, size, size, 3)).astype("float32")

    def error(quality):
        out = ops.convert_to_numpy(jpeg_like(images, np.full((2, 1, 1, 1), quality, "float32")))
        assert out.shape == images.shape
        return np.abs(out - images).mean()

    assert error(98.0) < 1.5 < error(20.0)
