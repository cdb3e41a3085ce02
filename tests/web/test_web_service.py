"""The workers and the network that they share."""

import asyncio
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
from facecli.core import paths
from facecli.core.errors import CheckpointError, InputError
from facecli.models.checkpoint import load_checkpoint, write_json
from facecli.models.litert import Predictor
from facecli.web.app import describe_model
from facecli.web.model_registry import ModelRegistry, SharedPredictor
from facecli.web.pages import model_sections
from facecli.web.service import Busy, Service
from facecli.web.settings import Settings


class CountingPredictor:
    """Gives each crop its own number back, and counts how many came at once."""

    checkpoint = calibration = None
    heads, image_size = ("age",), (2, 2)

    def __init__(self):
        self.sizes, self.gate = [], threading.Event()
        self.gate.set()

    def predict(self, crops):
        assert self.gate.wait(20)
        if (crops == 255).any():
            raise RuntimeError("a bad crop")
        self.sizes.append(len(crops))
        return {"age": crops[:, 0, 0, :1].astype(np.float32)}


def crops(*values):
    return np.array(values, np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)


def test_no_crops_give_no_rows(tiny_checkpoint):
    shared = SharedPredictor([Predictor(tiny_checkpoint, 1)])
    outputs = shared.predict(np.empty((0, *tiny_checkpoint.image_size, 3), np.uint8))
    assert {head: rows.shape[0] for head, rows in outputs.items()} == dict.fromkeys(tiny_checkpoint.heads, 0)


def test_it_says_what_the_network_says(tiny_checkpoint):
    alone = Predictor(tiny_checkpoint, 1)
    some = np.random.default_rng(0).integers(0, 255, (3, *tiny_checkpoint.image_size, 3), np.uint8)
    expected, outputs = alone.predict(some), SharedPredictor([alone]).predict(some)
    assert all((outputs[head] == expected[head]).all() for head in expected)


def test_crops_of_another_shape_are_refused(tiny_checkpoint):
    with pytest.raises(ValueError, match="crops are"):
        SharedPredictor([Predictor(tiny_checkpoint, 1)]).predict(np.zeros((1, 3, 3, 3), np.uint8))


def test_crops_that_wait_are_read_in_one_call_and_go_to_whom_they_belong():
    predictor = CountingPredictor()
    shared = SharedPredictor([predictor])
    predictor.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(shared.predict, crops(*range(number, 2 * number))) for number in range(1, 9)]
        while len(shared._waiting) < 7:
            pass
        predictor.gate.set()
        for number, answer in zip(range(1, 9), answers, strict=True):
            assert answer.result(20)["age"][:, 0].tolist() == list(range(number, 2 * number))
    assert sum(predictor.sizes) == shared.crops == 36
    assert len(predictor.sizes) == shared.calls == 2


def test_a_call_has_a_bounded_number_of_crops():
    predictor = CountingPredictor()
    shared = SharedPredictor([predictor])
    predictor.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(shared.predict, crops(*[1] * 30)) for _ in range(4)]
        while len(shared._waiting) < 3:
            pass
        predictor.gate.set()
        assert all(len(answer.result(20)["age"]) == 30 for answer in answers)
    assert max(predictor.sizes) <= 64
    assert len(shared.predict(crops(*[1] * 100))["age"]) == 100


def test_an_error_reaches_all_who_wait_and_nobody_after_them():
    shared = SharedPredictor([CountingPredictor()])
    with pytest.raises(RuntimeError, match="a bad crop"):
        shared.predict(crops(255))
    assert shared.predict(crops(3))["age"].tolist() == [[3]]


# --- workers --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def registry():
    return ModelRegistry(Settings(workers=1))


@pytest.fixture
def service(registry):
    service = Service(registry, 1, 2)
    yield service
    service.close()


def test_beyond_the_queue_nothing_is_begun(service):
    async def go():
        gate = threading.Event()
        waiting = [asyncio.ensure_future(service.run(gate.wait, 20)) for _ in range(2)]
        await asyncio.sleep(0)
        assert service.is_full
        with pytest.raises(Busy):
            await service.run(print)
        gate.set()
        assert await asyncio.gather(*waiting) == [True, True]
        await asyncio.sleep(0.05)
        assert service.taken == 0
        return await service.run(lambda a, b: a + b, 1, 2)

    assert asyncio.run(go()) == 3


def test_a_caller_who_leaves_gives_the_place_back(service):
    async def go():
        gate = threading.Event()
        working = asyncio.ensure_future(service.run(gate.wait, 20))
        begun = []
        leaving = asyncio.ensure_future(service.run(begun.append, 1))
        await asyncio.sleep(0.01)
        leaving.cancel()
        await asyncio.sleep(0.01)
        assert service.taken == 1
        gate.set()
        assert await working
        return begun

    assert asyncio.run(go()) == []


