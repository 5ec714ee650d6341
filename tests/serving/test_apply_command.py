"""`phrasemill engines --apply`, against a small server that answers as Airflow's API does, and fake engines."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from phrasemill.airflow_api import AirflowApi, AirflowRefused, Login
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.finding import EngineUrlWrong
from phrasemill.serving.apply_command import Applied, CorpusSize, EnginesUncounted, apply_sharing, corpus_sizes
from phrasemill.serving.connection import ConnectionUnfit
from tests.engines.names import UNKNOWN, Names
from tests.servers import free_port
from tests.serving import airflow_server
from tests.serving.airflow_server import AirflowServer
from tests.specs import SPEC_YAML

LOGIN = Login(token=airflow_server.TOKEN)
SEVENTEEN = ", ".join(f"http://gpu-{number}:8000" for number in range(17))


@pytest.fixture
def airflow() -> Iterator[AirflowServer]:
    with AirflowServer() as server:
        yield server


@pytest.fixture
def api(airflow: AirflowServer) -> AirflowApi:
    return AirflowApi(airflow.url, LOGIN)


def naming(airflow: AirflowServer, urls: str, *, conn_type: str = "vllm", model: str = "tiny-model") -> None:
    extra = json.dumps({"urls": urls, "model": model})
    airflow.connections["gpus"] = {"conn_type": conn_type, "password": None, "extra": extra}


class TestSlots:
    def test_of_a_pool_that_is_not_there_it_is_made(self, airflow: AirflowServer, api: AirflowApi) -> None:
        naming(airflow, SEVENTEEN)
        applied = apply_sharing(api, "gpus")
        assert (applied.engines, applied.slots_before, applied.slots) == (17, None, 3)
        assert airflow.pools["engines"]["slots"] == 3
        assert not airflow.pools["engines"]["include_deferred"]

    def test_of_a_pool_that_is_there_are_changed_alone(self, airflow: AirflowServer, api: AirflowApi) -> None:
        naming(airflow, SEVENTEEN)
        airflow.pools["engines"] = {"name": "engines", "slots": 7, "description": "ours", "include_deferred": True}
        assert apply_sharing(api, "gpus").slots_before == 7
        assert airflow.pools["engines"] == {
            "name": "engines",
            "slots": 3,
            "description": "ours",
            "include_deferred": True,
        }

    def test_that_are_right_are_not_written_again(self, airflow: AirflowServer, api: AirflowApi) -> None:
        naming(airflow, SEVENTEEN)
        apply_sharing(api, "gpus")
        airflow.forbidden = {"PATCH", "POST"}
        assert (again := apply_sharing(api, "gpus")).slots == again.slots_before == 3

    @pytest.mark.parametrize(("has", "then"), [(1, 3), (3, 3), (7, 7), (-1, -1)])
    def test_are_only_raised_when_others_may_need_them(
        self, airflow: AirflowServer, api: AirflowApi, has: int, then: int
    ) -> None:
        naming(airflow, SEVENTEEN)
        airflow.pools["engines"] = {"slots": has}
        assert apply_sharing(api, "gpus", lower=False).slots == then
        assert airflow.pools["engines"]["slots"] == then

    def test_count_every_address_of_a_name_once(self, airflow: AirflowServer, api: AirflowApi) -> None:
        naming(airflow, "dns+http://engines:8000, http://10.0.0.1:8000")
        applied = apply_sharing(api, "gpus", look_up=Names([f"10.0.0.{number}" for number in range(33)]))
        assert (applied.engines, applied.slots) == (33, 4)

    def test_are_right_when_another_machine_adds_its_engines_meanwhile(
        self, airflow: AirflowServer, api: AirflowApi
    ) -> None:
        naming(airflow, "http://gpu-0:8000")
        airflow.on_write = lambda: naming(airflow, SEVENTEEN)
        assert apply_sharing(api, "gpus").slots == 3
        assert airflow.pools["engines"]["slots"] == 3

    def test_of_a_pool_that_another_machine_makes_meanwhile_are_set(
        self, airflow: AirflowServer, api: AirflowApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        naming(airflow, SEVENTEEN)
        answer = airflow.answer

        def make_it_before_we_do(method: str, target: str, *rest: object) -> tuple[int, object]:
            if method == "POST":
                airflow.pools["engines"] = {"slots": 2, "description": "theirs"}
            return answer(method, target, *rest)

        monkeypatch.setattr(airflow, "answer", make_it_before_we_do)
        assert apply_sharing(api, "gpus").slots == 3
        assert airflow.pools["engines"] == {"slots": 3, "description": "theirs"}

    def test_of_a_number_that_was_told_need_no_look_up(self, airflow: AirflowServer, api: AirflowApi) -> None:
        naming(airflow, "dns+http://engines:8000")
        applied = apply_sharing(api, "gpus", count=40, look_up=Names(error=UNKNOWN))
        assert (applied.engines, applied.urls, applied.slots) == (40, [], 4)


class TestMistakes:
    def test_no_such_connection(self, airflow: AirflowServer, api: AirflowApi) -> None:
        with pytest.raises(ConnectionUnfit, match=f"^there is no connection 'gpus' at {airflow.url}; make it, or name"):
            apply_sharing(api, "gpus")
        assert airflow.pools == {}

    def test_another_type(self, airflow: AirflowServer, api: AirflowApi) -> None:
        naming(airflow, SEVENTEEN, conn_type="http")
        with pytest.raises(ConnectionUnfit, match="is of type 'http', not 'vllm'; name another one"):
            apply_sharing(api, "gpus")

    def test_no_engine_in_it(self, airflow: AirflowServer, api: AirflowApi) -> None:
        naming(airflow, " ")
        with pytest.raises(ConnectionUnfit, match="connection 'gpus' names no engine; fill in its field"):
            apply_sharing(api, "gpus")

    def test_something_that_is_no_url_in_it(self, airflow: AirflowServer, api: AirflowApi) -> None:
        naming(airflow, "http://gpu-1:8000, gpu-2:8000")
        with pytest.raises(EngineUrlWrong, match=r"^connection 'gpus': gpu-2:8000: is no URL of an engine"):
            apply_sharing(api, "gpus")

    def test_a_name_that_cannot_be_looked_up_here(self, airflow: AirflowServer, api: AirflowApi) -> None:
        naming(airflow, "http://gpu-1:8000, dns+http://engines:8000")
        with pytest.raises(
            EnginesUncounted, match=r"the name engines cannot be looked up \(.*\); run this .* --count$"
        ):
            apply_sharing(api, "gpus", look_up=Names(error=UNKNOWN))
        assert airflow.pools == {}

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_no_right_to_the_pool(self, airflow: AirflowServer, api: AirflowApi, method: str) -> None:
        naming(airflow, SEVENTEEN)
        airflow.forbidden = {method}
        with pytest.raises(AirflowRefused, match=f"{method} /pools.*: 403 Forbidden; this login has no right to do so"):
            apply_sharing(api, "gpus")


class TestCorpora:
    def test_of_this_connection_and_model_are_measured_against_the_engines(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PHRASEMILL_CORPORA", str(tmp_path))
        for name, engines in (("tiny", "{connection: gpus, in_flight: 64}"), ("other", "{connection: elsewhere}")):
            text = SPEC_YAML.replace("name: tiny", f"name: {name}", 1) + f"\nengines: {engines}\n"
            (tmp_path / f"{name}.yaml").write_text(text)
        (tmp_path / "broken.yaml").write_text("name: [")
        applied = Applied("gpus", "tiny-model", 4, [], None, 2)
        assert corpus_sizes(applied) == [CorpusSize("tiny", 60, 8 * 4 * 64 // 2)]
        assert corpus_sizes(Applied("gpus", None, 4, [], None, 2)) == corpus_sizes(applied)
        assert corpus_sizes(Applied("gpus", "large-model", 4, [], None, 2)) == []


class TestTheCommand:
    def run(self, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        cleared = {name: value for name, value in os.environ.items() if not name.startswith("PHRASEMILL_")}
        environment = cleared | {"PHRASEMILL_AIRFLOW_TOKEN": airflow_server.TOKEN, "PHRASEMILL_CORPORA": str(folder)}
        command = [sys.executable, "-m", "phrasemill", "engines", *arguments]
        return subprocess.run(
            command, env=environment | variables, capture_output=True, text=True, timeout=60, check=False
        )

    def test_says_what_is_there_what_it_did_and_which_corpora_have_small_shards(
        self, airflow: AirflowServer, engine: FakeEngineProcess, tmp_path: Path
    ) -> None:
        (tmp_path / "tiny.yaml").write_text(SPEC_YAML + "\nengines: {connection: gpus, in_flight: 64}\n")
        silent = f"http://127.0.0.1:{free_port()}"
        naming(airflow, f"{engine.url}/v1, {silent}")
        airflow.pools["engines"] = {"slots": 4}
        arguments = ("--apply", "--connection", "gpus")
        shown = self.run(tmp_path, *arguments, PHRASEMILL_AIRFLOW_URL=airflow.url)
        assert (shown.returncode, shown.stderr) == (0, "")
        lines = shown.stdout.splitlines()
        assert lines[0] == "connection gpus: 2 engines, 1 healthy, holding 0 prompts"
        assert lines[1].startswith(f"  {silent}/health: ")
        assert lines[2] == "pool engines: 2 slots (4 before)"
        assert lines[3].startswith("tiny: shards of 60 phrases are small for them; from 512 on they are full most of")
        told = json.loads(self.run(tmp_path, *arguments, "--airflow", airflow.url, "--json").stdout)
        assert (told["engines"], told["slots_before"], told["slots"]) == (2, 2, 2)
        assert told["seen"]["healthy"] == 1
        assert told["corpora"] == [{"corpus": "tiny", "shard_phrases": 60, "smallest": 512}]
        assert airflow.pools["engines"]["slots"] == 2

    def test_with_a_number_asks_no_engine(self, airflow: AirflowServer, tmp_path: Path) -> None:
        naming(airflow, "dns+http://engines:8000")
        given = ("--apply", "--connection", "gpus", "--count", "64", "--airflow", airflow.url)
        shown = self.run(tmp_path, *given)
        assert shown.stdout.splitlines() == [
            "connection gpus: 64 engines",
            "pool engines: 5 slots (made)",
            "shards fill them from 104,858 phrases on, at 1,024 prompts in flight an engine",
        ]

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--apply",), "--apply: say which Airflow: --airflow URL, or PHRASEMILL_AIRFLOW_URL"),
            (("--apply", "--urls", "http://a"), "leave --state, --urls and --watch out"),
            (("--apply", "--watch"), "leave --state, --urls and --watch out"),
            (("--count", "3"), "--count and --connection are for --apply; give --apply too"),
            (("--connection", "gpus"), "--count and --connection are for --apply; give --apply too"),
            (("--urls", "http://me:key@gpu-1:8000"), "--urls: http://***@gpu-1:8000: is no URL of an engine"),
            (("--apply", "--airflow", "http://127.0.0.1:9"), "Airflow at http://127.0.0.1:9 does not answer"),
        ],
    )
    def test_tells_a_mistake_in_one_line(self, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
        refused = self.run(tmp_path, *arguments)
        assert refused.returncode == 1
        assert words in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
