"""Input that is broken on purpose, kills, full disks and rude clients: does facecli keep its promises?

`make campaign`, or `python -m campaign --help`; docs/reliability.md tells what came of it. A case is a kind
and a number: everything about it is drawn from the seed, so that `--case pictures:17` makes it again.
"""
