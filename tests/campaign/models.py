"""Model folders whose config.json or network is not what it should be."""

import hashlib
import json
import random
import shutil
import struct
from functools import cache
from pathlib import Path
from typing import Any

from campaign.bench import ROWS, TINY_MODEL, Bench
from campaign.case import OneByOne, Outcome
from campaign.child import Ended
from campaign.judge import Expected, faults_of, whole_json
from campaign.mutations import STRANGE, Mutated, mutated, mutated_json
from campaign.pictures import encoded, face
from campaign.rows import as_json
from campaign.together import OWN_MODELS, FileKind

CONFIG, METRICS, NETWORK = "config.json", "metrics.json", "model.tflite"


@cache
def _config() -> dict[str, Any]:
    config = json.loads((TINY_MODEL / CONFIG).read_text())
    calibration = {
        "temperatures": {"gender": 1.2, "race": 1.1},
        "age_interval": {"level": 0.9, "ages": [0, 50, 116], "low": [1, 5, 9], "high": [2, 6, 9]},
        "uncertain_below": {"gender": 0.6},
    }
    terms = {"licence": "MIT", "may_be_used_for": "all", "sources": [{"name": "a", "url": "b", "terms": "c"}]}
    return {
        "calibration": calibration,
        "terms": terms,
        "seed": 1,
        "parameters": 5,
        "duration_s": 1.5,
        **config,
    }


def make_folder(rng: random.Random, folder: Path) -> str:
    """A model folder with a wrong config.json, now and then a wrong metrics.json."""
    shutil.copytree(TINY_MODEL, folder)
    config, how = mutated_json(rng, _config())
    if rng.random() < 0.25:
        # What lies at the top is looked at first.
        key, number = rng.choice(sorted(config)), rng.randrange(len(STRANGE))
        config[key], how = STRANGE[number](), f"{how}, {key} = {repr(STRANGE[number]())[:30]}"
    text = as_json(rng, config).encode()
    if rng.random() < 0.2:
        text, more = mutated(rng, text)
        how = f"{how}, {more}"
    (folder / CONFIG).write_bytes(text)
    if rng.random() < 0.2:
        metrics, more = mutated_json(rng, json.loads((folder / METRICS).read_text()))
        (folder / METRICS).write_text(as_json(rng, metrics))
        how = f"{how}; metrics.json: {more}"
    return how


def _look_at_list(ended: Ended, folder: Path, count: int) -> list[str]:
    listed, faults = whole_json(ended.stdout)
    names = [Path(entry["folder"]).name for entry in listed or ()]
    lost = [path.name for path in folder.iterdir() if names.count(path.name) != 1]
    return [*faults, *(f"not in the list: {name}" for name in lost[:1])]


_LISTED = Expected(codes=(0,))
MODEL_LISTS = FileKind(
    "model_lists",
    "config.json and metrics.json with wrong types, depths and sizes, `models list --json`",
    30,
    make_folder,
    lambda folder: ["models", "list", "--json"],
    _look_at_list,
    expected=_LISTED,
    place=OWN_MODELS,
)
MODEL_TABLES = FileKind(
    "model_tables",
    "the same, `models list`",
    30,
    make_folder,
    lambda folder: ["models", "list"],
    expected=_LISTED,
    place=OWN_MODELS,
)


class Models(OneByOne):
    """One wrong folder, given to one of the commands that take a model."""

    name = "models"
    about = "the same, `models show`, `models verify`, `run --model-path`, `summarize --model-path`"
    together = 5

    def outcome(self, rng: random.Random, bench: Bench, folder: Path) -> Outcome:
        model = folder / "model"
        how = make_folder(rng, model)
        (folder / "face.jpg").write_bytes(encoded(face(), "JPEG"))
        run = ("run", "--img", "face.jpg", "--no-show", "--detector", "none", "--model-path", str(model))
        words: tuple[str, ...] = rng.choice(
            (
                ("models", "show", str(model)),
                ("models", "show", str(model), "--json"),
                ("models", "verify", str(model)),
                (*run, "--json", "-"),
                (*run, "--details", "--output", "drawn.png"),
                (*run[:-2], "--compare", f"{TINY_MODEL},{model}"),
                ("summarize", str(ROWS), "--model-path", str(model)),
            )
        )
        ended = bench.facecli(*words, cwd=folder)
        faults = faults_of(ended)
        return how, words, faults


def _rewritten(rng: random.Random, content: bytes) -> Mutated:
    """Some of the network's offsets, indices and sizes are others.

    All of these are small whole numbers of 32 bits, which weights are not.
    """
    changed, words = bytearray(content), []
    numbers = struct.unpack(f"<{len(content) // 4}I", content[: len(content) // 4 * 4])
    small = [place for place, number in enumerate(numbers) if 0 < number < len(content)]
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = 4 * rng.choice(small)
        value = rng.choice((0, 1, 2, 3, 7, 100, 0x7FFFFFFF, 0xFFFFFFFF, rng.randrange(len(content))))
        changed[place : place + 4] = struct.pack("<I", value)
        words.append(f"{value:#x} at {place}")
    return bytes(changed), ", ".join(words)


class Networks(OneByOne):
    """A network that is broken although its digest is right: whoever makes a folder writes both."""

    name = "networks"
    about = "model.tflite with changed bytes and the right digest in config.json, `run --model-path`"
    together = 5

    def outcome(self, rng: random.Random, bench: Bench, folder: Path) -> Outcome:
        model = folder / "model"
        shutil.copytree(TINY_MODEL, model)
        change = rng.choice((mutated, _rewritten, _rewritten))
        content, how = change(rng, (model / NETWORK).read_bytes())
        (model / NETWORK).write_bytes(content)
        config = json.loads((model / CONFIG).read_text())
        config["sha256"] = {NETWORK: hashlib.sha256(content).hexdigest()}
        (model / CONFIG).write_text(json.dumps(config))
        (folder / "face.jpg").write_bytes(encoded(face(), "JPEG"))
        words = ("run", "--img", "face.jpg", "--no-show", "--json", "-", "--detector", "none")
        command = (*words, "--model-path", str(model))
        ended = bench.facecli(*command, cwd=folder)
        faults = faults_of(ended)
        return how, command, faults
