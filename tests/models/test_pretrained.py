"""Reading published weight files, and assigning them to the trunk."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.errors import WeightsError
from facecli.models import pretrained
from facecli.models.inception_resnet_v1 import TAPS, build_inception_resnet_v1
from facecli.models.weights_registry import WEIGHTS

SHARED = Path(__file__).resolve().parents[3] / "shared"
NPZ = SHARED / "weights" / "facenet_20180402-114759-vggface2_fp16.npz"


@pytest.fixture(scope="module")
def model():
    return build_inception_resnet_v1(TAPS)


@pytest.fixture(scope="module")
def arrays(model):
    """Random arrays in the published layout; variances positive."""
    random = np.random.default_rng(0)
    return {
        f"{layer.name}_{weight.name}": random.uniform(0.1, 1, weight.shape).astype("float32")
        for layer in model.layers
        for weight in layer.weights
    }


def tiny_model() -> keras.Model:
    image = keras.Input((2,))
    dense = keras.layers.Dense(3, name="Bottleneck")(keras.layers.Dropout(0.5)(image))
    return keras.Model(image, dense)


TINY = {
    "Bottleneck_kernel": np.arange(6, dtype="float16").reshape(2, 3),
    "Bottleneck_bias": np.ones(3, "float16"),
}


def test_assign_sets_float32_weights_from_float16_arrays():
    tiny = tiny_model()
    pretrained.assign_weights(tiny, TINY)
    kernel, bias = tiny.get_layer("Bottleneck").get_weights()
    assert kernel.dtype == np.float32
    np.testing.assert_array_equal(kernel, TINY["Bottleneck_kernel"])
    np.testing.assert_array_equal(bias, TINY["Bottleneck_bias"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "miss Bottleneck_bias, Bottleneck_kernel:"),
        ({"Bottleneck_kernel": TINY["Bottleneck_kernel"]}, "miss Bottleneck_bias:"),
        (TINY | {"logits_kernel": np.ones(3)}, "hold unknown logits_kernel:"),
        (TINY | {"Bottleneck_bias": np.ones(4)}, "in another shape, Bottleneck_bias:"),
        (TINY | {"Bottleneck_bias": np.array([1, np.nan, 0])}, "finite numbers, Bottleneck_bias:"),
        (TINY | {"Bottleneck_bias": np.array(["a", "b", "c"])}, "finite numbers, Bottleneck_bias:"),
        (TINY | {f"x{i}": np.ones(1) for i in range(9)}, "x0, x1, x2 and 6 more:"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name_and_nothing_is_set(changed, message):
    tiny = tiny_model()
    before = tiny.get_layer("Bottleneck").get_weights()
    with pytest.raises(WeightsError, match=message):
        pretrained.assign_weights(tiny, changed)
    for old, new in zip(before, tiny.get_layer("Bottleneck").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_npz_round_trip(tmp_path):
    np.savez(tmp_path / "w.npz", **TINY)
    loaded = pretrained.load_arrays(tmp_path / "w.npz")
    assert loaded.keys() == TINY.keys()
    np.testing.assert_array_equal(loaded["Bottleneck_kernel"], TINY["Bottleneck_kernel"])


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 cut zip", b"\x89HDF\r\n\x1a\n cut"])
def test_a_damaged_file_is_one_line(tmp_path, suffix, content):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read") as caught:
        pretrained.load_arrays(path)
    assert "\n" not in str(caught.value)


def test_a_pickle_in_an_npz_is_refused(tmp_path):
    np.savez(tmp_path / "w.npz", evil=np.array([{"a": 1}], dtype=object))
    with pytest.raises(WeightsError, match="cannot be read"):
        pretrained.load_arrays(tmp_path / "w.npz")


def test_missing_file_and_unknown_kind(tmp_path):
    with pytest.raises(WeightsError, match=r"no weight file .*gone\.npz"):
        pretrained.load_arrays(tmp_path / "gone.npz")
    with pytest.raises(WeightsError, match=r"weights\.pkl is not a weight file"):
        pretrained.load_arrays(tmp_path / "weights.pkl")


def test_load_facenet_without_weights_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="facecli weights get facenet"):
        pretrained.load_facenet()


def write_h5(path: Path, arrays: dict, root: str = "") -> None:
    """The legacy Keras layout: layer/layer/variable:0, with layers that hold nothing."""
    variables = ("kernel", "bias", "beta", "moving_mean", "moving_variance")
    with h5py.File(path, "w") as file:
        top = file.require_group(root) if root else file
        top.create_group("add_1")
        for name, array in arrays.items():
            variable = next(v for v in variables if name.endswith(f"_{v}"))
            layer = name.removesuffix(f"_{variable}")
            top.create_dataset(f"{layer}/{layer}/{variable}:0", data=array)


@pytest.mark.parametrize("root", ["", "model_weights"])
def test_h5_of_the_published_layout_fits_the_trunk(tmp_path, model, arrays, root):
    write_h5(tmp_path / "facenet512_weights.h5", arrays, root)
    loaded = pretrained.load_arrays(tmp_path / "facenet512_weights.h5")
    pretrained.assign_weights(model, loaded)
    bottleneck = model.get_layer("Bottleneck").get_weights()[0]
    np.testing.assert_array_equal(bottleneck, arrays["Bottleneck_kernel"])
    assert pretrained.content_digest(loaded) == pretrained.content_digest(arrays)


def test_an_h5_of_another_network_is_refused(tmp_path, model):
    write_h5(tmp_path / "other.h5", {"conv1_kernel": np.ones((3, 3, 3, 8))})
    with pytest.raises(WeightsError, match="they are not of FaceNet"):
        pretrained.assign_weights(model, pretrained.load_arrays(tmp_path / "other.h5"))


def torch_state(arrays: dict, gamma: float) -> dict[str, np.ndarray]:
    """`arrays` in facenet-pytorch's names and axes, normalised with `gamma`, plus its classifier."""
    state = {"logits.weight": np.ones((7, 512)), "logits.bias": np.ones(7)}
    conv = list(pretrained._convolutions())
    triples = [(f"{m}.conv.weight", f"{m}.bn", layer) for m, layer in conv]
    triples.append(("last_linear.weight", "last_bn", "Bottleneck"))
    for weight, bn, layer in triples:
        kernel = arrays[f"{layer}_kernel"] / np.float32(gamma)
        state[weight] = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
        state[f"{bn}.weight"] = np.full(kernel.shape[-1], gamma, "float32")
        state[f"{bn}.bias"] = arrays[f"{layer}_BatchNorm_beta"]
        state[f"{bn}.running_mean"] = arrays[f"{layer}_BatchNorm_moving_mean"] / np.float32(gamma)
        state[f"{bn}.running_var"] = arrays[f"{layer}_BatchNorm_moving_variance"]
        state[f"{bn}.num_batches_tracked"] = np.array(0)
    for module, layer in pretrained._projections():
        state[f"{module}.weight"] = arrays[f"{layer}_kernel"].transpose(3, 2, 0, 1)
        state[f"{module}.bias"] = arrays[f"{layer}_bias"]
    return state


