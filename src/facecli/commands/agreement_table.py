"""What `facecli run --compare` says at the end: how alike the models answered."""

import itertools

import click


class AgreementSink:
    """Counts, for each two of the compared models, how often they say the same; prints it at the end."""

    wants_image = False

    def __init__(self) -> None:
        """Has seen nothing yet."""
        self._counts: dict = {}

    def __enter__(self) -> "AgreementSink":
        return self

    def __exit__(self, *_) -> None:
        if self._counts:
            print_agreement({pair: count.result() for pair, count in self._counts.items()})

    def write(self, record) -> None:
        """Takes a picture's faces."""
        from facecli.vision.agreement import AgreementCount

        for face in record.result.faces:
            for (one, said), (other, answered) in itertools.combinations((face.by_model or {}).items(), 2):
                self._counts.setdefault((one, other), AgreementCount()).add(said, answered)


def print_agreement(results: dict) -> None:
    """Writes a line for each pair of models to standard output."""
    click.echo()
    for (one, other), result in results.items():
        said = [] if result.age_difference is None else [f"ages {result.age_difference:.1f} years apart"]
        said += [f"same {head} {100 * share:.0f}%" for head, share in result.same.items()]
        faces = "1 face" if result.faces == 1 else f"{result.faces} faces"
        click.echo(f"{one} and {other}, {faces}: {', '.join(said) or 'no head in common'}")
