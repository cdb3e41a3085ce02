"""What `facecli summarize` says: one document for programs, and notes that people read too."""

from typing import Any

from facecli.crowd.figures import Figures
from facecli.crowd.rows import Reading

METHOD = "maximum likelihood (expectation-maximisation) on the confusion counts; Bayesian bootstrap"

_NAMED = 5
"""Of models that wrote rows."""


def document(
    figures: Figures, reading: Reading, model: str, age_error: float | None = None
) -> dict[str, Any]:
    """The JSON document that docs/crowds.md describes.

    Args:
        figures: of the crowd.
        reading: what the files held.
        model: name of the model that the shares are corrected for; "" when several wrote the rows.
        age_error: see `notes`.
    """
    crowd = figures.crowd
    return {
        "files": reading.files,
        "rows": reading.rows,
        "repeated_rows": reading.repeated,
        "damaged_lines": reading.damaged_lines,
        "cut_lines": len(reading.cut),
        "pictures": crowd.pictures,
        "frames": crowd.frames,
        "videos": crowd.videos,
        "rows_with_error": crowd.failed,
        "models": {name: rows for name, rows in reading.models.items() if name is not None},
        "rejected_faces": crowd.rejected,
        "untracked_faces": crowd.untracked,
        "people": len(crowd.subjects),
        "tracks": crowd.tracks,
        "age": figures.ages.to_json(),
        **{
            head: {name: share.to_json() for name, share in shares.items()}
            for head, shares in figures.shares.items()
        },
        "correction": {
            head: {"model": model, "data": confusion.data, "faces": confusion.faces, "method": METHOD}
            for head, confusion in figures.confusions.items()
        },
        "not_explained": list(figures.misfits),
        "notes": notes(figures, reading, model, age_error),
    }


def notes(figures: Figures, reading: Reading, model: str, age_error: float | None = None) -> list[str]:
    """Sentences that say what the figures hold and what they do not.

    Args:
        age_error: mean absolute error of the model's ages in years, if known.
    """
    return [
        *_on_rows(figures, reading),
        *_on_models(figures, reading, model),
        *_on_figures(figures, model, age_error),
    ]


def _on_rows(figures: Figures, reading: Reading) -> list[str]:
    crowd = figures.crowd
    said = []
    if crowd.failed:
        said.append(f"{_count(crowd.failed, 'picture')} could not be analysed and counts nowhere.")
    if reading.repeated:
        said.append(f"{_count(reading.repeated, 'row')} there before, word for word, left out.")
    if crowd.again:
        said.append(
            f"{_count(crowd.again, 'row')} of pictures that have another row, too: their faces count again."
        )
    if crowd.tracks:
        said.append(
            "Of videos each track is one person. Who comes back or is seen after a cut is a new one: "
            "the number of people is an upper bound."
        )
    return said


def _on_models(figures: Figures, reading: Reading, model: str) -> list[str]:
    others = [
        f"{name} ({_count(rows, 'row')})"
        for name, rows in reading.models.items()
        if name not in (None, model)
    ]
    if not others:
        return []
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    wrote = f"Rows were written by {', '.join(others[:_NAMED])}{more}"
    if figures.confusions:
        return [f"{wrote}, not by {model}: what {model} is known to confuse may not be what they confuse."]
    return [f"{wrote}: shares are as the models say; --model-path names one to correct them for."]


def _on_figures(figures: Figures, model: str, age_error: float | None) -> list[str]:
    said = []
    if figures.ages.count:
        measured = "" if age_error is None else f" ({model}: {age_error:.1f} years off on average)"
        said.append(
            "The age's interval tells how much the median varies by chance of who was seen, not how much "
            f"the model errs{measured}."
        )
    if figures.confusions:
        used = "; ".join(
            f"{head}: {confusion.faces:,} faces of {confusion.data}"
            for head, confusion in figures.confusions.items()
        )
        said.append(
            f"Corrected shares take out what {model} is known to confuse ({used}). They suppose that it "
            "wrote these rows, and errs here as it did there. Their intervals hold the chance of both."
        )
    if figures.confusions and any(subject.person.frames > 1 for subject in figures.crowd.subjects):
        said.append(
            "A label from many frames errs less than one from a picture: its correction may be too large."
        )
    if figures.misfits:
        said.append(
            f"Not corrected: {', '.join(figures.misfits)}. What {model} is known to confuse does not explain "
            "its answers here: it errs on these faces in another way than on those it was measured on."
        )
    explained = {*figures.confusions, *figures.misfits}
    if model and (missing := [head for head in figures.shares if head not in explained]):
        said.append(
            f"{model} has no confusion counts of {', '.join(missing)}: these shares are as the model says; "
            "'facecli evaluate' measures them."
        )
    return said


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
