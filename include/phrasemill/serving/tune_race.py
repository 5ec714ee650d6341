"""Who wins: from measurements to rates, from rates to who goes on. Pure functions over results."""

from collections.abc import Sequence

from phrasemill.serving.tune_plan import Candidate
from phrasemill.serving.tune_record import Measurement

CLEARLY_LESS = 0.7  # short windows are a few percent off, see `rates`; 30 % is beyond any chance
CLIENT_BOUND = 0.95  # of one core: the client's event loop has no time left, so the engines wait for it


def rates(measurements: Sequence[Measurement]) -> list[float]:
    """Accepted phrases a second of each measurement; 0 for a failed one.

    Lists come back in bursts, so what is counted in a short window is off by as much as is in flight: on one CPU
    engine by 50 % of 10 s. The engines' own token counters are off by one step. So the rate is the engines' tokens a
    second times the accepted phrases a token, and these are taken over all measurements that write the same text
    (quantisation and n), of which engines, lists and windows change nothing. Where an engine has no such counter, or
    failed on a list (its tokens are then lost), what was counted stands.
    """
    accepted: dict[tuple[str | None, int], int] = {}
    tokens: dict[tuple[str | None, int], int] = {}
    for one in measurements:
        key = one.candidate.writes
        accepted[key] = accepted.get(key, 0) + one.accepted
        tokens[key] = tokens.get(key, 0) + one.completion_tokens
    result = []
    for one in measurements:
        if one.failed:
            result.append(0.0)
        elif one.engine_tokens_per_s is None or one.faults or not tokens[one.candidate.writes]:
            result.append(one.counted_phrases_per_s)
        else:
            result.append(one.engine_tokens_per_s * accepted[one.candidate.writes] / tokens[one.candidate.writes])
    return result


def ranked(measurements: Sequence[Measurement]) -> list[tuple[Measurement, float]]:
    """Measurements with their rates: those over longer windows first, the faster first among them, failed ones last."""
    pairs = zip(measurements, rates(measurements), strict=True)
    return sorted(pairs, key=lambda pair: (bool(pair[0].failed), -pair[0].window_s, -pair[1]))


def best_of(measurements: Sequence[Measurement]) -> tuple[Measurement, float] | None:
    """The fastest among those measured over the longest window; None if all failed."""
    first = next(iter(ranked(measurements)), None)
    return None if first is None or first[0].failed else first


def survivors(rung: Sequence[Measurement], count: int, *, seen: Sequence[Measurement] = ()) -> list[Candidate]:
    """The `count` fastest candidates of one rung, fastest first; failed ones never go on.

    `seen` are further measurements that tell how much of the text is accepted.
    """
    both = rates([*rung, *seen])
    order = sorted(range(len(rung)), key=lambda index: -both[index])
    return [rung[index].candidate for index in order if not rung[index].failed][:count]


def is_clear_loser(first_rung: Sequence[Measurement], best_elsewhere: float) -> bool:
    """Whether a heat need not go on after its first rung: its fastest is far behind the winner of another heat."""
    return max(rates(first_rung), default=0.0) < CLEARLY_LESS * best_elsewhere


def is_client_bound(measurement: Measurement) -> bool:
    """Whether this process, and not the engines, set the pace: the rate is then only a lower bound of theirs."""
    return measurement.client_cpu >= CLIENT_BOUND


def unsteady(measurements: Sequence[Measurement]) -> tuple[float, float] | None:
    """The least and the greatest rate of a candidate that differ more than chance lets them; None if none does.

    Then something else worked on the machine, or its clocks fell, while it was tuned.
    """
    by_candidate: dict[Candidate, list[float]] = {}
    for one, rate in zip(measurements, rates(measurements), strict=True):
        if not one.failed:
            by_candidate.setdefault(one.candidate, []).append(rate)
    for found in by_candidate.values():
        if min(found) < CLEARLY_LESS * max(found):
            return min(found), max(found)
    return None
