"""Results as rows of a table for people; `--json` is for programs."""

from collections.abc import Iterable, Iterator, Sequence

from facecli.faces import NAMED_HEADS, Face, FrameResult
from facecli.labels import UTKFACE_HEADS

PLACE_AND_AGE = ("picture", "face", "box", "age", "90 %")


def face_table(results: Sequence[FrameResult], uncertain_below: float = 0.0) -> list[tuple[str, ...]]:
    """The header, then one row a face, "no face" or the error in place of the first face.

    Args:
        results: may be empty.
        uncertain_below: class labels of a smaller probability read "uncertain".

    Returns:
        Rows of one length, blank where no head is. A head that models usually lack has a column
        only when a face has it.
    """
    heads = _shown_heads(face for result in results for face in result.faces)
    header = (*PLACE_AND_AGE, *heads)
    table = [header]
    for result in results:
        if result.error is not None or not result.faces:
            note = "no face" if result.error is None else f"error: {result.error}"
            table.append((result.source, note, *[""] * (len(header) - 2)))
        for number, face in enumerate(result.faces, start=1):
            labels = (face.label(head, uncertain_below) or "" for head in heads)
            name = f"{number} ({face.rejection()})" if face.rejected else str(number)
            table.append((result.source, name, *_box_and_age(face), *labels))
    return table


def plain_table(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table without colours or frames, columns two spaces apart, for pipes and files."""
    # A note runs on to the right: it widens no column.
    widths = [max((len(row[i]) for row in table if any(row[2:])), default=0) for i in range(len(table[0]))]
    widths[0] = max(len(row[0]) for row in table)
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _shown_heads(faces: Iterable[Face]) -> tuple[str, ...]:
    found = {head for face in faces for head in NAMED_HEADS if face.probabilities(head) is not None}
    return tuple(head for head in NAMED_HEADS if head in found or head in UTKFACE_HEADS)


def _box_and_age(face: Face) -> tuple[str, str, str]:
    row = face.to_json()
    low_high = "-".join(map(str, row.get("age_interval_90", ())))
    age = f"{row['age_years']:.1f}" if "age_years" in row else ""
    return ",".join(map(str, row["box_xyxy"])), age, low_high
