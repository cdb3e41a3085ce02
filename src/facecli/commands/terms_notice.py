"""What is said when the parts of a command come on different terms."""

from collections.abc import Iterable, Mapping
from typing import Any

from facecli.commands.messages import warn


def note_terms(detector: str, configs: Iterable[Mapping[str, Any]]) -> None:
    """One line on standard error when a detector may be used for less than all of the models.

    Args:
        detector: its name.
        configs: `config.json` of the models.
    """
    from facecli.models.terms import DETECTOR_TERMS, terms_of

    terms = DETECTOR_TERMS.get(detector)
    if terms is None or not terms.is_narrow or any(terms_of(config).is_narrow for config in configs):
        return
    learnt = ", ".join(source.name for source in terms.sources)
    warn(
        f"--detector {detector} is for {terms.may_be_used_for} only (it learnt from {learnt}), though the "
        "model may be used for more; --detector haar may, too"
    )
