"""The picture of a crowd is a picture, for crowds of all kinds."""

import cv2
import numpy as np
import pytest

from facecli.crowd.confusion import Confusion
from facecli.crowd.figures import figures_of
from facecli.errors import InputError

plot = pytest.importorskip("facecli.crowd.plot")
pytest.importorskip("matplotlib")
GENDER = {"gender": Confusion(np.array([[95, 5], [10, 90]]), "some faces")}


@pytest.mark.parametrize("count", [0, 1, 9])
def test_it_opens(tmp_path, crowd_of, row, face, count):
    crowd = crowd_of(row("none.jpg"), *(row(f"{n}.jpg", face(age=float(12 * n))) for n in range(count)))
    plot.save_plot(tmp_path / "out.png", figures_of(crowd, GENDER), "m")
    image = cv2.imread(str(tmp_path / "out.png"))
    assert image.shape[0] > 300 and image.std() > 1
    assert [path.name for path in tmp_path.glob("*.png")] == ["out.png"]


@pytest.mark.parametrize("name", ["out", "out.jpeg2", "out.txt"])
def test_other_kinds_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="--plot"):
        plot.check_suffix(tmp_path / name)


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(InputError, match="folder"):
        plot.check_suffix(tmp_path / "x.png")
