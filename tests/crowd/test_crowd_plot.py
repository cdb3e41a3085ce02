"""The picture of a crowd is a picture, for crowds of all kinds."""

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from facecli.core.attributes import GENDERS
from facecli.core.errors import InputError
from facecli.crowd.correct import Confusion
from facecli.crowd.figures import figures_of

plot = pytest.importorskip("facecli.crowd.figures")
pytest.importorskip("matplotlib")
GENDER = {"gender": Confusion(np.array([[95, 5], [10, 90]]), "some faces", GENDERS)}


@pytest.mark.parametrize("count", [0, 1, 9])
def test_it_opens(tmp_path, crowd_of, row, face, count):
    crowd = crowd_of(row("none.jpg"), *(row(f"{n}.jpg", face(age=float(12 * n))) for n in range(count)))
    plot.save_plot(tmp_path / "out.png", figures_of(crowd, GENDER), "m")
    image = cv2.imread(str(tmp_path / "out.png"))
    assert image.shape[0] > 300 and image.std() > 1
    assert [path.name for path in tmp_path.glob("*.png")] == ["out.png"]


@given(count=st.integers(0, 60), women=st.integers(0, 60), known=st.booleans())
@example(count=3, women=3, known=False)
@example(count=5, women=0, known=True)
@example(count=6, women=6, known=False)
@example(count=12, women=12, known=True)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_number_of_people_is_drawn(tmp_path, crowd_of, row, face, count, women, known):
    people = (face("female" if n < women else "male", age=float(n)) for n in range(count))
    crowd = crowd_of(row("none.jpg"), *(row(f"{n}.jpg", one) for n, one in enumerate(people)))
    plot.save_plot(tmp_path / "out.svg", figures_of(crowd, GENDER if known else {}), "m")
    drawn = (tmp_path / "out.svg").read_text(encoding="utf-8")
    assert drawn.rstrip().endswith("</svg>") and "nan" not in drawn


@pytest.mark.parametrize("name", ["out", "out.jpeg2", "out.txt"])
def test_other_kinds_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="--plot"):
        plot.check_suffix(tmp_path / name)


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(InputError, match="folder"):
        plot.check_suffix(tmp_path / "x.png")
