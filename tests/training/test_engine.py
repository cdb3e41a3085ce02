"""The loop: it learns, keeps the best epoch, and a killed run goes on as if nothing had been."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from facecli.core.errors import FacecliError, InputError
from facecli.models.networks import Residual, Stage, attach_heads, build_residual
from facecli.training.augment import build_augmentation
from facecli.training.engine import FitOptions, Rows, fit
from facecli.training.epochs import EpochKeeper, validation_score
from facecli.training.prepare import build_targets

TINY = Residual((4,), (Stage(4, 1), Stage(6, 1)), (16, 16))
OPTIONS = FitOptions(epochs=3, batch_size=16, learning_rate=1e-2, seed=5)


def data(count=64):
    random = np.random.default_rng(0)
    labels = {"gender": np.arange(count) % 2, "age_years": random.integers(0, 90, count)}
    crops = random.integers(60, 120, (count, 16, 16, 3)).astype("uint8")
    crops[labels["gender"] == 1] += 100
    targets = build_targets(labels, ("age", "gender"))
    half = count // 2
    return Rows(crops, targets, np.arange(half)), Rows(crops, targets, np.arange(half, count))


def network():
    keras.utils.set_random_seed(5)
    return attach_heads(build_residual(TINY), ("age", "gender"))


def run(folder, options=OPTIONS, net=None):
    net = net or network()
    train, val = data()
    return net, fit(net, train, val, options, folder, build_augmentation((16, 16), seed=5))


def test_it_learns_and_writes_its_history(tmp_path):
    _, history = run(tmp_path, replace(OPTIONS, epochs=6))
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["val_gender_accuracy"] > 0.7
    assert {"val_age_mae", "learning_rate", "seconds", "images_per_s"} <= set(history[0])


def test_no_epochs_are_refused(tmp_path):
    with pytest.raises(InputError, match="--epochs must be 1"):
        run(tmp_path, replace(OPTIONS, epochs=0))


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_epochs_before(tmp_path):
    def broken(batch):
        def on_train_batch_begin(index, logs=None):
            if len(callback.history) == 1 and index == batch:
                # All of them: some processors' ReLU makes 0 of what is no number.
                for weights in callback.model.trainable_weights:
                    weights.assign(np.full(weights.shape, np.nan))

        return on_train_batch_begin

    class Keeper(EpochKeeper):
        def __init__(self, *args):
            nonlocal callback
            super().__init__(*args)
            callback, self.on_train_batch_begin = self, broken(1)

    callback = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facecli.training.engine.EpochKeeper", Keeper)
        with pytest.raises(FacecliError, match=r"NaN or infinite in epoch 2.*--learning-rate"):
            run(tmp_path)
    state = json.loads((tmp_path / "state.json").read_text())
    assert [row["epoch"] for row in state["history"]] == [1]
    kept = network()
    kept.load_weights(tmp_path / "best.weights.h5")
    assert all(np.isfinite(weights).all() for weights in kept.get_weights())


class Killed(Exception):
    pass


def test_a_run_killed_at_any_moment_resumes_to_the_same_end(tmp_path, monkeypatch):
    whole, expected = run(tmp_path / "whole")
    # Killed between the weights and the state of epoch 2: the most awkward moment.
    from facecli.training import epochs

    original, calls = epochs.write_json, []

    def dies_at_the_second(path, value):
        calls.append(path)
        if len(calls) == 2:
            raise Killed
        original(path, value)

    monkeypatch.setattr(epochs, "write_json", dies_at_the_second)
    with pytest.raises(Killed):
        run(tmp_path / "cut")
    monkeypatch.undo()
    assert len(json.loads((tmp_path / "cut" / "state.json").read_text())["history"]) == 1
    resumed, history = run(tmp_path / "cut", replace(OPTIONS, resume=True))
    assert [row["epoch"] for row in history] == [1, 2, 3]
    for key in ("loss", "val_loss", "val_age_mae"):
        assert history[-1][key] == pytest.approx(expected[-1][key], rel=1e-3)
    for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_resuming_nothing_starts_anew(tmp_path):
    _, history = run(tmp_path, replace(OPTIONS, epochs=1, resume=True))
    assert len(history) == 1


def test_resuming_a_finished_run_trains_no_more(tmp_path):
    trained, history = run(tmp_path, replace(OPTIONS, epochs=2))
    again, same = run(tmp_path, replace(OPTIONS, epochs=2, resume=True))
    assert same == history
    for ours, theirs in zip(again.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_resuming_with_other_options_is_refused(tmp_path):
    run(tmp_path, replace(OPTIONS, epochs=1))
    with pytest.raises(InputError, match="batch_size"):
        run(tmp_path, replace(OPTIONS, epochs=1, batch_size=8, resume=True))


def test_without_resume_an_old_run_is_forgotten(tmp_path):
    run(tmp_path, replace(OPTIONS, epochs=2))
    _, history = run(tmp_path, replace(OPTIONS, epochs=1))
    assert len(history) == 1
    assert sorted(file.name for file in tmp_path.glob("epoch-*")) == ["epoch-001.weights.h5"]


def test_it_stops_when_no_epoch_is_better(tmp_path):
    keeper = EpochKeeper(tmp_path, replace(OPTIONS, patience=2))
    keeper.history = [{"val_loss": 1.0}, {"val_loss": 2.0}]
    assert not keeper.exhausted
    keeper.history.append({"val_loss": 1.5})
    assert keeper.exhausted


def test_the_score_prefers_what_people_would():
    better = {"val_age_mae": 4.0, "val_gender_accuracy": 0.95, "val_race_accuracy": 0.9}
    worse = {**better, "val_gender_accuracy": 0.9}
    assert validation_score(better) < validation_score(worse)
    assert validation_score({"val_loss": 3.0}) == 3.0


def test_an_unknown_schedule(tmp_path):
    with pytest.raises(FacecliError, match="cosine or constant"):
        run(tmp_path, replace(OPTIONS, schedule="sawtooth"))


def test_weights_of_heads_scale_their_part_of_the_loss(tmp_path):
    heavy = replace(OPTIONS, epochs=1, learning_rate=1e-12, head_weights={"gender": 200.0})
    _, plain = run(tmp_path / "plain", replace(heavy, head_weights={}))
    _, history = run(tmp_path / "heavy", heavy)
    assert history[0]["loss"] - plain[0]["loss"] > 100 * 0.5 * plain[0]["gender_loss"]
    assert history[0]["val_loss"] > 10 * plain[0]["val_loss"]


def test_a_weight_of_a_head_that_is_not_trained_is_refused(tmp_path):
    with pytest.raises(InputError, match="race, but what is trained is age, gender"):
        run(tmp_path, replace(OPTIONS, head_weights={"race": 2.0}))


def test_a_run_with_other_weights_is_not_resumed_and_one_without_a_word_of_them_is(tmp_path):
    run(tmp_path, replace(OPTIONS, epochs=1))
    state = json.loads((tmp_path / "state.json").read_text())
    del state["options"]["head_weights"]
    (tmp_path / "state.json").write_text(json.dumps(state))
    again = replace(OPTIONS, epochs=1, resume=True)
    assert len(run(tmp_path, again)[1]) == 1
    with pytest.raises(InputError, match="head_weights changed"):
        run(tmp_path, replace(again, head_weights={"age": 2.0}))
