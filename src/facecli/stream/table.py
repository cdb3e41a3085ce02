"""Results as rows of a table for people; `--json` is for programs."""

from collections.abc import Iterable, Iterator, Sequence

from facecli.faces import Face, FrameResult

COLUMNS = ("picture", "face", "box", "age", "90 %", "gender", "race")


def table_rows(results: Iterable[FrameResult]) -> Iterator[tuple[str, ...]]:
    """One row a face, "no face" or the error in place of the first face; blank where no head is."""
    for result in results:
        if result.error is not None:
            yield _note(result.source, f"error: {result.error}")
        elif not result.faces:
            yield _note(result.source, "no face")
        else:
            for number, face in enumerate(result.faces, start=1):
                yield (result.source, str(number), *_cells(face))


def plain_table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table without colours or frames, columns two spaces apart, for pipes and files."""
    table = [COLUMNS, *rows]
    # A note runs on to the right: it widens no column.
    widths = [max((len(row[i]) for row in table if any(row[2:])), default=0) for i in range(len(COLUMNS))]
    widths[0] = max(len(row[0]) for row in table)
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _note(source: str, text: str) -> tuple[str, ...]:
    return (source, text, *[""] * (len(COLUMNS) - 2))


def _cells(face: Face) -> tuple[str, ...]:
    row = face.to_json()
    low_high = "-".join(map(str, row.get("age_interval_90", ())))
    age = f"{row['age_years']:.1f}" if "age_years" in row else ""
    return (
        ",".join(map(str, row["box_xyxy"])),
        age,
        low_high,
        *(_named(row, head) for head in ("gender", "race")),
    )


def _named(row: dict, head: str) -> str:
    return f"{row[head]} {100 * row[f'{head}_probabilities'][row[head]]:.0f}%" if head in row else ""