@pytest.mark.parametrize("gamma", [1.0, -0.5])
def test_a_torch_state_dict_becomes_our_arrays_with_gamma_folded(arrays, gamma):
    converted = pretrained.from_state_dict(torch_state(arrays, gamma))
    assert converted.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_allclose(converted[name], array, rtol=1e-6, err_msg=name)


def test_torch_names_are_those_of_facenet_pytorch():
    modules = {module for module, _ in pretrained._convolutions()}
    assert {
        "conv2d_1a",
        "conv2d_4b",
        "repeat_1.0.branch0",
        "repeat_1.4.branch2.2",
        "mixed_6a.branch0",
        "repeat_2.9.branch1.1",
        "mixed_7a.branch0.1",
        "repeat_3.4.branch1.2",
        "block8.branch0",
    } <= modules
    assert len(modules) == len(list(pretrained._convolutions())) == 111


def test_a_torch_state_dict_of_another_network_is_refused(arrays):
    state = torch_state(arrays, 1.0)
    with pytest.raises(WeightsError, match="unknown extra"):
        pretrained.from_state_dict(state | {"extra.weight": np.ones(1)})
    del state["repeat_2.3.branch1.1.bn.running_var"]
    with pytest.raises(WeightsError, match=r"repeat_2\.3\.branch1\.1\.bn\.running_var"):
        pretrained.from_state_dict(state)
    with pytest.raises(WeightsError, match=r"conv2d_1a\.conv\.weight"):
        pretrained.from_state_dict({})


def test_a_torch_file_is_read_weights_only(tmp_path, arrays):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    state = {
        name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in torch_state(arrays, 1).items()
    }
    torch.save(state, tmp_path / "w.pt")
    loaded = pretrained.load_arrays(tmp_path / "w.pt")
    assert pretrained.content_digest(loaded) == pretrained.content_digest(arrays)

    torch.save({"a": Path("evil")}, tmp_path / "evil.pt")
    (tmp_path / "text.pt").write_text("not weights")
    for name in ("evil.pt", "text.pt"):
        with pytest.raises(WeightsError, match="cannot be read as PyTorch weights"):
            pretrained.load_arrays(tmp_path / name)


def test_a_torch_file_without_torch_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    (tmp_path / "w.pt").write_bytes(b"anything")
    with pytest.raises(WeightsError, match="pip install torch"):
        pretrained.load_arrays(tmp_path / "w.pt")


@given(st.lists(st.floats(-1000, 1000, width=16), min_size=1, max_size=5))
def test_digest_ignores_order_and_precision_but_not_values_names_or_shapes(values):
    a, b = np.array(values, "float32"), np.ones(2, "float32")
    digest = pretrained.content_digest({"a": a, "b": b})
    assert digest == pretrained.content_digest({"b": b.astype("float64"), "a": a.astype("float16")})
    assert digest != pretrained.content_digest({"a": a + 16, "b": b})
    assert digest != pretrained.content_digest({"a": a, "c": b})
    assert digest != pretrained.content_digest({"a": a[:, None], "b": b})


@pytest.mark.skipif(not NPZ.exists(), reason="the published weights are not here")
def test_the_published_weights_fit_and_have_the_registered_digest():
    arrays = pretrained.load_npz(NPZ)
    assert pretrained.content_digest(arrays) == WEIGHTS["facenet"].files[0].content


@pytest.mark.skipif(not NPZ.exists(), reason="the published weights are not here")
def test_the_published_weights_know_a_face_from_its_mirror_image_and_from_a_cat():
    data = pytest.importorskip("skimage.data")
    from facecli.core.crops import crop_face

    face = crop_face(data.astronaut(), (170, 60, 280, 210), 0.1, (160, 160))
    cat = crop_face(data.chelsea(), (100, 50, 300, 250), 0.0, (160, 160))
    trunk = pretrained.load_facenet(NPZ)
    out = trunk(np.stack([face, face[:, ::-1], cat]), training=False)
    embedding = keras.ops.convert_to_numpy(out["embedding"])
    assert list(out) == ["embedding"]
    assert embedding[0] @ embedding[1] > 0.9
    assert embedding[0] @ embedding[2] < 0.4
