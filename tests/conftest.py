from collections.abc import Iterator

import pytest

from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.spec import CorpusSpec
from tests.servers import S3Server
from tests.specs import make_spec
from tests.store.s3_proxy import S3Proxy, s3_proxy


@pytest.fixture
def spec() -> CorpusSpec:
    return make_spec()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One real S3 server for the whole session; every test makes its own bucket."""
    with S3Server() as server:
        yield server


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[S3Proxy]:
    """Stands before that server, and notes or spoils what goes through."""
    with s3_proxy(s3_server.endpoint) as running:
        yield running


@pytest.fixture(scope="session")
def _started_engines() -> Iterator[list[FakeEngineProcess]]:
    with (
        FakeEngineProcess(model="tiny-model", latency_ms=10) as one,
        FakeEngineProcess(model="tiny-model", latency_ms=10) as other,
    ):
        yield [one, other]


@pytest.fixture
def engines(_started_engines: list[FakeEngineProcess]) -> list[FakeEngineProcess]:
    """Two fake engines of the tiny corpus's model; a test may break them, the next one finds them mended."""
    for engine in _started_engines:
        if engine.alive:
            engine.resume()
            engine.reset()
        else:
            engine.start()
    return _started_engines


@pytest.fixture
def engine(engines: list[FakeEngineProcess]) -> FakeEngineProcess:
    return engines[0]
