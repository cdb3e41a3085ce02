"""How long a command takes from its start, in processes of their own."""

import functools
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from facecli.errors import FacecliError
from facecli.images import save_image
from facecli.measure.scene import iter_scene
from facecli.measure.timing import Timing, measure

_PICTURE_WH = (640, 480)


def measure_startup(model_folder: Path, repeats: int) -> dict[str, Timing]:
    """Bare Python, `facecli --help`, and the faces of a first picture, model and all.

    Raises FacecliError when one of them fails.
    """
    with tempfile.TemporaryDirectory(prefix="facecli-") as folder:
        picture = Path(folder, "scene.png")
        save_image(picture, next(iter_scene(_PICTURE_WH, 1, 1)))
        facecli = [sys.executable, "-m", "facecli"]
        run = ["run", "--img", str(picture), "--no-show", "--model-path", str(model_folder.resolve())]
        commands = {
            "python": [sys.executable, "-c", "pass"],
            "facecli --help": [*facecli, "--help"],
            "first picture": [*facecli, *run],
        }
        return {
            name: measure(functools.partial(_call, command), repeats) for name, command in commands.items()
        }


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise FacecliError(f"{' '.join(command[1:4])} failed: {said}")
