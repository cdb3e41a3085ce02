"""`python -m facecli`, and the command `facecli`."""

import signal
import sys

_INTERRUPTED = 130
"""`core.errors.EXIT_INTERRUPTED`, before anything is imported."""


def main() -> int:
    """The command line. Ctrl-C is silent also while it is imported, and after it has ended."""
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeded:
        # Python's handler would show where an import stands; a shell takes this end for 130, too.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from facecli.cli.app import main as run

    try:
        if heeded:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return run()
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        if heeded:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
