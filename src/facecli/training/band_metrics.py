"""How often the band of years is right that `run --age-groups` would name."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from facecli.age_groups import PRESETS, AgeGroups, parse_age_groups
from facecli.training.bootstrap import mean_interval

BAND_SETS: Mapping[str, AgeGroups] = {
    "quarter_centuries": parse_age_groups("0-24,25-49,50-74,75-99,100+"),
    # The TCS HumAIn challenge's ages; its sixth class, "others", is a picture without an age.
    "below_20_to_above_50": parse_age_groups("0-19,20-29,30-39,40-49,50+"),
    "decades": PRESETS["decades"],
    "life": PRESETS["life"],
    "fairface": PRESETS["fairface"],
}
"""Name in `metrics.json` -> bands. Adience's leave ages out, so that true ages would belong to none."""


def band_metrics(true_age: np.ndarray, probabilities: np.ndarray) -> dict[str, dict]:
    """The accuracy of every set of bands.

    Args:
        true_age: (n,) years, all known, one at least.
        probabilities: (n, 117) age distributions.

    Returns:
        Name -> count; accuracy of the most probable band, with its 95 % interval; off_by_one, the
        share that is right or in the band beside it; confidence, the mean probability of the most
        probable band, which equals the accuracy when it means what it says; by_band: name ->
        count and recall, bands of true ages, those without any left out.
    """
    return {name: _metrics(true_age, probabilities, groups) for name, groups in BAND_SETS.items()}


def _metrics(true_age: np.ndarray, probabilities: np.ndarray, groups: AgeGroups) -> dict:
    rows = np.asarray(probabilities, np.float64)
    shares = np.stack([rows[:, band.first : band.last + 1].sum(axis=1) for band in groups.bands], axis=1)
    predicted = shares.argmax(axis=1)
    starts = [band.first for band in groups.bands]
    true = np.searchsorted(starts, true_age, side="right") - 1
    hit = predicted == true
    return {
        "count": len(true_age),
        "accuracy": float(hit.mean()),
        "accuracy_ci95": list(mean_interval(hit)),
        "off_by_one": float((np.abs(predicted - true) <= 1).mean()),
        "confidence": float(shares.max(axis=1).mean()),
        "by_band": {
            band: {"count": int((true == index).sum()), "recall": float(hit[true == index].mean())}
            for index, band in enumerate(groups.names)
            if (true == index).any()
        },
    }


def band_table(bands: Mapping[str, Mapping]) -> pd.DataFrame:
    """A row for each set of bands and for each band of it, from what `band_metrics` gives."""
    rows = []
    for name, row in bands.items():
        low, high = row["accuracy_ci95"]
        whole = {"count": row["count"], "accuracy": row["accuracy"], "low": low, "high": high}
        rows.append({"bands": name, "band": "all", **whole, "off_by_one": row["off_by_one"]})
        for band, part in row["by_band"].items():
            rows.append({"bands": name, "band": band, "count": part["count"], "accuracy": part["recall"]})
    return pd.DataFrame(rows, columns=["bands", "band", "count", "accuracy", "low", "high", "off_by_one"])
