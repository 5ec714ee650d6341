from collections.abc import Iterator

import pytest

from phrasemill.engines.fake.process import FakeEngineProcess
from tests.integration.yard import Yard, yard, yard_spec
from tests.servers import S3Server
from tests.specs import make_spec


@pytest.fixture
def small_yard(s3_server: S3Server, engine: FakeEngineProcess) -> Iterator[Yard]:
    """One shard of 20 blocks, in a bucket of this test's own."""
    with yard(yard_spec(1), s3=s3_server, engine=engine) as made:
        yield made


@pytest.fixture(scope="module")
def _long_yard(s3_server: S3Server) -> Iterator[tuple[Yard, Iterator[int]]]:
    spec = make_spec(target_phrases=100 * 60)
    with FakeEngineProcess(model="tiny-model") as engine, yard(spec, s3=s3_server, engine=engine) as made:
        yield made, iter(range(spec.shard_count))


@pytest.fixture
def open_yard(_long_yard: tuple[Yard, Iterator[int]]) -> Iterator[Yard]:
    """A corpus of many shards of three blocks; each test takes a shard of its own."""
    made, _ = _long_yard
    yield made
    made.proxy.clear()


@pytest.fixture
def shard(_long_yard: tuple[Yard, Iterator[int]]) -> int:
    """A shard that no other test has touched."""
    return next(_long_yard[1])
