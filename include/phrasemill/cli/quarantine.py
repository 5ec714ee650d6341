"""Commands for shards that failed the gate: `quarantine list`, `show`, `accept` and `discard`.

Phrases are hostile text: all that is printed of them is made visible and inert first, or is JSON in ASCII.
"""

import getpass
import json
import random
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from phrasemill.cli.bucket import open_store
from phrasemill.cli.corpora import Corpus
from phrasemill.errors import QuarantineError
from phrasemill.extras import BUCKETS, GATE, require
from phrasemill.planning import shard_of
from phrasemill.terminal import out
from phrasemill.visible import visible

if TYPE_CHECKING:
    from phrasemill.gate.verdict import Verdict
    from phrasemill.store.corpus_store import CorpusStore
    from phrasemill.store.quarantine import Quarantined

RANDOM_ROWS = 10
STATES = {
    "held": "its rows wait to be accepted or discarded",
    "accepted": "committed as it is, on somebody's word",
    "replaced": "its shard has been written anew and committed",
    "discarded": "its rows are gone",
}

app = typer.Typer(no_args_is_help=True, help="Shards that failed the gate: look at them, accept or discard them.")

Shard = Annotated[int, typer.Argument(min=0, help="The shard's number.")]
Run = Annotated[str | None, typer.Option(help="A run id, or an entry as `list` names it. The last one without it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str, typer.Option(default_factory=getpass.getuser, help="Who decides; you, without it.")]


@app.command("list")
def list_entries(corpus: Corpus, as_json: AsJson = False) -> None:
    """List failed gates, and what has become of each."""
    require("quarantine list", BUCKETS)
    from phrasemill.store.quarantine import quarantined  # noqa: PLC0415

    store = open_store(corpus)
    entries = [_entry(item, state) for item, state in _states(store, quarantined(store, among="all"))]
    if as_json:
        _print_json(entries)
        return
    if not entries:
        out.print(f"{store.spec.name}: no shard has failed the gate")
        return
    table = Table("shard", "entry", "state", "reason", title=f"{store.spec.name}: failed gates")
    for entry in entries:
        table.add_row(*(Text(visible(str(entry[name]))) for name in ("shard", "entry", "state", "reason")))
    out.print(table)


@app.command()
def show(
    corpus: Corpus,
    shard: Shard,
    run: Run = None,
    seed: Annotated[int | None, typer.Option(help="The same seed shows the same rows.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show why a shard failed: its verdict, the worst first, rows that show it, and ten random rows."""
    require("quarantine show", BUCKETS)
    from phrasemill.store.quarantine import held_rows, held_shard  # noqa: PLC0415

    store = open_store(corpus)
    item = held_shard(store, shard_of(store.spec, shard), run)
    rows = held_rows(store, item)
    drawn = random.Random(seed).sample(range(rows.num_rows), min(RANDOM_ROWS, rows.num_rows))  # noqa: S311
    sample = rows.take(sorted(drawn)).to_pylist()
    [(_, state)] = _states(store, [item])
    if as_json:
        phrases = [row | {"slots": dict(row["slots"])} for row in sample]
        _print_json(_entry(item, state) | {"verdict": item.verdict, "facts": item.facts, "rows": phrases})
        return
    _say(f"{store.spec.name} shard {shard}, run {item.run}, {item.at}: {state}, {STATES[state]}", style="bold")
    _say(f"rows: {store.url(item.rows_key)}")
    _show_verdict(item)
    _say(f"{len(sample)} random rows", style="bold")
    for row in sample:
        _say(f"{row['phrase_id']:>10}  {row['template']}, scene {row['scene']}, attempt {row['attempt']}", style="dim")
        _say(f"            {row['text']}")


@app.command()
def accept(
    corpus: Corpus,
    shard: Shard,
    by: By,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the manifest and shown in reports.")],
    run: Run = None,
) -> None:
    """Commit a quarantined shard as it is. What tells which rows they are cannot be waived."""
    require("quarantine accept", (*BUCKETS, *GATE))
    from phrasemill.acceptance import accept as accept_shard  # noqa: PLC0415
    from phrasemill.store.quarantine import held_shard  # noqa: PLC0415

    store = open_store(corpus)
    planned = shard_of(store.spec, shard)
    manifest = accept_shard(store, planned, held_shard(store, planned, run), by=by, reason=reason)
    failed = manifest.accepted.failed if manifest.accepted else ()
    _say(f"{store.spec.name} {planned.label} is committed: {store.url(manifest.data_key)}")
    for expectation in failed or ("nothing: it holds all that the corpus file asks for now",):
        _say(f"accepted in spite of {expectation}")
    _say("clear close_night of its night to have it in the report")


@app.command()
def discard(corpus: Corpus, shard: Shard, by: By, run: Run = None) -> None:
    """Remove the quarantined rows of a shard, of all its failed gates or of one.

    Their records stay, so that a retry never asks for the same rows again.
    """
    require("quarantine discard", BUCKETS)
    from phrasemill.store.quarantine import discard as discard_entry  # noqa: PLC0415
    from phrasemill.store.quarantine import held_shard, quarantined  # noqa: PLC0415

    store = open_store(corpus)
    planned = shard_of(store.spec, shard)
    last = held_shard(store, planned, run)
    for item in quarantined(store, planned) if run is None else [last]:
        discard_entry(store, item, by=by)
        _say(f"{store.spec.name} {planned.label}: rows of {item.entry} are removed; its record stays")


def _states(store: "CorpusStore", items: "list[Quarantined]") -> "list[tuple[Quarantined, str]]":
    """What has become of each failed gate; see STATES."""
    committed = set(store.committed())
    manifests = {one.shard: one for one in store.manifests(sorted({item.shard for item in items} & committed))}
    states = []
    for item in items:
        manifest = manifests.get(item.shard)
        if manifest and manifest.accepted and manifest.accepted.quarantine_key == item.key:
            state = "accepted"
        elif item.discarded:
            state = "discarded"
        else:
            state = "replaced" if manifest else "held"
        states.append((item, state))
    return states


def _entry(item: "Quarantined", state: str) -> dict[str, Any]:
    return {
        "shard": item.shard,
        "entry": item.entry,
        "run": item.run,
        "at": item.at,
        "state": state,
        "reason": item.reason,
        "fingerprint": item.fingerprint,
        "next_attempt": item.next_attempt,
        "discarded": item.discarded,
    }


def _show_verdict(item: "Quarantined") -> None:
    from phrasemill.gate.note import row_in_words  # noqa: PLC0415

    verdict = _verdict(item)
    table = Table("", "expectation", "observed", "limit", title="Verdict, the worst first")
    for one in verdict.worst_first:
        said, style = ("holds", "green") if one.passed else (one.severity, "red" if one.severity == "critical" else "")
        table.add_row(Text(said, style), *(Text(visible(part)) for part in (one.name, one.observed, one.limit_in_full)))
    out.print(table)
    if verdict.samples:
        _say("Rows that show it", style="bold")
    for row in verdict.samples:
        _say(f"  {row.expectation}: {row_in_words(row)}")


def _verdict(item: "Quarantined") -> "Verdict":
    from phrasemill.gate.verdict import Verdict  # noqa: PLC0415

    try:
        return Verdict.model_validate(item.verdict)
    except ValueError as error:
        raise QuarantineError(f"{item.key}: its verdict is of another version; it failed for: {item.reason}") from error


def _say(line: str, *, style: str = "") -> None:
    """A line of ours with phrases in it, spelled out, neither wrapped nor read as markup."""
    out.print(visible(line, most=10_000), style=style, markup=False, highlight=False, soft_wrap=True, emoji=False)


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=1) + "\n")  # ASCII: nothing in it acts on a terminal
