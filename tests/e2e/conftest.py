"""What the running demo left, looked at from outside. tests/e2e/run.sh starts it and gives its ports and folder."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from phrasemill.corpus_file import load_corpus
from phrasemill.demo.airflow_api import DemoAirflow
from phrasemill.demo.keys import Keys, load_keys
from phrasemill.demo.layout import Layout
from phrasemill.demo.storage import demo_store, s3_client
from phrasemill.store.corpus_store import CorpusStore
from tests.chromium import chromium

__all__ = ["chromium"]  # a fixture of these tests


@pytest.fixture(scope="session")
def layout() -> Layout:
    if "PHRASEMILL_S3_PORT" not in os.environ:
        pytest.fail("these tests look at a running demo; run them by make e2e")
    return Layout.from_environment()


@pytest.fixture(scope="session")
def keys(layout: Layout) -> Keys:
    return load_keys(layout)


@pytest.fixture(scope="session")
def api(layout: Layout, keys: Keys) -> Iterator[DemoAirflow]:
    api = DemoAirflow(layout.url("airflow"), keys.airflow_password)
    yield api
    api.close()


@pytest.fixture(scope="session")
def store(layout: Layout, keys: Keys) -> CorpusStore:
    """The bucket of the demo corpus."""
    return demo_store(s3_client(layout, keys), load_corpus(layout.shipped_corpora / "demo.yaml"))


def make_demo(layout: Layout, **options: int) -> str:
    """Run `make demo` again on the parts that run; returns what it prints."""
    assignments = [f"{name}={value}" for name, value in options.items()]
    done = subprocess.run(
        ["make", "demo", *assignments],
        cwd=layout.root,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
