"""Several data sets in one table."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from facecli.training.prepare import prepare_data, unique_names


@pytest.fixture
def emotions(tmp_path):
    folder = tmp_path / "fer2013"
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("happy", "sad"):
            for number in range(12):
                path = folder / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                coarse = random.integers(0, 256, (6, 6), np.uint8)
                cv2.imwrite(str(path), cv2.resize(coarse, (48, 48), interpolation=cv2.INTER_CUBIC))
    return folder


def test_one_set_alone_shows_faces(faces_folder, home):
    data = prepare_data(faces_folder, 1)
    assert (data.frame["face"] == 1).all() and not data.extra


def test_a_further_set_leaves_the_first_split_as_it_is(faces_folder, emotions, home):
    alone, both = prepare_data(faces_folder, 1), prepare_data([faces_folder, emotions], 1)
    assert both.digest == alone.digest
    assert both.frame["split"][: len(alone.frame)].tolist() == alone.frame["split"].tolist()
    assert list(both.extra) == ["fer2013"]
    added = both.frame.iloc[len(alone.frame) :]
    assert (added["emotion"] >= 0).all() and (added["age_years"] == -1).all()
    assert (added["split"] == "test").sum() == 24
    assert both.only("fer2013").frame["emotion"].tolist() == added["emotion"].tolist()
    assert both.first().frame["file"].tolist() == alone.frame["file"].tolist()
    crops = both.crops((16, 16))
    assert crops.shape == (len(both.frame), 16, 16, 3) and crops[len(alone.frame) :].any()


def test_what_one_set_tests_on_is_not_trained_on_through_another(faces_folder, home, tmp_path):
    alone = prepare_data(faces_folder, 1)
    copy = tmp_path / "copies"
    shutil.copytree(faces_folder, copy)
    assert len(prepare_data([faces_folder, copy], 1).frame) == len(alone.frame)


def test_sets_of_one_name_are_told_apart(faces_folder, emotions, home, tmp_path):
    other = tmp_path / "elsewhere" / faces_folder.name
    other.parent.mkdir()
    emotions.rename(other)
    data = prepare_data([faces_folder, other], 1)
    assert list(data.sets) == [faces_folder.name, f"{faces_folder.name}-2"]
    assert len(set(data.sets.values())) == 2


def test_names_are_made_unique():
    assert unique_names([]) == []
    assert unique_names(["a", "b", "a", "a-2", "a"]) == ["a", "b", "a-2", "a-2-2", "a-3"]


def test_near_copies_of_what_one_set_is_judged_by_are_not_trained_on(faces_folder, home, tmp_path):
    copy = tmp_path / "copies"
    copy.mkdir()
    for picture in faces_folder.iterdir():
        cv2.imwrite(str(copy / picture.name), cv2.imread(str(picture)), [cv2.IMWRITE_JPEG_QUALITY, 97])
    alone = prepare_data(faces_folder, 1)
    both = prepare_data([faces_folder, copy], 1)
    frame = both.frame.assign(photograph=[Path(file).name.split(".")[0] for file in both.frame["file"]])
    judged = set(frame["photograph"][frame["split"].isin(["val", "test"])])
    assert not judged & set(frame["photograph"][frame["split"] == "train"])
    assert (frame["split"] == "left_out").any()
    assert both.digest == alone.digest, "what is left out changes no digest"
    kept = frame[frame["set"] == faces_folder.name]
    assert ((kept["split"] == "test") == (alone.frame["split"] == "test").to_numpy()).all()
