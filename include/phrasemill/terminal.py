"""Where commands print: results on stdout; progress, log lines and complaints on stderr."""

import os

from rich.console import Console

FILE_WIDTH = 200
"""Where the output is no terminal, so that tables and log lines are whole."""

out = Console()
err = Console(stderr=True)
"""One console for all that goes to stderr, so that log lines appear above a live display and not through it."""
for console in (out, err):
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = FILE_WIDTH


def complain(message: str) -> None:
    """Print what went wrong, in red on a terminal, never wrapped."""
    err.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
