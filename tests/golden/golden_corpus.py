"""The fixed corpus whose results are recorded: drawn pictures and clips, one real face, broken files."""

import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np

FRAMES = 12


def draw_corpus(folder: Path, face_rgb: np.ndarray) -> None:
    """Writes all files. `face_rgb` is (512, 512, 3) uint8 with one face that Haar finds."""
    pictures = folder / "pictures"
    (pictures / "more").mkdir(parents=True)
    face = cv2.cvtColor(face_rgb, cv2.COLOR_RGB2BGR)
    save(pictures / "face.png", face)
    save(pictures / "two.png", np.hstack([face, cv2.resize(face, (300, 512))[:, ::-1]]))
    save(pictures / "turned.png", cv2.rotate(face, cv2.ROTATE_180))
    save(pictures / "more" / "grey.png", cv2.cvtColor(face, cv2.COLOR_BGR2GRAY))
    save(pictures / "more" / "alpha.png", cv2.cvtColor(face, cv2.COLOR_BGR2BGRA))
    save(pictures / "more" / "deep.png", face.astype(np.uint16) * 257)
    save(pictures / "blank.png", np.full((60, 80, 3), 200, np.uint8))
    save(pictures / "tiny.png", np.full((1, 1, 3), 9, np.uint8))
    whole = (pictures / "face.png").read_bytes()
    (pictures / "cut.png").write_bytes(whole[: len(whole) // 3])
    (pictures / "empty.jpg").write_bytes(b"")
    (pictures / "text.jpg").write_text("no picture", encoding="ascii")
    archives(folder, pictures)
    clips(folder, face)
    (folder / "list.txt").write_text("pictures/face.png\npictures/gone.png\n", encoding="ascii")


def archives(folder: Path, pictures: Path) -> None:
    """The same three files as a zip and as a tar, and a zip that was cut off."""
    names = ["face.png", "blank.png", "text.jpg"]
    with zipfile.ZipFile(folder / "some.zip", "w") as archive:
        for name in names:
            archive.write(pictures / name, f"some/{name}")
    with tarfile.open(folder / "some.tar.gz", "w:gz") as archive:
        for name in names:
            archive.add(pictures / name, f"some/{name}")
    (folder / "cut.zip").write_bytes((folder / "some.zip").read_bytes()[:2000])


def clips(folder: Path, face: np.ndarray) -> None:
    """A face that moves and is gone, the same as numbered pictures, and two that are broken."""
    writer = cv2.VideoWriter(str(folder / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    (folder / "frames").mkdir()
    small = cv2.resize(face, (240, 240))
    for number in range(FRAMES):
        frame = np.full((240, 320, 3), 90, np.uint8)
        if number < FRAMES * 2 // 3:
            left = 4 * number
            frame[:, left : left + 240] = small
        writer.write(frame)
        if number < 3:
            save(folder / "frames" / f"{number:04d}.png", frame)
    writer.release()
    whole = (folder / "clip.avi").read_bytes()
    (folder / "cut.avi").write_bytes(whole[: len(whole) // 2])
    (folder / "broken.mp4").write_bytes(b"\0" * 4000)


def save(path: Path, image: np.ndarray) -> None:
    cv2.imwrite(str(path), image)
