"""One Airflow for all these tests, and a corpus of its own for each test that is marked with one.

`@pytest.mark.corpus("name", opening=..., engine={...}, **fields of the corpus file)` gives a test its `corpus`. What
`opening` starts is started for all tests at once, before the first of them waits, so that nights run side by side.
"""

import datetime as dt
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.spec import ENGINES_POOL
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.mailbox import Mailbox, mail_server
from tests.scheduler.airflow_server import AirflowServer
from tests.scheduler.corpus import Corpus, wait_for
from tests.scheduler.postgres import Postgres
from tests.servers import KEYS, S3Server
from tests.specs import make_spec, merged

POOL_SLOTS = 2
MODEL = "tiny-model"
TOLD = "ops@example.org"


class TellingAirflow(AirflowServer):
    """Airflow whose notices go by mail."""

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {"PHRASEMILL_NOTICES": f"smtp:{TOLD}"}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "corpus(name, opening, engine, **fields): the corpus of a test of nights")


@pytest.fixture(scope="session")
def mailbox() -> Iterator[Mailbox]:
    """Where the notices of all corpora arrive."""
    with mail_server() as box:
        yield box


@pytest.fixture(scope="session")
def airflow() -> Iterator[AirflowServer]:
    folder = Path(tempfile.mkdtemp(prefix="phrasemill-airflow-"))
    with Postgres() as postgres:
        server = TellingAirflow(folder, database=postgres.url)
        yield server
        server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def corpora(
    request: pytest.FixtureRequest, airflow: AirflowServer, s3_server: S3Server, mailbox: Mailbox
) -> Iterator[dict[str, Corpus]]:
    """The corpora of all chosen tests, each with its Dag unpaused and its opening made."""
    marks = [mark for item in request.session.items for mark in item.iter_markers("corpus")]
    marks = list({mark.args[0]: mark for mark in marks}.values())
    with ExitStack() as stack:
        bucket = Bucket(S3Server.client(s3_server.endpoint), S3Server.new_bucket(s3_server.endpoint))
        found = {mark.args[0]: _make(mark, airflow, bucket, stack) for mark in marks}
        for corpus in found.values():
            corpus.write()
        api = airflow.start().api()
        stack.callback(api.close)
        api.set_pool(ENGINES_POOL, POOL_SLOTS, "Shards that the engines write at the same time")
        extra = {"endpoint_url": s3_server.endpoint, "region_name": KEYS["region_name"]}
        login, password = KEYS["aws_access_key_id"], KEYS["aws_secret_access_key"]
        api.set_connection("phrasemill_s3", "aws", login=login, password=password, extra=extra)
        api.set_connection("smtp_default", **mailbox.connection())
        dag_ids = {dag_id for corpus in found.values() for dag_id in (corpus.dag_id, corpus.release_id)}
        wait_for(lambda: dag_ids <= {dag["dag_id"] for dag in api.dags()}, what=f"the Dags {api.import_errors()}")
        for mark in marks:
            corpus = found[mark.args[0]]
            corpus.api = api
            connection = corpus.spec.engines.connection
            api.set_connection(connection, "vllm", extra={"urls": corpus.engine.url, "model": MODEL})
            mark.kwargs.get("opening", Corpus.unpause)(corpus)
        yield found


@pytest.fixture
def corpus(request: pytest.FixtureRequest, corpora: dict[str, Corpus]) -> Corpus:
    mark = request.node.get_closest_marker("corpus")
    return corpora[mark.args[0]]


def _make(mark: pytest.Mark, airflow: AirflowServer, bucket: Bucket, stack: ExitStack) -> Corpus:
    (name,) = mark.args
    fields: dict[str, Any] = {key: value for key, value in mark.kwargs.items() if key not in {"opening", "engine"}}
    nights = fields.pop("nights", 1)
    hour_ago = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)  # so that no night begins while the tests run
    schedule = {
        "start_date": hour_ago.date() - dt.timedelta(days=nights - 1),
        "cron": f"0 {hour_ago.hour} * * *",
        "timezone": "UTC",
        "shards_per_night": 1,
    }
    given = {
        "name": name,
        "target_phrases": 1200,
        "schedule": schedule,
        "engines": {"connection": f"engines_{name}"},
        "storage": {"bucket": bucket.name},
    }
    spec = make_spec(**merged(given, fields))
    engine = stack.enter_context(FakeEngineProcess(model=MODEL, **mark.kwargs.get("engine", {"latency_ms": 10})))
    return Corpus(airflow, spec, CorpusStore(bucket, spec), engine)
