"""An Airflow of its own for these tests: a fresh SQLite, connections by environment, corpora in a folder."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import KEYS, S3Server

# Before anything imports airflow: its settings are read once, at the first import.
HOME = Path(os.environ.setdefault("AIRFLOW_HOME", str(Path(__file__).parents[2] / ".phrasemill" / "test-airflow")))
os.environ |= {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parents[2] / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(Path(__file__).parents[2] / "plugins"),
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
}


@pytest.fixture(scope="session")
def airflow_database() -> Path:
    HOME.mkdir(parents=True, exist_ok=True)
    for old in HOME.glob("airflow.db*"):
        old.unlink()
    subprocess.run([str(Path(sys.executable).with_name("airflow")), "db", "migrate"], check=True, capture_output=True)
    return HOME


@pytest.fixture
def corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the Dags are made from."""
    folder = tmp_path / "corpora"
    folder.mkdir()
    monkeypatch.setenv("PHRASEMILL_CORPORA", str(folder))
    return folder


@pytest.fixture
def connect_s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    connection = {
        "conn_type": "aws",
        "login": KEYS["aws_access_key_id"],
        "password": KEYS["aws_secret_access_key"],
        "extra": {"endpoint_url": s3_server.endpoint, "region_name": KEYS["region_name"]},
    }
    monkeypatch.setenv("AIRFLOW_CONN_PHRASEMILL_S3", json.dumps(connection))
    yield
