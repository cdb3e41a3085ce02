"""Pictures without a face, in folders `not_face/`: what the head `face` learns to refuse.

`facecli data negatives` writes such a folder; pictures of one's own room may lie beside. Age,
gender, race and emotion are missing labels.
"""

from pathlib import Path

from facecli.core.attributes import PRESENCE
from facecli.core.images import find_images
from facecli.data.table import Layout, Table, build_table

FOLDER = "not_face"


def read_not_face(folder: Path) -> Table:
    """Reads every picture of a folder `not_face/`; pictures elsewhere are listed in `problems`.

    A picture below `test/` is in the test split, see `data.groups.split_groups`.
    """
    rows, problems = [], []
    for path in find_images(folder):
        file = path.relative_to(folder)
        if FOLDER in file.parts[:-1]:
            split = "test" if "test" in file.parts[:-1] else "train"
            label = PRESENCE.index(FOLDER)
            rows.append({"file": file.as_posix(), "face": label, "published_split": split})
        else:
            problems.append((file.as_posix(), f"not in a folder {FOLDER}/"))
    return build_table(folder, rows, problems, source=FOLDER)


def _find(folder: Path) -> Path | None:
    return folder if any(folder.glob(f"**/{FOLDER}/")) else None


LAYOUT = Layout(lambda folder: (folder, read_not_face(folder)), find=_find)
