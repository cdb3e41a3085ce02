import numpy as np
import pytest

from facecli.models.export import export_tflite
from facecli.models.heads import attach_heads
from facecli.models.residual import Residual, Stage, build_residual

Interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter
TINY = Residual((4,), (Stage(4, 1), Stage(6, 1)), (16, 16))


def test_litert_gives_what_keras_gives_for_any_number_of_faces(tmp_path):
    network = attach_heads(build_residual(TINY), ("age", "gender"))
    path = export_tflite(network, tmp_path / "model.tflite")
    interpreter = Interpreter(str(path))
    assert interpreter.get_signature_list() == {"serve": {"inputs": ["image"], "outputs": ["age", "gender"]}}
    runner = interpreter.get_signature_runner("serve")
    for count in (1, 5):
        crops = np.random.default_rng(count).integers(0, 256, (count, 16, 16, 3), np.uint8)
        exact = network.predict(crops, verbose=0)
        for head, values in runner(image=crops).items():
            np.testing.assert_allclose(values, exact[head], atol=1e-4)
    assert [file.name for file in tmp_path.iterdir()] == ["model.tflite"]
