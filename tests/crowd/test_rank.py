"""Who fits best."""

import pytest

from facecli.crowd.search import AgeRange, Wanted, match_row, rank_subjects


def test_nobody(crowd_of, row):
    found = rank_subjects(crowd_of(row("a.jpg")), Wanted({"gender": ("male",)}))
    assert (found.matches, found.best_below, found.unknown) == ([], None, 0)


def test_the_most_probable_comes_first_and_equals_stay_in_order(crowd_of, row, face):
    sure = {"a": 0.6, "b": 0.9, "c": 0.7, "d": 0.9}
    crowd = crowd_of(*(row(name, face("female", sure=value)) for name, value in sure.items()))
    found = rank_subjects(crowd, Wanted({"gender": ("female",)}), at_least=0.65)
    assert [match.subject.source for match in found.matches] == ["b", "d", "c"]
    assert found.best_below.subject.source == "a"
    assert [match.probability for match in found.matches] == pytest.approx([0.9, 0.9, 0.7])


def test_all_that_is_asked_for_is_multiplied_and_names_are_added(crowd_of, row, face):
    crowd = crowd_of(row("a", face("female", "asian", "happy", age=30.0)))
    wanted = Wanted({"gender": ("female",), "emotion": ("happy", "sad")}, AgeRange(22, 38))
    (match,) = rank_subjects(crowd, wanted).matches
    assert match.probability == pytest.approx(0.9 * (0.9 + 0.1 / 6) * 0.9, abs=1e-3)
    assert rank_subjects(crowd, wanted).by_interval == 1


def test_whose_rows_lack_what_is_asked_for_is_counted(crowd_of, row, face):
    crowd = crowd_of(row("a", face(emotion=None)), row("b", face()))
    found = rank_subjects(crowd, Wanted({"emotion": ("happy",)}))
    assert (found.unknown, len(found.matches)) == (1, 1)


def test_a_track_is_one_match(crowd_of, row, face):
    frames = (row("c.mp4", face("female", track=4), frame=n, time_s=n / 10) for n in range(5))
    found = rank_subjects(crowd_of(*frames), Wanted({"gender": ("female",)}))
    (match,) = found.matches
    line = match_row(1, match)
    assert (line["track"], line["frames"], line["first_s"], line["last_s"]) == (4, 5, 0.0, 0.4)
    assert "face" not in line and line["gender"] == "female"
