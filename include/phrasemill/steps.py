"""The steps of a night, as plain functions: what Airflow's tasks and the CLI both call.

Every step takes a Workplace and leaves all that the next one needs in the bucket, so any worker can take any step.
A step whose work is done already (there is a manifest) returns at once: clearing too much costs nothing.
"""

import asyncio
import hashlib
import itertools
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.account import account_throttle, limited
from phrasemill.dry_run.telling import log_dry_run
from phrasemill.engines.check import EngineCheck, check_engines
from phrasemill.engines.outage import Patience
from phrasemill.engines.pool import EnginePool
from phrasemill.errors import GateFailed, StagingIncomplete
from phrasemill.facts import Facts
from phrasemill.limit_settings import ApiLimits
from phrasemill.manifest import Manifest
from phrasemill.mill import Mill
from phrasemill.planning import Shard, shard_of, shards_of_night
from phrasemill.progress import Progress
from phrasemill.rules import check_rules
from phrasemill.sharing import part_of_task
from phrasemill.snapshot import take_snapshot
from phrasemill.spec import MAX_SHARDS_A_NIGHT, CorpusSpec
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.probe import probe_bucket
from phrasemill.store.quarantine import first_attempt, quarantine_shard
from phrasemill.store.staging import ShardStaging

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Workplace:
    """A corpus with its bucket and its engines, for one run."""

    spec: CorpusSpec
    store: CorpusStore
    engine_urls: tuple[str, ...] = ()
    api_key: str | None = field(default=None, repr=False)
    run_id: str = "cli"
    patience: Patience = Patience()  # noqa: RUF009
    limits: ApiLimits | None = None
    """Of the engines' connection; without any, those of the corpus file hold."""

    @property
    def limited_spec(self) -> CorpusSpec:
        """The corpus with the limits that hold."""
        return limited(self.spec, self.limits)


def preflight(place: Workplace, *, shards: Sequence[int] = ()) -> dict[str, Any]:
    """Check engines and bucket in seconds, and record the corpus file; returns what was found, in words.

    What `shards` will take is logged where something is limited or paid by the token.

    Raises:
        EnginesDown, EngineRefused, QuotaSpent, StoreError: with what to do.
    """
    check_rules(place.spec)
    engines = asyncio.run(_check_engines(place))
    for url, why in engines.silent.items():
        log.warning("engine %s does not answer and is left out until it does: %s", url, why)
    bucket = probe_bucket(place.store)
    for warning in bucket.warnings:
        log.warning("%s", warning)
    place.store.record_spec()
    log_dry_run(place, shards, engines.backend)
    found = len(engines.serving) + len(engines.silent)
    return {
        "engines": f"{len(engines.serving)} of {found} serve {place.spec.model.served}",
        "asked": engines.backend.line(),
        "bucket": str(bucket),
        "fingerprint": place.store.fingerprint,
    }


async def _check_engines(place: Workplace) -> EngineCheck:
    spec = place.limited_spec
    async with account_throttle(place.store.bucket, spec) as throttle:
        return await check_engines(place.engine_urls, spec, api_key=place.api_key, throttle=throttle)


def plan(place: Workplace, numbers: list[int]) -> list[dict[str, Any]]:
    """The shards among these that have no manifest, as small dicts.

    Raises:
        FingerprintMismatch: a shard was committed from another version of the corpus file.
        PlanError: there is no such shard.
    """
    shards = [shard_of(place.spec, number) for number in numbers]
    committed = set(place.store.committed())
    if committed:
        # One manifest tells whether the corpus file has changed since.
        place.store.manifest(min(committed.intersection(numbers) or committed))
    return [
        {"shard": shard.number, "label": shard.label, "first_id": shard.first_id, "phrases": shard.rows}
        for shard in shards
        if shard.number not in committed
    ]


