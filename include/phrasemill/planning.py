"""Planning: a logical date -> a night -> shards -> blocks. Pure functions of the spec and their arguments."""

import datetime as dt
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from phrasemill.errors import PlanError
from phrasemill.spec import MAX_SHARDS, CorpusSpec

DAILY = re.compile(r"\s*\d{1,2}\s+\d{1,2}\s+\*\s+\*\s+\*\s*")
LEAST_TOP_UPS = 16
"""Top-up shards that the smallest corpus may have; one of more shards may have as many again."""
SHARD_LIST = re.compile(r"\s*\d+(\s*-\s*\d+)?(\s*,\s*\d+(\s*-\s*\d+)?)*\s*")


@dataclass(frozen=True, slots=True)
class Block:
    """A fixed sub-range of a shard: `rows` phrases from `first_id` on."""

    number: int
    first_id: int
    rows: int


@dataclass(frozen=True, slots=True)
class Shard:
    """A fixed range of phrase ids: `rows` phrases from `first_id` on."""

    number: int
    first_id: int
    rows: int

    @property
    def label(self) -> str:
        """The shard's name in keys, logs and the UI, such as shard-00017."""
        return f"shard-{self.number:05d}"


def shard_of(spec: CorpusSpec, number: int) -> Shard:
    """The shard with this number: one of the corpus's own, or a top-up shard.

    Raises:
        PlanError: the corpus has no such shard.
    """
    if not 0 <= number < top_up_end(spec):
        raise PlanError(f"{spec.name} has no shard {number}; {shard_ranges(spec)}")
    return Shard(number, number * spec.shard_phrases, spec.shard_phrases)


def top_up_end(spec: CorpusSpec) -> int:
    """The number past the last top-up shard.

    Top-up shards come after those that the corpus file asks for, and no night owns them. They are written where a
    release is short, one by one, when somebody or the release Dag asks for them. There are as many as the corpus has
    shards, LEAST_TOP_UPS at least, and numbers stay below MAX_SHARDS. Neither target nor oversample is part of the
    fingerprint, so that a higher oversample makes shards of the corpus's own out of them.
    """
    return min(spec.shard_count + max(spec.shard_count, LEAST_TOP_UPS), MAX_SHARDS)


def shard_ranges(spec: CorpusSpec) -> str:
    """Which shards there are, in words."""
    own = f"its shards are 0 to {spec.shard_count - 1}"
    last = top_up_end(spec) - 1
    return own + (f", those for topping up a release {spec.shard_count} to {last}" if last >= spec.shard_count else "")


def is_top_up(spec: CorpusSpec, number: int) -> bool:
    """Whether a shard comes after those that the corpus file asks for; the target may also have been lowered."""
    return number >= spec.shard_count


def blocks_of(spec: CorpusSpec, shard: Shard) -> list[Block]:
    """The blocks of a shard, in order."""
    size = spec.block_phrases
    return [Block(number, shard.first_id + number * size, size) for number in range(spec.blocks_per_shard)]


def night_of(spec: CorpusSpec, logical_date: dt.datetime) -> int:
    """How many schedule ticks lie between the start date's first tick and the last tick not after the date.

    A corpus without cron counts whole days in its time zone.

    Args:
        spec: the corpus.
        logical_date: timezone-aware.

    Raises:
        PlanError: the date lies before the first night, or carries no time zone.
    """
    if logical_date.tzinfo is None:
        raise PlanError(f"{spec.name}: logical date {logical_date.isoformat()} carries no time zone; write it with one")
    schedule = spec.schedule
    cron = schedule.cron or "0 0 * * *"
    if DAILY.fullmatch(cron):
        # Counted by the calendar, so that a far date costs nothing: a day of 23 or 25 hours has one tick too.
        minute, hour = (int(field) for field in cron.split()[:2])
        today = logical_date.astimezone(schedule.zone).date()
        tick = _later_reading(dt.datetime.combine(today, dt.time(hour, minute)), schedule.zone)
        night = (today - schedule.start_date).days - (logical_date < tick)
    else:
        ticks = _ticks(cron, schedule.start_date, schedule.zone)
        night = sum(1 for _ in itertools.takewhile(lambda tick: tick <= logical_date, ticks)) - 1
    if night < 0:
        raise PlanError(
            f"{spec.name}: {logical_date.isoformat()} lies before its first night; "
            f"start_date is {schedule.start_date.isoformat()} ({schedule.timezone})"
        )
    return night


