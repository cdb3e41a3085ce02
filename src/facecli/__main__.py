"""`python -m facecli`."""

import sys

from facecli.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
