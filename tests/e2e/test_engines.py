"""`phrasemill serve` with real engines, broken in every way. These tests end the demo's engine, so they come last."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from phrasemill.corpus_file import load_corpus
from phrasemill.demo.airflow_api import DemoAirflow
from phrasemill.demo.corpus_choice import Choice, chosen_corpus
from phrasemill.demo.health import engine_is_up
from phrasemill.demo.keys import Keys
from phrasemill.demo.layout import MODEL, REGION, Layout
from phrasemill.demo.parts import engine_part
from phrasemill.demo.process import PartProcess
from phrasemill.demo.storage import demo_store, s3_client
from phrasemill.rows import decode_rows
from phrasemill.serving.connection import EnginesConnection
from phrasemill.serving.engine_process import bears, is_alive, mark_of
from phrasemill.serving.state_folder import StateFolder
from phrasemill.serving.status import read_status
from phrasemill.store.corpus_store import CorpusStore

pytestmark = pytest.mark.e2e
PATIENCE_S = 240
SHARD = 60


@pytest.fixture(scope="module")
def part(layout: Layout) -> PartProcess:
    return PartProcess(layout, engine_part(layout))


@pytest.fixture(scope="module")
def store(layout: Layout, keys: Keys) -> CorpusStore:
    """The bucket of a corpus of two shards that no other test grinds."""
    _, file = chosen_corpus(layout, Choice(phrases=str(2 * SHARD), shards="2"))
    return demo_store(s3_client(layout, keys), load_corpus(file))


@contextmanager
def grinding(layout: Layout, keys: Keys, store: CorpusStore, shard: int) -> Iterator[subprocess.Popen[str]]:
    """`phrasemill run` of one shard, once the engine is at work on it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "PHRASEMILL_CORPORA": str(layout.corpora),
        "PHRASEMILL_ENGINES": layout.url("engine"),
        "AWS_ENDPOINT_URL": layout.url("s3"),
        "AWS_ACCESS_KEY_ID": keys.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": keys.s3_secret_key,
        "AWS_DEFAULT_REGION": REGION,
    }
    command = [sys.executable, "-m", "phrasemill", "run", store.spec.name, "--shards", str(shard)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            wait_for(lambda: bool(read_status(layout.engines).engines[0].running) or process.poll() is not None)
            assert process.poll() is None, process.stdout and process.stdout.read()
            yield process
        finally:
            process.kill()


def finished(process: subprocess.Popen[str]) -> str:
    printed, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, printed
    return printed


def wait_for(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def ids_of(store: CorpusStore, shard: int) -> list[int]:
    manifest = store.manifest(shard)
    assert manifest is not None
    content = store.bucket.get(manifest.data_key)
    assert content is not None
    ids: list[int] = decode_rows(content, source=manifest.data_key)[0].column("phrase_id").to_pylist()
    return ids


def processes_of(state: Path) -> list[psutil.Process]:
    """The engines' processes, by the mark that they bear."""
    return [process for process in psutil.process_iter() if bears(process, mark_of(state)) and is_alive(process)]


class TestConnection:
    def test_of_the_real_airflow_is_filled_in_and_keeps_what_else_is_in_it(self, api: DemoAirflow) -> None:
        extra = {"urls": "http://gpu-2:8000", "model": MODEL, "token": "of somebody else"}
        api.set_connection("e2e_engines", "vllm", description="ours", password="old", extra=extra)
        connection = EnginesConnection(api, "e2e_engines", model=MODEL)
        connection.write(["http://gpu-1:8000"], api_key=None, settle_s=0.1)
        assert connection.write(["http://gpu-1:8001"], api_key="new", settle_s=0.1) == [
            "http://gpu-1:8001",
            "http://gpu-2:8000",
        ]
        held = api.connection("e2e_engines")
        assert held is not None
        assert (held["description"], held["password"]) == ("ours", "***")
        assert held["extra"] == {"urls": "http://gpu-1:8001, http://gpu-2:8000", "model": MODEL, "token": "***"}


class TestEngineKilledUnderLoad:
    def test_is_back_and_the_shard_is_whole(
        self, layout: Layout, keys: Keys, store: CorpusStore, part: PartProcess
    ) -> None:
        supervisor, before = part.find(), read_status(layout.engines).engines[0]
        assert supervisor
        assert before.pid
        with grinding(layout, keys, store, 0) as run:
            os.kill(before.pid, signal.SIGKILL)
            printed = finished(run)
        assert "shard-00000 committed" in printed
        after = read_status(layout.engines).engines[0]
        assert (after.restarts, after.phase) == (before.restarts + 1, "healthy")
        assert after.pid != before.pid
        assert part.find() == supervisor
        assert ids_of(store, 0) == list(range(SHARD))


class TestSupervisorEndedUnderLoad:
    def test_drains_leaves_no_process_and_the_next_start_loses_no_phrase(
        self, layout: Layout, keys: Keys, store: CorpusStore, part: PartProcess
    ) -> None:
        supervisor = part.find()
        assert supervisor
        with grinding(layout, keys, store, 1) as run:
            supervisor.terminate()
            wait_for(lambda: part.find() is None)
            assert processes_of(layout.engines) == []
            assert "has not drained" not in part.log.read_text(encoding="utf-8")
            assert part.up() == "started"
            printed = finished(run)
        assert "shard-00001 committed" in printed
        assert ids_of(store, 1) == list(range(SHARD, 2 * SHARD))
        assert store.committed() == [0, 1]


class TestSupervisorKilled:
    def test_the_next_start_ends_exactly_its_engines(self, layout: Layout, part: PartProcess, tmp_path: Path) -> None:
        supervisor, bystander = part.find(), subprocess.Popen(["sleep", "600"], start_new_session=True)
        assert supervisor
        supervisor.kill()
        wait_for(lambda: part.find() is None)
        orphans = processes_of(layout.engines)
        assert orphans
        assert engine_is_up(layout.url("engine"))
        log = tmp_path / "log"
        with log.open("w") as output:
            again = subprocess.Popen(
                part.part.command, env=part.part.full_environment(), stdout=output, stderr=subprocess.STDOUT
            )
        try:
            wait_for(lambda: "engine-0 starting" in log.read_text() or again.poll() is not None)
            assert not [orphan for orphan in orphans if is_alive(orphan)]
            assert bystander.poll() is None
            assert f"ending {len(orphans)} processes that an earlier supervisor" in " ".join(log.read_text().split())
            again.terminate()
            assert again.wait(PATIENCE_S) == 0
            assert processes_of(layout.engines) == []
            assert StateFolder(layout.engines).holder() is None
        finally:
            again.kill()
            bystander.kill()
            bystander.wait()
