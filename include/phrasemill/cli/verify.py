"""The command `phrasemill verify`: is a corpus whole, and what is to be done if it is not."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from phrasemill.cli.bucket import open_store
from phrasemill.cli.corpora import Corpus
from phrasemill.extras import BUCKETS, require
from phrasemill.planning import format_shards
from phrasemill.spec import CORPUS_DAG
from phrasemill.terminal import out
from phrasemill.visible import visible

if TYPE_CHECKING:
    from phrasemill.repair import Repaired
    from phrasemill.verify_findings import Report


def verify(
    corpus: Corpus,
    deep: Annotated[bool, typer.Option("--deep", help="Recompute every row: hash, characters, coordinates.")] = False,
    mend: Annotated[
        bool, typer.Option("--repair", help="Remove what belongs to nobody; never committed data. Says what it did.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prove a corpus whole from its bucket alone. Exit code 1 and a line for each thing that is wrong."""
    require("verify", BUCKETS)
    from phrasemill.repair import repair  # noqa: PLC0415
    from phrasemill.verify import verify as verify_corpus  # noqa: PLC0415

    store = open_store(corpus)
    report = verify_corpus(store, deep=deep)
    repaired = repair(store, report) if mend else None
    if as_json:
        sys.stdout.write(_as_json(report, repaired) + "\n")
    else:
        _tell(report, repaired)
    raise typer.Exit(1 if (report.findings if repaired is None else repaired.left) else 0)


def _tell(report: "Report", repaired: "Repaired | None") -> None:
    for finding in report.findings if repaired is None else repaired.left:
        _say(str(finding))
    for finding in report.waiting:
        _say(f"left alone, younger than a day: {finding.where}")
    for what in report.unchecked:
        _say(f"not checked: {what}")
    if repaired is not None:
        for deed in repaired.done:
            _say(deed)
        if repaired.rewrite:
            numbers = format_shards(repaired.rewrite)
            _say(
                f"to write: shards {numbers}. Trigger Dag {CORPUS_DAG}{report.corpus} with shards {numbers!r}, or "
                f"`phrasemill run {report.corpus} --shards {numbers!r}`"
            )
    _say(report.summary())


def _as_json(report: "Report", repaired: "Repaired | None") -> str:
    told = report.model_dump(mode="json") | {"whole": report.whole}
    if repaired is not None:
        left = [finding.model_dump(mode="json") for finding in repaired.left]
        told |= {"repaired": {"done": repaired.done, "left": left, "rewrite": repaired.rewrite}}
    return json.dumps(told, indent=1)  # ASCII: nothing in it acts on a terminal


def _say(line: str) -> None:
    """A line with keys of the bucket in it, spelled out, neither wrapped nor read as markup."""
    out.print(visible(line, most=10_000), markup=False, highlight=False, soft_wrap=True, emoji=False)
