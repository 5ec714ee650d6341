"""A corpus with its S3 server, proxy and engine, and the means to break each of them."""

import datetime as dt
import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow.parquet as pq

from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.repair import repair
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.verify import verify
from phrasemill.verify_findings import Report
from tests.integration.processes import TaskProcess
from tests.integration.whole import Found, read_corpus
from tests.servers import S3Server
from tests.specs import make_spec
from tests.store.s3_proxy import S3Proxy, s3_proxy

SHARD, BLOCK, LIST, WINDOW = 320, 16, 4, 8
"""Phrases of a shard, a block, a request list, and in flight."""
SAVES_AT_ONCE = 4
"""Full blocks on their way to the bucket before the mill stops asking."""
BLOCKS_IN_FLIGHT = SAVES_AT_ONCE + WINDOW // LIST + 2
"""Full ones being saved, one for each list in flight, one that waits for a rejected id (asked again after a block's
worth of fresh ids at most), and one begun: what a killed process loses at most."""
BLOCK_KEY = re.compile(r"/\d+\.parquet$")


def yard_spec(shards: int, **overrides: Any) -> CorpusSpec:
    """Shards of 20 small blocks: a kill costs at most half of them."""
    return make_spec(
        target_phrases=shards * SHARD,
        shard_phrases=SHARD,
        block_phrases=BLOCK,
        engines={"list_size": LIST, "in_flight": WINDOW},
        **overrides,
    )


@dataclass
class Yard:
    """One corpus in a bucket of its own."""

    spec: CorpusSpec
    s3: S3Server
    engine: FakeEngineProcess
    proxy: S3Proxy
    bucket: str
    _asked_before: int = field(default=0)

    def start(self, step: str, shard: int, **fields: Any) -> TaskProcess:
        """Begin a task as a process; fields of Task may be changed."""
        usual = {"spec": self.spec, "endpoint": self.proxy.url, "bucket": self.bucket, "engines": (self.engine.url,)}
        return TaskProcess(step, shard, **(usual | fields))

    @property
    def root(self) -> str:
        return f"{self.spec.storage.prefix}/{self.spec.name}"

    @property
    def client(self) -> Any:
        """An S3 client past the proxy."""
        return self.s3.client(self.s3.endpoint)

    def keys(self, prefix: str = "") -> list[str]:
        """Keys under a prefix of the corpus's folder, less that folder."""
        whole = f"{self.root}/{prefix}"
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=whole)
        return [item["Key"].removeprefix(f"{self.root}/") for page in pages for item in page.get("Contents", ())]

    def find(self, shards: Sequence[int] | None = None) -> Found:
        """What an independent reader finds of some shards, or of all."""
        numbers = range(self.spec.shard_count) if shards is None else shards
        size = self.spec.shard_phrases
        return read_corpus(self.client, self.bucket, root=self.root, shards=numbers, shard_phrases=size)

    def repair(self) -> Report:
        """`phrasemill verify --repair`, as if all litter were old enough; what it finds afterwards."""
        store = CorpusStore(Bucket(self.client, self.bucket), self.spec)
        no_age = dt.timedelta(seconds=-5)
        repair(store, verify(store, litter_age=no_age), litter_age=no_age)
        return verify(store, deep=True, litter_age=no_age)

    def asked(self) -> int:
        """Phrases asked of the engine so far, by its own count."""
        return self._asked_before + int(self.engine.state()["prompts"])

    def judged_in_staging(self, shard: int) -> int:
        """Answers that staged blocks account for: accepted and rejected."""
        judged = 0
        for key in self.keys(f"staging/{shard:05d}/"):
            if BLOCK_KEY.search(key):
                body = self.client.get_object(Bucket=self.bucket, Key=f"{self.root}/{key}")["Body"].read()
                facts = json.loads(pq.read_metadata(io.BytesIO(body)).metadata[b"phrasemill"])["facts"]
                judged += facts["accepted"] + sum(facts["rejects"].values())
        return judged

    def break_engine(self) -> None:
        """SIGKILL, and start again."""
        self._asked_before = self.asked()
        self.engine.restart()

    def break_s3(self) -> None:
        """SIGKILL, and start again on what it had on disk."""
        self.s3.kill()
        self.s3.start()


@contextmanager
def yard(spec: CorpusSpec, *, s3: S3Server, engine: FakeEngineProcess) -> Iterator[Yard]:
    """A bucket of its own for a corpus, with its corpus file recorded by preflight."""
    with s3_proxy(s3.endpoint) as proxy:
        engine.reset()
        made = Yard(spec, s3, engine, proxy, s3.new_bucket(s3.endpoint))
        outcome = made.start("preflight", 0).end()
        if not outcome.done:
            raise RuntimeError(f"preflight fails: {outcome}")
        yield made


@contextmanager
def servers() -> Iterator[tuple[S3Server, FakeEngineProcess]]:
    """An S3 server and an engine, of whose outputs one in twenty is refused by the rules."""
    with (
        S3Server() as s3,
        FakeEngineProcess(model="tiny-model", latency_ms=10, bad_share=0.05, bad_modes=("refusals",)) as engine,
    ):
        yield s3, engine
