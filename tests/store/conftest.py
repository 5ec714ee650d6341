"""The tests of this folder run once for every S3 server: ministack and moto; Swift too with `-m second_server`."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.store.s3_endpoints import SERVERS, Endpoint, Traits
from tests.store.s3_proxy import S3Proxy, s3_proxy

USUAL = ["ministack", "moto", pytest.param("swift", marks=pytest.mark.second_server)]


@pytest.fixture(scope="session", params=["named"] if os.environ.get("S3_ENDPOINT") else USUAL)
def s3_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One real S3 server after the other; every test makes its own bucket."""
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.fixture(scope="session")
def traits(s3_server: Endpoint) -> Traits:
    return s3_server.traits()


@pytest.fixture
def conditional_puts(traits: Traits) -> None:
    if not traits.conditional_puts:
        pytest.skip("the server has no conditional puts")


@pytest.fixture
def changed_requests(traits: Traits) -> None:
    """The proxy may change a request, since nobody checks its signature."""
    if traits.signatures:
        pytest.skip("the server checks signatures")


@pytest.fixture
def client(s3_server: Endpoint) -> Any:
    return s3_server.client()


@pytest.fixture
def bucket(s3_server: Endpoint, client: Any) -> Iterator[Bucket]:
    """A bucket of this test's own."""
    with s3_server.new_bucket() as name:
        yield Bucket(client, name)


@pytest.fixture
def store(bucket: Bucket, spec: CorpusSpec) -> CorpusStore:
    return CorpusStore(bucket, spec)


@pytest.fixture
def proxy(s3_server: Endpoint) -> Iterator[S3Proxy]:
    if s3_server.endpoint.startswith("https:"):
        pytest.skip("the proxy speaks http only")
    with s3_proxy(s3_server.endpoint) as running:
        yield running


@dataclass(frozen=True)
class Proxied:
    """The same bucket and corpus as `bucket` and `store`, seen through a proxy."""

    server: Endpoint
    proxy: S3Proxy
    bucket: Bucket
    store: CorpusStore


@pytest.fixture
def proxied(s3_server: Endpoint, proxy: S3Proxy, bucket: Bucket, spec: CorpusSpec) -> Proxied:
    through = Bucket(s3_server.client(proxy.url), bucket.name)
    return Proxied(s3_server, proxy, through, CorpusStore(through, spec))
