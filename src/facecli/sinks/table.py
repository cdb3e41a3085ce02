"""Results as rows of a table for people; `--json` is for programs. Cells of tables for spreadsheets."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from facecli.core.attributes import FACE_HEADS, NAMED_HEADS, PRESETS, UTKFACE_HEADS
from facecli.core.faces import Face, FrameResult, percent, with_further

FACE, AGE, PICTURE = "face", ("age", "90 %"), "picture"
_LEAST = 0.005
"""Of many bands of years those are shown that are not "0%"."""


_FORMULA = re.compile(r"""[\s'"]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]""")
"""How a text begins that spreadsheets run, also behind quotes and spaces, which some of them leave out."""


def as_text_cell(text: str) -> str:
    """A text that no spreadsheet runs as a formula: one that could be has an apostrophe in front."""
    return f"'{text}" if _FORMULA.match(text) else text


def from_text_cell(cell: str) -> str:
    """The text that `as_text_cell` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell, 1) else cell


def csv_lines(rows: Iterable[Iterable[object]], is_raw: bool = False) -> str:
    """Lines of comma-separated values (RFC 4180); texts are made harmless unless they are wanted raw."""
    return "".join(_csv_line(row, is_raw) for row in rows)


def _csv_line(row: Iterable[object], is_raw: bool) -> str:
    text = io.StringIO()
    # What ends a line is put between quotes: with "\n" alone a "\r" would stand there bare.
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([as_text_cell(one) if isinstance(one, str) and not is_raw else one for one in row])
    return f"{text.getvalue()[:-2]}\n"


def face_table(
    results: Sequence[FrameResult], details: str | None = None, says_why: bool = True
) -> list[tuple[str, ...]]:
    """The header, then one row a face, "none" or "error" with its reason where there is none.

    Args:
        results: may be empty.
        details: what stands between all the classes of a head, such as ", "; None for the most
            probable class alone, and no boxes.
        says_why: put the reason behind the name of what could not be analysed.

    Returns:
        Rows of one length, short columns first and the picture last; blank where no head is. A head that
        models usually lack, age bands and the names of compared models have a column only when a face
        has them; a compared face has a row for each model.
    """
    faces = [said for result in results for face in result.faces for _, said in _by_model(face)]
    heads = _shown_heads(faces, NAMED_HEADS if details is None else FACE_HEADS)
    compared = ["model"] if any(face.by_model for result in results for face in result.faces) else []
    banded = ["age group"] if any(_bands(face, details) for face in faces) else []
    boxed = [] if details is None else ["box"]
    header = (FACE, *compared, *AGE, *banded, *heads, *boxed, PICTURE)
    table = [header]
    for result in results:
        if result.error is not None or not result.faces:
            table.append(_note(result, len(header), says_why))
        for number, face in enumerate(result.faces, start=1):
            name = f"{number} ({face.rejection()})" if face.rejected else str(number)
            box = [",".join(map(str, face.to_json()["box_xyxy"]))] if boxed else []
            for model, said in _by_model(face):
                bands = [_bands_cell(said, details)] if banded else []
                labels = (_label_cell(said, head, details) for head in heads)
                models = [model] if compared else []
                table.append((name, *models, *_age(said), *bands, *labels, *box, result.source))
    return table


def _note(result: FrameResult, length: int, says_why: bool) -> tuple[str, ...]:
    name = result.source
    if result.error is not None and says_why:
        # Most reasons begin with the name.
        name = f"{name}: {result.error.removeprefix(f'{name} ')}"
    return ("none" if result.error is None else "error", *[""] * (length - 2), name)


def fit_path(path: str, width: int) -> str:
    """The path, or as many of its last parts as have room behind an ellipsis; of a long name both ends.

    `width` is in cells of a terminal, of which a letter may take two, or none.
    """
    from rich.cells import cell_len

    if cell_len(path) <= width:
        return path
    for place, letter in enumerate(path):
        if letter in "/\\" and cell_len(path[place:]) < width:
            return f"\u2026{path[place:]}"
    name = path[max(path.rfind("/"), path.rfind("\\")) + 1 :]
    before = 0
    while before < len(name) and cell_len(name[: before + 1]) <= (width - 1) // 2:
        before += 1
    after = before
    while after < len(name) and cell_len(name[:before]) + cell_len(name[after:]) > width - 1:
        after += 1
    return f"{name[:before]}\u2026{name[after:]}"


def plain_table(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table without colours or frames, columns two spaces apart, for pipes and files."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _by_model(face: Face) -> list[tuple[str, Face]]:
    """Who says what of a face; nobody in particular when no models were compared."""
    return list(face.by_model.items()) if face.by_model else [("", face)]


def _shown_heads(faces: Iterable[Face], among: Sequence[str]) -> tuple[str, ...]:
    faces = list(faces)
    found = {head for face in faces for head in face.heads}
    known = (head for head in among if head in found or head in UTKFACE_HEADS)
    return with_further(known, (head for face in faces for head in face.further))


def _label_cell(face: Face, head: str, details: str | None) -> str:
    probabilities = face.probabilities(head)
    if details is None or not probabilities:
        return face.label(head) or ""
    return details.join(_ranked(probabilities))


def _bands(face: Face, details: str | None) -> Mapping[str, float] | None:
    """Probabilities of the bands that were asked for, or of decades among other details."""
    if face.age_bands is not None or details is None or face.age_distribution is None:
        return face.age_bands
    return PRESETS["decades"].probabilities(face.age_distribution)


def _bands_cell(face: Face, details: str | None) -> str:
    bands = _bands(face, details)
    if not bands:
        return ""
    if details is not None:
        return details.join(_ranked({name: share for name, share in bands.items() if share >= _LEAST}))
    return face.band_label() or ""


def _ranked(probabilities: Mapping[str, float]) -> Iterator[str]:
    for name, share in sorted(probabilities.items(), key=lambda item: -item[1]):
        yield f"{name} {percent(share)}"


def _age(face: Face) -> tuple[str, str]:
    return ("" if face.whole_years is None else str(face.whole_years)), face.interval_label()
