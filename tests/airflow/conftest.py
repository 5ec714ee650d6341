"""An Airflow of its own for these tests: a fresh SQLite, connections by environment, corpora in a folder."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mailbox import Mailbox, mail_server
from tests.servers import KEYS, S3Server

# Before anything imports airflow: its settings are read once, at the first import.
# A folder of this process: two test runs side by side do not take each other's database away.
HOME = Path(tempfile.mkdtemp(prefix="phrasemill-test-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parents[2] / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(Path(__file__).parents[2] / "plugins"),
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
}


@pytest.fixture(scope="session")
def airflow_database() -> Path:
    subprocess.run([str(Path(sys.executable).with_name("airflow")), "db", "migrate"], check=True, capture_output=True)
    return HOME


@pytest.fixture(scope="module")
def app(airflow_database: Path) -> Any:
    """Airflow's whole app, with our pages in it."""
    from tests.airflow.browsers import whole_app

    return whole_app()


@pytest.fixture
def reader(app: Any) -> Any:
    """The browser of somebody who may read every Dag."""
    from tests.airflow.browsers import browser

    return browser(app, role="viewer")


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


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A mail server that Airflow's connection `smtp_default` leads to."""
    with mail_server() as box:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(box.connection()))
        yield box
