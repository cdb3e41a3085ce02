"""The scoreboard: this project's models beside what their peers publish.

    python benchmarks/accuracy.py

Reads what was measured before: statistics/model_metrics/<model>/metrics.json (`facecli evaluate`),
benchmarks/teachers.json (benchmarks/teachers.py) and the models' folders; peers.csv holds what others
publish. Writes statistics/scoreboard.md and scoreboard.png.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure
from readme_tables import HEAD, SETS, accuracy_row, interval, markdown, measurements, protocol_of, share

from facecli.training.plots import BLUE, GREEN, GREY, new_figure, plot_style

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OUTPUT = ROOT / "statistics" / "scoreboard.md"
RANGES = {"all": "all ages", "21-60": "ages 21 to 60"}
MIRROR = ", with mirror image"
KINDS = {"model": BLUE, "teacher": GREEN, "peer": GREY}
PROTOCOL = """\
UTKFace, 20,137 of its 23,707 pictures, split 80/10/10 by group: identical and nearly identical pictures never
lie on two sides. Test split {count:,} faces, seed 1, digest {digest}; whole chips, one look, no mirror image
unless said; in brackets 95 % bootstrap intervals."""
TEACHERS = """\
Teachers, never shipped, the ceiling for a student: heads on the frozen features of public networks, which
have learnt from FairFace's men, too; each row is the mean of three, one for each crop that FaceNet sees.
"both": heads on the features of the two networks side by side, "ensemble": the mean of the three answers,
"+": with that model's. Measured on 2026-11-28: `facenet_model` in this table is the one that shipped then."""
TEACHERS_COMMAND = (
    "python benchmarks/teachers.py --data-path data/UTKFace --extra-data data/fairface "
    "--model facenet_teacher --model facenet_model"
)
SEEN = """\
`facenet_teacher` and `facenet_inception_model`, which do not ship, learnt from 5,999 of FairFace's men and
from none of its women. The models that ship learnt from the training splits alone, women and men."""
PEERS = """\
Quoted from their papers and repositories, each by the protocol that it names: other pictures, other splits,
so a few tenths of a year between the tables mean nothing. A random split of UTKFace leaks: some 375 groups of
pictures are there twice. "Other UTKFace pictures": some 3,570 that this repository does not
hold, the figures measured once, side by side, and not by a command of this repository."""


def main() -> None:
    entries = [*models(), *teachers(), *peers()]
    OUTPUT.write_text(document(entries), encoding="utf-8")
    draw(entries).savefig(OUTPUT.with_suffix(".png"))


def models() -> list[dict]:
    """An entry a model and age range, from what `facecli evaluate` left of UTKFace."""
    found = []
    for metrics in (row for row in measurements() if row["data"] == "UTKFace"):
        name = metrics["model"]
        about = {"kind": "model", "system": f"`{name}`", "command": evaluate_command(name), **size(name)}
        found += both_ranges(metrics, {**about, "digest": metrics["split_digest"]})
    return found


def evaluate_command(name: str) -> str:
    return f"facecli evaluate --model-path {name} --data-path data/UTKFace --split test"


def size(name: str) -> dict[str, float]:
    """Megabytes of the file that `facecli run` loads; of models that are not shipped nothing."""
    path = ROOT / "saved_model" / name / "model.tflite"
    return {"mb": path.stat().st_size / 1e6} if path.is_file() else {}


def teachers() -> list[dict]:
    """An entry a teacher, look and age range."""
    path = HERE / "teachers.json"
    if not path.is_file():
        return []
    document = json.loads(path.read_text())
    found = []
    for name, looks in document["teachers"].items():
        for look, metrics in looks.items():
            system = name + MIRROR if look == "with_mirror" else name
            about = {"kind": "teacher", "system": system, "digest": document["split_digest"]}
            found += both_ranges(metrics, about)
    return found


def both_ranges(metrics: Mapping, about: Mapping) -> list[dict]:
    """The entry of all ages and, where it was measured, that of ages 21 to 60."""
    whole = {"age": metrics["age"]["mae"], "age_ci95": metrics["age"]["mae_ci95"], "count": metrics["count"]}
    for head in ("gender", "race"):
        whole[head], whole[f"{head}_ci95"] = metrics[head]["accuracy"], metrics[head]["accuracy_ci95"]
    entries = [{**about, **whole, "ages": "all"}]
    if adults := metrics.get("age_21_60"):
        part = {"age": adults["age_mae"], "age_ci95": adults["age_mae_ci95"], "count": adults["count"]}
        for head in ("gender", "race"):
            if f"{head}_accuracy" in adults:
                part[head], part[f"{head}_ci95"] = adults[f"{head}_accuracy"], adults[f"{head}_accuracy_ci95"]
        entries.append({**about, **part, "ages": "21-60"})
    return entries


def peers() -> list[dict]:
    with (HERE / "peers.csv").open(encoding="utf-8", newline="") as file:
        return [peer(row) for row in csv.DictReader(file)]


