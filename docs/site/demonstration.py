"""What the page of the demonstration needs: models of the checkout, and LiteRT for the web from npm."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import interpreter
from ai_edge_litert import schema_py_generated as schema

from facecli.core import crops, faces
from facecli.core.attributes import CLASS_NAMES, FOLDS
from facecli.detect import cnn
from facecli.models import readout

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent / "demonstration"
NETWORKS = {
    "detector": ("face_detector", (1, 64, 64, 3)),
    "landmarks": ("face_landmarks", (1, 64, 64, 3)),
    "reader": ("open_model", (1, 96, 96, 3)),
}
"""Name on the page -> model of the checkout, and the shape of what it sees; of the detector the smallest."""
STEP = crops.STRIDES[-1]
Shapes = dict[int, np.ndarray]
"""Number of a tensor -> its shape."""
BEGIN, END = "<!-- demonstration:begin -->", "<!-- demonstration:end -->"
"""What stands between them in docs/demo.md is for those who see the page without its scripts."""


def fetch(folder: Path) -> Path | None:
    """Installs what demonstration/package-lock.json names; its folder, or None where npm gives none."""
    npm = shutil.which("npm")
    if npm is None:
        sys.stderr.write("npm is not here: the site is built without the demonstration\n")
        return None
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, folder / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--fetch-retries=1"]
    if subprocess.run(command, cwd=folder, check=False).returncode:
        sys.stderr.write("npm could not fetch LiteRT: the site is built without the demonstration\n")
        return None
    return folder / "node_modules"


def search_shim(runtime: Path | None) -> Path | None:
    """What lets a page that was opened as a file search; browsers start no workers there."""
    return None if runtime is None else runtime / "iframe-worker" / "shim" / "index.js"


def write(docs: Path, runtime: Path | None) -> None:
    """Fills docs/demo of a site with scripts, models and runtime, and puts what they run on into its demo.md.

    Without the runtime the page stays as it is in the repository, which says so.
    """
    if runtime is None:
        return
    folder = docs / "demo"
    (folder / "litert").mkdir(parents=True)
    for script in (*HERE.glob("*.js"), HERE / "demo.css"):
        shutil.copyfile(script, folder / script.name)
    _copy_runtime(runtime / "@litertjs", folder / "litert")
    files = {}
    for name, (model, shape) in NETWORKS.items():
        files[name] = f"{name}.tflite"
        content = (ROOT / "saved_model" / model / "model.tflite").read_bytes()
        (folder / files[name]).write_bytes(with_shape(content, shape))
    free = free_sides((folder / files["detector"]).read_bytes(), ROOT / "saved_model" / "face_detector")
    told = {"files": files, "step": STEP, "free": {"detector": free}, **facts()}
    (folder / "models.json").write_text(json.dumps(told), encoding="utf-8")
    page = (docs / "demo.md").read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    markup = (HERE / "demo.html").read_text(encoding="utf-8")
    (docs / "demo.md").write_text(f"{before}{markup}{after}", encoding="utf-8")


def _copy_runtime(packages: Path, folder: Path) -> None:
    """LiteRT's script, which has to find the other package beside it, and its WebAssembly without threads.

    Threads would need headers that static hosts do not send.
    """
    script = (packages / "core" / "dist" / "index.js").read_text(encoding="utf-8")
    script = script.replace('"@litertjs/wasm-utils"', '"./wasm-utils.js"')
    (folder / "index.js").write_text(_without_map(script), encoding="utf-8")
    helpers = (packages / "wasm-utils" / "dist" / "index.js").read_text(encoding="utf-8")
    (folder / "wasm-utils.js").write_text(_without_map(helpers), encoding="utf-8")
    for name in ("litert_wasm_internal", "litert_wasm_compat_internal"):
        for suffix in (".js", ".wasm"):
            shutil.copyfile(packages / "core" / "wasm" / f"{name}{suffix}", folder / f"{name}{suffix}")
    (folder / "LICENSE.txt").write_text(
        "LiteRT for the web (@litertjs/core, @litertjs/wasm-utils): Apache License 2.0, "
        "https://www.apache.org/licenses/LICENSE-2.0\n",
        encoding="utf-8",
    )


def _without_map(script: str) -> str:
    return "".join(
        line for line in script.splitlines(keepends=True) if not line.startswith("//# sourceMappingURL")
    )


def shapes_at(content: bytes, shape: Sequence[int]) -> Shapes:
    """The shapes of all tensors of a LiteRT file that sees pictures of that shape."""
    kind = interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    network = interpreter.Interpreter(model_content=content, experimental_op_resolver_type=kind)
    (image,) = network.get_input_details()
    network.resize_tensor_input(image["index"], shape)
    network.allocate_tensors()
    network.set_tensor(image["index"], np.zeros(shape, np.uint8))
    # Only then all shapes are known.
    network.invoke()
    return {tensor["index"]: tensor["shape"] for tensor in network.get_tensor_details()}


def with_shape(content: bytes, shape: Sequence[int]) -> bytes:
    """A LiteRT file whose input has that shape and no other: LiteRT for the web knows no free sides."""
    known = shapes_at(content, shape)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for index, tensor in enumerate(model.subgraphs[0].tensors):
        if tensor.shapeSignature is not None and -1 in list(tensor.shapeSignature):
            tensor.shape = np.array(known[index], np.int32)
        tensor.shapeSignature = None
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def free_sides(fixed: bytes, folder: Path) -> list[list[int]]:
    """Where in a file for the smallest picture lie the numbers that depend on its height and width, and how.

    Args:
        fixed: of `with_shape`, for STEP x STEP pixels.
        folder: of the model itself.

    Returns:
        Rows of offset in bytes, d, a, b, c: at the offset stands d + a * h + b * w + c * h * w as 32 bits,
        with height and width in STEPs.
    """
    content = (folder / "model.tflite").read_bytes()
    at = {
        (h, w): shapes_at(content, (1, h * STEP, w * STEP, 3))
        for h, w in ((1, 1), (2, 1), (1, 2), (2, 2), (3, 5))
    }
    graph = schema.Model.GetRootAs(fixed, 0).Subgraphs(0)
    rows = []
    for index in range(graph.TensorsLength()):
        table = graph.Tensors(index)._tab
        start = table.Vector(table.Offset(4)) if table.Offset(4) else 0
        for place in range(len(at[1, 1][index])):
            one, high, wide, both = (int(at[size][index][place]) for size in ((1, 1), (2, 1), (1, 2), (2, 2)))
            c = both - high - wide + one
            a, b = high - one - c, wide - one - c
            d = one - a - b - c
            if d + 3 * a + 5 * b + 15 * c != at[3, 5][index][place]:
                raise ValueError(f"{folder}: tensor {index} does not grow with the picture as it should")
            if a or b or c:
                rows.append([start + 4 * place, d, a, b, c])
    return rows


def facts() -> dict[str, Any]:
    """What the scripts have to know: the numbers of the package and of the models' config.json."""
    search, reader = _config("face_detector"), _config("open_model")
    fitted, calibration = search["refinement"], reader["calibration"]
    return {
        "detector": {
            "longest_side": cnn.CnnOptions().longest_side,
            "strides": crops.STRIDES,
            "box_span": crops.BOX_SPAN,
            "landmark_span": crops.LANDMARK_SPAN,
            "nms_threshold": cnn._NMS_THRESHOLD,
            "search_threshold": cnn._searched(fitted["score_threshold"], fitted),
            **{name: fitted[name] for name in ("weights", "bias", "score_threshold")},
            "tiles": {
                **{"tiled": cnn._TILED, "overlap": cnn._OVERLAP},
                **{"edge": cnn._EDGE, "small": cnn._SMALL},
            },
        },
        "closeup": {
            "side": crops.CLOSEUP_SIDE,
            "margin": crops.CLOSEUP_MARGIN,
            "landmarks": crops.CLOSEUP_LANDMARKS.tolist(),
            "per_eyes": crops._PER_EYES,
            "sure": cnn._SURE,
        },
        "chip": {
            **dict(zip(("margin", "shift_y"), cnn.CHIP_CROP, strict=True)),
            "landmarks": crops.CHIP_LANDMARKS.tolist(),
            "sides": crops._CHIP_SIDES,
            "off": crops._CHIP_OFF,
        },
        "quality": {"small": faces._SMALL, "half_read": faces._HALF_READ},
        "reader": {
            "image_size": reader["image_size"][0],
            "labels": {head: CLASS_NAMES[head] for head in ("gender", "race", "race_7")},
            "folds": FOLDS["race"],
            "outputs": {"face": CLASS_NAMES["face"].index("face")},
            "age_interval": {**calibration["age_interval"], "smallest_spread": readout.SMALLEST_SPREAD},
            **{name: calibration[name] for name in ("temperatures", "face_threshold", "uncertain_below")},
            "lowest_quality": calibration["lowest_quality"],
        },
    }


def _config(model: str) -> dict[str, Any]:
    return json.loads((ROOT / "saved_model" / model / "config.json").read_text(encoding="utf-8"))
