"""The `phrasemill` command: a corpus checked, planned, ground, watched and looked at, without Airflow."""

import datetime as dt
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

from phrasemill import steps
from phrasemill.closing import night_report
from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.demo.cli import app as demo_app
from phrasemill.engines.fake.command import fake_engine
from phrasemill.errors import PhrasemillError, PlanError
from phrasemill.fingerprint import fingerprint
from phrasemill.grind_progress import GrindProgress
from phrasemill.overview import Overview, overview, sample_rows
from phrasemill.planning import format_shards, night_of, nights_needed, parse_shards, shards_of_night
from phrasemill.prompts import PromptBook
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket, client_from_environment
from phrasemill.store.corpus_store import CorpusStore

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(demo_app, name="demo", help="The demo on real parts: S3, vLLM and Airflow on this machine.")
app.command("fake-engine")(fake_engine)
out = Console()

Corpus = Annotated[str, typer.Argument(help="A corpus's name, or the path of its file.")]
Engines = Annotated[
    str, typer.Option(envvar="PHRASEMILL_ENGINES", help="Engine URLs, separated by commas.", show_envvar=True)
]


@app.command()
def check(files: Annotated[list[Path], typer.Argument(help="Corpus files.")]) -> None:
    """Check corpus files: a summary of each sound one, every mistake of the others."""
    failures = 0
    for file in files:
        try:
            out.print(_summary(load_corpus(file)))
        except PhrasemillError as error:
            failures += 1
            _complain(str(error))
    raise typer.Exit(1 if failures else 0)


@app.command()
def plan(
    corpus: Corpus,
    date: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A logical date; today without it.")
    ] = None,
    nights: Annotated[int, typer.Option(min=1, help="How many nights from that date on.")] = 1,
) -> None:
    """Show which shards the nights of given dates own."""
    spec = load_corpus(find_corpus(corpus))
    zone = spec.schedule.zone
    first = date.replace(hour=23, minute=59, tzinfo=zone) if date else dt.datetime.now(zone)
    number = night_of(spec, first)
    table = Table("night", "shards", "phrase ids", title=f"{spec.name}: {nights_needed(spec)} nights in all")
    for night in range(number, number + nights):
        shards = shards_of_night(spec, night)
        if shards:
            ids = f"{shards[0] * spec.shard_phrases:,} to {(shards[-1] + 1) * spec.shard_phrases - 1:,}"
            table.add_row(str(night), format_shards(shards), ids)
        else:
            table.add_row(str(night), "none: the corpus is planned to its end", "")
    out.print(table)


@app.command()
def run(
    corpus: Corpus,
    engines: Engines,
    shards: Annotated[str | None, typer.Option(help="Shard numbers such as 0-3, 7.")] = None,
    next_shards: Annotated[
        int, typer.Option("--next", min=1, help="Without --shards: how many uncommitted shards.")
    ] = 1,
) -> None:
    """Grind, gate and commit shards without Airflow, one after the other.

    An API key is read from PHRASEMILL_API_KEY, never from the command line, where others could see it.
    """
    place = _workplace(corpus, engines=engines)
    found = steps.preflight(place)
    out.print(f"[bold]{place.spec.name}[/]: {', '.join(f'{what}: {state}' for what, state in found.items())}")
    numbers = parse_shards(place.spec, shards) if shards else steps.next_uncommitted(place, next_shards)
    todo = steps.plan(place, numbers)
    if not todo:
        out.print("nothing to do: " + ("these shards are committed" if numbers else "the corpus is complete"))
        return
    failures = []
    with GrindProgress(out, todo) as progress:
        for item in todo:
            try:
                steps.generate(place, item["shard"], on_progress=progress.update)
                steps.validate(place, item["shard"])
                done = steps.publish(place, item["shard"])
            except PhrasemillError as error:
                failures.append(str(error))
                progress.fail(item["label"])
            else:
                progress.finish(item["label"], done["data"])
    if failures:
        raise PhrasemillError("\n".join(failures))


