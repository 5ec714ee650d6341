"""The state of a corpus: figures and words for `phrasemill status`, reports and pages, from one snapshot. Pure."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from phrasemill.corpus_eta import Eta, corpus_eta, rate_of_nights
from phrasemill.fingerprint import fingerprint
from phrasemill.missing_shards import Missing, missing_shards
from phrasemill.night_lines import NightLine, counted, night_lines
from phrasemill.planning import is_top_up
from phrasemill.ranges import Range
from phrasemill.rate_now import rate_now, running_shards
from phrasemill.spec import CorpusSpec
from phrasemill.state_words import moment_in_words, state_in_words

if TYPE_CHECKING:
    from phrasemill.snapshot import Snapshot, Staged


class HeldShard(BaseModel):
    """A shard whose gate failed and that has not been committed since."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shard: int
    at: str
    reason: str
    key: str


class RunningShard(BaseModel):
    """A shard with staged blocks; `phrases` of its `rows` are saved."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shard: int
    phrases: int
    rows: int
    last_saved: AwareDatetime


class TopUps(BaseModel):
    """Committed shards after those that the corpus file asks for: see `planning.top_up_end`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shards: list[int]
    phrases: int


class CorpusState(BaseModel):
    """A corpus at one moment. Shares are of 1 and may pass it with oversampling; times are UTC."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    corpus: str
    title: str
    fingerprint: str
    at: AwareDatetime
    """The moment that all this is told of."""
    state: str
    """In words; `phrasemill.state_words` has the order in which they are chosen."""
    target_phrases: int
    target_share: float
    shards: int
    committed_shards: int
    """Of `shards`: top-up shards are not among them."""
    phrases: int
    """Committed, those of top-up shards included; so are characters and bytes."""
    chars: int
    text_bytes: int
    top_ups: TopUps
    missing: list[int]
    """Shards that are not committed."""
    quarantined: list[HeldShard]
    running: list[RunningShard]
    """Shards with a block saved lately."""
    begun: list[RunningShard]
    """Shards with staged blocks, none of them saved lately."""
    left_behind: list[int]
    """Missing shards of past nights that no coming night owns and nobody is writing; none without cron."""
    left_phrases: int
    """Still to be written until every shard is full; staged blocks are not left."""
    rate_now: Range | None
    """Accepted phrases a second over the last minutes; see `phrasemill.rate_now`."""
    eta: Eta | None
    last_night: NightLine | None
    """The night worked on last."""
    next_night: AwareDatetime | None
    """When the next night with something to do begins."""
    nights: list[NightLine]


class ShardCell(BaseModel):
    """One shard in the grid of all; `detail` tells more in words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shard: int
    night: int | None
    """None of a top-up shard."""
    state: Literal["committed", "running", "begun", "quarantined", "missing"]
    detail: str


def corpus_state(spec: CorpusSpec, snapshot: "Snapshot", *, now: dt.datetime) -> CorpusState:
    """What a snapshot says of a corpus; `now` is mostly the snapshot's own `at`."""
    running = running_shards(snapshot, now=now)
    nights = night_lines(spec, snapshot, now=now, running=running)
    missing = missing_shards(spec, snapshot, nights, running=running, now=now)
    phrases = sum(entry.rows for entry in snapshot.shards.values())
    top_ups = [entry for number, entry in sorted(snapshot.shards.items()) if is_top_up(spec, number)]
    topping = any(is_top_up(spec, number) for number in running)
    rate = rate_now(spec, snapshot, now=now) if missing.all or topping else None
    return CorpusState(
        corpus=spec.name,
        title=spec.title,
        fingerprint=fingerprint(spec),
        at=now.astimezone(dt.UTC),
        state=state_in_words(spec, snapshot, nights, missing=missing, running=running, now=now),
        target_phrases=spec.target_phrases,
        target_share=phrases / spec.target_phrases,
        shards=spec.shard_count,
        committed_shards=len(snapshot.shards) - len(top_ups),
        phrases=phrases,
        chars=sum(entry.chars for entry in snapshot.shards.values()),
        text_bytes=sum(entry.text_bytes for entry in snapshot.shards.values()),
        top_ups=TopUps(shards=[entry.shard for entry in top_ups], phrases=sum(entry.rows for entry in top_ups)),
        missing=missing.all,
        quarantined=[
            HeldShard(shard=number, at=held.at, reason=held.reason, key=held.key)
            for number, held in sorted(snapshot.held.items())
        ],
        running=_under_way(spec, running),
        begun=_under_way(spec, {number: one for number, one in snapshot.staged.items() if number not in running}),
        left_behind=missing.behind,
        left_phrases=_left(spec, snapshot, missing.all),
        rate_now=rate,
        eta=_eta(spec, snapshot, missing, rate=rate, usual=rate_of_nights(nights), now=now),
        last_night=_last_night(spec, snapshot, nights),
        next_night=min(missing.coming, default=None),
        nights=nights,
    )


