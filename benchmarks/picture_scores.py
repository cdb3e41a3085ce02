"""Errors of analysed faces, and the Markdown tables of benchmarks/real_pictures.py."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from facecli.core.attributes import CLASS_NAMES, GENDERS, MISSING
from facecli.core.faces import Face
from facecli.training.evaluate import true_labels
from facecli.training.metrics import HALF_YEAR, mean_interval

GROWTH_YEARS, FALL_POINTS = 0.8, 1.5
"""At medium degradation the age error may grow, and gender fall, by less than that."""


class Answers:
    """What was said of each picture of a table, and how far off it was.

    Attributes:
        found: (n,) bool, whether there was a face.
        errors: head -> (n,) absolute years, or 1.0 for a right class and 0.0 for a wrong one;
            NaN where the label or the face is missing.
        ages: (n,) predicted years, NaN without a face.
    """

    def __init__(self, frame: pd.DataFrame, faces: Sequence[Face | None]) -> None:
        self.frame = frame
        self.found = np.array([face is not None for face in faces])
        self.ages = np.array([np.nan if face is None else face.age_years for face in faces], float)
        years = true_labels(frame, "age")
        self.errors = {"age": np.where(years == MISSING, np.nan, np.abs(self.ages - years))}
        for head in ("gender", "race"):
            self.errors[head] = _hits(head, true_labels(frame, head), faces)

    def cells(self, chosen: np.ndarray) -> list[str]:
        """Number, age error, gender and race of the chosen rows."""
        age, gender, race = (self.errors[head][chosen] for head in ("age", "gender", "race"))
        return [f"{int(chosen.sum()):,}", _cell(age, 1, 2), _cell(gender, 100, 1), _cell(race, 100, 1)]


def _hits(head: str, labels: np.ndarray, faces: Sequence[Face | None]) -> np.ndarray:
    names = CLASS_NAMES[head]
    said = [None if face is None else getattr(face, head) for face in faces]
    return np.array(
        [
            np.nan if name is None or label == MISSING else float(name == names[label])
            for name, label in zip(said, labels, strict=True)
        ]
    )


def found_rows(seen: Answers, clean: Answers, places: np.ndarray) -> list[str]:
    """Share of faces found, and the errors of the found ones beside the same chips read whole."""
    head = ["surrounding", "found", "read", "faces", "age error, years", "gender, %", "race, %"]
    rows = []
    for place in ["all", *dict.fromkeys(places.tolist())]:
        here = np.full(len(places), True) if place == "all" else places == place
        share = f"{100 * seen.found[here].mean():.1f} %"
        rows.append([place, share, "as found", *seen.cells(here & seen.found)])
        rows.append(["", "", "whole chip", *clean.cells(here & seen.found)])
    lost = ~seen.found
    rows.append(["all, not found", "", "whole chip", *clean.cells(lost)])
    return [*markdown(head, rows), "", f"As found against whole chip: {_growth(seen, clean)}."]


def webcam_rows(degraded: Mapping[str, Answers], clean: Answers) -> list[str]:
    """A row a severity, and how much is lost."""
    head = ["severity", "faces", "age error, years", "gender, %", "race, %"]
    whole = {"clean": clean, **degraded}
    rows = [[name, *answers.cells(answers.found)] for name, answers in whole.items()]
    lines = [f"- {name}: {_growth(answers, clean)}" for name, answers in degraded.items()]
    years, points = (_difference(degraded["medium"], clean, name) for name in ("age", "gender"))
    kept = years.mean() < GROWTH_YEARS and -100 * points.mean() < FALL_POINTS
    promise = (
        f"Wanted at medium: age error grows by less than {GROWTH_YEARS} years, gender falls by less than "
        f"{FALL_POINTS} points: **{'kept' if kept else 'missed'}**."
    )
    return [*markdown(head, rows), "", *lines, "", promise]


def fairface_rows(whole: Answers, cuts: Mapping[str, Answers]) -> list[str]:
    """Read whole and cut otherwise: age bins, gender of all, women and men, race; what each cut costs."""
    head = [
        "read",
        "found",
        "faces",
        "age in its bin, %",
        "years outside the bin",
        "gender, %",
        "women, %",
        "men, %",
        "race, %",
    ]
    rows = [["whole picture", *_fairface_cells(whole, whole.found)]]
    costs = []
    for name, answers in cuts.items():
        rows.append([name, *_fairface_cells(answers, answers.found)])
        rows.append(["the same faces, whole", *_fairface_cells(whole, whole.found & answers.found)])
        gender, race = (_cell(_difference(answers, whole, of), 100, 1, "+") for of in ("gender", "race"))
        costs.append(f"- {name} against whole picture: gender {gender} points, race {race} points")
    return [*markdown(head, rows), "", *costs]


def _fairface_cells(answers: Answers, rows: np.ndarray) -> list[str]:
    sexes = true_labels(answers.frame, "gender")
    women, men = (sexes == GENDERS.index(name) for name in ("female", "male"))
    outside = years_outside(answers)[rows]
    return [
        f"{100 * rows.mean():.1f} %",
        f"{int(rows.sum()):,}",
        _cell((outside == 0).astype(float), 100, 1),
        _cell(outside, 1, 2),
        *(_cell(answers.errors["gender"][rows & of], 100, 1) for of in (rows, women, men)),
        _cell(answers.errors["race"][rows], 100, 1),
    ]


def years_outside(answers: Answers) -> np.ndarray:
    """(n,) years from the bin's nearer end, 0 for ages that round to a year of the bin."""
    low, high = (answers.frame[name].to_numpy(float) for name in ("age_low", "age_high"))
    beyond = np.maximum(np.maximum(low - answers.ages, answers.ages - high), 0)
    return np.where(beyond <= HALF_YEAR, 0.0, beyond)


def _difference(one: Answers, other: Answers, head: str) -> np.ndarray:
    """Of the faces that both have answers for."""
    difference = one.errors[head] - other.errors[head]
    return difference[np.isfinite(difference)]


def _growth(one: Answers, other: Answers) -> str:
    years, gender, race = (_difference(one, other, head) for head in ("age", "gender", "race"))
    return (
        f"age error {_cell(years, 1, 2, '+')} years, gender {_cell(gender, 100, 1, '+')} points, "
        f"race {_cell(race, 100, 1, '+')} points"
    )


def _cell(values: np.ndarray, factor: float, digits: int, sign: str = "") -> str:
    """Mean and its interval; a dash for nothing."""
    values = factor * values[np.isfinite(values)]
    if not len(values):
        return "-"
    low, high = mean_interval(values)
    return f"{values.mean():{sign}.{digits}f} ({low:{sign}.{digits}f} to {high:{sign}.{digits}f})"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table."""
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows)]
