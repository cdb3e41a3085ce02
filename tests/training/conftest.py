"""A tiny data set of drawn faces, and networks that train in seconds."""

import cv2
import keras
import numpy as np
import pytest

from facecli.core import paths
from facecli.core.recipes import FitOptions
from facecli.models import networks
from facecli.models.networks import Residual, Stage, build_model
from facecli.training.save import Recipe, save_model

TINY = Residual((4,), (Stage(4, 1), Stage(6, 1)), (16, 16))


def draw_face(age, gender, race, random, size=48):
    """(size, size, 3) uint8 BGR: the label decides colours and sizes, so that it can be learnt."""
    image = np.full((size, size, 3), random.integers(90, 150), np.uint8)
    skin = (60 + 35 * race, 90 + 20 * race, 230 - 30 * race)
    cv2.ellipse(image, (size // 2, size // 2), (size // 3, size // 2 - 4), 0, 0, 360, skin, -1)
    hair = (int(2.2 * age),) * 3
    cv2.rectangle(image, (8, 0), (size - 8, 10 + 12 * gender), hair, -1)
    for x in (size // 3, 2 * size // 3):
        cv2.circle(image, (x, size // 2), 3, (20, 20, 20), -1)
    noise = random.integers(-12, 13, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def faces_folder(tmp_path_factory):
    """160 drawn faces with UTKFace names, every gender and race among them."""
    folder = tmp_path_factory.mktemp("faces") / "UTKFace"
    folder.mkdir()
    random = np.random.default_rng(0)
    for index in range(160):
        age, gender, race = int(random.integers(1, 90)), index % 2, index // 2 % 5
        name = f"{age}_{gender}_{race}_{20170101000000000 + index}.jpg.chip.jpg"
        cv2.imwrite(str(folder / name), draw_face(age, gender, race, random))
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty FACECLI_HOME, and backbones of a few hundred parameters under the real names."""
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    for name in ("normal", "compact"):
        monkeypatch.setitem(networks.RESIDUAL_SPECS, name, TINY)
    return tmp_path / "home"


@pytest.fixture
def save_student(home):
    """A function that saves a student, or another model, of random weights, and returns its checkpoint."""

    def save(name, seed, heads=("age", "gender", "race"), backbone="compact", model_type="facenet", **more):
        keras.utils.set_random_seed(seed)
        network = build_model(backbone, heads, (16, 16), {"embedding": 5})
        recipe = Recipe(
            name,
            model_type,
            backbone,
            heads,
            seed=seed,
            split_digest="0",
            rebalance="none",
            options=FitOptions(epochs=0),
            command=f"facecli distil {seed}",
            duration_s=1.0,
            **{"starting_point": True, **more},
        )
        return save_model(network, recipe, [{"epoch": seed, "loss": 1.0}], paths.saved_model_dir() / name)

    return save
