from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.servers import S3Server
from tests.store.s3_proxy import S3Proxy, s3_proxy


@pytest.fixture
def client(s3_server: S3Server) -> Any:
    return s3_server.client(s3_server.endpoint)


@pytest.fixture
def bucket(s3_server: S3Server, client: Any) -> Bucket:
    """A bucket of this test's own."""
    return Bucket(client, s3_server.new_bucket(s3_server.endpoint))


@pytest.fixture
def store(bucket: Bucket, spec: CorpusSpec) -> CorpusStore:
    return CorpusStore(bucket, spec)


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[S3Proxy]:
    with s3_proxy(s3_server.endpoint) as running:
        yield running


@dataclass(frozen=True)
class Proxied:
    """The same bucket and corpus as `bucket` and `store`, seen through a proxy."""

    proxy: S3Proxy
    bucket: Bucket
    store: CorpusStore


@pytest.fixture
def proxied(proxy: S3Proxy, bucket: Bucket, spec: CorpusSpec) -> Proxied:
    through = Bucket(S3Server.client(proxy.url), bucket.name)
    return Proxied(proxy, through, CorpusStore(through, spec))
