"""TrancheBook: what of a period's budget has been taken, as objects of the bucket.

    <root>/money/<period>/terms.json              the budget of the period, put once
    <root>/money/<period>/tranche-00007.json      put only if absent, in number order: a two-hundredth of the budget
    <root>/money/<period>/back-<task>-<amount>    what a task that ended in order has not spent

A tranche is claimed only if all tranches up to it, less what was given back, fit into the budget. What is given back
only grows, and whoever claims a later number counts all earlier ones: so the claims never add up to more than the
budget. A killed task gives nothing back, and its last tranche counts as spent.

Money is counted in whole nanos, 1e-9 of the currency: a token of the cheapest models costs some 20.
"""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from phrasemill.allowance.errors import refuse_unlike
from phrasemill.allowance.periods import Period
from phrasemill.allowance.rate_board import JSON
from phrasemill.limit_settings import ApiLimits
from phrasemill.store.bucket import Bucket

NANOS = 1_000_000_000
TRANCHES = 200
"""A killed task loses half a percent of the budget at most, and a night puts two hundred objects."""
KEPT_PERIODS = 35
REMOVED_AT_ONCE = 50
TRANCHE = re.compile(r"/tranche-(\d+)\.json$")
BACK = re.compile(r"/back-[^/]+-(\d+)$")


@dataclass(frozen=True, slots=True)
class Taken:
    """Where a period stands: the next tranche's number, and the nanos that were given back."""

    next: int
    back: int


class TrancheBook:
    """The book of one period; every method asks the bucket, and raises what `Bucket` raises.

    Args:
        bucket: holds the book.
        root: prefix of the account's keys.
        period: whose book it is.
        terms: what all who share the budget must agree on.
    """

    def __init__(self, bucket: Bucket, *, root: str, period: Period, terms: dict[str, object]) -> None:
        self._bucket = bucket
        self._money = f"{root}/money/"
        self._folder = f"{self._money}{period.name}/"
        self._period = period
        self._terms = terms

    def agree(self) -> None:
        """Put the terms, or compare them with those that are there; old periods are removed, some at a time.

        Raises:
            LimitsDiffer: the period has begun with another budget.
        """
        key = f"{self._folder}terms.json"
        if not self._bucket.put_if_absent(key, _encoded(self._terms), content_type=JSON):
            standing = self.standing_terms()
            refuse_unlike(
                self._terms,
                standing or {},
                where=f"s3://{self._bucket.name}/{key}",
                hint="corpora that share a connection must state the same budget, or the connection states it; "
                f"a changed budget counts from {self._period.ends:%Y-%m-%d %H:%M} on",
            )
        over = self._bucket.folders(self._money)[:-KEPT_PERIODS]
        old = (entry.key for folder in over for entry in self._bucket.entries(folder))
        self._bucket.delete([key for key, _ in zip(old, range(REMOVED_AT_ONCE), strict=False)])

    def standing_terms(self) -> dict[str, object] | None:
        """The terms that the period began with; None if nobody has asked for money yet."""
        content = self._bucket.get(f"{self._folder}terms.json")
        return None if content is None else json.loads(content)

    def look(self) -> Taken:
        """Where the period stands."""
        return _counted(entry.key for entry in self._bucket.entries(self._folder))

    def claim(self, number: int, *, task: str) -> bool:
        """Take a tranche; false if another task has it."""
        return self._bucket.put_if_absent(self._tranche(number), _encoded({"task": task}), content_type=JSON)

    def stands(self, number: int, *, task: str) -> bool:
        """Whether a claim still reads as this task's."""
        return self._bucket.get(self._tranche(number)) == _encoded({"task": task})

    def give_back(self, nanos: int, *, task: str) -> None:
        """Say what a task has not spent, once, when it spends no more."""
        self._bucket.put(f"{self._folder}back-{task}-{nanos}", b"")

    def _tranche(self, number: int) -> str:
        return f"{self._folder}tranche-{number:05d}.json"


def terms_of(limits: ApiLimits, *, currency: str, zone: ZoneInfo) -> dict[str, object]:
    """What all who share a budget must agree on."""
    return {
        "budget_per_night": limits.budget_per_night,
        "budget_begins": limits.budget_begins,
        "zone": zone.key,
        "currency": currency,
    }


def budget_nanos(budget: float) -> int:
    """A budget in whole nanos."""
    return math.floor(budget * NANOS)


def tranche_nanos(budget: float) -> int:
    """One tranche of a budget."""
    return max(1, budget_nanos(budget) // TRANCHES)


def _counted(keys: Iterable[str]) -> Taken:
    following, back = 0, 0
    for key in keys:
        if found := TRANCHE.search(key):
            following = max(following, int(found[1]) + 1)
        elif found := BACK.search(key):
            back += int(found[1])
    return Taken(following, back)


def _encoded(record: dict[str, object]) -> bytes:
    return json.dumps(record, sort_keys=True).encode()
