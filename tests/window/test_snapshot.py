"""A picture and what is known of it, both or neither."""

import json
from datetime import datetime

import numpy as np
import pytest

from facecli.core.errors import OutputError
from facecli.core.faces import Face
from facecli.core.images import load_image
from facecli.window import view as recorder
from facecli.window.screen import Controls
from facecli.window.view import save_snapshot

PICTURE = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
MOMENT = datetime(2024, 1, 31, 14, 23, 5)


def test_without_faces_both_files_are_there(tmp_path):
    path = save_snapshot(tmp_path / "new", PICTURE, [], "camera 0", Controls(), MOMENT)
    assert (load_image(path) == PICTURE).all()
    assert json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["faces"] == []
    assert len(list(path.parent.iterdir())) == 2


def test_json_says_how_the_picture_was_shown(tmp_path):
    face = Face((1, 2, 30, 40), 0.9, track=4)
    path = save_snapshot(tmp_path, PICTURE, [face], "ü.mp4", Controls(mirror=True, anonymize="box"), MOMENT)
    row = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert (row["source"], row["picture"], row["width"], row["height"]) == ("ü.mp4", path.name, 64, 48)
    assert (row["mirrored"], row["anonymized"]) == (True, "box")
    assert row["taken"].startswith("2024-01-31T14:23:05")
    assert row["faces"] == [face.to_json()]


def test_two_at_once_are_four_files(tmp_path):
    first, second = (save_snapshot(tmp_path, PICTURE, [], "0", Controls(), MOMENT) for _ in range(2))
    assert first != second and len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("failing", ["save_image", "replacing"])
def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch, failing):
    def full(*_):
        raise OutputError("cannot write: No space left on device")

    monkeypatch.setattr(recorder, failing, full)
    with pytest.raises(OutputError, match="No space"):
        save_snapshot(tmp_path, PICTURE, [], "0", Controls(), MOMENT)
    assert list(tmp_path.iterdir()) == []


def test_boxes_that_were_moved_out_of_the_picture_are_cut_off(tmp_path):
    faces = [Face((-10, 20, 30, 90), 0.9), Face((70, 5, 90, 9), 0.9)]
    path = save_snapshot(tmp_path, PICTURE, faces, "0", Controls(), MOMENT)
    row = json.loads(path.with_suffix(".json").read_text())
    assert [face["box_xyxy"] for face in row["faces"]] == [[0, 20, 30, 48]]
