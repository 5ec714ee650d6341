"""Commands that work on a corpus's bucket, without Airflow: `run`, `status`, `sample` and `report`.

What they need beyond the core (boto3, the gate, the report's pages) is imported by the command that needs it, so
that the other commands run where it is not installed.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phrasemill.cli.bucket import open_store
from phrasemill.cli.corpora import Corpus
from phrasemill.engines.finding import read_urls
from phrasemill.errors import PhrasemillError, PlanError, QuotaSpent
from phrasemill.extras import BUCKETS, GATE, PAGES, require
from phrasemill.planning import format_shards, nights_needed, parse_shards, shards_of_night
from phrasemill.serving.api_key import read_api_key
from phrasemill.terminal import out

if TYPE_CHECKING:
    from phrasemill.report import CorpusSummary, NightSummary
    from phrasemill.steps import Workplace

Engines = Annotated[
    str, typer.Option(envvar="PHRASEMILL_ENGINES", help="Engine URLs, separated by commas or spaces.", show_envvar=True)
]


def run(
    corpus: Corpus,
    *,
    engines: Engines = "",
    shards: Annotated[str | None, typer.Option(help="Shard numbers such as 0-3, 7.")] = None,
    next_shards: Annotated[
        int, typer.Option("--next", min=1, help="Without --shards: how many uncommitted shards.")
    ] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell requests, tokens, time and money; no engine is asked.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: print JSON.")] = False,
) -> None:
    """Grind, gate and commit shards without Airflow, one after the other.

    An API key is read from PHRASEMILL_API_KEY, never from the command line, where others could see it.
    """
    if dry_run:
        _show_dry_run(corpus, shards, next_shards, as_json=as_json)
        return
    if as_json:
        raise PlanError("--json prints a dry run; give --dry-run too, or leave it out")
    require("run", (*BUCKETS, *GATE))
    from phrasemill import steps  # noqa: PLC0415
    from phrasemill.grind_progress import GrindProgress  # noqa: PLC0415

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
                if isinstance(error, QuotaSpent):
                    break  # the other shards would only say the same
            else:
                progress.finish(item["label"], done["data"])
    if failures:
        raise PhrasemillError("\n".join(failures))


def _show_dry_run(corpus: str, shards: str | None, next_shards: int, *, as_json: bool) -> None:
    require("run", BUCKETS)
    from phrasemill import steps  # noqa: PLC0415
    from phrasemill.dry_run.looking import dry_run  # noqa: PLC0415
    from phrasemill.dry_run.words import dry_run_lines  # noqa: PLC0415

    place = _workplace(corpus)
    numbers = parse_shards(place.spec, shards) if shards else steps.next_uncommitted(place, next_shards)
    found = dry_run(place, numbers)
    if as_json:
        out.print(found.model_dump_json(indent=2), markup=False, highlight=False, soft_wrap=True)
        return
    for line in dry_run_lines(found):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


def status(
    corpus: Corpus,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --watch an object a line.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again and again, until the corpus is complete or Ctrl-C.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.5, max=86_400, help="With --watch: seconds between two looks.")] = 5.0,
) -> None:
    """Show how far a corpus is, how fast it is written, when it will be done, and what is missing or quarantined."""
    require("status", BUCKETS)
    from phrasemill.cli import status as showing  # noqa: PLC0415

    if watch:
        showing.watch(open_store(corpus), console=out, as_json=as_json, every_s=every)
    else:
        showing.show(open_store(corpus), console=out, as_json=as_json)


def sample(
    corpus: Corpus,
    n: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many phrases.")] = 10,
    seed: Annotated[int | None, typer.Option(help="The same seed shows the same phrases.")] = None,
) -> None:
    """Print random committed phrases with their coordinates."""
    require("sample", BUCKETS)
    from phrasemill.committed_rows import sample_rows  # noqa: PLC0415

    for row in sample_rows(open_store(corpus), n, seed=seed):
        slots = ", ".join(lexeme for _, lexeme in row["slots"])
        coordinates = f"{row['phrase_id']:>10}  {row['template']}, scene {row['scene']}: {slots}"
        out.print(row["text"], markup=False, highlight=False)
        out.print(coordinates, style="dim", markup=False, highlight=False)


def report(
    corpus: Corpus,
    night: Annotated[int | None, typer.Option(min=0, help="Only one night, 0 for the first.")] = None,
    shards: Annotated[str | None, typer.Option(help="Only some shards, such as 0-3, 7.")] = None,
    to: Annotated[Path, typer.Option(help="Where to write report.html and summary.json.")] = Path(),
) -> None:
    """Write the report of a corpus to a folder: of all its nights, or of one night or some shards."""
    require("report", (*BUCKETS, *PAGES))
    from phrasemill import closing  # noqa: PLC0415

    place = _workplace(corpus)
    if night is not None and shards:
        raise PlanError("both --night and --shards are given; leave one of them out")
    if not place.store.committed():
        raise PlanError(f"{place.spec.name}: no shard is committed yet, so there is nothing to report")
    summary: CorpusSummary | NightSummary
    if night is None and not shards:
        summary = closing.corpus_report(place)
    elif shards:
        numbers = parse_shards(place.spec, shards)
        summary = closing.night_report(place, label=f"shards {format_shards(numbers)}", night=None, shards=numbers)
    else:
        numbers = shards_of_night(place.spec, night or 0)
        if not numbers:
            raise PlanError(
                f"{place.spec.name} has no night {night}; its nights are 0 to {nights_needed(place.spec) - 1}"
            )
        summary = closing.night_report(place, label=f"night {night}", night=night, shards=numbers)
    to.mkdir(parents=True, exist_ok=True)
    for name, content in closing.report_files(summary).items():
        (to / name).write_bytes(content)
        out.print(f"wrote {to / name}")


def _workplace(corpus: str, *, engines: str = "") -> "Workplace":
    from phrasemill.steps import Workplace  # noqa: PLC0415

    store = open_store(corpus)
    urls, api_key = read_urls(engines, where="--engines"), read_api_key(None)
    return Workplace(spec=store.spec, store=store, engine_urls=urls, api_key=api_key)
