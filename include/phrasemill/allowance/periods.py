"""Periods: the days that a budget is for. Pure."""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from phrasemill.limit_settings import ApiLimits


@dataclass(frozen=True, slots=True)
class Period:
    """One day, from `budget_begins` to the next; both ends in the schedule's time zone."""

    begins: dt.datetime
    ends: dt.datetime

    @property
    def name(self) -> str:
        """What its folder is called: its beginning in UTC, such as 20261123T1100Z."""
        return f"{self.begins.astimezone(dt.UTC):%Y%m%dT%H%MZ}"


def period_of(limits: ApiLimits, *, zone: ZoneInfo, now: dt.datetime) -> Period:
    """The period that a moment lies in; 23 or 25 hours long where the clocks change."""
    begins = dt.time.fromisoformat(limits.budget_begins)
    today = now.astimezone(zone).date()
    starts = [dt.datetime.combine(today + dt.timedelta(days=days), begins, tzinfo=zone) for days in (-1, 0, 1)]
    # Compared as moments: two datetimes of one zone compare by what the wall clock shows.
    last = max(number for number, start in enumerate(starts[:2]) if start.timestamp() <= now.timestamp())
    return Period(starts[last], starts[last + 1])
