"""The site: verdicts as validation results in a Great Expectations context, and its own site builder over them."""

import datetime as dt
import shutil
from collections.abc import Iterable, Sequence
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import great_expectations as gx
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.render.renderer.site_builder import SiteBuilder

from phrasemill.errors import DataDocsError
from phrasemill.gate.verdict import Expectation, Verdict
from phrasemill.planning import format_shards
from phrasemill.report.data_docs import JudgedShard
from phrasemill.report.summary import ExpectationLine, NightSummary
from phrasemill.report.words import visible
from phrasemill.store.keys import key_safe

SUITE = "gate"
ALL_SHARDS = "all shards"
SHARDS_NAMED = 20
NO_COLUMN = "The whole shard"
PAGES = "phrasemill.report.data_docs_pages"

Page = tuple[ValidationResultIdentifier, ExpectationSuiteValidationResult]


def build_site(summary: NightSummary, shown: Sequence[JudgedShard], *, judged: int, folder: Path) -> None:
    """Build the pages of a night into a folder.

    Args:
        summary: the night.
        shown: verdicts that get a page, the worst first.
        judged: how many verdicts the night has.
        folder: an empty one.

    Raises:
        DataDocsError: Great Expectations left a page out.
    """
    pages = [_verdict_page(summary, one, order=number) for number, one in enumerate(shown, start=1)]
    links = {one.shard: _path(key) for (key, _), one in reversed(list(zip(pages, shown, strict=True)))}
    pages.insert(0, _night_page(summary, links))
    lines = [_what_is_here(len(shown), judged=judged), f"The night is {summary.state}."]
    _build(pages, title=visible(f"{summary.title}, night {summary.date}"), lines=lines, folder=folder)
    _add_static_files(folder)
    missing = [path for key, _ in pages if not (folder / (path := _path(key))).is_file()]
    if missing:
        raise DataDocsError(
            f"Great Expectations {version('great-expectations')} built {len(pages) - len(missing)} of {len(pages)} "
            f"pages of Data Docs and left out {missing[0]}; its own message is in the log above"
        )


def _build(pages: Iterable[Page], *, title: str, lines: list[str], folder: Path) -> None:
    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(), progress_bars=ProgressBarsConfig(globally=False)
        ),
    )
    for key, result in pages:
        context.validation_results_store.set(key, result)
    view = {"module_name": PAGES, "class_name": "PageView"}
    builder = SiteBuilder(
        data_context=context,
        site_name=title,
        show_how_to_buttons=False,
        store_backend={"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        site_index_builder={
            "class_name": "DefaultSiteIndexBuilder",
            "renderer": {"module_name": PAGES, "class_name": "IndexPage", "lines": lines},
            "view": view,
        },
        site_section_builders={
            "expectations": "None",
            "profiling": "None",
            "validations": {
                "renderer": {
                    "module_name": PAGES,
                    "class_name": "VerdictPage",
                    "column_section_renderer": {
                        "class_name": "ValidationResultsColumnSectionRenderer",
                        "table_renderer": {"module_name": PAGES, "class_name": "VerdictTable"},
                    },
                },
                "view": view,
            },
        },
    )
    builder.build()


def _add_static_files(folder: Path) -> None:
    """Ours in place of Great Expectations' 4 MB of fonts and moving pictures, of which no page shows one."""
    static = folder / "static"
    shutil.rmtree(static, ignore_errors=True)
    static.mkdir()
    for source in ("vendor", "data_docs_static"):
        for entry in resources.files("phrasemill.report").joinpath(source).iterdir():
            (static / entry.name).write_bytes(entry.read_bytes())


def _what_is_here(shown: int, *, judged: int) -> str:
    if shown == judged:
        return f"Each of the night's {judged} verdicts has a page, the worst first."
    return (
        f"The night has {judged} verdicts; the worst {shown} have a page here. The other {judged - shown} are counted "
        "in the page over all shards, and are no worse than the last one here."
    )


def _verdict_page(summary: NightSummary, one: JudgedShard, *, order: int) -> Page:
    verdict = one.verdict
    lines = [f"{summary.corpus}, night {summary.date}: {one.state}", verdict.reason()]
    if one.accepted_because:
        lines.append(f"accepted because: {one.accepted_because}")
    return _page(
        summary,
        [_result(expectation, verdict) for expectation in verdict.worst_first],
        name=f"shard {one.shard}",
        file=one.label,
        at=one.at,
        gx_version=verdict.gx_version,
        order=order,
        state=one.state,
        lines=lines,
        failed="; ".join(e.name for e in (*verdict.failures, *verdict.warnings)),
        passed=verdict.passed,
        facts={"Run": one.run_id, "Seconds of the check": verdict.seconds},
    )


