"""The shards of a corpus that are not committed, by what is to be expected of them. Pure."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phrasemill.night_lines import NightLine
from phrasemill.planning import is_top_up
from phrasemill.rate_now import RUNNING_WITHIN
from phrasemill.spec import CorpusSpec

if TYPE_CHECKING:
    from phrasemill.snapshot import Snapshot

BETWEEN_SHARDS = dt.timedelta(minutes=3)
"""A night may well go on for so long after a shard was written: gate, commit, and the next shard's first block."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Shards without a manifest; each is in `all` and in one of the others."""

    all: list[int]
    here: list[int]
    """Of a night that is being worked on or has just begun, or of a corpus without cron: they wait for no tick."""
    coming: dict[dt.datetime, list[int]]
    """Of nights that begin later, by when."""
    behind: list[int]
    """Of past nights on which nobody works: no coming night owns them."""


def missing_shards(
    spec: CorpusSpec,
    snapshot: "Snapshot",
    nights: Sequence[NightLine],
    *,
    running: Collection[int],
    now: dt.datetime,
) -> Missing:
    """Sort them; `running` are the shards that are being written. A top-up shard is never missing."""
    size = spec.schedule.shards_per_night
    active = {number // size for number in running if not is_top_up(spec, number)}
    active |= nights_worked_on_lately(spec, snapshot, now=now)
    here, behind, coming = list[int](), list[int](), defaultdict[dt.datetime, list[int]](list)
    for number in range(spec.shard_count):
        if number in snapshot.shards:
            continue
        begins = nights[number // size].begins
        if begins is None or number // size in active:
            here.append(number)
        elif begins > now:
            coming[begins].append(number)
        else:
            (here if now - begins <= RUNNING_WITHIN else behind).append(number)
    everything = sorted([*here, *behind, *(number for numbers in coming.values() for number in numbers)])
    return Missing(everything, here, dict(coming), behind)


def nights_worked_on_lately(spec: CorpusSpec, snapshot: "Snapshot", *, now: dt.datetime) -> set[int]:
    """Nights of which a committed shard was written within BETWEEN_SHARDS."""
    return {
        entry.shard // spec.schedule.shards_per_night
        for entry in snapshot.shards.values()
        if not is_top_up(spec, entry.shard) and entry.finished_at and now - entry.finished_at <= BETWEEN_SHARDS
    }
