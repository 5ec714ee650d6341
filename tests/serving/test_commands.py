"""The commands as people type them, on a stand-in for vLLM."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from phrasemill.serving.engine_process import MARK
from phrasemill.serving.errors import ServingError
from phrasemill.serving.order import Order, parse_gpus, parse_loras
from phrasemill.serving.status import read_status
from tests.servers import free_port
from tests.serving import airflow_server, fake_vllm
from tests.serving.airflow_server import AirflowServer
from tests.specs import SPEC_YAML

PATIENCE_S = 30.0
KEY = "open-sesame-4711"


@dataclass
class Desk:
    """Where commands are typed: an environment, a model, a state folder, and a port with its neighbour free."""

    folder: Path
    environment: dict[str, str]
    model: Path
    port: int

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "phrasemill", *arguments]

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment | variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @contextmanager
    def begun(self, *arguments: str, **variables: str) -> Iterator["Begun"]:
        """A command that runs until it is told to stop; its output goes to files."""
        with (self.folder / "out").open("w") as out, (self.folder / "err").open("w") as err:
            process = subprocess.Popen(
                self.command(*arguments),
                env=self.environment | variables,
                cwd=self.folder,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        try:
            yield Begun(process, self.folder)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            for left in processes_of(self.state):
                left.kill()

    def serving(self, *arguments: str, **variables: str) -> Any:
        fixed = ("--model", str(self.model), "--port", str(self.port), "--state", str(self.state))
        return self.begun("serve", *fixed, *arguments, **variables)


@dataclass
class Begun:
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text()

    def await_line(self, words: str) -> None:
        wait_for(lambda: words in self.out + self.err or self.process.poll() is not None)
        assert words in self.out + self.err, self.out + self.err

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    site = fake_vllm.install(tmp_path)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PHRASEMILL_")},
        "PYTHONPATH": str(site),
        "HOME": str(tmp_path / "home"),
        "COLUMNS": "200",
    }
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    return Desk(tmp_path, environment, fake_vllm.make_model(tmp_path / "tiny-model"), free_pair())


def free_pair() -> int:
    """A free port whose neighbour is free too, below those that the system hands out."""
    import random

    from phrasemill.ports import is_free

    while True:
        port = random.randrange(20_000, 32_000)
        if all(is_free("127.0.0.1", port + offset) for offset in (0, 1)):
            return port


def processes_of(state: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(state.resolve()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def wait_for(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def answers(url: str, key: str | None = None) -> int | None:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        return httpx.get(f"{url}/v1/models", headers=headers, timeout=30, trust_env=False).status_code
    except httpx.HTTPError:
        return None


class TestServe:
    def test_tells_the_urls_serves_and_leaves_nothing_behind(self, desk: Desk) -> None:
        urls = [desk.url, f"http://127.0.0.1:{desk.port + 1}"]
        file = desk.folder / "urls"
        with desk.serving("--engines", "2", "--urls-file", str(file)) as serving:
            serving.await_line("export PHRASEMILL_ENGINES=")
            assert serving.out.split() == urls
            assert file.read_text().split() == urls
            assert [answers(url) for url in urls] == [200, 200]
            assert f"export PHRASEMILL_ENGINES={','.join(urls)}" in serving.err
            assert "1 of 2 engines healthy; " in serving.err
            assert serving.stop() == 0
        assert [answers(url) for url in urls] == [None, None]
        assert not file.exists()
        assert processes_of(desk.state) == []

    def test_brings_a_killed_engine_back(self, desk: Desk) -> None:
        with desk.serving() as serving:
            serving.await_line("export ")
            pid = read_status(desk.state).engines[0].pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: read_status(desk.state).engines[0].restarts == 1 and answers(desk.url) == 200)
            assert read_status(desk.state).engines[0].pid != pid
            assert serving.stop() == 0

    def test_of_a_killed_supervisor_the_next_start_ends_exactly_its_engines(self, desk: Desk) -> None:
        with desk.serving() as serving:
            serving.await_line("export ")
            orphan = read_status(desk.state).engines[0].pid
            assert orphan
            serving.stop(signal.SIGKILL)
            assert answers(desk.url) == 200
            with desk.serving() as again:
                again.await_line("export ")
                assert orphan not in [process.pid for process in processes_of(desk.state)]
                assert answers(desk.url) == 200
                assert again.stop() == 0
        assert processes_of(desk.state) == []

    def test_can_be_stopped_while_engines_start(self, desk: Desk) -> None:
        (desk.model / "held").touch()  # they start until they are stopped
        with desk.serving() as serving:
            serving.await_line("engine-0 starting")
            assert serving.stop(signal.SIGINT) == 0
            assert serving.out == ""
        assert processes_of(desk.state) == []

    def test_that_cannot_start_says_why_in_the_engines_words(self, desk: Desk) -> None:
        (desk.model / "broken").touch()
        with desk.serving() as serving:
            assert serving.process.wait(PATIENCE_S) == 1
            assert "ValueError: these weights are no weights" in serving.err.splitlines()[-1]
            assert serving.err.splitlines()[-1].endswith("state/logs/engine-0.log")
            assert "Traceback" not in serving.err
        assert processes_of(desk.state) == []


class TestApiKey:
    def test_is_asked_for_and_shown_nowhere(self, desk: Desk) -> None:
        with desk.serving(PHRASEMILL_API_KEY=KEY) as serving:
            serving.await_line("export ")
            assert (answers(desk.url), answers(desk.url, KEY)) == (401, 200)
            lines = [" ".join(process.cmdline()) for process in processes_of(desk.state)]
            assert lines
            assert serving.stop() == 0
            logs = [path.read_text() for path in desk.state.rglob("*") if path.is_file()]
            assert KEY not in "".join([*lines, *logs, serving.out, serving.err])

    def test_comes_from_a_file_of_ones_own(self, desk: Desk) -> None:
        file = desk.folder / "key"
        file.write_text(f"{KEY}\n")
        file.chmod(0o640)
        refused = desk.run("serve", "--model", str(desk.model), "--api-key-file", str(file))
        assert refused.stderr == f"{file}: other users may read this API key (mode 0640); chmod 600 {file}\n"
        file.chmod(0o600)
        with desk.serving("--api-key-file", str(file)) as serving:
            serving.await_line("export ")
            assert (answers(desk.url), answers(desk.url, KEY)) == (401, 200)

    def test_is_needed_beyond_this_machine_unless_meant(self, desk: Desk) -> None:
        everywhere = ("serve", "--model", str(desk.model), "--host", "0.0.0.0")
        refused = desk.run(*everywhere)
        assert refused.returncode == 1
        assert refused.stderr.startswith("engines on 0.0.0.0 without an API key would answer everybody")
        warned = desk.run(*everywhere, "--without-key", "--python", "/nowhere/python")
        assert warned.stderr.startswith("engines on 0.0.0.0 have no API key: they answer everybody")


class TestAirflowConnection:
    def test_gets_urls_model_and_key_from_a_login_in_the_environment(self, desk: Desk) -> None:
        login = {
            "PHRASEMILL_AIRFLOW_USERNAME": airflow_server.USERNAME,
            "PHRASEMILL_AIRFLOW_PASSWORD": airflow_server.PASSWORD,
        }
        with (
            AirflowServer() as airflow,
            desk.serving(
                *("--connection", "engines", "--airflow", airflow.url, "--served-name", "qwen", "--advertise", "gpu-1"),
                PHRASEMILL_API_KEY=KEY,
                **login,
            ) as serving,
        ):
            serving.await_line("connection engines has 1 URLs now")
            serving.await_line("pool engines has 2 slots for 1 engines")
            assert airflow.pools["engines"]["slots"] == 2
            held = airflow.connections["engines"]
            assert (held["conn_type"], held["password"]) == ("vllm", KEY)
            assert airflow.extra("engines") == {"urls": f"http://gpu-1:{desk.port}", "model": "qwen"}
            assert KEY not in serving.out + serving.err
            assert serving.stop() == 0

    def test_that_does_not_fit_is_refused_before_anything_starts(self, desk: Desk) -> None:
        with AirflowServer() as airflow:
            airflow.connections["engines"] = {"conn_type": "http", "password": None, "extra": "{}"}
            refused = desk.run(
                *("serve", "--model", str(desk.model), "--connection", "engines", "--airflow", airflow.url),
                PHRASEMILL_AIRFLOW_TOKEN=airflow_server.TOKEN,
            )
        assert refused.returncode == 1
        assert "is of type 'http', not 'vllm'; name another one" in refused.stderr
        assert "starting" not in refused.stderr


class TestMistakesAreOneLine:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("serve", "--model", "nowhere/at/all"), "no folder nowhere/at/all"),
            (("serve", "--model", "tiny-model", "--python", "/nowhere/python"), "cannot be run"),
            (("serve", "--model", "tiny-model", "--profile", "h9000"), "no profile h9000"),
            (("serve", "--model", "tiny-model", "--connection", "engines"), "say which Airflow: --airflow URL"),
            (("engines",), "you serve no engines here"),
            (("engines", "--state", "elsewhere"), "no engines have been served from"),
            (("profiles", "h9000"), "no profile h9000"),
            (("tune", "nowhere", "--model", "tiny-model"), "there is no corpus 'nowhere'"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_it_says_what_and_how_to_mend(self, desk: Desk, arguments: tuple[str, ...], words: str) -> None:
        failed = desk.run(*arguments)
        assert failed.returncode == 1
        assert words in failed.stderr
        assert len(failed.stderr.strip().splitlines()) == 1, failed.stderr

    @pytest.mark.parametrize("text", ["", "a", "0,,1", "-1", "٣"])
    def test_gpus_that_are_no_numbers(self, text: str) -> None:
        with pytest.raises(ServingError, match="give numbers as nvidia-smi shows them"):
            parse_gpus(text)

    @pytest.mark.parametrize("texts", [["saiga"], ["=here"], ["saiga="], ["saiga=a", "saiga=b"]])
    def test_adapters_without_name_or_place_or_twice(self, texts: list[str]) -> None:
        with pytest.raises(ServingError, match="--lora "):
            parse_loras(texts)


class TestOrder:
    def test_gpus_and_adapters_are_read(self) -> None:
        assert (parse_gpus(None), parse_gpus("1, 0,1")) == (None, (1, 0))
        assert parse_loras(["saiga=adapters/a=b"]) == {"saiga": "adapters/a=b"}

    def test_a_folder_gives_the_name_to_ask_for(self, tmp_path: Path) -> None:
        def order(model: str, served_name: str | None = None) -> Order:
            return Order(model=model, served_name=served_name, python=Path("python"), caches=tmp_path)

        (tmp_path / "smollm").mkdir()
        assert order(f"{tmp_path}/smollm/").name == "smollm"
        assert order("Qwen/Qwen2.5-1.5B-Instruct").name == "Qwen/Qwen2.5-1.5B-Instruct"
        assert order(f"{tmp_path}/smollm", "other").name == "other"


class TestEngines:
    def test_without_options_shows_all_that_one_serves_here(self, desk: Desk) -> None:
        fixed = ("serve", "--model", str(desk.model), "--port", str(desk.port))
        with desk.begun(*fixed) as serving:
            serving.await_line("export ")
            shown = desk.run("engines")
            assert shown.returncode == 0, shown.stderr
            assert f".local/state/phrasemill/engines-{desk.port}" in shown.stdout
            assert "healthy" in shown.stdout
            assert desk.url in shown.stdout
            told = json.loads(desk.run("engines", "--json").stdout)
            assert [engine["phase"] for engine in told[0]["engines"]] == ["healthy"]
            assert serving.stop() == 0
        assert "the last supervisor ended its engines" in desk.run("engines").stdout

    def test_by_urls_tells_those_that_answer_and_why_others_do_not(self, desk: Desk) -> None:
        silent = f"http://127.0.0.1:{free_port()}"
        with desk.serving() as serving:
            serving.await_line("export ")
            shown = desk.run("engines", "--urls", f"{desk.url}/v1, {silent}")
        assert shown.returncode == 0, shown.stderr
        assert "1 of 2 engines are healthy" in shown.stdout
        assert "healthy" in next(line for line in shown.stdout.splitlines() if desk.url in line)
        assert f"{silent}/health: " in shown.stdout


class TestProfiles:
    def test_are_listed_and_shown_with_the_source_of_each_figure(self, desk: Desk) -> None:
        listed = desk.run("profiles")
        assert "cpu-0.1b" in listed.stdout
        shown = desk.run("profiles", "cpu-0.1b")
        assert "max_num_seqs" in shown.stdout
        assert "derived: " in shown.stdout
        assert "measured 2026-" in shown.stdout


class TestTune:
    def test_starts_engines_and_ends_them_when_interrupted(self, desk: Desk) -> None:
        (desk.folder / "tiny.yaml").write_text(SPEC_YAML)
        fixed = ("--model", str(desk.model), "--port", str(desk.port), "--state", str(desk.state), "--quick")
        for number in (signal.SIGTERM, signal.SIGINT):
            with desk.begun("tune", "tiny.yaml", *fixed) as tuning:
                tuning.await_line("1 of 1 engine healthy")
                assert answers(desk.url) == 200
                assert tuning.stop(number) == 130
                assert "the same command goes on from there" in tuning.err.splitlines()[-1]
                assert "Traceback" not in tuning.err
            assert processes_of(desk.state) == []
        assert (desk.folder / "tuning" / "tiny-cpu-0.1b.jsonl").exists()
