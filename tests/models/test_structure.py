import cv2

from facecli.models.heads import attach_heads
from facecli.models.residual import Residual, Stage, build_residual
from facecli.models.structure import describe, draw_structure, structure_table

TINY = Residual((4,), (Stage(4, 1), Stage(6, 1)), (16, 16))


def network():
    return attach_heads(build_residual(TINY), ("age", "gender"))


def test_all_weights_are_counted_once():
    built = network()
    parts = describe(built)
    assert sum(part.parameters for part in parts) == built.count_params()
    assert parts[0].kind == "image"
    assert [part.name for part in parts if part.kind == "head"] == ["age", "gender"]


def test_table_and_picture(tmp_path):
    built = network()
    text = structure_table(built)
    assert "stage1_block0" in text
    assert text.splitlines()[-1].split() == ["all", f"{built.count_params():,}"]
    assert cv2.imread(str(draw_structure(built, tmp_path / "structure.png"))).std() > 1