def shard_cells(spec: CorpusSpec, snapshot: "Snapshot", *, now: dt.datetime) -> list[ShardCell]:
    """Every shard of a corpus in order, and the top-up shards that something is known of.

    Each is committed, else running, else quarantined, else begun, else missing.
    """
    running = running_shards(snapshot, now=now)
    known = snapshot.shards.keys() | snapshot.staged.keys() | snapshot.held.keys()
    top_ups = sorted(number for number in known if is_top_up(spec, number))
    return [_cell(spec, snapshot, number, running=running) for number in (*range(spec.shard_count), *top_ups)]


def shard_cell(spec: CorpusSpec, snapshot: "Snapshot", number: int, *, now: dt.datetime) -> ShardCell:
    """One shard, as in `shard_cells`."""
    return _cell(spec, snapshot, number, running=running_shards(snapshot, now=now))


def is_known(snapshot: "Snapshot", number: int) -> bool:
    """Whether anything of a shard is committed, staged or held."""
    return number in snapshot.shards or number in snapshot.staged or number in snapshot.held


def _cell(spec: CorpusSpec, snapshot: "Snapshot", number: int, *, running: "Mapping[int, Staged]") -> ShardCell:
    night = None if is_top_up(spec, number) else number // spec.schedule.shards_per_night
    state, detail = _cell_state(spec, snapshot, number, running=running)
    return ShardCell(shard=number, night=night, state=state, detail=detail)


def _cell_state(
    spec: CorpusSpec, snapshot: "Snapshot", number: int, *, running: "Mapping[int, Staged]"
) -> tuple[Literal["committed", "running", "begun", "quarantined", "missing"], str]:
    if entry := snapshot.shards.get(number):
        by_hand = ", accepted from quarantine" if entry.by_hand else ""
        return (
            "committed",
            f"{counted(entry.rows, 'phrase')}, committed {moment_in_words(spec, entry.committed_at)}{by_hand}",
        )
    staged, held = snapshot.staged.get(number), snapshot.held.get(number)
    saved = ""
    if staged:
        last = moment_in_words(spec, staged.last_saved)
        saved = f"{staged.blocks} of {counted(spec.blocks_per_shard, 'block')} saved, the last {last}"
    if number in running:
        return "running", saved
    if held:
        return "quarantined", f"{held.at}: {held.reason}" + (f"; since then {saved}" if saved else "")
    return ("begun", saved) if staged else ("missing", "nothing saved")


def _under_way(spec: CorpusSpec, staged: "Mapping[int, Staged]") -> list[RunningShard]:
    return [
        RunningShard(
            shard=number,
            phrases=min(one.blocks, spec.blocks_per_shard) * spec.block_phrases,
            rows=spec.shard_phrases,
            last_saved=one.last_saved,
        )
        for number, one in sorted(staged.items())
    ]


def _left(spec: CorpusSpec, snapshot: "Snapshot", numbers: Sequence[int]) -> int:
    staged = sum(min(snapshot.staged[n].blocks, spec.blocks_per_shard) for n in numbers if n in snapshot.staged)
    return len(numbers) * spec.shard_phrases - staged * spec.block_phrases


def _eta(
    spec: CorpusSpec,
    snapshot: "Snapshot",
    missing: Missing,
    *,
    rate: Range | None,
    usual: Range | None,
    now: dt.datetime,
) -> Eta | None:
    # Nobody comes back to past nights by himself: they count only where nothing else is to be reckoned.
    alone = not (rate or missing.coming)
    return corpus_eta(
        now=now,
        here=_left(spec, snapshot, [*missing.here, *missing.behind] if alone else missing.here),
        coming={begins: _left(spec, snapshot, numbers) for begins, numbers in missing.coming.items()},
        rate_now=rate,
        rate_of_nights=usual,
        otherwise="if past nights were backfilled now" if missing.behind else "if it went on without a pause",
    )


def _last_night(spec: CorpusSpec, snapshot: "Snapshot", nights: Sequence[NightLine]) -> NightLine | None:
    worked = {night.number: night.finished_at for night in nights if night.finished_at}
    for number, staged in snapshot.staged.items():
        if is_top_up(spec, number):
            continue
        night = number // spec.schedule.shards_per_night
        worked[night] = max(staged.last_saved, worked.get(night, staged.last_saved))
    return nights[max(worked, key=lambda night: worked[night])] if worked else None
