"""`python -m phrasemill.engines.fake`: the same command as `phrasemill fake-engine`."""

import typer

from phrasemill.engines.fake.command import fake_engine

if __name__ == "__main__":
    typer.run(fake_engine)
