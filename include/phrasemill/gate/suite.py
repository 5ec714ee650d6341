"""The suite: checks asked as a Great Expectations suite over pandas, and its results in plain words.

A shard's gate asks of rows and figures, the gate of a whole release of figures alone.

Great Expectations takes 3 s and 200 MB to import, so it is imported when a suite runs and not before.
"""

import math
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.gate.checks import Check
from phrasemill.gate.coverage import coordinates_in_words, planned_coordinates
from phrasemill.gate.metrics import Figures
from phrasemill.gate.verdict import EXAMPLES_SHOWN, Expectation
from phrasemill.rules import text_hash
from phrasemill.spec import CorpusSpec

if TYPE_CHECKING:
    import pandas as pd

# Great Expectations keeps its current context in a global: one suite at a time in a process.
_ONE_AT_A_TIME = threading.Lock()


def run_suite(checks: list[Check], rows: pa.Table, *, spec: CorpusSpec, figures: Figures) -> list[Expectation]:
    """Ask all checks of a shard's rows and figures; the answers come in their order."""
    return ask(checks, figures=figures.metrics, rows=_rows_frame(rows, spec, figures))


def ask(
    checks: Sequence[Check], *, figures: Mapping[str, float], rows: "pd.DataFrame | None" = None
) -> list[Expectation]:
    """Ask checks of figures and rows; the answers come in their order.

    Args:
        checks: what to ask.
        figures: by name, those that checks of frame `figures` name.
        rows: with column phrase_id; needed where a check is of frame `rows`.
    """
    import pandas as pd  # noqa: PLC0415

    frames = {} if rows is None else {"rows": rows}
    frames["figures"] = pd.DataFrame([dict(figures)])
    with _ONE_AT_A_TIME, tempfile.TemporaryDirectory(prefix="phrasemill-gate-") as scratch:
        results = _validate(checks, frames, scratch=scratch)
    return [_expectation(check, result, figures=figures) for check, result in zip(checks, results, strict=True)]


def _rows_frame(rows: pa.Table, spec: CorpusSpec, figures: Figures) -> "pd.DataFrame":
    """Rows as pandas, and beside them what can be computed anew: each text's hash and length, the coordinates.

    Slots only tell whether they are there.
    """
    texts = rows.column("text").combine_chunks()
    slots = rows.column("slots").combine_chunks()
    true_hashes = (text_hash(text) for text in texts.fill_null("").to_pylist())
    columns = {name: rows.column(name) for name in rows.column_names}
    columns |= {name: columns[name].cast(pa.string()) for name in ("template", "lang")}
    columns["slots"] = pc.if_else(slots.is_valid(), 1, None)
    columns["true_text_hash"] = pa.array(np.fromiter(true_hashes, np.uint64, len(texts)))
    columns["true_chars"] = pc.utf8_length(texts)
    columns["coordinates"] = coordinates_in_words(rows)
    columns["true_coordinates"] = planned_coordinates(rows, spec)
    columns["re_asks"] = pc.subtract(columns["attempt"].cast(pa.int64()), int(figures.metrics["first_attempt"]))
    frame: pd.DataFrame = pa.table(columns).to_pandas()
    return frame


def _validate(checks: Sequence[Check], frames: "dict[str, pd.DataFrame]", *, scratch: str) -> list[dict[str, Any]]:
    """Great Expectations' own results, as JSON, in the order of the checks.

    Args:
        checks: what to ask.
        frames: what to ask it of.
        scratch: an empty directory of this call alone; stores shared by two writers corrupt each other.
    """
    import great_expectations as gx  # noqa: PLC0415
    from great_expectations import expectations as gxe  # noqa: PLC0415
    from great_expectations.data_context.types.base import (  # noqa: PLC0415
        DataContextConfig,
        FilesystemStoreBackendDefaults,
        ProgressBarsConfig,
    )

    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=FilesystemStoreBackendDefaults(root_directory=scratch),
            progress_bars=ProgressBarsConfig(globally=False),
        ),
    )
    source = context.data_sources.add_pandas("phrases")
    results: dict[int, dict[str, Any]] = {}
    for name, frame in frames.items():
        suite = gx.ExpectationSuite(name=name)
        for number, check in enumerate(checks):
            if check.frame == name:
                ask = getattr(gxe, check.expectation)
                suite.add_expectation(ask(**check.arguments, severity=check.severity, meta={"check": number}))
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
        definition = gx.ValidationDefinition(name=name, data=batch, suite=context.suites.add(suite))
        outcome = context.validation_definitions.add(definition).run(
            batch_parameters={"dataframe": frame}, result_format=_result_format(name)
        )
        for result in outcome.to_json_dict()["results"]:  # type: ignore[no-untyped-call]
            results[result["expectation_config"]["meta"]["check"]] = result
    return [results[number] for number in range(len(checks))]


def _result_format(frame: str) -> dict[str, Any]:
    ids = {"unexpected_index_column_names": ["phrase_id"]} if frame == "rows" else {}
    return {"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES_SHOWN, **ids}


def _expectation(check: Check, answer: dict[str, Any], *, figures: Mapping[str, float]) -> Expectation:
    result = answer["result"]
    observed, value = _observed(check, answer, figures=figures)
    return Expectation(
        name=check.name,
        kind=answer["expectation_config"]["type"],
        column=check.column,
        observed=observed,
        value=value,
        limit=check.limit,
        chance=check.chance,
        severity=check.severity,
        identity=check.identity,
        passed=answer["success"],
        examples=_phrase_ids(result) if check.frame == "rows" else (),
    )


def _observed(check: Check, answer: dict[str, Any], *, figures: Mapping[str, float]) -> tuple[str, float | None]:
    """What was found, in words and as a number."""
    result = answer["result"]
    if problem := _exception(answer["exception_info"]):
        return f"could not be computed: {problem}", None
    if check.frame == "figures":
        value = figures[check.arguments["column"]]
        return check.format(value) + check.note, value
    if "observed_value" in result:
        value = result["observed_value"]
        if value is None or math.isnan(value):
            return "nothing", None
        return check.format(value) + check.note, float(value)
    breaking = result["unexpected_count"]
    words = f"{breaking or 'none'} of {result['element_count']} {check.breach}"
    if breaking and check.breach in {"outside", "other"}:
        words += ", such as " + ", ".join(str(value)[:20] for value in result["partial_unexpected_list"])
    return words, float(breaking)


def _exception(info: dict[str, Any]) -> str | None:
    """The first exception that an expectation met; None if it met none."""
    nested = [entry for entry in info.values() if isinstance(entry, dict)]
    for entry in nested or [info]:
        if entry.get("raised_exception"):
            return str(entry.get("exception_message"))
    return None


def _phrase_ids(result: dict[str, Any]) -> tuple[int, ...]:
    found = (row.get("phrase_id") for row in result.get("partial_unexpected_index_list") or [])
    ids = dict.fromkeys(int(one) for one in found if one is not None and not math.isnan(one))
    return tuple(ids)[:EXAMPLES_SHOWN]
