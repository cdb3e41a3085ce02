import cv2
import keras

from facecli.models.networks import Residual, Stage, attach_heads, build_residual
from facecli.models.structure import describe_blocks, draw_parts, draw_structure, structure_table

TINY = Residual((4,), (Stage(4, 1), Stage(6, 1)), (16, 16))


def network():
    return attach_heads(build_residual(TINY), ("age", "gender"))


def test_all_weights_are_counted_once():
    built = network()
    parts = describe_blocks(built)
    assert sum(part.parameters for part in parts) == built.count_params()
    assert parts[0].kind == "image"
    assert [part.name for part in parts if part.kind == "head"] == ["age", "gender"]


def test_table_and_picture(tmp_path):
    built = network()
    text = structure_table(built)
    assert "stage1_block0" in text
    assert text.splitlines()[-1].split() == ["all", f"{built.count_params():,}"]
    assert cv2.imread(str(draw_structure(built, tmp_path / "structure.png"))).std() > 1


def test_parts_read_what_really_flows_into_them():
    """Both pooled stages flow into the features, and these into every head."""
    parts = {part.name: part for part in describe_blocks(network())}
    assert parts["image"].sources == ()
    assert parts["features"].sources == ("stage0_pool", "stage1_pool")
    assert parts["stage0_pool"].sources == ("stage0_block0",)
    assert parts["stage1_down"].sources == ("stage0_block0",)
    assert parts["stage1_down"].shape == (4, 4, 6)
    assert parts["age"].sources == parts["gender"].sources == ("features",)


def test_a_part_comes_after_its_sources():
    seen = set()
    for part in describe_blocks(network()):
        assert set(part.sources) <= seen
        seen.add(part.name)


def test_a_saved_network_has_the_same_structure(tmp_path):
    built = network()
    built.save(tmp_path / "model.keras")
    assert describe_blocks(keras.saving.load_model(tmp_path / "model.keras")) == describe_blocks(built)


def test_heads_on_stored_features_read_what_the_trunk_put_out():
    """A network whose input is another's output is drawn behind it, not beside the picture."""
    image = keras.Input((8, 8, 3), name="image")
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(image)
    stored = keras.Input((3,), name="features")
    heads = attach_heads(
        keras.Model(stored, keras.layers.BatchNormalization(name="standardise")(stored)), ("age",)
    )
    parts = {part.name: part for part in describe_blocks(keras.Model(image, heads(pooled)))}
    assert parts["standardise"].sources == ("pooled",)
    assert parts["age"].sources == ("standardise",)


def test_equal_neighbours_are_one_box():
    spec = Residual((4,), (Stage(4, 3), Stage(6, 1)), (16, 16))
    figure = draw_parts(describe_blocks(attach_heads(build_residual(spec), ("age",))), "tiny")
    words = {text.get_text() for text in figure.axes[0].texts}
    assert "stage0, 3 blocks" in words
    assert "stage0_block1" not in words
    assert {"stage1_block0", "age"} <= words
