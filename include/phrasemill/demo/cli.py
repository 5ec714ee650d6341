"""The `phrasemill demo` commands."""

import datetime as dt
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from phrasemill.demo import start
from phrasemill.demo.corpus_choice import Choice, chosen_corpus
from phrasemill.demo.errors import DemoError
from phrasemill.demo.layout import Layout
from phrasemill.errors import PhrasemillError
from phrasemill.extras import BUCKETS, require

app = typer.Typer(no_args_is_help=True, help="The demo: real parts on this machine, and a night ground on them.")

Corpus = Annotated[str | None, typer.Option(help="A shipped corpus; default: demo.")]
Phrases = Annotated[str | None, typer.Option(help="How many phrases, for a corpus derived from it.")]
Shards = Annotated[str | None, typer.Option(help="In how many shards.")]


@app.command()
def check(corpus: Corpus = None, phrases: Phrases = None, shards: Shards = None) -> None:
    """Tell before anything starts whether a night can be ground; silent if it can."""
    layout = Layout.from_environment()
    chosen_corpus(layout, Choice(corpus, phrases, shards))
    start.check(layout)


@app.command()
def up(
    groups: Annotated[list[str] | None, typer.Argument(help="s3, engine, airflow; default: all")] = None,
) -> None:
    """Start the demo's parts, or reuse those that run."""
    for name, outcome in start.bring_up(Layout.from_environment(), tuple(groups or start.GROUPS)).items():
        print(f"{name}: {outcome}")


@app.command()
def run(corpus: Corpus = None, phrases: Phrases = None, shards: Shards = None) -> None:
    """Grind one night on the running parts and print what came of it."""
    require("demo run", BUCKETS)
    from phrasemill.demo.night import grind_night  # noqa: PLC0415

    try:
        grind_night(Layout.from_environment(), Choice(corpus, phrases, shards), Console())
    except KeyboardInterrupt:
        raise DemoError("no longer followed; the run goes on in Airflow, and make down ends everything") from None


@app.command()
def down() -> None:
    """Stop what the demo started."""
    ended = start.take_down(Layout.from_environment())
    print(f"stopped: {', '.join(ended)}" if ended else "nothing ran")


@app.command()
def status() -> None:
    """Tell which parts run."""
    layout = Layout.from_environment()
    table = Table("part", "state", "pid", "since", "memory", "address", box=None, header_style="bold")
    for entry in start.all_processes(layout):
        process = entry.find()
        part = entry.part
        address = layout.url(part.server) if part.server else ""
        if process is None:
            table.add_row(part.name, "[dim]not running[/]", "", "", "", "")
            continue
        state = "[green]healthy[/]" if part.healthy() else "[yellow]starting or unwell[/]"
        since = dt.datetime.fromtimestamp(process.create_time()).astimezone().strftime("%H:%M:%S")
        memory = f"{start.memory_mb(process)} MB"
        table.add_row(part.name, state, str(process.pid), since, memory, address)
    console = Console()
    console.print(table)
    console.print(f"logs: {layout.shown(layout.logs)}/<part>.log", highlight=False)


def main() -> None:
    """Run the demo's commands; an error of ours is one line on stderr and exit code 1."""
    try:
        app()
    except PhrasemillError as error:
        sys.exit(f"phrasemill: {error}")
