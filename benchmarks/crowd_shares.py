"""How far shares of a crowd are off, as a model says them and corrected by its confusion counts.

    python benchmarks/crowd_shares.py

Crowds with random shares are drawn from the shipped model's own confusion counts; each time the counts
that the correction knows are drawn anew, as another test split would have given them. What it prints
is in docs/crowds.md.
"""

import numpy as np

from facecli.core.paths import find_model
from facecli.crowd.correct import correct_shares, load_confusions
from facecli.models.checkpoint import load_checkpoint

TRIALS, DRAWS = 400, 200
PEOPLE = (30, 300)


def trial(counts: np.ndarray, people: int, random: np.random.Generator) -> tuple[float, float, float]:
    """Mean error of the shares as said and as corrected, and how many intervals hold the true share."""
    called = counts / counts.sum(axis=1, keepdims=True)
    share = random.dirichlet(np.ones(len(counts)))
    known = np.array(
        [random.multinomial(row.sum(), rates) for row, rates in zip(counts, called, strict=True)]
    )
    said = random.multinomial(people, share @ called)
    found = correct_shares(said, known, DRAWS)
    held = (found.low <= share) & (share <= found.high)
    return np.abs(said / people - share).mean(), np.abs(found.share - share).mean(), held.mean()


def main() -> None:
    """Prints the table."""
    random = np.random.default_rng(1)
    print("| people | head | as said | corrected | intervals hold |\n|---|---|---|---|---|")
    for head, confusion in load_confusions(load_checkpoint(find_model("facenet_model"))).items():
        for people in PEOPLE:
            rows = [trial(confusion.counts, people, random) for _ in range(TRIALS)]
            said, corrected, held = 100 * np.mean(rows, axis=0)
            print(f"| {people} | {head} | {said:.1f} % | {corrected:.1f} % | {held:.0f} % |")


if __name__ == "__main__":
    main()
