"""Records of what commands gave: written as text, compared with a tolerance where machines differ."""

import re
from pathlib import Path

import cv2
import numpy as np

SIDE = 20
PIXEL_TOLERANCE = 8
"""Of 255, of a cell of the shrunken picture: fonts and decoders differ a little between versions."""
NUMBER_TOLERANCE = 0.002
"""Of a number, or of 1: processors round differently in the fourth digit."""
PICTURES, VIDEOS = (".png", ".jpg"), (".avi", ".mp4")
TIMES = re.compile(r"\b\d+(\.\d+)?( ?m?s\b| pictures/s| frames/s| frames a second| pictures a second)")
DATA = re.compile(r"data:[a-z/+-]+;base64,[A-Za-z0-9+/=]+")
DATES = re.compile(r"\b20\d\d-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?")
NUMBER = re.compile(r"(?<![\w#.])-?\d+\.\d+(?:e-?\d+)?(?![\w.])")


def record(
    command: str, code: int, out: str, err: str, written: dict[str, Path], hidden: dict[str, str]
) -> str:
    """One command's record. `hidden` are texts of this machine -> what stands for them."""
    parts = [f"$ facecli {command}", f"exit code {code}", "--- stdout", out, "--- stderr", err]
    for name, path in sorted(written.items()):
        parts += [f"--- {name}", told(path)]
    text = "\n".join(part.rstrip("\n") for part in parts) + "\n"
    for secret, stands in hidden.items():
        text = text.replace(secret, stands)
    for pattern, stands in ((DATA, "<data>"), (DATES, "<date>"), (TIMES, r"<time>\2")):
        text = pattern.sub(stands, text)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def told(path: Path) -> str:
    """A file as text: pictures and clips by what they look like from afar."""
    if path.suffix in PICTURES:
        return look(cv2.imread(str(path), cv2.IMREAD_COLOR))
    if path.suffix in VIDEOS:
        frames = frames_of(path)
        ends = [look(frames[0]), look(frames[-1])] if frames else []
        return "\n".join([f"{len(frames)} frames", *ends])
    return path.read_text(encoding="utf-8")


def frames_of(path: Path) -> list[np.ndarray]:
    capture, frames = cv2.VideoCapture(str(path)), []
    while (frame := capture.read()[1]) is not None:
        frames.append(frame)
    capture.release()
    return frames


def look(image: np.ndarray) -> str:
    """Size, and the picture shrunk to SIDE x SIDE levels of grey, as hexadecimal digits."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return f"picture {image.shape[1]}x{image.shape[0]} {small.tobytes().hex()}"


def differences(expected: str, found: str) -> list[str]:
    """Lines that differ by more than machines do, as "- expected" and "+ found"."""
    before, after = expected.splitlines(), found.splitlines()
    if len(before) != len(after):
        both = set(before) & set(after)
        return [f"- {line}" for line in before if line not in both] + [
            f"+ {line}" for line in after if line not in both
        ]
    pairs = [(one, other) for one, other in zip(before, after, strict=True) if not alike(one, other)]
    return [line for one, other in pairs for line in (f"- {one}", f"+ {other}")]


def alike(one: str, other: str) -> bool:
    if one == other:
        return True
    if one.startswith("picture ") and other.startswith("picture "):
        return looks_alike(one.split(), other.split())
    numbers = [np.array([float(number) for number in NUMBER.findall(line)]) for line in (one, other)]
    if NUMBER.sub("0.0", one) != NUMBER.sub("0.0", other) or len(numbers[0]) != len(numbers[1]):
        return False
    allowed = NUMBER_TOLERANCE * np.maximum(1, np.abs(numbers[0]))
    return bool((np.abs(numbers[0] - numbers[1]) <= allowed).all())


def looks_alike(one: list[str], other: list[str]) -> bool:
    if one[1] != other[1]:
        return False
    levels = [np.frombuffer(bytes.fromhex(words[2]), np.uint8).astype(int) for words in (one, other)]
    return bool((np.abs(levels[0] - levels[1]) <= PIXEL_TOLERANCE).all())