def peer(row: Mapping[str, str]) -> dict:
    """An entry of a row whose accuracies are in per cent; what is not known is absent."""
    scale = {"age": 1, "gender": 0.01, "race": 0.01}
    numbers = {head: factor * float(row[head]) for head, factor in scale.items() if row[head]}
    return {"kind": "peer", **{key: row[key] for key in ("system", "protocol", "ages")}, **numbers}


def document(entries: list[dict]) -> str:
    ours = [entry for entry in entries if entry["kind"] == "model" and entry["ages"] == "all"]
    digests = {entry["digest"][:12] for entry in entries if "digest" in entry}
    if len(digests) > 1:
        raise SystemExit(f"models and teachers were measured on different splits: {', '.join(digests)}")
    protocol = PROTOCOL.format(count=ours[0]["count"], digest=", ".join(digests))
    lines = [
        "# Scoreboard",
        "",
        "Written by `python benchmarks/accuracy.py`.",
        "",
        "![Age errors](scoreboard.png)",
    ]
    lines += ["", "## Every model on every set", "", *every_set()]
    for ages, title in RANGES.items():
        lines += ["", f"## This project, {title}", "", protocol if ages == "all" else "The same split."]
        lines += ["", table(entries, "model", ages)]
        if any(entry["kind"] == "teacher" for entry in entries):
            lines += ["", TEACHERS]
            lines += ["", table(entries, "teacher", ages)]
        lines += ["", f"## Peers, {title}", "", PEERS if ages == "all" else "As above.", ""]
        lines += [table(entries, "peer", ages)]
    lines += ["", "## Commands", "", *(f"* {entry['system']}: `{entry['command']}`" for entry in ours)]
    lines += [f"* teachers: `{TEACHERS_COMMAND}`", ""]
    return "\n".join(lines)


def every_set() -> list[str]:
    """A row for each model and data set, the worst group of sex and race beside it, and what the sets are."""
    shown = [row for row in measurements() if row["data"] in SETS]
    rows = [[*accuracy_row(row), worst_group(row)] for row in shown]
    present = [name for name in SETS if any(row["data"] == name for row in shown)]
    told = [f"* {name}: {protocol_of(name, shown)}" for name in present]
    return [markdown([*HEAD, "gender, worst of the sexes' races"], rows), "", *told, "", SEEN]


def worst_group(metrics: Mapping) -> str:
    """The group of sex and race whose gender is recognised least, of seven races where they are known."""
    gaps = metrics.get("fairness", {}).get("gender_accuracy", {})
    gap = gaps.get("gender x race_7") or gaps.get("gender x race")
    return f"{gap['worst_value']:.1%} ({gap['worst'].replace('_', ' ')})" if gap else ""


def table(entries: list[dict], kind: str, ages: str) -> str:
    rows = [entry for entry in entries if (entry["kind"], entry["ages"]) == (kind, ages)]
    rows.sort(key=lambda entry: entry.get("age", float("inf")))
    extra = {"model": "MB", "teacher": "faces", "peer": "protocol"}[kind]
    return markdown(["system", "age MAE, years", "gender", "race", extra], [cells(row) for row in rows])


def cells(entry: Mapping) -> list[str]:
    age = f"{entry['age']:.2f}" if "age" in entry else ""
    if "age_ci95" in entry:
        age += f" ({interval(entry['age_ci95'], 2)})"
    last = {
        "model": f"{entry['mb']:.1f}" if "mb" in entry else "not shipped",
        "teacher": f"{entry.get('count', 0):,}",
        "peer": entry.get("protocol", ""),
    }
    return [
        entry["system"],
        age,
        *(accuracy(entry, head) for head in ("gender", "race")),
        last[entry["kind"]],
    ]


def accuracy(entry: Mapping, head: str) -> str:
    if head not in entry:
        return ""
    bounds = entry.get(f"{head}_ci95")
    return share(entry[head], bounds) if bounds else f"{entry[head]:.1%}"


@plot_style
def draw(entries: list[dict]) -> Figure:
    """Age errors of one look, a dot a system, the best at the top; intervals where they are known."""
    figure, axes = new_figure(11, 6.5, 1, 2)
    for axis, (ages, title) in zip(axes[0], RANGES.items(), strict=True):
        shown = [entry for entry in entries if entry["ages"] == ages and "age" in entry]
        shown = [entry for entry in shown if not entry["system"].endswith(MIRROR)]
        shown.sort(key=lambda entry: entry["age"], reverse=True)
        for row, entry in enumerate(shown):
            colour = KINDS[entry["kind"]]
            if "age_ci95" in entry:
                axis.hlines(row, *entry["age_ci95"], color=colour, linewidth=2, alpha=0.5)
            axis.plot(entry["age"], row, "o", color=colour)
        names = [entry["system"].strip("`") for entry in shown]
        axis.set_yticks(range(len(shown)), names, fontsize=8)
        for label, entry in zip(axis.get_yticklabels(), shown, strict=True):
            label.set_color(KINDS[entry["kind"]])
        axis.set(title=title, xlabel="mean absolute age error, years")
    figure.suptitle(
        "blue: this project, green: its teachers, same split; grey: peers, other protocols", fontsize=9
    )
    return figure


if __name__ == "__main__":
    main()
