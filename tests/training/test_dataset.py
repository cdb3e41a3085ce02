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
