"""What a fake API allows: requests and tokens a minute, requests at once, tokens a day; and what has been seen.

It stands before the engine as a gateway does, so it refuses in OpenAI's words whatever API stands behind it (rules
and headers: OpenAI's guide on rate limits and its list of error codes). A request counts with its prompt and the most
tokens it may write until it is answered, then with what it took. Refused requests count only in what has been seen.
"""

import math
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from phrasemill.engines.fake.asks import RequestRefused
from phrasemill.engines.fake.settings import FakeEngineSettings

QUOTA_SPENT = "insufficient_quota"
TOO_FAST = "rate_limit_exceeded"


class Throttled(RequestRefused):
    """The gateway says 429: too fast (`code` rate_limit_exceeded), or the quota is spent (insufficient_quota)."""

    def __init__(self, message: str, *, code: str, kind: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message, status=429, code=code)
        self.kind = kind
        self.headers = headers or {}


class Throttling:
    """Lets requests for text pass or refuses them, and keeps when each came and what it took.

    `refused` counts refusals by what ran out: requests, tokens, concurrent, quota, burst.
    """

    def __init__(self, settings: FakeEngineSettings) -> None:
        self._settings = settings
        self._per_minute = bool(settings.requests_per_minute or settings.tokens_per_minute)
        self._limited = bool(self._per_minute or settings.concurrent or settings.daily_tokens)
        self._came = array("d")  # every request, refused ones too
        self._passed = array("d")
        self._tokens = array("q")  # of those that passed
        self._first = 0  # the oldest of those that still is in the last minute
        self._tokens_in_minute = 0
        self._burst_until = 0.0
        self._used_today = 0
        self.refused: Counter[str] = Counter()

    def admit(self, *, tokens: int, in_flight: int) -> int:
        """Let a request pass that may take so many tokens: a number for `settle`. Raises Throttled."""
        now = time.monotonic()
        self._came.append(now)
        if self._limited or self._burst_until:
            self._check(now, tokens, in_flight)
        self._passed.append(now)
        self._tokens.append(tokens)
        self._tokens_in_minute += tokens
        return len(self._passed) - 1

    def settle(self, number: int, *, tokens: int) -> None:
        """The request is answered, and took so many tokens."""
        if number >= self._first:
            self._tokens_in_minute += tokens - self._tokens[number]
        self._tokens[number] = tokens
        self._used_today += tokens

    def begin_burst(self, seconds: float) -> Throttled:
        """Refuse everything for so many seconds from now on; the first refusal."""
        self._burst_until = time.monotonic() + seconds
        return self._too_fast("burst", "The server is busy.", seconds)

    def reset_quota(self) -> None:
        """A new day: the daily tokens are there again."""
        self._used_today = 0

    def headers(self) -> dict[str, str]:
        """x-ratelimit-* of an answer, for the limits that there are."""
        if not self._per_minute:
            return {}
        self._forget_before(now := time.monotonic())
        told: dict[str, str] = {}
        for what, limit, used in (
            ("requests", self._settings.requests_per_minute, len(self._passed) - self._first),
            ("tokens", self._settings.tokens_per_minute, self._tokens_in_minute),
        ):
            if limit:
                newest = self._passed[-1] if self._first < len(self._passed) else now - self._settings.minute_s
                told[f"x-ratelimit-limit-{what}"] = str(limit)
                told[f"x-ratelimit-remaining-{what}"] = str(max(0, limit - used))
                told[f"x-ratelimit-reset-{what}"] = _duration(newest + self._settings.minute_s - now)
        return told

    def to_json(self) -> dict[str, Any]:
        """What has been seen: the most requests that came and the most tokens of those that passed in any minute."""
        return {
            "requests_seen": len(self._came),
            "most_requests_a_minute": _most(self._came, None, self._settings.minute_s),
            "most_tokens_a_minute": _most(self._passed, self._tokens, self._settings.minute_s),
            "tokens_today": self._used_today,
            "throttled": dict(self.refused),
        }

    def _check(self, now: float, tokens: int, in_flight: int) -> None:
        allowed = self._settings
        if now < self._burst_until:
            raise self._too_fast("burst", "The server is busy.", self._burst_until - now)
        self._burst_until = 0.0
        if allowed.daily_tokens and self._used_today >= allowed.daily_tokens:
            self.refused["quota"] += 1
            message = "You exceeded your current quota, please check your plan and billing details."
            raise Throttled(message, code=QUOTA_SPENT, kind=QUOTA_SPENT)
        if allowed.concurrent and in_flight >= allowed.concurrent:
            raise self._too_fast("concurrent", f"Too many requests at once: limit {allowed.concurrent}.", None)
        self._forget_before(now)
        requests = len(self._passed) - self._first
        if allowed.requests_per_minute and requests >= allowed.requests_per_minute:
            limit = f"requests per min (RPM): Limit {allowed.requests_per_minute}, Used {requests}, Requested 1"
            raise self._too_fast("requests", limit, self._wait(now, requests=1))
        if allowed.tokens_per_minute and self._tokens_in_minute + tokens > allowed.tokens_per_minute:
            used = f"Used {self._tokens_in_minute}, Requested {tokens}"
            limit = f"tokens per min (TPM): Limit {allowed.tokens_per_minute}, {used}"
            excess = self._tokens_in_minute + tokens - allowed.tokens_per_minute
            raise self._too_fast("tokens", limit, self._wait(now, tokens=excess))

    def _forget_before(self, now: float) -> None:
        while self._first < len(self._passed) and self._passed[self._first] <= now - self._settings.minute_s:
            self._tokens_in_minute -= self._tokens[self._first]
            self._first += 1

    def _wait(self, now: float, *, requests: int = 0, tokens: int = 0) -> float:
        """Seconds until so many requests, and so many tokens, are older than a minute."""
        for number in range(self._first, len(self._passed)):
            requests -= 1
            tokens -= self._tokens[number]
            if requests <= 0 and tokens <= 0:
                return self._passed[number] + self._settings.minute_s - now
        return self._settings.minute_s

    def _too_fast(self, what: str, limit: str, wait_s: float | None) -> Throttled:
        self.refused[what] += 1
        message = f"Rate limit reached for {self._settings.model} on {limit}."
        kind = "tokens" if what == "tokens" else "requests"
        headers: dict[str, str] = {}
        if wait_s is not None:
            message += f" Please try again in {_duration(wait_s)}."
            headers = _retry_after(wait_s, self._settings.retry_after)
        return Throttled(message, code=TOO_FAST, kind=kind, headers=headers)


