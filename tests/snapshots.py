"""Snapshots for tests, made by hand: shards by number, times in seconds before NOW."""

import datetime as dt
from collections.abc import Mapping, Sequence

from phrasemill.fingerprint import fingerprint
from phrasemill.snapshot import Held, Snapshot, Staged
from phrasemill.spec import CorpusSpec
from phrasemill.store.shard_index import ShardEntry

NOW = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)


def ago(seconds: float) -> dt.datetime:
    return NOW - dt.timedelta(seconds=seconds)


def entry(
    spec: CorpusSpec,
    number: int,
    *,
    started: dt.datetime | None = None,
    seconds: float = 60,
    rejected: int = 0,
    by_hand: bool = False,
) -> ShardEntry:
    """A committed shard, written in `seconds` from `started` on (by default a day before NOW)."""
    start = started or NOW - dt.timedelta(days=1)
    finish = start + dt.timedelta(seconds=seconds)
    return ShardEntry(
        shard=number,
        etag=f"etag-{number}",
        fingerprint=fingerprint(spec),
        rows=spec.shard_phrases,
        chars=60 * spec.shard_phrases,
        text_bytes=61 * spec.shard_phrases,
        data_key=f"tiny/shards/shard-{number:05d}-0123456789ab.parquet",
        verdict_key=f"tiny/verdicts/shard-{number:05d}-0123456789ab.json",
        committed_at=finish + dt.timedelta(seconds=5),
        run_id="run-1",
        by_hand=by_hand,
        started_at=start,
        finished_at=finish,
        seconds=seconds,
        engines=2,
        accepted=spec.shard_phrases,
        judged=spec.shard_phrases + rejected,
        rejects={"echo": rejected} if rejected else {},
        prompt_tokens=50 * spec.shard_phrases,
        completion_tokens=20 * spec.shard_phrases,
    )


def saved(*seconds_ago: float) -> Staged:
    """Staged blocks, saved so long before NOW."""
    saves = tuple(sorted(ago(seconds) for seconds in seconds_ago))
    return Staged(len(saves), saves[-1], saves)


def snapshot_of(
    shards: Sequence[ShardEntry] = (),
    *,
    staged: Mapping[int, Staged] | None = None,
    held: Mapping[int, str] | None = None,
) -> Snapshot:
    """`held` gives reasons by shard."""
    gates = {
        number: Held(
            "2026-11-19T23:00:00+00:00", reason, f"tiny/quarantine/shard-{number:05d}/run-1/verdict.json", "run-1"
        )
        for number, reason in (held or {}).items()
    }
    return Snapshot(NOW, {one.shard: one for one in shards}, staged or {}, gates)
