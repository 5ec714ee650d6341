"""Checks: what the gate expects of one shard, in words and as arguments of Great Expectations. Pure."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from phrasemill.gate.metrics import Figures, sampling_error
from phrasemill.gate.verdict import Severity
from phrasemill.planning import Shard
from phrasemill.rows import SCHEMA
from phrasemill.spec import CorpusSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One expectation to be asked: its words, and the class and arguments that ask it."""

    name: str
    expectation: str
    """Class name in great_expectations.expectations."""
    arguments: dict[str, Any]
    limit: str
    chance: str = ""
    column: str | None = None
    frame: Literal["rows", "figures"] = "rows"
    breach: str = "outside"
    """What a row is that breaks it: '3 of 60 outside'."""
    format: Callable[[float], str] = str
    """Words for the observed value, where it is one number."""
    note: str = ""
    """Added to the observed value."""
    severity: Severity = "critical"


def checks_of(spec: CorpusSpec, *, shard: Shard, figures: Figures, judged: int) -> list[Check]:
    """All checks of a shard, the gravest first: identity of the rows, their texts, then the shard's figures."""
    return [
        *_identity(shard),
        *(_no_nulls(column) for column in SCHEMA.names),
        *_texts(spec),
        *_figures(spec, figures=figures, judged=judged),
        *_attempts(spec, figures=figures),
    ]


def _identity(shard: Shard) -> list[Check]:
    last_id = shard.first_id + shard.rows - 1
    return [
        Check(
            name="phrases in the shard",
            expectation="ExpectTableRowCountToEqual",
            arguments={"value": shard.rows},
            limit=f"exactly {shard.rows}",
            format=_count,
        ),
        Check(
            name="phrase ids are unique",
            expectation="ExpectColumnValuesToBeUnique",
            arguments={"column": "phrase_id"},
            column="phrase_id",
            limit="every id once",
            breach="repeated",
        ),
        _edge("first phrase id", "ExpectColumnMinToBeBetween", shard.first_id),
        _edge("last phrase id", "ExpectColumnMaxToBeBetween", last_id),
    ]


def _edge(name: str, expectation: str, phrase_id: int) -> Check:
    return Check(
        name=name,
        expectation=expectation,
        arguments={"column": "phrase_id", "min_value": phrase_id, "max_value": phrase_id},
        column="phrase_id",
        limit=f"exactly {phrase_id}",
        format=_count,
    )


def _no_nulls(column: str) -> Check:
    return Check(
        name=f"no empty {column}",
        expectation="ExpectColumnValuesToNotBeNull",
        arguments={"column": column},
        column=column,
        limit="a value in every row",
        breach="empty",
    )


def _texts(spec: CorpusSpec) -> list[Check]:
    rules = spec.rules
    return [
        Check(
            name="texts are unique in the shard",
            expectation="ExpectColumnValuesToBeUnique",
            arguments={"column": "text_hash"},
            column="text_hash",
            limit="every text once, case and spaces folded",
            breach="repeated",
        ),
        Check(
            name="text_hash belongs to the text",
            expectation="ExpectColumnPairValuesToBeEqual",
            arguments={"column_A": "text_hash", "column_B": "true_hash"},
            column="text_hash",
            limit="what the text hashes to",
            breach="wrong",
        ),
        Check(
            name="chars is the length of the text",
            expectation="ExpectColumnPairValuesToBeEqual",
            arguments={"column_A": "chars", "column_B": "true_chars"},
            column="chars",
            limit="Unicode characters of the text",
            breach="wrong",
        ),
        Check(
            name="characters of each phrase",
            expectation="ExpectColumnValuesToBeBetween",
            arguments={"column": "true_chars", "min_value": rules.min_chars, "max_value": rules.max_chars},
            column="text",
            limit=f"{rules.min_chars} to {rules.max_chars}",
        ),
        Check(
            name="language",
            expectation="ExpectColumnValuesToBeInSet",
            arguments={"column": "lang", "value_set": [spec.language]},
            column="lang",
            limit=f"{spec.language} in every row",
            breach="other",
        ),
    ]


