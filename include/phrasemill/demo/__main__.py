"""`python -m phrasemill.demo`: the demo's commands without the rest of the `phrasemill` program."""

from phrasemill.demo.cli import main

main()
