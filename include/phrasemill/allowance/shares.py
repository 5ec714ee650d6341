"""How an account's limits are cut into shares, and how many shares a task may have. Pure.

A share is a small account of its own. Who keeps within each share keeps within the whole, since the shares add up to
the limits exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from phrasemill.limit_settings import ApiLimits

MOST_SHARES = 16
"""A task alone takes all of them anew every minute, with three requests to the bucket for each."""
REQUEST_TOKENS = 8192
"""A share lets a request of so many tokens through; ours take a few hundred, a list of phrases a few thousand."""
WINDOW_S = 60
"""Limits are stated by the minute, and a share is held by the minute."""
TRAVEL_S = 1.0
"""A request may be so much longer on its way than one that is sent a minute after it, and both count as they arrive:
the first one on a connection opens it before."""
RATES = ("requests_per_minute", "tokens_per_minute", "tokens_per_second", "concurrent")


@dataclass(frozen=True, slots=True)
class Share:
    """One part of an account's limits; None is unlimited."""

    requests: int | None
    """A minute."""
    tokens: int | None
    """Prompt and completion tokens a minute."""
    tokens_per_second: float | None
    """Completion tokens."""
    concurrent: int | None

    @property
    def spacing_s(self) -> float:
        """Seconds between two requests at least, so that `requests` of them at most arrive in any minute."""
        return (WINDOW_S + TRAVEL_S) / self.requests if self.requests else 0.0

    @property
    def handover_s(self) -> float:
        """How long whoever takes over a share waits, not knowing when the task before used it last.

        Requests are spaced, so one space does. Tokens may all have been taken at the end of the last minute.
        """
        return WINDOW_S if self.tokens or self.tokens_per_second else self.spacing_s


def rates_of(limits: ApiLimits) -> dict[str, object]:
    """The limits that are rates, without those that are not given."""
    return {name: value for name in RATES if (value := getattr(limits, name)) is not None}


def shares_of(limits: ApiLimits) -> list[Share]:
    """Cut limits into as many shares as let one request through each, 16 at most; none if no rate is limited."""
    if not rates_of(limits):
        return []
    tokens = [limits.tokens_per_minute, limits.tokens_per_second and limits.tokens_per_second * WINDOW_S]
    bounds = [bound for bound in (limits.requests_per_minute, limits.concurrent) if bound]
    bounds += [max(1, int(bound // REQUEST_TOKENS)) for bound in tokens if bound]
    count = min([MOST_SHARES, *bounds])
    return [
        Share(
            requests=_part(limits.requests_per_minute, number, count),
            tokens=_part(limits.tokens_per_minute, number, count),
            tokens_per_second=limits.tokens_per_second and limits.tokens_per_second / count,
            concurrent=_part(limits.concurrent, number, count),
        )
        for number in range(count)
    ]


def fair_part(shares: int, tasks: Sequence[str], *, task: str) -> int:
    """How many of the shares are a task's own among all that want some.

    Names of tasks begin with the moment they came, so where the division leaves a rest, or there are more tasks than
    shares, the oldest come first: a night then ends its shards one after the other.
    """
    ranked = sorted({*tasks, task})
    whole, rest = divmod(shares, len(ranked))
    return whole + (ranked.index(task) < rest)


def _part(limit: int | None, number: int, count: int) -> int | None:
    if limit is None:
        return None
    whole, rest = divmod(limit, count)
    return whole + (number < rest)
