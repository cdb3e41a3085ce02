import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facecli.training.epochs import CropBatches


def batches(rows, batch_size=4, **options):
    inputs = np.arange(100)[:, None]
    return CropBatches(
        inputs, {"age": inputs.astype("float32")}, np.array(rows), batch_size=batch_size, **options
    )


def seen(dataset):
    return np.concatenate([dataset[index][0][:, 0] for index in range(len(dataset))])


@given(st.integers(4, 60), st.integers(0, 5))
def test_an_epoch_sees_rows_once_but_for_the_rest(count, seed):
    found = seen(batches(range(count), seed=seed))
    assert len(found) == count // 4 * 4
    assert len(set(found)) == len(found)


def test_fewer_rows_than_a_batch_are_one_batch():
    assert sorted(seen(batches([7, 9]))) == [7, 9]


def test_the_order_is_a_function_of_seed_and_epoch():
    running = batches(range(20), seed=1)
    first = seen(running)
    running.on_epoch_end()
    second = seen(running)
    assert first.tolist() != second.tolist()
    assert seen(batches(range(20), seed=1, first_epoch=1)).tolist() == second.tolist()


def test_targets_and_weights_belong_to_their_rows():
    inputs, targets, weights = batches([3, 50, 50, 8], weights=[1, 2, 2, 3])[0]
    by_row = {3: 1, 50: 2, 8: 3}
    assert targets["age"][:, 0].tolist() == inputs[:, 0].tolist()
    assert [by_row[row] for row in inputs[:, 0]] == weights["age"].tolist()


def of_two_sets(own):
    """(100,) set of each input: "own" first."""
    return np.where(np.arange(100) < own, "own", "other")


def test_shares_of_sets_that_are_not_there_change_nothing():
    plain = batches(range(20), seed=2)
    shared = batches(range(20), seed=2, sets=of_two_sets(20), shares={"other": 0.5})
    assert seen(shared).tolist() == seen(plain).tolist()


@given(st.integers(4, 40), st.integers(1, 60), st.floats(0, 0.9))
def test_a_set_makes_up_its_share_and_the_others_are_all_there_once(own, other, share):
    dataset = batches(range(own + other), batch_size=1, sets=of_two_sets(own), shares={"other": share})
    found = seen(dataset).tolist()
    assert sorted(row for row in found if row < own) == list(range(own))
    drawn = [found.count(row) for row in range(own, own + other)]
    assert sum(drawn) == round(share * own / (1 - share))
    assert max(drawn) - min(drawn) <= 1


@given(st.integers(2, 40), st.integers(2, 60), st.floats(0.1, 0.9))
def test_sets_that_all_have_shares_keep_them(first, second, share):
    sets, shares = of_two_sets(first), {"own": share, "other": 1 - share}
    found = seen(batches(range(first + second), batch_size=1, sets=sets, shares=shares))
    assert abs((found < first).sum() - share * (first + second)) <= 1
    assert abs(len(found) - first - second) <= 1


def test_each_epoch_sees_the_next_view_of_the_same_rows():
    inputs = np.arange(30)[:, None]
    stored = {"age": inputs.astype("float16")}
    dataset = CropBatches(inputs, stored, np.arange(4, 9), batch_size=5, views=3)
    epochs = []
    for _ in range(4):
        crops, targets = dataset[0]
        assert targets["age"].dtype == np.float32 and (targets["age"] == crops).all()
        epochs.append(sorted(crops[:, 0].tolist()))
        dataset.on_epoch_end()
    assert epochs == [[4, 5, 6, 7, 8], [14, 15, 16, 17, 18], [24, 25, 26, 27, 28], [4, 5, 6, 7, 8]]


def test_without_a_share_every_epoch_has_all_rows():
    assert sorted(seen(batches(range(20), sets=of_two_sets(8)))) == list(range(20))


def test_each_epoch_draws_other_rows():
    options = {"batch_size": 1, "sets": of_two_sets(20), "shares": {"other": 0.5}}
    dataset = batches(range(100), **options)
    first = set(seen(dataset))
    dataset.on_epoch_end()
    assert first != set(seen(dataset))
    again = batches(range(100), **options)
    again.start_at(0)
    assert set(seen(again)) == first


def test_a_share_of_rows_is_left_out_anew_each_epoch_and_none_of_the_others():
    seen = np.repeat([0.5, 1.0], [40, 20]).astype(np.float32)
    batches = CropBatches(np.zeros((60, 2)), {}, np.arange(60), batch_size=10, seed=3, seen=seen)
    epochs = []
    for _ in range(6):
        epochs.append(set(batches.order.tolist()))
        batches.on_epoch_end()
    assert all(len(epoch) == 40 and set(range(40, 60)) <= epoch for epoch in epochs)
    assert len(batches) == 4 and len({frozenset(epoch) for epoch in epochs}) > 1
    # A row that is never seen in so many epochs is one in 64.
    assert len(set().union(*epochs)) > 50
    again = CropBatches(np.zeros((60, 2)), {}, np.arange(60), batch_size=10, seed=3, seen=seen)
    again.start_at(2)
    assert set(again.order.tolist()) == epochs[2]


def test_rows_left_out_and_shares_of_sets_go_together():
    sets = np.repeat(["a", "b"], [40, 40])
    seen = np.tile(np.repeat([0.5, 1.0], [20, 20]), 2)
    batches = CropBatches(
        np.zeros((80, 2)), {}, np.arange(80), batch_size=10, sets=sets, shares={"b": 0.25}, seen=seen
    )
    counts = dict(zip(*np.unique(sets[batches.order], return_counts=True), strict=True))
    assert counts == {"a": 30, "b": 10}
    assert (batches.order[sets[batches.order] == "a"] >= 20).sum() == 20


def test_every_row_seen_is_the_order_without_shares():
    plain = CropBatches(np.zeros((30, 2)), {}, np.arange(30), batch_size=10, seed=3)
    seen = CropBatches(np.zeros((30, 2)), {}, np.arange(30), batch_size=10, seed=3, seen=np.ones(30))
    assert plain.order.tolist() == seen.order.tolist()
