"""Writes a real face to try facecli on: NASA's portrait of Eileen Collins, public domain.

    python benchmarks/real_face.py out/astronaut.png

The picture comes with scikit-image, so that none lies in this repository.
"""

import sys
from pathlib import Path

from skimage import data

from facecli.core.images import save_image

if __name__ == "__main__":
    target = Path(sys.argv[1])
    save_image(target, data.astronaut())
    print(target)
