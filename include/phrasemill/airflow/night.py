"""Which shards a Dag run is for, and what its night is called."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from phrasemill.errors import PlanError
from phrasemill.planning import night_label, night_of, parse_shards, shards_of_night
from phrasemill.steps import Workplace, next_uncommitted


@dataclass(frozen=True, slots=True)
class Night:
    """The shards of a run, committed or not; `label` names its report, `number` is None for shards by hand."""

    label: str
    number: int | None
    shards: list[int]


def night_of_run(
    place: Workplace, *, params: dict[str, Any], logical_date: dt.datetime | None, run_after: dt.datetime
) -> Night:
    """Decide: explicit shards, the next uncommitted ones, or those of the logical date, in this order.

    A run by hand without a date and without params takes as many uncommitted shards as a night has.

    Raises:
        PlanError: both params are given, a shard does not exist, or the date lies before the first night.
    """
    explicit, following = params.get("shards"), params.get("next_shards")
    if explicit and following:
        raise PlanError("the run's form has both shards and next_shards; fill in one of them")
    by_hand = f"manual-{run_after.astimezone(place.spec.schedule.zone):%Y-%m-%dT%H%M%S}"
    if explicit:
        return Night(by_hand, None, parse_shards(place.spec, str(explicit)))
    if following or logical_date is None:
        count = int(following or place.spec.schedule.shards_per_night)
        return Night(by_hand, None, next_uncommitted(place, count))
    number = night_of(place.spec, logical_date)
    return Night(night_label(place.spec, logical_date), number, shards_of_night(place.spec, number))
