"""The state of a corpus in words, the same in the CLI and on every page. Pure."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from phrasemill.missing_shards import Missing, nights_worked_on_lately
from phrasemill.night_lines import NightLine, counted
from phrasemill.planning import format_shards, is_top_up
from phrasemill.rate_now import RUNNING_WITHIN
from phrasemill.spec import CorpusSpec

if TYPE_CHECKING:
    from phrasemill.snapshot import Snapshot

RUNS_NAMED = 8
"""Shards are named by their numbers in at most so many runs, such as 3-7, and else counted: the state is one line."""


def state_in_words(
    spec: CorpusSpec,
    snapshot: "Snapshot",
    nights: Sequence[NightLine],
    *,
    missing: Missing,
    running: Collection[int],
    now: dt.datetime,
) -> str:
    """The state of a corpus, and after it whatever does not mend itself: quarantined, begun, left behind.

    Said is the first of these that fits:

    1. `complete`: every shard is committed; `running: 1 top-up shard` may follow;
    2. `running: 3 shards`: blocks of them were saved lately;
    3. `between shards, ...`: one was written within BETWEEN_SHARDS, and its night has more;
    4. `the night of ... has begun`: its tick was within RUNNING_WITHIN;
    5. `nothing written yet`: no shard is committed, staged or held; with the night that it waits for;
    6. `waiting for the night of ...`: the next one that has something to do;
    7. `stopped: ...`: none of these, so nothing goes on by itself.
    """
    if not missing.all:  # whatever is still running, held or begun is a top-up shard
        topping = [f"running: {counted(len(running), 'top-up shard')}"] if running else []
        return "; ".join(["complete", *topping, *_trouble(spec, snapshot, missing, running)])
    size, following = spec.schedule.shards_per_night, min(missing.coming, default=None)
    waiting = f"waiting for the night of {moment_in_words(spec, following)}" if following else ""
    trouble = _trouble(spec, snapshot, missing, running)
    lately = nights_worked_on_lately(spec, snapshot, now=now) & {number // size for number in missing.here}
    if running:
        first = f"running: {counted(len(running), 'shard')}"
    elif lately:
        own = [entry for entry in snapshot.shards.values() if not is_top_up(spec, entry.shard)]
        last = max(entry.committed_at for entry in own if entry.shard // size in lately)
        first = f"between shards, the last committed at {moment_in_words(spec, last)}"
    elif begun := [night.begins for night in nights if night.begins and _has_just_begun(night, now)]:
        first = f"the night of {moment_in_words(spec, begun[-1])} has begun"
    elif not (snapshot.shards or snapshot.staged or snapshot.held):
        first = ", ".join(filter(None, ["nothing written yet", waiting]))
    elif waiting:
        first = waiting
    else:
        first = f"stopped: {'' if trouble else counted(len(missing.all), 'shard') + ' missing'}"
        return first + "; ".join(trouble)
    return "; ".join([first, *trouble])


def moment_in_words(spec: CorpusSpec, moment: dt.datetime) -> str:
    """A moment by the corpus's own clock, such as '2026-12-02 22:00'."""
    return f"{moment.astimezone(spec.schedule.zone):%Y-%m-%d %H:%M}"


def _has_just_begun(night: NightLine, now: dt.datetime) -> bool:
    if night.begins is None or night.committed + night.quarantined >= night.planned:
        return False
    return dt.timedelta() <= now - night.begins <= RUNNING_WITHIN


def _trouble(spec: CorpusSpec, snapshot: "Snapshot", missing: Missing, running: Collection[int]) -> list[str]:
    told = []
    held = [number for number in snapshot.held if number not in running]
    if held:
        told.append(f"{_named(held)} quarantined")
    begun = [number for number in snapshot.staged if number not in running and number not in snapshot.held]
    if begun:
        last = max(snapshot.staged[number].last_saved for number in begun)
        told.append(f"{_named(begun)} begun, last saved {moment_in_words(spec, last)}")
    behind = len(set(missing.behind) - set(held))
    if behind:
        are, them = ("is", "it") if behind == 1 else ("are", "them")
        # With catchup Airflow runs past nights by itself, but not while the Dag is paused, nor a failed one again.
        mend = f"unpause the Dag, or backfill {them}" if spec.schedule.catchup else f"backfill {them}"
        told.append(f"{counted(behind, 'shard')} of past nights {are} missing: {mend}")
    return told


def _named(numbers: Iterable[int]) -> str:
    numbers = sorted(numbers)
    named = format_shards(numbers)
    if named.count(",") >= RUNS_NAMED:
        return counted(len(numbers), "shard")
    return f"shard{'' if len(numbers) == 1 else 's'} {named}"
