"""Models side by side."""

import numpy as np
import pytest

from facecli.detect.registry import Detections
from facecli.infer.analyzer import Analyzer, ComparingAnalyzer
from facecli.models.checkpoint import Checkpoint
from facecli.models.litert import Predictor


class TwoBoxes:
    name = "haar"

    def detect(self, frame_rgb):
        boxes = [(0, 0, 90, 90), (177, 69, 272, 164)] if frame_rgb.shape[1] > 300 else []
        return Detections(np.array(boxes, np.int32).reshape(-1, 4), np.full(len(boxes), 0.5, np.float32))


@pytest.fixture(scope="module")
def models(tiny_checkpoint, age_checkpoint, emotion_checkpoint):
    checkpoints = {"joint": tiny_checkpoint, "age": age_checkpoint, "emotion": emotion_checkpoint}
    return {name: Analyzer(TwoBoxes(), Predictor(found)) for name, found in checkpoints.items()}


def test_no_face_is_an_empty_list(models):
    comparing = ComparingAnalyzer(models)
    assert comparing.analyze(np.zeros((40, 40, 3), np.uint8)) == []
    assert comparing.read([]) == []


def test_each_model_says_what_it_says_alone(models, astronaut):
    faces = ComparingAnalyzer(models).analyze(astronaut)
    assert len(faces) == 2
    for index, face in enumerate(faces):
        assert list(face.by_model) == ["joint", "age", "emotion"]
        for name, said in face.by_model.items():
            alone = models[name].analyze(astronaut)[index]
            assert said.box_xyxy == alone.box_xyxy and said.gender == alone.gender
            assert said.age_years == pytest.approx(alone.age_years, abs=1e-3)
        assert face.race == face.by_model["joint"].race
        assert (face.by_model["age"].gender, face.by_model["emotion"].race) == (None, None)


def test_pictures_are_read_together(models, astronaut):
    comparing = ComparingAnalyzer(models)
    found = [comparing.find(image) for image in (astronaut[:, :100], astronaut, astronaut[:, ::-1])]
    assert [len(faces) for faces in comparing.read(found)] == [0, 2, 2]


def test_the_first_model_decides_what_is_no_face(models, emotion_checkpoint, astronaut):
    config = {**emotion_checkpoint.config, "calibration": {"temperatures": {}, "face_threshold": 1.0}}
    suspicious = Predictor(Checkpoint(emotion_checkpoint.folder, config))
    first = Analyzer(TwoBoxes(), suspicious)
    assert ComparingAnalyzer({"no": first, "joint": models["joint"]}).analyze(astronaut) == []
    marked = Analyzer(TwoBoxes(), suspicious, show_rejected=True)
    for face in ComparingAnalyzer({"no": marked, "joint": models["joint"]}).analyze(astronaut):
        assert face.rejected and face.by_model is None
    second = ComparingAnalyzer({"joint": models["joint"], "no": first}).analyze(astronaut)
    assert [face.by_model["no"].rejected for face in second] == [False, False]
