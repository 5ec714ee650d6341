"""The nights of a corpus, one line each: what each owns, what of it is done, how fast it went. Pure."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel, ConfigDict

from phrasemill.planning import is_top_up, night_label, nights_begin, nights_needed, shards_of_night
from phrasemill.spec import CorpusSpec
from phrasemill.writing_time import busy_seconds

if TYPE_CHECKING:
    from phrasemill.snapshot import Snapshot
    from phrasemill.store.shard_index import ShardEntry


TO_COME = "to come"


class NightLine(BaseModel):
    """One night: the shards that one logical date owns, whichever run has written them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    label: str
    """As in the keys of its report; 'night 0' where the corpus has no cron, so that no date is known."""
    begins: AwareDatetime | None
    shards: tuple[int, int]
    """The first and the last."""
    committed: int
    quarantined: int
    phrases: int
    """Of its committed shards."""
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    seconds: float
    """In which at least one of its committed shards was being written."""
    phrases_per_second: float | None
    """Over those seconds."""
    reject_share: float | None
    """Rejected outputs of all judged, 0 to 1."""
    state: str
    """In words: 'complete', 'running: 2 shards', 'to come', or what is missing."""

    @property
    def planned(self) -> int:
        """Shards that it owns."""
        return self.shards[1] - self.shards[0] + 1


def night_lines(
    spec: CorpusSpec, snapshot: "Snapshot", *, now: dt.datetime, running: Collection[int]
) -> list[NightLine]:
    """All nights, in order; `running` are the shards that are being written."""
    size, begins = spec.schedule.shards_per_night, nights_begin(spec, nights_needed(spec))
    committed: dict[int, list[ShardEntry]] = defaultdict(list)
    for number, entry in snapshot.shards.items():
        if not is_top_up(spec, number):
            committed[number // size].append(entry)
    held, active = _counted(spec, snapshot.held), _counted(spec, running)
    return [
        _line(
            spec,
            number,
            committed[number],
            begins=begins[number] if number < len(begins) else None,
            held=held[number],
            running=active[number],
            now=now,
        )
        for number in range(nights_needed(spec))
    ]


def _line(
    spec: CorpusSpec,
    number: int,
    entries: "list[ShardEntry]",
    *,
    begins: dt.datetime | None,
    held: int,
    running: int,
    now: dt.datetime,
) -> NightLine:
    owned = shards_of_night(spec, number)
    spans = [entry.written for entry in entries if entry.written]
    seconds, judged = busy_seconds(spans), sum(entry.judged for entry in entries)
    accepted = sum(entry.accepted for entry in entries)
    return NightLine(
        number=number,
        label=night_label(spec, begins) if begins else f"night {number}",
        begins=begins,
        shards=(owned[0], owned[-1]),
        committed=len(entries),
        quarantined=held,
        phrases=sum(entry.rows for entry in entries),
        started_at=min((start for start, _ in spans), default=None),
        finished_at=max((end for _, end in spans), default=None),
        seconds=seconds,
        phrases_per_second=accepted / seconds if seconds else None,
        reject_share=1 - accepted / judged if judged else None,
        state=_state(
            missing=len(owned) - len(entries), held=held, running=running, to_come=begins is not None and begins > now
        ),
    )


def _state(*, missing: int, held: int, running: int, to_come: bool) -> str:
    if missing <= 0:
        return "complete"
    if running:
        return f"running: {counted(running, 'shard')}"
    if held == missing:
        return f"incomplete: {counted(held, 'shard')} quarantined"
    if held:
        return f"incomplete: {counted(held, 'shard')} quarantined, {missing - held} missing"
    return TO_COME if to_come else f"{counted(missing, 'shard')} missing"


def counted(number: int, what: str) -> str:
    """A number with its noun: '1 shard', '2,000 shards'."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _counted(spec: CorpusSpec, shards: Iterable[int]) -> dict[int, int]:
    count: dict[int, int] = defaultdict(int)
    for number in shards:
        if not is_top_up(spec, number):
            count[number // spec.schedule.shards_per_night] += 1
    return count
