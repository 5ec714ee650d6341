"""The steps of a night, as plain functions: what Airflow's tasks and the CLI both call.

Every step takes a Workplace and leaves all that the next one needs in the bucket, so any worker can take any step.
A step whose work is done already (there is a manifest) returns at once: clearing too much costs nothing.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from phrasemill.engines.check import check_engines
from phrasemill.engines.pool import EnginePool, Patience
from phrasemill.errors import GateFailed, StagingIncomplete
from phrasemill.facts import Facts
from phrasemill.manifest import Manifest
from phrasemill.mill import Mill
from phrasemill.planning import Shard, shard_of
from phrasemill.progress import Progress
from phrasemill.spec import CorpusSpec
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


def preflight(place: Workplace) -> dict[str, Any]:
    """Check engines and bucket in seconds, and record the corpus file; returns what was found, in words.

    Raises:
        EnginesDown, EngineRefused, StoreError: with what to do.
    """
    engines = asyncio.run(check_engines(place.engine_urls, place.spec, api_key=place.api_key))
    for url, why in engines.silent.items():
        log.warning("engine %s does not answer and is left out until it does: %s", url, why)
    conditional = probe_bucket(place.store)
    if not conditional:
        log.warning(
            "bucket %s ignores conditional puts: two workers that commit one shard in the same instant are told "
            "apart by comparing only; see phrasemill.store.commit",
            place.store.bucket.name,
        )
    place.store.record_spec()
    return {
        "engines": f"{len(engines.serving)} of {len(place.engine_urls)} serve {place.spec.model.served}",
        "bucket": "conditional puts are " + ("honoured" if conditional else "ignored"),
        "fingerprint": place.store.fingerprint,
    }


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
        EnginesDown, StoreUnavailable: a retry may; what is staged is kept.
    """
    shard, done = _look_up(place, shard_number)
    if done:
        return _short(done)
    staging = ShardStaging(place.store, shard)
    begin = first_attempt(place.store, shard)

    async def grind() -> Facts:
        pool = EnginePool(place.engine_urls, place.spec, api_key=place.api_key, patience=place.patience)
        async with pool:
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
    # Here and not at the top: Great Expectations takes 3 to 4 s to import.
    from phrasemill.gate import check_shard  # noqa: PLC0415

    shard, done = _look_up(place, shard_number)
    if done:
        return _short(done)
    rows, facts = ShardStaging(place.store, shard).rows()
    verdict = check_shard(rows, spec=place.spec, shard=shard, facts=facts)
    record = verdict.model_dump(mode="json")
    if not verdict.passed:
        key = quarantine_shard(
            place.store,
            shard,
            rows,
            facts=facts,
            verdict=record,
            reason=verdict.reason(),
            run_id=place.run_id,
        )
        raise GateFailed(
            f"{place.spec.name} {shard.label} failed the gate: {verdict.reason()}. Rows and verdict: "
            f"{place.store.url(key)}. Clear generate of this shard to write it anew"
        )
    body = json.dumps({"texts": _digest(rows), "verdict": record}).encode()
    place.store.bucket.put(place.store.keys.verdict(shard), body, content_type="application/json")
    return {"shard": shard.number, "passed": True, "expectations": len(verdict.expectations)}


def publish(place: Workplace, shard_number: int) -> dict[str, Any]:
    """Commit a validated shard.

    Raises:
        StagingIncomplete: blocks or verdict are missing.
        CommitConflict, StoreUnavailable: see `commit_shard`.
    """
    shard, done = _look_up(place, shard_number)
    if done:
        ShardStaging(place.store, shard).clear()
        return _short(done)
    content = place.store.bucket.get(place.store.keys.verdict(shard))
    if content is None:
        raise StagingIncomplete(f"{place.spec.name} {shard.label}: has no verdict; run validate for it again")
    rows, facts = ShardStaging(place.store, shard).rows()
    try:
        judged = json.loads(content)
        unchanged = judged["texts"] == _digest(rows)
        verdict = judged["verdict"]
    except (ValueError, KeyError, TypeError) as error:
        raise StagingIncomplete(
            f"{place.store.url(place.store.keys.verdict(shard))}: is no verdict of this version; run validate again"
        ) from error
    if not unchanged:
        raise StagingIncomplete(
            f"{place.spec.name} {shard.label}: blocks were written anew after the gate; run validate for it again"
        )
    manifest = commit_shard(place.store, shard, rows, facts=facts, verdict=verdict, run_id=place.run_id)
    return _short(manifest)


def _look_up(place: Workplace, shard_number: int) -> tuple[Shard, Manifest | None]:
    shard = shard_of(place.spec, shard_number)
    manifest = place.store.manifest(shard_number)
    if manifest:
        log.info("%s %s is committed already: nothing to do", place.spec.name, shard.label)
    return shard, manifest


def _digest(rows: pa.Table) -> str:
    """Tells whether two tables have the same texts in the same order."""
    return hashlib.sha256(rows.column("text_hash").to_numpy().tobytes()).hexdigest()


def _short(manifest: Manifest) -> dict[str, Any]:
    return {"shard": manifest.shard, "phrases": manifest.rows, "committed": True, "data": manifest.data_key}