def test_an_error_of_the_work_is_raised_and_gives_the_place_back(service):
    async def go():
        for _ in range(5):
            with pytest.raises(ZeroDivisionError):
                await service.run(lambda: 1 // 0)
            await asyncio.sleep(0.01)
        assert service.taken == 0

    asyncio.run(go())


def test_who_comes_after_the_end_is_told_that_all_are_busy(registry):
    service = Service(registry, 1, 2)
    service.close()
    with pytest.raises(Busy):
        asyncio.run(service.run(print))
    assert service.taken == 0


def test_viewers_have_detectors_of_their_own_and_one_network(service):
    one, other = service.analyzer("facenet", "haar"), service.analyzer("facenet", "haar")
    assert one.detector is not other.detector and one.predictor is other.predictor


# --- health ---------------------------------------------------------------------------------------


@pytest.fixture
def clock():
    """Seconds, moved by hand: `now[0]`."""
    return [100.0]


@pytest.fixture
def timed(registry, clock):
    service = Service(registry, 1, 3, clock=lambda: clock[0])
    yield service
    service.close()


def test_a_service_without_work_is_well_for_ever(timed, clock):
    assert timed.trouble is None
    clock[0] += 1e6
    assert timed.trouble is None


def test_a_worker_that_does_not_come_back_is_stuck_until_it_does(timed, clock):
    async def go():
        gate = threading.Event()
        working = asyncio.ensure_future(timed.run(gate.wait, 20))
        while not timed._begun_s:
            await asyncio.sleep(0.01)
        clock[0] += 59
        assert timed.trouble is None
        clock[0] += 2
        assert "stuck" in timed.trouble
        # Its client was told long ago.
        working.cancel()
        assert "stuck" in timed.trouble
        gate.set()
        while timed._begun_s:
            await asyncio.sleep(0.01)
        assert timed.trouble is None

    asyncio.run(go())


def test_a_queue_that_does_not_move_is_told(timed, clock):
    async def go():
        gate = threading.Event()
        clock[0] += 1e6
        waiting = [asyncio.ensure_future(timed.run(gate.wait, 20)) for _ in range(2)]
        while not timed._begun_s:
            assert timed.trouble is None
            await asyncio.sleep(0.01)
        clock[0] += 29
        assert timed.trouble is None
        clock[0] += 2
        assert "queue has not moved" in timed.trouble
        gate.set()
        await asyncio.gather(*waiting)
        await asyncio.sleep(0.05)
        assert timed.trouble is None

    asyncio.run(go())


def test_the_end_does_not_wait_for_a_worker_that_hangs(registry):
    service, gate = Service(registry, 1, 3), threading.Event()

    async def go():
        working = asyncio.ensure_future(service.run(gate.wait, 60))
        waiting = asyncio.ensure_future(service.run(print))
        while not service._begun_s:
            await asyncio.sleep(0.01)
        service.close(wait_s=0.1)
        assert not working.done()
        gate.set()
        await asyncio.wait([working, waiting])
        assert waiting.cancelled()

    asyncio.run(go())


# --- the models -----------------------------------------------------------------------------------


def test_the_default_model_comes_first(tiny_checkpoint):
    assert list(ModelRegistry(Settings(model="normal", workers=1)).entries)[0] == "normal"
    own = ModelRegistry(Settings(model_path=tiny_checkpoint.folder, workers=1))
    assert list(own.entries)[0] == own.default == "tiny"


def test_loading_a_model_stops_nobody_who_has_another(monkeypatch):
    registry = ModelRegistry(Settings(workers=1))
    service, gate, loading = Service(registry, 1, 3), threading.Event(), threading.Event()

    def load_slowly(folder):
        loading.set()
        assert gate.wait(20)
        return load_checkpoint(folder)

    monkeypatch.setattr("facecli.web.model_registry.load_checkpoint", load_slowly)

    async def go():
        second = asyncio.ensure_future(service.load(["facenet", "normal"]))
        while not loading.is_set():
            await asyncio.sleep(0.01)
        # In the only worker, with the model that is there.
        await service.load(["facenet"])
        assert (
            await service.run(lambda: service.thread_analyzer(["facenet"], "none").model) == "facenet_model"
        )
        assert not second.done() and "normal" not in registry.loaded
        gate.set()
        await second
        assert "normal" in registry.loaded

    asyncio.run(go())
    service.close()


def test_unknown_names_are_errors(registry):
    with pytest.raises(CheckpointError, match="no model 'x'"):
        registry.predictor("x")
    with pytest.raises(InputError, match="no detector 'yunet'"):
        registry.build_detector("yunet", [])
    assert "x" not in registry.loaded


@pytest.mark.parametrize(
    "settings, error",
    [
        (Settings(model="nosuch"), CheckpointError),
        (Settings(detector="yunet"), InputError),
        (Settings(detector="nosuch"), InputError),
    ],
)
def test_a_server_without_its_model_or_detector_does_not_start(settings, error):
    with pytest.raises(error):
        ModelRegistry(settings)


def test_damaged_folders_are_named_and_the_rest_is_served(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    shipped = paths.find_model("normal_model")
    config = json.loads((shipped / "config.json").read_text(encoding="utf-8"))
    damages = {"odd": {"heads": True}, "odd2": {"sha256": [80, True]}, "gone": {}, "cold": {"calibration": 3}}
    for name, damage in damages.items():
        (tmp_path / "saved_model" / name).mkdir(parents=True)
        write_json(tmp_path / "saved_model" / name / "config.json", config | damage)
    shutil.copytree(shipped, tmp_path / "saved_model" / "good")
    registry = ModelRegistry(Settings(workers=1))
    assert set(registry.entries) == {"facenet", "normal", "open", "good"}
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == len(damages) and all(name in "".join(told) for name in damages)
    assert all(len(line.splitlines()) == 1 for line in told)
    shutil.rmtree(tmp_path / "saved_model" / "good")
    models = [describe_model(name, entry) for name, entry in registry.entries.items()]
    assert {model["name"]: model["size_bytes"] > 0 for model in models}["good"] is False
    assert len(model_sections(registry.entries)) == len(registry.entries)
    with pytest.raises(CheckpointError, match="good"):
        registry.predictor("good")


def test_a_folder_that_is_no_model_does_not_start(tmp_path):
    with pytest.raises(CheckpointError):
        ModelRegistry(Settings(model_path=tmp_path))
