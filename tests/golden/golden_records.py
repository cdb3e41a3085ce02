"""Records of what commands gave: written as text, compared with a tolerance where machines differ."""

import difflib
import os
import re
from pathlib import Path

import cv2
import numpy as np

SIDE = 20
PIXEL_TOLERANCE = 8
"""Of 255, of a cell of the shrunken picture: fonts and decoders differ a little between versions."""
NUMBER_TOLERANCE = 0.002
"""Of a number, or of 1: processors round differently in the fourth digit."""
TENTHS = 0.51
"""By which years, pixels of landmarks and degrees of rows may differ, which are told in tenths: a turned
picture is not the same to the last bit on all processors."""
STEP = 1.01
"""By which boxes, years and per cent of rows and tables may differ: what differs a little may round apart."""
PICTURES, VIDEOS = (".png", ".jpg"), (".avi", ".mp4")
TIMES = re.compile(r"\b\d+(\.\d+)?( ?m?s\b| pictures/s| frames/s| frames a second| pictures a second)")
DATA = re.compile(r"data:[a-z/+-]+;base64,[A-Za-z0-9+/=]+")
DATES = re.compile(r"\b20\d\d-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?([+-]\d\d:\d\d|Z)?")
NUMBER = re.compile(r"(?<![\w#.])-?\d+\.\d+(?:e-?\d+)?(?![\w.])")
ANY_NUMBER = re.compile(r"(?<![\w#.])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")
RESULTS = re.compile(r'^\{"|^[^,]*(,[^,]*){10,}$|\d%|\d %')
"""Lines of rows, of CSV and of tables: in them any number may differ by a step."""


def record(
    command: str, code: int, out: str, err: str, written: dict[str, Path], hidden: dict[str, str]
) -> str:
    """One command's record. `hidden` are texts of this machine -> what stands for them."""
    parts = [f"$ facecli {command}", f"exit code {code}", "--- stdout", out, "--- stderr", err]
    for name, path in sorted(written.items()):
        parts += [f"--- {name}", told(path)]
    text = "\n".join(part.rstrip("\n") for part in parts) + "\n"
    for secret, stands in hidden.items():
        # A folder only where its path goes on or ends: "/src" is no part of "/src/facecli".
        pattern = re.escape(secret) + (r"(?![\w.-])" if os.sep in secret else "")
        text = re.sub(rf"(?<![\w.-]){pattern}", stands, text)
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
        return list(difflib.unified_diff(before, after, "recorded", "now", lineterm="", n=0))
    pairs = [(one, other) for one, other in zip(before, after, strict=True) if not alike(one, other)]
    return [line for one, other in pairs for line in (f"- {one}", f"+ {other}")]


def alike(one: str, other: str) -> bool:
    if one == other:
        return True
    if one.startswith("picture ") and other.startswith("picture "):
        return looks_alike(one.split(), other.split())
    pattern = ANY_NUMBER if RESULTS.search(one) else NUMBER
    numbers = [np.array([float(number) for number in pattern.findall(line)]) for line in (one, other)]
    if pattern.sub("0", one) != pattern.sub("0", other) or len(numbers[0]) != len(numbers[1]):
        return False
    whole = np.array(["." not in number for number in pattern.findall(one)], bool)
    tenths = np.array([len(number.partition(".")[2]) == 1 for number in pattern.findall(one)], bool)
    fine = NUMBER_TOLERANCE * np.maximum(1, np.abs(numbers[0]))
    if RESULTS.search(one):
        fine = np.where(tenths, np.maximum(fine, TENTHS), fine)
    coarse = np.where(np.abs(numbers[0]) > 1, 0.11, fine) if "%" in one else fine
    return bool((np.abs(numbers[0] - numbers[1]) <= np.where(whole, STEP, coarse)).all())


def looks_alike(one: list[str], other: list[str]) -> bool:
    if one[1] != other[1]:
        return False
    levels = [np.frombuffer(bytes.fromhex(words[2]), np.uint8).astype(int) for words in (one, other)]
    return bool((np.abs(levels[0] - levels[1]) <= PIXEL_TOLERANCE).all())
