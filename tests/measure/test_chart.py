"""The chart: written whole, or one line that says why not."""

import pytest

from facecli.core.errors import OutputError
from facecli.core.images import load_image
from facecli.measure.stages import STEPS, Scene, Timing, check_chart_suffix, save_chart

pytest.importorskip("matplotlib")
SCENES = [
    Scene(name, (640, 480), 4.0, dict.fromkeys(STEPS, Timing(5.0, 4.0, 6.0)), 12.0)
    for name in ("480p", "clip [1]")
]


def test_chart_is_a_picture_with_all_colours(tmp_path):
    path = tmp_path / "new" / "chart.png"
    save_chart(path, SCENES, "A machine")
    colours = {tuple(colour) for colour in load_image(path).reshape(-1, 3).tolist()}
    assert {(119, 119, 119), (0, 114, 178), (213, 94, 0), (0, 158, 115)} <= colours


def test_a_suffix_without_a_format_is_refused(tmp_path):
    check_chart_suffix(tmp_path / "x.SVG")
    for name in ("x.txt", "x"):
        with pytest.raises(OutputError, match="no picture suffix"):
            check_chart_suffix(tmp_path / name)
