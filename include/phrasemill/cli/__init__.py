"""The `phrasemill` command: corpora checked, ground and looked at, engines served, each with one module of commands."""

from phrasemill.cli.program import main

__all__ = ["main"]
