"""Figures by hand."""

import numpy as np
import pytest

from facecli.core.attributes import GENDERS
from facecli.core.stats import Z_90, wilson_interval
from facecli.crowd.correct import Confusion
from facecli.crowd.figures import document, figures_of
from facecli.crowd.rows import Reading

GENDER = Confusion(np.array([[95, 5], [10, 90]]), "some faces", GENDERS)


def test_nobody(crowd_of, row):
    figures = figures_of(crowd_of(row("a.jpg")), {"gender": GENDER})
    assert (figures.ages.count, figures.ages.median_years, figures.shares, figures.confusions) == (
        0,
        None,
        {},
        {},
    )
    found = document(figures, Reading(), "m")
    assert found["people"] == 0 and found["age"]["median_years"] is None and found["notes"] == []


def test_counts_shares_and_ages(crowd_of, row, face):
    ages = (5.0, 25.0, 25.5, 33.0, 95.0)
    crowd = crowd_of(*(row(f"{age}.jpg", face("female" if age > 30 else "male", age=age)) for age in ages))
    figures = figures_of(crowd, {})
    assert figures.ages.median_years == 25.5 and figures.ages.interval_90 == (5.0, 95.0)
    assert {name: n for name, n in figures.ages.histogram.items() if n} == {
        "0-9": 1,
        "20-29": 2,
        "30-39": 1,
        "90+": 1,
    }
    female = figures.shares["gender"]["female"]
    assert (female.count, female.share, female.corrected_share) == (2, 0.4, None)
    assert female.interval_90 == wilson_interval(2, 5, Z_90)
    assert sum(share.count for share in figures.shares["race"].values()) == 5
    assert "no confusion counts of gender, race, emotion" in " ".join(
        document(figures, Reading(), "m")["notes"]
    )


def test_people_without_a_label_are_not_in_its_shares(crowd_of, row, face):
    figures = figures_of(crowd_of(row("a.jpg", face(emotion=None), face(emotion="sad"))), {})
    assert figures.shares["emotion"]["sad"].share == 1.0


def test_corrected_shares_are_said_to_be(crowd_of, row, face):
    faces = [face("male")] * 40 + [face("female")] * 60
    figures = figures_of(crowd_of(*(row(f"{n}.jpg", one) for n, one in enumerate(faces))), {"gender": GENDER})
    found = document(figures, Reading(), "m", 4.9)
    share = found["gender"]["female"]
    assert share["corrected_share"] == pytest.approx((0.6 - 0.05) / 0.85, abs=1e-3)
    low, high = share["corrected_interval_90"]
    assert low < share["corrected_share"] < high
    assert found["correction"]["gender"]["faces"] == 200
    said = " ".join(found["notes"])
    assert "200 faces of some faces" in said and "4.9 years" in said and "suppose" in said


def test_answers_that_the_confusions_do_not_explain_are_left_as_they_are(crowd_of, row, face):
    """Everybody is said to be male, though of known men a third are called women."""
    wrong = Confusion(np.array([[200, 100], [180, 120]]), "some faces", GENDERS)
    rows = (row(f"{n}.jpg", face("male")) for n in range(60))
    figures = figures_of(crowd_of(*rows), {"gender": wrong})
    found = document(figures, Reading(), "m")
    assert figures.misfits == ("gender",) and found["not_explained"] == ["gender"]
    assert found["gender"]["male"]["corrected_share"] is None and found["correction"] == {}
    assert "Not corrected: gender" in " ".join(found["notes"])


def test_tracks_are_said_to_be_an_upper_bound(crowd_of, row, face):
    frames = (row("c.mp4", face(track=1), frame=n, time_s=n / 25) for n in range(3))
    found = document(figures_of(crowd_of(*frames), {"gender": GENDER}), Reading(), "m")
    assert (found["people"], found["tracks"], found["frames"]) == (1, 1, 3)
    assert "upper bound" in " ".join(found["notes"]) and "many frames" in " ".join(found["notes"])
