"""The gate's expectations over some shards, the worst first. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from phrasemill.gate.verdict import Expectation, Verdict
from phrasemill.report.judged import Judged
from phrasemill.report.summary import ExpectationLine, QuarantineLine


class _Answer(NamedTuple):
    """What one verdict said; `past` where the shard has been committed under another verdict since."""

    shard: int
    past: bool
    expectation: Expectation


def expectations_of(shards: Sequence[Judged], quarantined: Iterable[QuarantineLine]) -> tuple[ExpectationLine, ...]:
    """Lines by expectation: what failed and stands, then warnings, then what failed once and was mended."""
    verdicts = [(shard.manifest.shard, False, shard.verdict) for shard in shards]
    verdicts += [
        (held.shard, _is_past(held), Verdict.model_validate(held.verdict)) for held in quarantined if held.verdict
    ]
    asked: dict[str, list[_Answer]] = {}
    for shard, past, verdict in verdicts:
        for expectation in verdict.expectations:
            asked.setdefault(expectation.name, []).append(_Answer(shard, past, expectation))
    # Sorting is stable: among equals the gate's own order, the gravest first, stays.
    return tuple(sorted(map(_line, asked.values()), key=_badness))


def _is_past(held: QuarantineLine) -> bool:
    return held.now in {"committed", "accepted"}


def _badness(line: ExpectationLine) -> tuple[int, int]:
    if line.failed_shards:
        return int(line.severity != "critical"), -len(line.failed_shards)
    return (2, -len(line.mended_shards)) if line.mended_shards else (3, 0)


def _line(answers: list[_Answer]) -> ExpectationLine:
    failed = [answer for answer in answers if not answer.past and not answer.expectation.passed]
    standing = {answer.shard for answer in failed}
    mended = {answer.shard for answer in answers if answer.past and not answer.expectation.passed} - standing
    now = [answer.expectation for answer in answers if not answer.past] or [answers[0].expectation]
    first = failed[0].expectation if failed else now[0]
    return ExpectationLine(
        name=first.name,
        kind=first.kind,
        column=first.column,
        severity=first.severity,
        shards=len(answers),
        failed_shards=tuple(sorted(standing)),
        mended_shards=tuple(sorted(mended)),
        observed=first.observed if failed else _range(now),
        limit=first.limit_in_full if failed else _common_limit(now),
    )


def _range(passed: list[Expectation]) -> str:
    """What was observed, from the shard with the lowest value to that with the highest."""
    ordered = sorted(passed, key=lambda expectation: expectation.value or 0.0)
    low, high = ordered[0].observed, ordered[-1].observed
    return low if low == high else f"{low} to {high}"


def _common_limit(passed: list[Expectation]) -> str:
    limits = {expectation.limit_in_full for expectation in passed}
    if len(limits) == 1:
        return limits.pop()
    limits = {expectation.limit for expectation in passed}
    return f"{limits.pop()}, and what chance explains" if len(limits) == 1 else "each shard's own"