@app.command()
def status(
    corpus: Corpus,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what is committed, missing and quarantined, and how far the target is."""
    seen = overview(_store(corpus))
    if as_json:
        sys.stdout.write(seen.model_dump_json(indent=1) + "\n")
    else:
        out.print(_status_table(seen))


@app.command()
def sample(
    corpus: Corpus,
    n: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many phrases.")] = 10,
    seed: Annotated[int | None, typer.Option(help="The same seed shows the same phrases.")] = None,
) -> None:
    """Print random committed phrases with their coordinates."""
    for row in sample_rows(_store(corpus), n, seed=seed):
        slots = ", ".join(lexeme for _, lexeme in row["slots"])
        coordinates = f"{row['phrase_id']:>10}  {row['template']}, scene {row['scene']}: {slots}"
        out.print(row["text"], markup=False, highlight=False)
        out.print(coordinates, style="dim", markup=False, highlight=False)


@app.command()
def report(
    corpus: Corpus,
    shards: Annotated[str | None, typer.Option(help="Shard numbers; all committed ones without it.")] = None,
    to: Annotated[Path, typer.Option(help="Where to write report.html and summary.json.")] = Path(),
) -> None:
    """Write the report of some shards to a folder."""
    place = _workplace(corpus)
    numbers = parse_shards(place.spec, shards) if shards else place.store.committed()
    if not numbers:
        raise PlanError(f"{place.spec.name}: no shard is committed yet, so there is nothing to report")
    to.mkdir(parents=True, exist_ok=True)
    for name, content in night_report(place, label="shards", night=None, shards=numbers).files().items():
        (to / name).write_bytes(content)
        out.print(f"wrote {to / name}")


def main() -> None:
    """Run the command; our own errors are one line each and exit code 1."""
    handler = RichHandler(console=Console(stderr=True), show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("phrasemill").setLevel(logging.INFO)
    try:
        app()
    except PhrasemillError as error:
        _complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        _complain("stopped; what is staged is kept, the same command goes on from there")
        sys.exit(130)


def _complain(message: str) -> None:
    Console(stderr=True, soft_wrap=True).print(message, style="red", markup=False, highlight=False)


def _store(corpus: str) -> CorpusStore:
    spec = load_corpus(find_corpus(corpus))
    return CorpusStore(Bucket(client_from_environment(), spec.storage.bucket), spec)


def _workplace(corpus: str, *, engines: str = "") -> steps.Workplace:
    store = _store(corpus)
    urls = tuple(url.strip() for url in engines.split(",") if url.strip())
    return steps.Workplace(spec=store.spec, store=store, engine_urls=urls, api_key=os.environ.get("PHRASEMILL_API_KEY"))


def _summary(spec: CorpusSpec) -> Table:
    table = Table(title=f"{spec.name}: {spec.title}", show_header=False)
    table.add_row("target", f"{spec.target_phrases:,} phrases, {spec.shard_count:,} shards of {spec.shard_phrases:,}")
    table.add_row("model", spec.model.name + (f" with {spec.model.adapter}" if spec.model.adapter else ""))
    when = f"{spec.schedule.cron} {spec.schedule.timezone}" if spec.schedule.cron else "by hand"
    nights = f"{nights_needed(spec)} of {spec.schedule.shards_per_night} shards"
    table.add_row("nights", f"{nights}, {when}, from {spec.schedule.start_date}")
    book = PromptBook(spec)
    for template, cycle in book.cycles.items():
        table.add_row(f"template {template}", f"{cycle:,} combinations")
    table.add_row("first prompt", book.prompt(0).text)
    table.add_row("fingerprint", fingerprint(spec))
    return table


def _status_table(seen: Overview) -> Table:
    table = Table(title=f"{seen.corpus}: {seen.target_share:.1%} of {seen.target_phrases:,} phrases", show_header=False)
    table.add_row("committed", f"{seen.committed_shards:,} of {seen.shards:,} shards, {seen.phrases:,} phrases")
    table.add_row("size", f"{seen.chars:,} characters, {seen.text_bytes:,} bytes of text")
    table.add_row("missing", format_shards(seen.missing) or "none")
    for item in seen.quarantined:
        table.add_row("quarantined", f"shard {item.shard} at {item.at}: {item.reason}")
    return table
