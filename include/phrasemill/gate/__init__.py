"""The gate: a shard's table -> verdict. A shard passes or fails as a whole.

The columns are checked with pyarrow, everything else by a Great Expectations suite that is built from the
corpus's thresholds (`CorpusSpec.gate`). Only failed critical expectations fail a shard.
"""

import time
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from phrasemill.facts import Facts
from phrasemill.fingerprint import fingerprint as fingerprint_of
from phrasemill.gate.checks import row_checks, with_severities
from phrasemill.gate.figure_checks import figure_checks
from phrasemill.gate.metrics import measure
from phrasemill.gate.samples import failing_rows, near_duplicate_examples
from phrasemill.gate.suite import run_suite
from phrasemill.gate.verdict import Expectation, FailingRow, NearDuplicate, Verdict
from phrasemill.planning import Shard
from phrasemill.rows import SCHEMA
from phrasemill.spec import CorpusSpec

__all__ = ["Expectation", "FailingRow", "NearDuplicate", "Verdict", "check_shard"]


def check_shard(
    rows: pa.Table, *, spec: CorpusSpec, shard: Shard, facts: Facts, fingerprint: str | None = None
) -> Verdict:
    """Judge the rows of one shard.

    Rows of other columns than `phrasemill.rows.SCHEMA` fail at once, with no other expectation asked.

    Args:
        rows: the whole shard, in any order.
        spec: thresholds, rules and plan.
        shard: which ids it should hold.
        facts: what it took; gives the share of rejected outputs and the tokens a character.
        fingerprint: of the corpus file that the rows were written from, as their blocks tell it; without it none
            is expected.
    """
    began = time.monotonic()
    first = [_columns(rows.schema)]
    if fingerprint is not None:
        first.append(_fingerprint(fingerprint, expected=fingerprint_of(spec)))
    if not first[0].passed:
        return _verdict(first, began=began)
    figures = measure(rows, spec=spec, shard=shard, facts=facts)
    checks = [*row_checks(spec, shard=shard), *figure_checks(spec, figures=figures, judged=facts.judged)]
    answers = run_suite(with_severities(checks, spec.gate), rows, spec=spec, figures=figures)
    samples = failing_rows([one for one in answers if not one.passed], rows, figures=figures, facts=facts)
    return _verdict(
        [*first, *answers],
        began=began,
        metrics=figures.metrics,
        lengths=figures.lengths,
        openings=figures.openings,
        languages=figures.languages.counts,
        templates=figures.coverage.rows_of_template,
        slots=figures.coverage.slots_of_lexicon,
        near_duplicates=near_duplicate_examples(rows, figures),
        samples=samples,
    )


def _verdict(expectations: list[Expectation], *, began: float, **found: Any) -> Verdict:  # noqa: ANN401
    return Verdict(
        passed=all(e.passed or e.severity != "critical" for e in expectations),
        expectations=tuple(expectations),
        gx_version=version("great-expectations"),
        seconds=round(time.monotonic() - began, 3),
        **found,
    )


def _fingerprint(found: str, *, expected: str) -> Expectation:
    return Expectation(
        name="fingerprint",
        kind="fingerprint",
        observed=found,
        value=float(found != expected),
        limit=f"{expected}, that of the corpus file",
        severity="critical",
        identity=True,
        passed=found == expected,
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
        identity=True,
        passed=not problems,
    )


def _in_words(field: pa.Field) -> str:
    return f"{field.type}{' or null' if field.nullable else ''}"
