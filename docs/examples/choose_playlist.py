#!/usr/bin/env python3
"""Chooses a playlist for whoever came in: an event of facecli on standard input, a name on standard output.

facecli run --video --no-show --notify 'program:docs/examples/choose_playlist.py' --after-people 20
"""

import json
import sys

PLAYLISTS = [(25, "new-releases"), (45, "nineties"), (200, "classics")]
"""Up to which mean age, in years, which one."""


def choose(event: dict) -> str:
    """The playlist for the people of an event."""
    mean_years = event["age"]["mean_years"]
    return next(name for up_to, name in PLAYLISTS if mean_years < up_to)


if __name__ == "__main__":
    event = json.loads(sys.stdin.readline())
    # Here a real one would tell the player. Exit code 0 means: taken.
    sys.stdout.write(f"{event['people']} people: {choose(event)}\n")
