"""Data Docs in Airflow's UI: who may see them, which files are given, and under which policy."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phrasemill.report.data_docs import CONTENT_POLICY
from tests.servers import S3Server
from tests.specs import SPEC_YAML

pytestmark = pytest.mark.usefixtures("airflow_database")

UNKNOWN_RUN = "/phrasemill/dags/corpus_tiny/runs/some_run/data_docs"
NIGHT = dt.datetime(2026, 11, 1, 21, tzinfo=dt.UTC)
LABEL = "2026-11-01"
FILES = {
    "index.html": b"<title>Data Docs</title>",
    "static/data_docs.js": b"'use strict'",
    "static/data_docs.css": b"body {}",
    f"validations/gate/{LABEL}/20261102T060000.000000Z/shard-00017.html": b"<title>shard 17</title>",
}


OUTSIDE = [
    "../../../spec/secret.html",
    "..%2f..%2f..%2fspec%2fsecret.html",
    "%2e%2e/%2e%2e/spec/secret.html",
    "static/../../../spec/secret.html",
    ".hidden.html",
    "/etc/passwd.html",
    "index.html%00.js",
    "a//b.html",
    "summary.parquet",
    "index",
    "",
]


@pytest.fixture(scope="module")
def app() -> Iterator[Any]:
    from airflow.api_fastapi.app import create_app, purge_cached_app

    purge_cached_app()
    yield create_app(apps="core")
    purge_cached_app()


@pytest.fixture
def client(app: Any) -> Iterator[Any]:
    """A browser that nobody has logged in with."""
    from starlette.testclient import TestClient

    with TestClient(app, base_url="http://testserver", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def reader(client: Any) -> Any:
    """The same, logged in as one who may see the run."""
    client.headers["Authorization"] = f"Bearer {token('viewer')}"
    return client


def token(role: str | None) -> str:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="ana", role=role))


@pytest.fixture
def night(s3_server: S3Server, corpora: Path, connect_s3: None) -> str:
    """Where the site of a night is that has been planned, with its files in the corpus's bucket."""
    from airflow.dag_processing.dagbag import DagBag

    from phrasemill.web.nights import store_of

    bucket = s3_server.new_bucket(s3_server.endpoint)
    (corpora / "tiny.yaml").write_text(f"{SPEC_YAML}storage:\n  bucket: {bucket}\n", encoding="utf-8")
    store = store_of("corpus_tiny")
    for name, content in FILES.items():
        store.bucket.put(store.keys.report(LABEL, f"data_docs/{name}"), content)
    store.bucket.put(f"{store.keys.root}/spec/secret.html", b"not of the site")
    dag = DagBag(str(Path(__file__).parents[2] / "dags")).dags["corpus_tiny"]
    run = dag.test(logical_date=NIGHT, mark_success_pattern="preflight|shard|close_night")
    return f"/phrasemill/dags/corpus_tiny/runs/{run.run_id}/data_docs"


class TestWhoMaySeeThem:
    def test_nobody_without_a_login(self, client):
        for name in FILES:
            assert client.get(f"{UNKNOWN_RUN}/{name}").status_code == 401

    def test_nobody_whose_role_may_not_see_the_dag(self, client):
        client.headers["Authorization"] = f"Bearer {token(None)}"
        assert client.get(f"{UNKNOWN_RUN}/index.html").status_code == 403


class TestFiles:
    def test_each_is_given_with_its_type_and_a_policy(self, reader, night):
        types = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
        for name, content in FILES.items():
            answer = reader.get(f"{night}/{name}")
            suffix = Path(name).suffix
            assert (answer.status_code, answer.content) == (200, content)
            assert answer.headers["content-type"] == f"{types[suffix]}; charset=utf-8"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-security-policy"] == f"{CONTENT_POLICY}; frame-ancestors 'self'"
            # A page may change when the night is closed again; the scripts beside it do not.
            assert ("no-store" in answer.headers["cache-control"]) is (suffix == ".html")

    def test_nothing_but_the_site_is_given(self, reader, night):
        answer = reader.get(f"{night}/nothing.html")
        assert answer.status_code == 404
        assert "no such page" in answer.text
        for path in OUTSIDE:
            answer = reader.get(f"{night}/{path}")
            assert answer.status_code in {401, 404, 422}, path
            assert "not of the site" not in answer.text


class TestARunWithoutANight:
    def test_says_so(self, reader):
        answer = reader.get(f"{UNKNOWN_RUN}/index.html")
        assert answer.status_code == 404
        assert "has not planned its night yet" in answer.text

    def test_other_dags_have_none(self, reader):
        answer = reader.get(UNKNOWN_RUN.replace("corpus_tiny", "another") + "/index.html")
        assert answer.status_code == 404
        assert "Only the Dags of corpora" in answer.text
