"""Drawn faces with and without glasses, as a data set with an attribute of its own."""

import csv
import os

import cv2
import numpy as np
import pytest

SIDE = 96
CLASSES = ("no", "yes")


def draw_glasses_face(random, glasses):
    """(96, 96, 3) uint8 RGB: a face in any colours, perhaps with dark rims."""
    image = np.full((SIDE, SIDE, 3), random.integers(60, 200, 3), np.uint8)
    centre = SIDE // 2 + int(random.integers(-3, 4)), SIDE // 2 + int(random.integers(-3, 4))
    skin = tuple(int(value) for value in random.integers((120, 80, 60), (240, 190, 160)))
    cv2.ellipse(image, centre, (32, 42), 0, 0, 360, skin, -1, cv2.LINE_AA)
    hair = tuple(int(value) for value in random.integers(10, 120, 3))
    cv2.ellipse(image, (centre[0], centre[1] - 26), (31, 20), 0, 180, 360, hair, -1, cv2.LINE_AA)
    eyes = [(centre[0] + shift, centre[1] - 8) for shift in (-13, 13)]
    for eye in eyes:
        cv2.ellipse(image, eye, (6, 3), 0, 0, 360, (250, 250, 250), -1, cv2.LINE_AA)
        cv2.circle(image, eye, 3, (40, 30, 20), -1, cv2.LINE_AA)
    cv2.ellipse(image, (centre[0], centre[1] + 20), (12, 4), 0, 0, 180, (150, 50, 60), 2, cv2.LINE_AA)
    if glasses:
        rim = tuple(int(value) for value in random.integers(0, 50, 3))
        for eye in eyes:
            cv2.circle(image, eye, 11, rim, 2, cv2.LINE_AA)
        cv2.line(image, (eyes[0][0] + 11, eyes[0][1]), (eyes[1][0] - 11, eyes[1][1]), rim, 2, cv2.LINE_AA)
    noise = random.integers(-9, 10, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def write_glasses_faces(folder, count, seed=0):
    """A folder of `count` drawn faces with `labels.csv` in it, every second with glasses; the rows."""
    folder.mkdir(parents=True, exist_ok=True)
    random, rows = np.random.default_rng(seed), []
    for number in range(count):
        name, worn = f"{number:04d}.png", number % 2
        image = draw_glasses_face(random, bool(worn))
        cv2.imwrite(str(folder / name), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        rows.append({"file": name, "glasses": worn})
    with open(folder / "labels.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "glasses"])
        writer.writerows([row["file"], CLASSES[row["glasses"]]] for row in rows)
    return rows


def glasses_data(folder, count, seed=1):
    """The same as prepared data."""
    return prepared(folder, write_glasses_faces(folder, count), {"glasses": CLASSES}, seed)


def prepared(folder, rows, classes, seed=1, places=None):
    """Labelled rows with attributes of their own as prepared data."""
    from dataclasses import replace

    from facecli.data.table import build_table
    from facecli.training import prepare

    table = replace(build_table(folder, rows, [], folder.name), classes=classes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "open_dataset", lambda path, **_: (folder, table))
        return prepare.prepare_data(folder, seed)


@pytest.fixture(scope="session")
def glasses_home(tmp_path_factory):
    """A FACECLI_HOME with `facenet_glasses_model`: the facenet that ships, and a head learnt from 240 drawn
    faces. It must not be changed.
    """
    pytest.importorskip("keras")
    from facecli.core.recipes import FitOptions, TrainRequest
    from facecli.training.train import train

    root = tmp_path_factory.mktemp("glasses")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACECLI_HOME", str(root / "home"))
        data = glasses_data(root / "mine", 240)
        train(data, TrainRequest(heads=("glasses",), command="facecli train --heads glasses"), FitOptions())
    assert os.path.isfile(root / "home" / "saved_model" / "facenet_glasses_model" / "model.tflite")
    return root / "home"
