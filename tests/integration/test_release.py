"""A release that is killed, on a server that has a bad night: the same bytes come out, or one clear sentence."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from botocore.config import Config
from moto import mock_aws

from phrasemill.errors import PhrasemillError
from phrasemill.release.errors import ReleaseExists
from phrasemill.release.keys import ReleaseKeys
from phrasemill.release.planning import plan_release
from phrasemill.release.run import run_release
from phrasemill.store.bucket import Bucket, client_config
from phrasemill.store.corpus_store import CorpusStore
from tests.integration.test_s3_faults import IMPATIENT, LOSE, RESET, SPOIL, TRUNCATE, forged
from tests.release_corpus import EXACT, NEAR, NOW, commit_corpus, release_spec
from tests.servers import KEYS, S3Server
from tests.store.s3_proxy import S3Proxy

VERSION = "v1"
Objects = dict[str, bytes]


class Killed(BaseException):
    """As SIGKILL: nothing of ours catches it."""


class MortalBucket(Bucket):
    """Notes what is written, and dies at the first write of one step: right after it, or right before it."""

    def __init__(self, client: Any, name: str, *, dies_at: str = "", after: bool = True) -> None:
        super().__init__(client, name)
        self.writes: list[str] = []
        self._dies_at, self._after = dies_at, after

    @contextmanager
    def _written(self, key: str) -> Iterator[None]:
        self.writes.append(key)
        if step_of(key) == self._dies_at and not self._after:
            raise Killed
        yield
        if step_of(key) == self._dies_at:
            raise Killed

    def put(self, key: str, content: bytes, **how: Any) -> None:
        with self._written(key):
            super().put(key, content, **how)

    def put_if_absent(self, key: str, content: bytes, **how: Any) -> bool:
        with self._written(key):
            return super().put_if_absent(key, content, **how)

    def delete(self, keys: list[str]) -> None:
        for key in keys:
            with self._written(key):
                super().delete([key])


@pytest.fixture(scope="module")
def committed() -> Objects:
    """The objects of a committed corpus."""
    with empty_bucket() as client:
        store = CorpusStore(Bucket(client, "phrasemill"), release_spec())
        commit_corpus(store)
        return everything(store)


@contextmanager
def empty_bucket() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", **KEYS)
        client.create_bucket(Bucket="phrasemill")
        yield client


def everything(store: CorpusStore, prefix: str = "") -> Objects:
    found = {entry.key: store.bucket.get(entry.key) for entry in store.bucket.entries(prefix)}
    return {key: content for key, content in found.items() if content is not None}


def fill(client: Any, objects: Objects) -> None:
    """The committed corpus, and the plan of a release of it."""
    store = CorpusStore(Bucket(client, "phrasemill"), release_spec())
    for key, content in objects.items():
        store.bucket.put(key, content)
    plan_release(store, VERSION, now=NOW)


def store_of(bucket: Bucket) -> CorpusStore:
    return CorpusStore(bucket, release_spec())


@pytest.fixture(scope="module")
def undisturbed(committed: Objects) -> tuple[Objects, list[str]]:
    """What a release leaves that nothing has disturbed, and what it wrote on the way."""
    with empty_bucket() as client:
        fill(client, committed)
        bucket = MortalBucket(client, "phrasemill")
        run_release(store_of(bucket), VERSION)
        return everything(store_of(bucket)), bucket.writes


def step_of(key: str) -> str:
    """The part of a key that names its step: the same for all that one step writes."""
    parts = key.partition("/releases/")[2].split("/")
    return parts[3] if len(parts) > 3 and parts[1] == "work" else parts[1]


class TestKilled:
    @pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
    def test_at_the_first_write_of_every_step_and_made_again(
        self, committed: Objects, undisturbed: tuple[Objects, list[str]], after: bool
    ) -> None:
        """One release, killed at its first step, made again and killed at the next, and so on to its end."""
        whole, writes = undisturbed
        steps = list(dict.fromkeys(step_of(key) for key in writes))
        assert {"sketch", "exact", "near", "data", "links.parquet", "manifest.json"} <= set(steps)
        with empty_bucket() as client:
            fill(client, committed)
            for step in steps:
                bucket = MortalBucket(client, "phrasemill", dies_at=step, after=after)
                published = ReleaseKeys.of(store_of(bucket).keys.root, VERSION).manifest in everything(store_of(bucket))
                with pytest.raises(ReleaseExists if published else Killed):
                    run_release(store_of(bucket), VERSION, workers=1)
            last = store_of(Bucket(client, "phrasemill"))
            if after:  # it was published; what was left is cleared up all the same
                with pytest.raises(ReleaseExists):
                    run_release(last, VERSION)
            else:
                run_release(last, VERSION)
            assert everything(last) == whole


class TestUndisturbed:
    def test_drops_what_was_planted_and_holds_the_target(self, undisturbed: tuple[Objects, list[str]]) -> None:
        whole, _ = undisturbed
        root = ReleaseKeys.of(release_spec().storage.prefix + "/tiny", VERSION)
        dropped = pq.read_table(io.BytesIO(whole[root.file("dropped.parquet")])).to_pylist()
        assert {row["phrase_id"]: row["kept_id"] for row in dropped} == EXACT | NEAR
        rows = [
            row
            for key in sorted(whole)
            if key.startswith(root.file("data/"))
            for row in pq.read_table(io.BytesIO(whole[key])).to_pylist()
        ]
        kept = [number for number in range(360) if number not in EXACT | NEAR][:300]
        assert [row["phrase_id"] for row in rows] == kept

    def test_leaves_no_work(self, undisturbed: tuple[Objects, list[str]]) -> None:
        assert not [key for key in undisturbed[0] if "/work/" in key]


@pytest.fixture
def proxied(proxy: S3Proxy, s3_server: S3Server, committed: Objects) -> CorpusStore:
    """The committed corpus on a real server, reached through the proxy."""
    name = S3Server.new_bucket(s3_server.endpoint)
    plain = Bucket(S3Server.client(s3_server.endpoint), name)
    for key, content in committed.items():
        plain.put(key, content)
    config = client_config().merge(Config(**IMPATIENT))
    return CorpusStore(Bucket(boto3.client("s3", endpoint_url=proxy.url, config=config, **KEYS), name), release_spec())


PASSING = {
    "one 503 for a data file": ("PUT", "/data/", forged(503, "SlowDown")),
    "wrong bytes of a data file read back": ("GET", "/data/", SPOIL),
    "a truncated shard": ("GET", "/shards/", TRUNCATE),
    "a reset at the card": ("PUT", "README.md", RESET),
    "a plan whose answer is lost": ("PUT", "plan.json", LOSE),
    "a manifest whose answer is lost": ("PUT", f"{VERSION}/manifest.json", LOSE),
    "one 412 for a manifest that is not there": (
        "PUT",
        f"{VERSION}/manifest.json",
        forged(412, "PreconditionFailed"),
    ),
}
LASTING = {
    "503 for every data file": (("PUT", "/data/", forged(503, "SlowDown")), ("cannot put", "SlowDown")),
    "a policy that forbids writing": (("PUT", "/work/", forged(403, "AccessDenied")), ("grant s3:PutObject",)),
    "a full disk": (("PUT", "links", forged(507, "InsufficientStorage")), ("the store is full",)),
    "shards that read wrong": (("GET", "/shards/", SPOIL), ("phrasemill verify",)),
}


class TestFaults:
    @pytest.mark.parametrize("name", PASSING)
    def test_that_pass_are_not_noticed(self, name: str, proxied: CorpusStore, proxy: S3Proxy) -> None:
        method, words, how = PASSING[name]
        proxy.on(method, words, count=1, **how)
        manifest = run_release(proxied, VERSION)
        assert manifest.phrases == 300

    @pytest.mark.parametrize("name", LASTING)
    def test_that_last_are_told_and_a_rerun_completes(self, name: str, proxied: CorpusStore, proxy: S3Proxy) -> None:
        (method, words, how), says = LASTING[name]
        proxy.on(method, words, count=None, **how)
        with pytest.raises(PhrasemillError) as told:
            run_release(proxied, VERSION)
        assert all(word in str(told.value) for word in says), str(told.value)
        assert "\n" not in str(told.value)
        proxy.clear()
        assert run_release(proxied, VERSION).phrases == 300
