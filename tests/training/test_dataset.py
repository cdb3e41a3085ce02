import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facecli.training.dataset import CropBatches


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


def test_no_extra_rows_change_nothing():
    plain, shared = batches(range(20), seed=2), batches(range(20), seed=2, extra_from=20, extra_share=0.5)
    assert seen(shared).tolist() == seen(plain).tolist()


@given(st.integers(4, 40), st.integers(0, 60), st.floats(0, 0.9))
def test_extra_rows_make_up_their_share_and_own_rows_are_all_there(own, extra, share):
    dataset = batches(range(own + extra), batch_size=1, extra_from=own, extra_share=share)
    found = seen(dataset)
    assert set(range(own)) <= set(found) and len(set(found)) == len(found)
    drawn = len(found) - own
    assert drawn == min(round(own * share / (1 - share)), extra)


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


def test_without_a_share_every_epoch_has_all_extra_rows():
    assert sorted(seen(batches(range(20), extra_from=8))) == list(range(20))


def test_each_epoch_draws_other_extra_rows():
    dataset = batches(range(100), batch_size=1, extra_from=20, extra_share=0.5)
    first = set(seen(dataset))
    dataset.on_epoch_end()
    assert first != set(seen(dataset))
    again = batches(range(100), batch_size=1, extra_from=20, extra_share=0.5)
    again.start_at(0)
    assert set(seen(again)) == first