def nights_begin(spec: CorpusSpec, count: int) -> tuple[dt.datetime, ...]:
    """When the first `count` nights begin (UTC), those before the calendar's end; none without cron."""
    schedule = spec.schedule
    return _first_ticks(schedule.cron, schedule.start_date, schedule.zone, count) if schedule.cron else ()


def night_label(spec: CorpusSpec, logical_date: dt.datetime) -> str:
    """What the night of a logical date is called in keys and pages: its day, or its moment where a day has several.

    Args:
        spec: the corpus.
        logical_date: timezone-aware.
    """
    if DAILY.fullmatch(spec.schedule.cron or "0 0 * * *"):
        return f"{logical_date.astimezone(spec.schedule.zone):%Y-%m-%d}"
    return f"{logical_date.astimezone(dt.UTC):%Y-%m-%dT%H%MZ}"  # in UTC: autumn has one local hour twice


def shards_of_night(spec: CorpusSpec, night: int) -> list[int]:
    """Shard numbers that a night owns: [night*k, (night+1)*k), cut at the corpus's end."""
    size = spec.schedule.shards_per_night
    return list(range(min(night * size, spec.shard_count), min((night + 1) * size, spec.shard_count)))


def nights_needed(spec: CorpusSpec) -> int:
    """Nights until all shards have been planned."""
    return -(-spec.shard_count // spec.schedule.shards_per_night)


def parse_shards(spec: CorpusSpec, text: str) -> list[int]:
    """Shard numbers from words such as '0-3, 7'; sorted, each once.

    Raises:
        PlanError: the words are no such list, or name a shard that is not there.
    """
    if not SHARD_LIST.fullmatch(text):
        raise PlanError(f"shards {text!r} is not a list of shard numbers; write for example 0-3, 7")
    numbers: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if low > high:
            raise PlanError(f"shards {part.strip()!r} runs backwards; write {high}-{low}")
        shard_of(spec, high)
        numbers.update(range(low, high + 1))
    return sorted(numbers)


def format_shards(numbers: list[int]) -> str:
    """The shortest words that `parse_shards` reads back, such as '0-3, 7'."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


@lru_cache(maxsize=64)
def _first_ticks(cron: str, start: dt.date, zone: ZoneInfo, count: int) -> tuple[dt.datetime, ...]:
    """Cached: a page asks for the same nights with every look, and 2,000 hourly ones take 0.1 s."""
    found: list[dt.datetime] = []
    if DAILY.fullmatch(cron):
        minute, hour = (int(field) for field in cron.split()[:2])
        days = min(count, (dt.date.max - start).days)
        walls = (dt.datetime.combine(start + dt.timedelta(days=day), dt.time(hour, minute)) for day in range(days))
        return tuple(_later_reading(wall, zone) for wall in walls)
    try:
        for tick in itertools.islice(_ticks(cron, start, zone), count):
            found.append(tick)
    except (CroniterBadDateError, OverflowError, ValueError):  # past the year 9999
        pass
    return tuple(found)


def _ticks(cron: str, start: dt.date, zone: ZoneInfo) -> Iterator[dt.datetime]:
    """The ticks of a cron expression from the start date's midnight on, as Airflow's CronTriggerTimetable has them.

    They differ from plain cron where the clocks change (airflow/timetables/_cron.py): ticks of every hour go by
    elapsed time, so an hour that comes twice ticks twice; all others go by the wall clock, where a time that
    comes twice means its second coming, and a time that never comes is moved behind the gap.
    """
    now = _later_reading(dt.datetime.combine(start, dt.time()), zone) - dt.timedelta(microseconds=1)
    wall = _wall_clock(now, zone)
    coming = croniter(cron, wall)
    every_hour = coming.expanded[1] == ["*"]
    while True:
        scheduled = coming.get_next(dt.datetime)
        now = now + (scheduled - wall) if every_hour else _later_reading(scheduled, zone)
        wall = _wall_clock(now, zone)
        if wall != scheduled:
            coming.set_current(wall)
        yield now


def _later_reading(wall: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """The instant (UTC) of a wall clock time; of the two readings that a clock change gives it, the later one."""
    readings = (wall.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    return max(readings)


def _wall_clock(instant: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)
