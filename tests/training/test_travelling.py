"""Which numbers lie in a model's folder."""

from facecli.training.report import own_numbers, with_other_data

ABOUT = {"model": "m", "split": "test", "split_digest": "own"}
OTHER = {**ABOUT, "split_digest": "other"}
OWN = {"count": 9, "gender": {"count": 9, "accuracy": 0.9}, "emotion": {"count": 0}}
MEASURED = {"count": 5, "gender": {"count": 5, "accuracy": 0.1}, "emotion": {"count": 5, "accuracy": 0.6}}


def test_the_first_measurement_is_all_there_is():
    assert own_numbers(ABOUT, OWN, {}) == {**ABOUT, **OWN}


def test_other_data_fill_what_the_own_have_no_labels_for():
    found = with_other_data(own_numbers(ABOUT, OWN, {}), OTHER, MEASURED, "fer2013")
    assert found["gender"] == OWN["gender"] and found["split_digest"] == "own"
    assert found["emotion"] == {"count": 5, "accuracy": 0.6, "data": "fer2013", "split_digest": "other"}


def test_measuring_again_keeps_what_came_from_elsewhere_and_renews_it():
    before = with_other_data(own_numbers(ABOUT, OWN, {}), OTHER, MEASURED, "fer2013")
    assert own_numbers(ABOUT, OWN, before)["emotion"]["data"] == "fer2013"
    better = {"emotion": {"count": 6, "accuracy": 0.7}}
    assert with_other_data(before, OTHER, better, "fer2013")["emotion"]["accuracy"] == 0.7


def test_own_labels_take_the_place_of_those_from_elsewhere():
    before = with_other_data(own_numbers(ABOUT, OWN, {}), OTHER, MEASURED, "fer2013")
    assert own_numbers(ABOUT, {"emotion": {"count": 3}}, before)["emotion"] == {"count": 3}
