"""The command line: one module a command, imported only when it is called."""

from facecli.cli.app import main

__all__ = ["main"]