def left_behind(place: Workplace, night: int) -> list[int]:
    """Shards of earlier nights that a night goes on with, oldest first; none in a corpus without a budget.

    They have no manifest and do not lie in quarantine. There are no more of them than leave room for the night's own
    in what Airflow maps in one run.
    """
    limits = place.limited_spec.engines.limits
    if limits is None or limits.budget_per_night is None:
        return []
    own = len(shards_of_night(place.spec, night))
    before = min(night * place.spec.schedule.shards_per_night, place.spec.shard_count)
    seen = take_snapshot(place.store)
    missing = (number for number in range(before) if number not in seen.shards and number not in seen.held)
    return list(itertools.islice(missing, MAX_SHARDS_A_NIGHT - own))


def next_uncommitted(place: Workplace, count: int) -> list[int]:
    """The first `count` shards that have no manifest."""
    committed = set(place.store.committed())
    missing = (number for number in range(place.spec.shard_count) if number not in committed)
    return [number for _, number in zip(range(count), missing, strict=False)]


def generate(
    place: Workplace, shard_number: int, *, on_progress: Callable[[Progress], None] | None = None
) -> dict[str, Any]:
    """Write a shard's blocks to staging; resumes from those that are there.

    Raises:
        ShardHopeless, EngineRefused, FingerprintMismatch: no retry mends it.
        QuotaSpent: the night's budget or the API's quota is used up; what is staged is kept.
        EnginesDown, StoreUnavailable: a retry may; what is staged is kept.
    """
    shard, done = _look_up(place, shard_number)
    if done:
        return _short(done)
    staging = ShardStaging(place.store, shard)
    begin = first_attempt(place.store, shard)
    _clear_used(staging, shard, begin=begin)

    async def grind() -> Facts:
        spec = place.limited_spec
        async with (
            account_throttle(place.store.bucket, spec) as throttle,
            EnginePool(
                place.engine_urls,
                spec,
                api_key=place.api_key,
                patience=place.patience,
                part=lambda found: part_of_task(found, shard_number),
                throttle=throttle,
            ) as pool,
        ):
            mill = Mill(
                place.spec,
                shard,
                pool=pool,
                staging=staging,
                first_attempt=begin,
                run_id=place.run_id,
                on_progress=on_progress,
            )
            return await mill.grind()

    facts = asyncio.run(grind())
    return {
        "shard": shard.number,
        "phrases": facts.accepted,
        "rejected": sum(facts.rejects.values()),
        "completion_tokens": facts.completion_tokens,
        "seconds": round(facts.seconds, 1),
    }


def validate(place: Workplace, shard_number: int) -> dict[str, Any]:
    """Pass a staged shard through the gate; one that fails goes to quarantine.

    Raises:
        GateFailed: naming expectation, observed value and limit.
        StagingIncomplete: there is nothing whole to validate.
    """
    shard, done = _look_up(place, shard_number)
    if done:
        return _short(done)
    try:
        rows, facts = ShardStaging(place.store, shard).rows()  # refuses blocks of another fingerprint
    except StagingIncomplete as error:
        return _short(_committed_meanwhile(place, shard, error))
    record = _judge(place, shard, rows, facts)
    body = json.dumps({"texts": _digest(rows), "verdict": record}).encode()
    place.store.bucket.put(place.store.keys.verdict(shard), body, content_type="application/json")
    return {"shard": shard.number, "passed": True, "expectations": len(record["expectations"])}


def publish(place: Workplace, shard_number: int) -> dict[str, Any]:
    """Commit a validated shard.

    Blocks that were written anew after the gate (two workers at once) pass it once more, here.

    Raises:
        StagingIncomplete: blocks or verdict are missing.
        GateFailed: see `validate`.
        CommitConflict, StoreUnavailable: see `commit_shard`.
    """
    shard, done = _look_up(place, shard_number)
    staging = ShardStaging(place.store, shard)
    if not done:
        try:
            judged, verdict = _staged_verdict(place, shard)
            rows, facts = staging.rows()
        except StagingIncomplete as error:
            done = _committed_meanwhile(place, shard, error)
    if done:
        staging.clear()
        return _short(done)
    if judged != _digest(rows):
        log.warning("%s: blocks were written anew after the gate; they pass it once more", shard.label)
        verdict = _judge(place, shard, rows, facts)
    manifest = commit_shard(place.store, shard, rows, facts=facts, verdict=verdict, run_id=place.run_id)
    return _short(manifest)


