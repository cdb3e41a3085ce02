"""The steps of a frame, with a detector and a network that cost nothing."""

from types import SimpleNamespace

import numpy as np
import pytest

from facecli.core.errors import FacecliError, SourceError
from facecli.detect.registry import Detections
from facecli.measure import stages
from facecli.measure.stages import FACE_COUNTS, STEPS, measure_clip, measure_predict, write_scene
from facecli.models.readout import IDENTITY


class FakeAnalyzer:
    """Finds two boxes; counts how many crops were read."""

    def __init__(self):
        self.read, self.analyzed = [], 0
        self.detector = SimpleNamespace(detect=self.detect)
        known = SimpleNamespace(further={})
        self.predictor = SimpleNamespace(predict=self.predict, calibration=IDENTITY, checkpoint=known)

    def detect(self, frame_rgb):
        return Detections(np.array([[0, 0, 9, 9], [10, 10, 30, 30]], np.int32), np.ones(2, np.float32))

    def cut(self, image_rgb, boxes, landmarks=None):
        return np.zeros((len(boxes), 4, 4, 3), np.uint8)

    def predict(self, crops):
        self.read.append(len(crops))
        return {}

    def analyze(self, image_rgb, time_s):
        self.analyzed += 1
        return []


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "scene.mp4"
    write_scene(path, (96, 64), 1, 6)
    return path


@pytest.mark.parametrize(("frames", "measured"), [(3, 3), (50, 5)])
def test_every_step_of_a_clip_is_measured(clip, frames, measured):
    analyzer = FakeAnalyzer()
    scene = measure_clip("96p", clip, analyzer, lambda: analyzer.analyze, frames)
    assert (scene.name, scene.resolution_wh, scene.faces) == ("96p", (96, 64), 2)
    assert tuple(scene.steps) == STEPS and all(timing.median_ms >= 0 for timing in scene.steps.values())
    assert len(analyzer.read) == measured + 1 and analyzer.analyzed >= measured
    row = scene.to_json()
    assert (row["width"], row["height"], row["faces"]) == (96, 64, 2)
    assert row["end_to_end_fps"] > 0 and set(row["detect_ms"]) == {"median_ms", "low_ms", "high_ms"}


def test_a_clip_of_one_frame_is_one_error(tmp_path):
    write_scene(tmp_path / "one.mp4", (96, 64), 0, 1)
    with pytest.raises(SourceError, match="less than two frames"):
        measure_clip("x", tmp_path / "one.mp4", FakeAnalyzer(), lambda: None, 5)


def test_the_network_is_measured_by_number_of_faces():
    analyzer = FakeAnalyzer()
    assert tuple(measure_predict(analyzer, 2)) == FACE_COUNTS == (1, 2, 4, 8)
    assert analyzer.read == [1] * 3 + [2] * 3 + [4] * 3 + [8] * 3


def test_a_start_that_fails_is_one_error(monkeypatch):
    with pytest.raises(FacecliError, match="failed: .*no such folder"):
        stages._call(["python3", "-c", "import sys; sys.exit('Error: no such folder')"])
