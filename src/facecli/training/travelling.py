"""The numbers that lie in a model's own folder and travel with it."""

from collections.abc import Mapping

from facecli.faces import FACE_HEADS


def own_numbers(about: Mapping, metrics: Mapping, before: Mapping) -> dict:
    """The content of `metrics.json` after the model was measured on its own test split.

    Args:
        about: model, split and the like.
        metrics: of all heads.
        before: the old content; what it says of heads that these data have no labels for stays.
    """
    kept = {head: before[head] for head in FACE_HEADS if _from_elsewhere(before, head)}
    unknown = {head: row for head, row in kept.items() if not _counted(metrics, head)}
    return {**about, **metrics, **unknown}


def with_other_data(before: Mapping, about: Mapping, metrics: Mapping, data: str) -> dict:
    """The content of `metrics.json` after the model was measured on other data that it has learnt from.

    Class heads that its own data have no labels for get what was measured here, and say so.

    Args:
        before: the old content.
        about: of the measurement, with its "split_digest".
        metrics: of all heads.
        data: name of the data set.
    """
    told = {"data": data, "split_digest": about["split_digest"]}
    found = {
        head: {**metrics[head], **told}
        for head in FACE_HEADS
        if _counted(metrics, head) and (not _counted(before, head) or _from_elsewhere(before, head))
    }
    return {**before, **found}


def _counted(metrics: Mapping, head: str) -> bool:
    row = metrics.get(head)
    return isinstance(row, Mapping) and bool(row.get("count"))


def _from_elsewhere(metrics: Mapping, head: str) -> bool:
    return _counted(metrics, head) and "data" in metrics[head]
