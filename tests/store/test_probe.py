"""Preflight's look at the bucket: can it be listed, written, read at once, and does it honour conditional puts."""

from typing import Any

import pytest

from phrasemill.errors import StoreError, StoreUnavailable
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.probe import probe_bucket
from tests.servers import S3Server, free_port
from tests.store.conftest import Proxied


class TestProbe:
    def test_a_sound_bucket_honours_conditions_and_is_left_as_it_was(self, store: CorpusStore) -> None:
        assert probe_bucket(store) is True
        assert list(store.bucket.entries("")) == []

    def test_a_server_that_ignores_conditions_is_told(self, proxied: Proxied) -> None:
        proxied.proxy.on("PUT", "/", "strip", count=None)
        assert probe_bucket(proxied.store) is False
        assert list(proxied.bucket.entries("")) == []

    def test_a_bucket_that_cannot_be_listed(self, proxied: Proxied) -> None:
        proxied.proxy.on("GET", "list-type=2", "forge", status=403)
        with pytest.raises(StoreError, match=r"cannot list .*grant s3:GetObject"):
            probe_bucket(proxied.store)

    def test_a_bucket_that_cannot_be_written_says_put_whatever_else_fails(self, proxied: Proxied) -> None:
        proxied.proxy.on("PUT", "/", "forge", status=403, count=None)
        proxied.proxy.on("DELETE", "/", "forge", status=403, count=None)
        with pytest.raises(StoreError, match=r"cannot put .*grant"):
            probe_bucket(proxied.store)

    def test_a_bucket_that_cannot_be_cleaned(self, proxied: Proxied) -> None:
        proxied.proxy.on("DELETE", "/", "forge", status=403)
        with pytest.raises(StoreError, match=r"cannot delete .*s3:DeleteObject"):
            probe_bucket(proxied.store)

    def test_a_store_that_does_not_read_its_own_writes(self, proxied: Proxied) -> None:
        proxied.proxy.on("GET", "/staging/probe-", "forge", status=404)
        with pytest.raises(StoreError, match="read-after-write"):
            probe_bucket(proxied.store)
        assert list(proxied.bucket.entries("")) == []

    def test_a_missing_bucket(self, client: Any, spec: CorpusSpec) -> None:
        with pytest.raises(StoreError, match="create the bucket"):
            probe_bucket(CorpusStore(Bucket(client, "no-such-bucket"), spec))

    def test_a_dead_server(self, spec: CorpusSpec) -> None:
        bucket = Bucket(S3Server.client(f"http://127.0.0.1:{free_port()}"), "corpora")
        with pytest.raises(StoreUnavailable, match="check that the S3 server runs"):
            probe_bucket(CorpusStore(bucket, spec))
