"""The `longshore` command. Each subcommand parses its arguments and calls one function.

Whatever goes wrong is one line on standard error and exit status 2.
"""

from longshore.cli.commands import main

__all__ = ["main"]
