"""The gate: a shard's table -> verdict. A shard passes or fails as a whole.

The columns are checked with pyarrow, everything else by a Great Expectations suite that is built from the
corpus's thresholds (`CorpusSpec.gate`). Only failed critical expectations fail a shard.
"""

import time
from importlib.metadata import version

import pyarrow as pa

from phrasemill.facts import Facts
from phrasemill.gate.checks import checks_of
from phrasemill.gate.metrics import measure
from phrasemill.gate.suite import run_suite
from phrasemill.gate.verdict import Expectation, Verdict
from phrasemill.planning import Shard
from phrasemill.rows import SCHEMA
from phrasemill.spec import CorpusSpec

__all__ = ["Expectation", "Verdict", "check_shard"]


def check_shard(rows: pa.Table, *, spec: CorpusSpec, shard: Shard, facts: Facts) -> Verdict:
    """Judge the rows of one shard.

    Rows of other columns than `phrasemill.rows.SCHEMA` fail at once, with no other expectation asked.

    Args:
        rows: the whole shard, in any order.
        spec: thresholds, rules and plan.
        shard: which ids it should hold.
        facts: what it took; gives the share of rejected outputs.
    """
    began = time.monotonic()
    columns = _columns(rows.schema)
    if not columns.passed:
        return _verdict([columns], began=began)
    figures = measure(rows, spec=spec, shard=shard, facts=facts)
    checks = checks_of(spec, shard=shard, figures=figures, judged=facts.judged)
    expectations = [columns, *run_suite(checks, rows, figures=figures)]
    return _verdict(expectations, began=began, metrics=figures.metrics, lengths=figures.lengths)


def _verdict(
    expectations: list[Expectation],
    *,
    began: float,
    metrics: dict[str, float] | None = None,
    lengths: dict[int, int] | None = None,
) -> Verdict:
    return Verdict(
        passed=all(e.passed or e.severity != "critical" for e in expectations),
        expectations=tuple(expectations),
        metrics=metrics or {},
        lengths=lengths or {},
        gx_version=version("great-expectations"),
        seconds=round(time.monotonic() - began, 3),
    )


def _columns(schema: pa.Schema) -> Expectation:
    """The one expectation that pandas cannot answer: exact columns, types and nullability."""
    found = {field.name: field for field in schema}
    problems = [f"{name} is missing" for name in SCHEMA.names if name not in found]
    problems += [f"{name} is not one of ours" for name in found if name not in SCHEMA.names]
    for field in SCHEMA:
        other = found.get(field.name)
        if other is not None and not other.equals(field):
            problems.append(f"{field.name} is {_in_words(other)}, not {_in_words(field)}")
    if not problems and schema.names != SCHEMA.names:
        problems.append(f"their order is {', '.join(schema.names)}")
    return Expectation(
        name="columns and their types",
        kind="pyarrow_schema",
        observed="; ".join(problems) or f"{len(SCHEMA)} columns as they should be",
        value=float(len(problems)),
        limit=f"exactly {', '.join(SCHEMA.names)}",
        severity="critical",
        passed=not problems,
    )


def _in_words(field: pa.Field) -> str:
    return f"{field.type}{' or null' if field.nullable else ''}"
