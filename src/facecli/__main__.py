"""`python -m facecli`."""

import sys

from facecli.cli import main

if __name__ == "__main__":
    sys.exit(main())