def _night_page(summary: NightSummary, links: dict[int, str]) -> Page:
    """The page over all shards; `links` leads to the worst verdict of each shard that has a page."""
    failing = [line for line in summary.expectations if line.failed_shards]
    return _page(
        summary,
        [_line_result(line, links) for line in summary.expectations],
        name=ALL_SHARDS,
        file=ALL_SHARDS.replace(" ", "-"),
        at=summary.made_at,
        gx_version=version("great-expectations"),
        order=0,
        state=summary.state.partition(":")[0],
        lines=[f"{summary.corpus}, night {summary.date}: {summary.state}"],
        failed="; ".join(line.name for line in failing),
        passed=not any(line.severity == "critical" for line in failing),
        facts={"Shards planned": len(summary.planned), "Phrases": summary.phrases},
    )


def _page(
    summary: NightSummary,
    results: list[ExpectationValidationResult],
    *,
    name: str,
    file: str,
    at: dt.datetime,
    gx_version: str,
    order: int,
    state: str,
    lines: list[str],
    failed: str,
    passed: bool,
    facts: dict[str, Any],
) -> Page:
    """A validation result with what our pages show of it in its meta, and the key of its page."""
    run = RunIdentifier(run_name=key_safe(summary.date), run_time=at)
    held = sum(bool(result.success) for result in results)
    result = ExpectationSuiteValidationResult(
        success=passed,
        results=results,
        suite_name=SUITE,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": held,
            "unsuccessful_expectations": len(results) - held,
            "success_percent": 100 * held / len(results) if results else None,
        },
        meta={
            "great_expectations_version": gx_version,
            "run_id": run.to_json_dict(),
            "page": {"heading": name.capitalize(), "lines": [visible(line) for line in lines]},
            "batch_spec": {
                "data_asset_name": name,
                "order": order,
                "state": state,
                "failed": visible(failed),
                **facts,
            },
        },
    )
    return ValidationResultIdentifier(ExpectationSuiteIdentifier(SUITE), run, file), result


def _path(key: ValidationResultIdentifier) -> str:
    return "/".join(("validations", *key.to_tuple())) + ".html"  # type: ignore[no-untyped-call]


def _result(expectation: Expectation, verdict: Verdict) -> ExpectationValidationResult:
    rows = [row for row in verdict.samples if row.expectation == expectation.name]
    examples = [
        f"{'a rejected output' if row.phrase_id is None else f'phrase {row.phrase_id}'} ({row.why}): {row.text}"
        for row in rows
    ]
    if not rows and not expectation.passed:
        examples = [f"phrase {phrase_id}" for phrase_id in expectation.examples]
    return _evr(expectation, limit=expectation.limit_in_full, examples=[{"text": visible(one)} for one in examples])


def _line_result(line: ExpectationLine, links: dict[int, str]) -> ExpectationValidationResult:
    """One expectation over all shards, with links to the pages of those that failed."""
    failed = line.failed_shards
    examples = []
    for shard in failed[:SHARDS_NAMED]:
        link = {"href": "../../../../" + links[shard]} if shard in links else {}
        examples.append({"text": f"shard {shard}", **link})
    if len(failed) > SHARDS_NAMED:
        examples.append({"text": f"and shards {format_shards(list(failed[SHARDS_NAMED:]))}"})
    evr = _evr(line, limit=line.limit, examples=examples, passed=not failed)
    if failed:
        evr.result["observed"] = (
            f"fails in {len(failed)} of {line.shards}; in shard {failed[0]}: {evr.result['observed']}"
        )
    return evr


def _evr(
    source: Expectation | ExpectationLine, *, limit: str, examples: list[dict[str, str]], passed: bool | None = None
) -> ExpectationValidationResult:
    return ExpectationValidationResult(
        success=source.passed if passed is None else passed,  # type: ignore[union-attr]
        expectation_config=ExpectationConfiguration(
            type=source.kind, kwargs={"column": source.column or NO_COLUMN}, severity=FailureSeverity(source.severity)
        ),
        result={"observed": visible(source.observed), "examples": examples},
        meta={
            "name": visible(source.name),
            "kind": source.kind,
            "limit": visible(limit),
            "severity": source.severity,
        },
    )
