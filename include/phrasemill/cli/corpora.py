"""Commands that need no more than corpus files: `check` and `plan`. Only `plan --top-up` looks into the bucket."""

import datetime as dt
import json
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer
from rich.table import Table

from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.errors import PhrasemillError, PlanError
from phrasemill.extras import BUCKETS, require
from phrasemill.fingerprint import fingerprint
from phrasemill.planning import format_shards, night_of, nights_needed, shards_of_night
from phrasemill.prompts import PromptBook
from phrasemill.rules import check_rules
from phrasemill.spec import CORPUS_DAG, CorpusSpec
from phrasemill.terminal import complain, out

Corpus = Annotated[str, typer.Argument(help="A corpus's name, or the path of its file.")]


def check(files: Annotated[list[Path], typer.Argument(help="Corpus files.")]) -> None:
    """Check corpus files: a summary of each sound one, every mistake of the others."""
    failures = 0
    for file in files:
        try:
            spec = load_corpus(file)
            check_rules(spec)
            out.print(_summary(spec))
        except PhrasemillError as error:
            failures += 1
            complain(str(error))
    raise typer.Exit(1 if failures else 0)


def plan(
    corpus: Corpus,
    date: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A logical date; today without it.")
    ] = None,
    nights: Annotated[int | None, typer.Option(min=1, help="How many nights from that date on; 1 without it.")] = None,
    top_up: Annotated[
        bool, typer.Option("--top-up", help="Instead: which shards make up for the release that came out short.")
    ] = False,
) -> None:
    """Show which shards the nights of given dates own, or which ones a short release needs."""
    if top_up:
        if date or nights:
            raise PlanError("--top-up is given with --date or --nights, and no night owns a top-up shard; leave it out")
        _show_top_up(corpus)
        return
    spec = load_corpus(find_corpus(corpus))
    zone = spec.schedule.zone
    first = date.replace(hour=23, minute=59, tzinfo=zone) if date else dt.datetime.now(zone)
    number = night_of(spec, first)
    table = Table("night", "shards", "phrase ids", title=f"{spec.name}: {nights_needed(spec)} nights in all")
    for night in range(number, number + (nights or 1)):
        shards = shards_of_night(spec, night)
        if shards:
            ids = f"{shards[0] * spec.shard_phrases:,} to {(shards[-1] + 1) * spec.shard_phrases - 1:,}"
            table.add_row(str(night), format_shards(shards), ids)
        else:
            table.add_row(str(night), "none: the corpus is planned to its end", "")
    out.print(table)


def _show_top_up(corpus: str) -> None:
    """Which shards the release that came out short last needs, and how to have them written."""
    require("plan --top-up", BUCKETS)
    from phrasemill.cli.bucket import open_store  # noqa: PLC0415
    from phrasemill.release.short import latest_short  # noqa: PLC0415
    from phrasemill.release.top_up import to_write  # noqa: PLC0415
    from phrasemill.release.waiting import full_release  # noqa: PLC0415

    store = open_store(corpus)
    name = store.spec.name
    short, full = latest_short(store), full_release(store)
    if short is None or full:
        why = f"release {full} holds the whole target" if full else "no release has come out short"
        _say(f"{name}: nothing to top up, {why}")
        return
    _say(
        f"{name}: release {short.version} was short by {short.short_by:,} phrases: of {short.committed:,} committed "
        f"{short.unique:,} are unique, its target was {short.target:,}"
    )
    if short.target != store.spec.target_phrases:
        _say(f"the corpus file asks for {store.spec.target_phrases:,} by now, so release again to see what is missing")
    numbers = to_write(store, short)
    if not numbers:
        _say(f"shards {short.shards} are committed since; release again: phrasemill release {quote(corpus)}")
        return
    shards = format_shards(numbers)
    _say(f"write {'shard' if len(numbers) == 1 else 'shards'} {shards}, then release again; either way will do:")
    _say(f"  phrasemill run {quote(corpus)} --shards '{shards}'")
    _say(f"  airflow dags trigger {CORPUS_DAG}{name} --conf '{json.dumps({'shards': shards})}'")


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False, soft_wrap=True)


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