def _figures(spec: CorpusSpec, *, figures: Figures, judged: int) -> list[Check]:
    gate, metrics = spec.gate, figures.metrics
    chance = sampling_error(metrics, "mean_chars", limit=gate.min_mean_chars, judged=judged)
    return [
        Check(
            name="template coverage",
            expectation="ExpectColumnValuesToBeBetween",
            arguments={"column": "template_coverage", "min_value": gate.min_template_coverage},
            column="template",
            limit=f"at least {_share(gate.min_template_coverage)} of each template's planned phrases",
            frame="figures",
            format=_share,
        ),
        Check(
            name="mean characters a phrase",
            expectation="ExpectColumnMeanToBeBetween",
            arguments={
                "column": "true_chars",
                "min_value": gate.min_mean_chars - chance,
                "max_value": gate.max_mean_chars + chance,
            },
            column="text",
            limit=f"{gate.min_mean_chars:g} to {gate.max_mean_chars:g}",
            chance=f"±{chance:.1f}" if chance >= 0.05 else "",
            format=_decimal,
        ),
        _at_most("top_opening_share", gate.max_top_opening_share, metrics=metrics, judged=judged)(
            name="share of the most common opening",
            column="text",
            note=f" ({figures.top_opening[:40]!r})",
        ),
        Check(
            name="distinct word pairs (distinct-2)",
            expectation="ExpectColumnValuesToBeBetween",
            arguments={"column": "distinct_2", "min_value": gate.min_distinct_2},
            column="text",
            limit=f"at least {_share(gate.min_distinct_2)} in 500 phrases",
            frame="figures",
            format=_share,
        ),
        _at_most("reject_share", gate.max_reject_share, metrics=metrics, judged=judged)(
            name="share of outputs rejected",
        ),
    ]


def _at_most(metric: str, limit: float, *, metrics: dict[str, float], judged: int) -> Callable[..., Check]:
    """A check that a share does not pass its limit by more than chance explains; give it name and column."""
    chance = sampling_error(metrics, metric, limit=limit, judged=judged)

    def check(**words: Any) -> Check:  # noqa: ANN401
        return Check(
            expectation="ExpectColumnValuesToBeBetween",
            arguments={"column": metric, "max_value": limit + chance},
            limit=f"at most {_share(limit)}",
            chance=f"+{_share(chance)}" if chance >= 0.0005 else "",
            frame="figures",
            format=_share,
            **words,
        )

    return check


def _attempts(spec: CorpusSpec, *, figures: Figures) -> list[Check]:
    """Warnings only: many attempts cost time, and say nothing against the phrases accepted in the end."""
    limit, first = spec.gate.max_mean_attempt, int(figures.metrics["first_attempt"])
    chance = sampling_error(figures.metrics, "mean_attempt", limit=limit, judged=0)
    last = first + spec.rules.max_attempts - 1
    return [
        Check(
            name="mean re-asks a phrase",
            expectation="ExpectColumnValuesToBeBetween",
            arguments={"column": "mean_attempt", "max_value": limit + chance},
            column="attempt",
            limit=f"at most {limit:g}",
            chance=f"+{chance:.2f}" if chance >= 0.005 else "",
            frame="figures",
            format=_decimal,
            severity="warning",
        ),
        Check(
            name="attempts of each phrase",
            expectation="ExpectColumnValuesToBeBetween",
            arguments={"column": "attempt", "min_value": 0, "max_value": last},
            column="attempt",
            limit=f"0 to {last}",
            severity="warning",
        ),
    ]


def _count(value: float) -> str:
    return f"{value:.0f}"


def _decimal(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _share(value: float) -> str:
    if 0 < value < 0.001:
        return f"{value * 100:.2g} %"
    # Rounded down: 99.97 % must not read 100 % beside a limit of 100 %.
    return f"{math.floor(round(value * 1000, 6)) / 10:g} %"