def _most(times: Sequence[float], amounts: Sequence[int] | None, length_s: float) -> int:
    """The highest sum of amounts (or count, without) in any half-open stretch of that length; times ascend."""
    most = total = first = 0
    for number, time_s in enumerate(times):
        total += 1 if amounts is None else amounts[number]
        while times[first] <= time_s - length_s:
            total -= 1 if amounts is None else amounts[first]
            first += 1
        most = max(most, total)
    return most


def _retry_after(wait_s: float, style: str) -> dict[str, str]:
    """The header that says when to come again: whole seconds, an HTTP date, milliseconds, or none."""
    if style == "date":
        until = datetime.now(UTC) + timedelta(seconds=wait_s)
        # A date has whole seconds: never one too early.
        return {"Retry-After": format_datetime(until.replace(microsecond=0) + timedelta(seconds=1), usegmt=True)}
    if style == "ms":
        return {"retry-after-ms": str(math.ceil(wait_s * 1000))}
    return {"Retry-After": str(math.ceil(wait_s))} if style == "seconds" else {}


def _duration(seconds: float) -> str:
    """Such as `120ms`, `7.66s` or `6m0s`, as OpenAI writes them."""
    if seconds < 1:
        return f"{math.ceil(max(0.0, seconds) * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f}m{rest:.0f}s" if minutes else f"{rest:.3g}s"
