"""Puts the commands together, and turns our own errors into one line each."""

import logging
import sys
from typing import Any

import typer
from rich.logging import RichHandler
from typer.core import TyperGroup

from phrasemill.cli import corpora, quarantine, rules, shards, verify
from phrasemill.cli.browse import browse
from phrasemill.cli.calibrate import calibrate
from phrasemill.cli.compare import compare
from phrasemill.cli.forecast import forecast
from phrasemill.cli.get import get
from phrasemill.cli.release import release
from phrasemill.cli.simulate import simulate
from phrasemill.demo.cli import app as demo_app
from phrasemill.engines.fake.command import fake_engine
from phrasemill.errors import PhrasemillError
from phrasemill.serving import commands
from phrasemill.serving.tune_command import tune
from phrasemill.terminal import complain, err

CORPORA, SERVING = "Corpora", "Engines"
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class Program(TyperGroup):
    """The commands; tells what Ctrl-C leaves, which Typer itself passes over in silence."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer's own Context is private
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            complain("stopped; what is finished is kept, the same command goes on from there")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(cls=Program, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for about_corpora in (
    corpora.check,
    corpora.plan,
    shards.run,
    shards.status,
    shards.sample,
    shards.report,
    verify.verify,
    forecast,
    calibrate,
    compare,
    simulate,
    release,
    get,
    browse,
):
    app.command(rich_help_panel=CORPORA)(about_corpora)
for about_engines in (commands.serve, commands.engines, commands.profiles, tune):
    app.command(rich_help_panel=SERVING)(about_engines)
app.command("fake-engine", rich_help_panel=SERVING)(fake_engine)
app.add_typer(quarantine.app, name="quarantine", rich_help_panel=CORPORA)
app.add_typer(rules.app, name="rules", rich_help_panel=CORPORA)
app.add_typer(demo_app, name="demo", help="The demo on real parts: S3, vLLM and Airflow on this machine.")


def main() -> None:
    """Run the command; our own errors are one line each and exit code 1."""
    handler = RichHandler(console=err, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("phrasemill").setLevel(logging.INFO)
    try:
        app()
    except PhrasemillError as error:
        complain(str(error))
        sys.exit(1)
