"""`python -m phrasemill`: the `phrasemill` command of this interpreter."""

from phrasemill.cli import main

main()
