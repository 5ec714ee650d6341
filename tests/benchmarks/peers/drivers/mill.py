"""Ours: the mill grinds shard after shard of the English corpus, each staged block by block on an S3 server.

Options: `endpoint` and `bucket` of that server, and `rules`. Without rules, RuleBook.judge is replaced by one that
accepts every answer as it is, so that the mill checks no more than the peers do; texts are still hashed and
de-duplicated within a shard. The mill makes its prompts itself, the same ones as in the task's file.
"""

import asyncio
from collections.abc import Iterator

import pyarrow as pa
import xxhash

from phrasemill.engines.pool import EnginePool
from phrasemill.errors import StagingIncomplete
from phrasemill.mill import Mill
from phrasemill.planning import Shard, shard_of
from phrasemill.rules import RuleBook, Verdict
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.staging import ShardStaging
from tests.benchmarks.peers.corpus import peers_spec
from tests.benchmarks.peers.drivers.task import Left, Task, run
from tests.servers import S3Server


def accept(_book: RuleBook, answer: str) -> Verdict:
    return Verdict(answer, None, xxhash.xxh3_64_intdigest(answer.encode()))


def ask(task: Task) -> None:
    if not task.options["rules"]:
        RuleBook.judge = accept  # type: ignore[assignment]
    asyncio.run(_ask(task))


async def _ask(task: Task) -> None:
    spec = peers_spec(task.model, in_flight=task.in_flight)
    async with EnginePool([task.url], spec) as pool:
        for shard, staging in _shards(task, spec):
            await Mill(spec, shard, pool=pool, staging=staging).grind()


def left(task: Task) -> Left:
    spec = peers_spec(task.model, in_flight=task.in_flight)
    left = Left()
    for _, staging in _shards(task, spec):
        for block in staging.load().values():
            left.resumable += _ids(block.rows)
        try:
            left.output += _ids(staging.rows()[0])
        except StagingIncomplete:
            continue
    return left


def _shards(task: Task, spec: CorpusSpec) -> Iterator[tuple[Shard, ShardStaging]]:
    store = CorpusStore(Bucket(S3Server.client(task.options["endpoint"]), task.options["bucket"]), spec)
    for number in range(task.count // spec.shard_phrases):
        shard = shard_of(spec, number)
        yield shard, ShardStaging(store, shard)


def _ids(rows: pa.Table) -> list[int]:
    return [row["phrase_id"] for row in rows.select(["phrase_id", "text"]).to_pylist() if row["text"]]


if __name__ == "__main__":
    run(ask, left)
