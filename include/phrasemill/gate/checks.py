"""Checks: what a gate expects, in words and as arguments of Great Expectations; and those on a shard's rows. Pure."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from phrasemill.gate.verdict import Severity
from phrasemill.gate_settings import Asked
from phrasemill.planning import Shard
from phrasemill.rows import SCHEMA
from phrasemill.spec import CorpusSpec

STANDARD_ERRORS = 3
"""A limit is meant for the corpus. A shard of 60 rows strays from it by chance, one of 25,000 hardly does: three
standard errors let one good shard in 700 fail that lies exactly at the limit."""


def share_error(limit: float, *, sample: float) -> float:
    """What chance adds to a share at its limit, over a sample of this size."""
    return STANDARD_ERRORS * math.sqrt(limit * (1 - limit) / max(1.0, sample))


def count_in_words(value: float) -> str:
    """A whole number."""
    return f"{value:.0f}"


def decimal_in_words(value: float) -> str:
    """A number with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def share_in_words(value: float) -> str:
    """A share of 1 as per cent, rounded down: 99.97 % must not read 100 % beside a limit of 100 %."""
    if 0 < value < 0.001:
        return f"{value * 100:.2g} %"
    return f"{math.floor(round(value * 1000, 6)) / 10:g} %"


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
    identity: bool = False
    """See `phrasemill.gate.verdict.Expectation`."""


class Severities(Protocol):
    """Thresholds that say how grave the failure of an expectation is."""

    def severity_of(self, name: str) -> Asked:
        """What the failure of an expectation means."""
        ...


def with_severities(checks: list[Check], thresholds: Severities) -> list[Check]:
    """The checks that a corpus wants asked, each as severe as it says. Those of identity stay as they are."""
    asked = []
    for check in checks:
        severity = "critical" if check.identity else thresholds.severity_of(check.name)
        if severity != "off":
            asked.append(replace(check, severity=severity))
    return asked


def figure_check(
    name: str,
    figure: str,
    *,
    least: float | None = None,
    most: float | None = None,
    **words: Any,  # noqa: ANN401
) -> Check:
    """A check on one figure, which is at least `least` and at most `most`; `words` are its other fields."""
    limits = {side: value for side, value in (("min_value", least), ("max_value", most)) if value is not None}
    return Check(
        name=name,
        expectation="ExpectColumnValuesToBeBetween",
        arguments={"column": figure, **limits},
        frame="figures",
        **words,
    )


def share_at_most(name: str, figure: str, limit: float, *, chance: float, **words: Any) -> Check:  # noqa: ANN401
    """A check on a share that must not pass its limit by more than chance explains."""
    return figure_check(
        name,
        figure,
        most=limit + chance,
        limit=f"at most {share_in_words(limit)}",
        chance=chance_in_words("+", chance),
        format=share_in_words,
        **words,
    )


def share_at_least(
    name: str,
    figure: str,
    least: float,
    *,
    chance: float,
    of: str,
    **words: Any,  # noqa: ANN401
) -> Check:
    """A check on a share that must not fall short of its limit by more than chance explains; `of` follows the limit."""
    return figure_check(
        name,
        figure,
        least=least - chance,
        limit=f"at least {share_in_words(least)} {of}",
        chance=chance_in_words("-", chance),
        format=share_in_words,
        **words,
    )


def chance_in_words(sign: str, chance: float) -> str:
    """What chance allows of a share, empty where that is too little to be shown."""
    return f"{sign}{share_in_words(chance)}" if chance >= 0.0005 else ""


def row_checks(spec: CorpusSpec, *, shard: Shard) -> list[Check]:
    """What holds for every row, the gravest first: which rows, whole ones, their texts."""
    return [*_identity(shard), *(_no_nulls(column) for column in SCHEMA.names), *_texts(spec), *_attempts(spec)]


def _identity(shard: Shard) -> list[Check]:
    last_id = shard.first_id + shard.rows - 1
    return [
        Check(
            name="phrases in the shard",
            expectation="ExpectTableRowCountToEqual",
            arguments={"value": shard.rows},
            limit=f"exactly {shard.rows}",
            format=count_in_words,
            identity=True,
        ),
        Check(
            name="phrase ids are unique",
            expectation="ExpectColumnValuesToBeUnique",
            arguments={"column": "phrase_id"},
            column="phrase_id",
            limit="every id once",
            breach="repeated",
            identity=True,
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
        format=count_in_words,
        identity=True,
    )


def _no_nulls(column: str) -> Check:
    return Check(
        name=f"no empty {column}",
        expectation="ExpectColumnValuesToNotBeNull",
        arguments={"column": column},
        column=column,
        limit="a value in every row",
        breach="empty",
        identity=True,
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
            identity=True,
        ),
        _pair("text_hash belongs to the text", "text_hash", limit="what the text hashes to"),
        _pair("chars is the length of the text", "chars", limit="Unicode characters of the text"),
        _pair(
            "coordinates are those of the plan",
            "coordinates",
            limit="the template, scene and slots that the corpus file gives an id and attempt",
        ),
        Check(
            name="language",
            expectation="ExpectColumnValuesToBeInSet",
            arguments={"column": "lang", "value_set": [spec.language]},
            column="lang",
            limit=f"{spec.language} in every row",
            breach="other",
            identity=True,
        ),
        Check(
            name="characters of each phrase",
            expectation="ExpectColumnValuesToBeBetween",
            arguments={"column": "true_chars", "min_value": rules.min_chars, "max_value": rules.max_chars},
            column="text",
            limit=f"{rules.min_chars} to {rules.max_chars}",
        ),
    ]


def _pair(name: str, column: str, *, limit: str) -> Check:
    """A column that can be computed anew, against what it should hold."""
    return Check(
        name=name,
        expectation="ExpectColumnPairValuesToBeEqual",
        arguments={"column_A": column, "column_B": f"true_{column}", "ignore_row_if": "either_value_is_missing"},
        column=column,
        limit=limit,
        breach="wrong",
        identity=True,
    )


def _attempts(spec: CorpusSpec) -> list[Check]:
    last = spec.rules.max_attempts - 1
    return [
        Check(
            name="attempts of each phrase",
            expectation="ExpectColumnValuesToBeBetween",
            arguments={"column": "re_asks", "min_value": 0, "max_value": last},
            column="attempt",
            limit=f"0 to {last} re-asks",
        )
    ]