def _judge(place: Workplace, shard: Shard, rows: pa.Table, facts: Facts) -> dict[str, Any]:
    """The gate's verdict as JSON; rows that fail go to quarantine.

    Raises:
        GateFailed: naming expectation, observed value and limit.
    """
    # Here and not at the top: Great Expectations takes 3 to 4 s to import.
    from phrasemill.gate import check_shard  # noqa: PLC0415
    from phrasemill.gate.note import quarantine_note  # noqa: PLC0415

    verdict = check_shard(rows, spec=place.spec, shard=shard, facts=facts, fingerprint=place.store.fingerprint)
    record = verdict.model_dump(mode="json")
    if verdict.passed:
        return record
    key = quarantine_shard(
        place.store,
        shard,
        rows,
        facts=facts,
        verdict=record,
        reason=verdict.reason(),
        note=quarantine_note(verdict, corpus=place.spec.name, shard=shard, run_id=place.run_id),
        run_id=place.run_id,
    )
    raise GateFailed(
        f"{place.spec.name} {shard.label} failed the gate: {verdict.reason()}. Rows, verdict and reason: "
        f"{place.store.url(key)}. Look with `phrasemill quarantine show {place.spec.name} {shard.number}`; "
        "clear generate of this shard to write it anew, from other prompts",
        gravest=verdict.failures[0].name,
    )


def _staged_verdict(place: Workplace, shard: Shard) -> tuple[str, dict[str, Any]]:
    """Which rows the gate has passed, as a digest, and its verdict."""
    key = place.store.keys.verdict(shard)
    content = place.store.bucket.get(key)
    if content is None:
        raise StagingIncomplete(f"{place.spec.name} {shard.label}: has no verdict; run validate for it again")
    try:
        judged = json.loads(content)
        return str(judged["texts"]), dict(judged["verdict"])
    except (ValueError, KeyError, TypeError) as error:
        raise StagingIncomplete(f"{place.store.url(key)}: is no verdict of this version; run validate again") from error


def _committed_meanwhile(place: Workplace, shard: Shard, error: StagingIncomplete) -> Manifest:
    """The manifest of another worker that has cleared staging under our hands; without one the error stands."""
    manifest = place.store.manifest(shard.number)
    if manifest is None:
        raise error
    log.info("%s %s was committed by another worker meanwhile", place.spec.name, shard.label)
    return manifest


def _look_up(place: Workplace, shard_number: int) -> tuple[Shard, Manifest | None]:
    shard = shard_of(place.spec, shard_number)
    manifest = place.store.manifest(shard_number)
    if manifest:
        log.info("%s %s is committed already: nothing to do", place.spec.name, shard.label)
    return shard, manifest


def _clear_used(staging: ShardStaging, shard: Shard, *, begin: int) -> None:
    """Remove blocks of a failed gate, left by a worker that died between quarantine and clearing up."""
    if begin and any(pc.min(block.rows.column("attempt")).as_py() < begin for block in staging.load().values()):
        log.warning("%s: staged blocks have failed the gate already and are written anew", shard.label)
        staging.clear()


def _digest(rows: pa.Table) -> str:
    """Tells whether two tables have the same texts in the same order."""
    return hashlib.sha256(rows.column("text_hash").to_numpy().tobytes()).hexdigest()


def _short(manifest: Manifest) -> dict[str, Any]:
    return {"shard": manifest.shard, "phrases": manifest.rows, "committed": True, "data": manifest.data_key}
