"""The `phrasemill` command as people type it: a process of its own, on a fake engine and a real S3 server."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from phrasemill.corpus_file import dump_corpus
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.spec import CorpusSpec
from tests.servers import KEYS, S3Server
from tests.specs import SPEC_YAML, make_spec

Command = Callable[..., subprocess.CompletedProcess[str]]

NOBODY = "http://127.0.0.1:9"
"""Not a free port: other servers of the session may take that before the test comes."""


@pytest.fixture
def spec(s3_server: S3Server) -> CorpusSpec:
    return make_spec(storage={"bucket": S3Server.new_bucket(s3_server.endpoint)})


@pytest.fixture
def environment(tmp_path: Path, s3_server: S3Server, engine: FakeEngineProcess, spec: CorpusSpec) -> dict[str, str]:
    (tmp_path / f"{spec.name}.yaml").write_text(dump_corpus(spec))
    return {
        **os.environ,
        "PHRASEMILL_CORPORA": str(tmp_path),
        "PHRASEMILL_ENGINES": engine.url,
        "AWS_ENDPOINT_URL": s3_server.endpoint,
        "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
        "COLUMNS": "200",
    }


@pytest.fixture
def phrasemill(environment: dict[str, str]) -> Command:
    def command(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).with_name("phrasemill")), *arguments],
            env=environment | changes,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return command


class TestACorpusWithoutAirflow:
    def test_from_run_to_report(self, phrasemill: Command, spec: CorpusSpec, tmp_path: Path) -> None:
        ran = phrasemill("run", spec.name, "--shards", "0-1")
        assert ran.returncode == 0, ran.stderr
        assert "shard-00001 committed" in ran.stdout

        seen = json.loads(phrasemill("status", spec.name, "--json").stdout)
        assert seen["committed_shards"] == 2
        assert seen["phrases"] == 2 * spec.shard_phrases
        assert seen["missing"] == [2, 3]
        assert "50.0%" in phrasemill("status", spec.name).stdout

        sample = phrasemill("sample", spec.name, "-n", "5", "--seed", "1")
        assert sample.stdout.count("scene") == 5
        assert sample.stdout == phrasemill("sample", spec.name, "-n", "5", "--seed", "1").stdout

        report = phrasemill("report", spec.name, "--to", str(tmp_path / "out"))
        assert report.returncode == 0, report.stderr
        summary = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert summary["phrases"] == 2 * spec.shard_phrases
        assert "<html" in (tmp_path / "out" / "report.html").read_text()

        assert phrasemill("run", spec.name, "--next", "2").returncode == 0
        rerun = phrasemill("run", spec.name, "--shards", "0-3")
        assert rerun.returncode == 0
        assert "nothing to do" in rerun.stdout

    def test_a_shard_that_fails_the_gate_is_told_and_the_others_go_on(
        self, phrasemill: Command, spec: CorpusSpec, tmp_path: Path
    ) -> None:
        strict = spec.model_copy(update={"gate": spec.gate.model_copy(update={"min_mean_chars": 139})})
        (tmp_path / f"{spec.name}.yaml").write_text(dump_corpus(strict))
        ran = phrasemill("run", spec.name, "--shards", "0-1")
        assert ran.returncode == 1
        assert ran.stderr.count("failed the gate: mean characters a phrase") == 2
        assert "quarantined" in phrasemill("status", spec.name).stdout

    def test_watching_ends_with_ctrl_c_and_no_complaint(self, environment: dict[str, str], spec: CorpusSpec) -> None:
        command = [str(Path(sys.executable).with_name("phrasemill")), "status", spec.name, "--watch", "--json"]
        watching = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            assert watching.stdout
            assert json.loads(watching.stdout.readline())["missing"] == [0, 1, 2, 3]
            watching.send_signal(signal.SIGINT)
            _, complaints = watching.communicate(timeout=60)
        finally:
            watching.kill()
        assert (watching.returncode, complaints) == (0, "")

    def test_an_api_key_comes_from_the_environment(self, phrasemill: Command, spec: CorpusSpec) -> None:
        with FakeEngineProcess(model=spec.model.name, api_key="open-sesame") as locked:
            refused = phrasemill("run", spec.name, PHRASEMILL_ENGINES=locked.url)
            assert refused.returncode == 1
            assert "API key" in refused.stderr
            ran = phrasemill("run", spec.name, PHRASEMILL_ENGINES=locked.url, PHRASEMILL_API_KEY="open-sesame")
        assert ran.returncode == 0, ran.stderr
        assert "open-sesame" not in ran.stdout + ran.stderr


class TestBeforeAnythingRuns:
    def test_check_sums_up_sound_files_and_tells_the_mistakes_of_others(
        self, phrasemill: Command, tmp_path: Path
    ) -> None:
        sound, broken = tmp_path / "tiny.yaml", tmp_path / "broken" / "tiny.yaml"
        broken.parent.mkdir()
        sound.write_text(SPEC_YAML)
        broken.write_text(SPEC_YAML.replace("language: en", "language: tlh"))
        checked = phrasemill("check", str(sound), str(broken))
        assert checked.returncode == 1
        assert "240 phrases, 4 shards of 60" in checked.stdout
        assert checked.stderr.splitlines() == [f"{broken}:3: language: 'tlh' must be 'en' or 'ru'"]

    def test_plan_shows_which_shards_a_date_owns(self, phrasemill: Command, spec: CorpusSpec) -> None:
        planned = phrasemill("plan", spec.name, "--date", "2026-11-02", "--nights", "2")
        assert planned.returncode == 0
        assert "2-3" in planned.stdout
        assert "120 to 239" in planned.stdout
        assert "none" in planned.stdout


class TestMistakesAreOneLine:
    @pytest.mark.parametrize(
        ("arguments", "changes", "words"),
        [
            (("status", "nowhere"), {}, "there is no corpus 'nowhere'"),
            (("run", "tiny", "--shards", "70"), {}, "has no shard 70; its shards are 0 to 3"),
            (("run", "tiny", "--shards", "all"), {}, "is not a list of shard numbers"),
            (("report", "tiny"), {}, "no shard is committed yet"),
            (("sample", "tiny"), {}, "no shard is committed yet"),
            (("run", "tiny"), {"PHRASEMILL_ENGINES": NOBODY}, "no engine answers"),
            (("status", "tiny"), {"AWS_ENDPOINT_URL": NOBODY}, "the S3 server"),
            (("plan", "tiny", "--date", "2020-01-01"), {}, "lies before its first night"),
        ],
    )
    def test_it_says_what_and_how_to_mend(
        self, phrasemill: Command, arguments: tuple[str, ...], changes: dict[str, str], words: str
    ) -> None:
        failed = phrasemill(*arguments, **changes)
        assert failed.returncode == 1
        assert words in failed.stderr
        assert "Traceback" not in failed.stderr
        assert len(failed.stderr.strip().splitlines()) == 1, failed.stderr


BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""
OF_AIRFLOW = ("airflow", "boto3", "botocore", "great_expectations", "jinja2", "pandas")


class TestOnAGpuMachineWithoutAirflow:
    @pytest.fixture
    def bare(self, phrasemill: Command, tmp_path: Path) -> Command:
        """The command in an environment that lacks the packages of the extra `airflow`."""
        folder = tmp_path / "blocker"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(BLOCKER.format(blocked=set(OF_AIRFLOW)))
        return partial(phrasemill, PYTHONPATH=str(folder))

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--help",),
            ("demo", "--help"),
            ("plan", "tiny"),
            ("fake-engine", "--help"),
            ("serve", "--help"),
            ("tune", "--help"),
            ("profiles",),
            ("engines", "--urls", NOBODY),
        ],
        ids=" ".join,
    )
    def test_what_needs_only_the_core_runs(self, bare: Command, arguments: tuple[str, ...]) -> None:
        ran = bare(*arguments)
        assert ran.returncode == 0, ran.stderr
        assert "Traceback" not in ran.stderr

    @pytest.mark.parametrize(
        ("arguments", "missing"),
        [
            (("run", "tiny"), "boto3, great_expectations, pandas"),
            (("status", "tiny"), "boto3"),
            (("sample", "tiny"), "boto3"),
            (("report", "tiny"), "boto3, jinja2"),
            (("demo", "run"), "boto3"),
        ],
        ids=lambda value: value if isinstance(value, str) else " ".join(value),
    )
    def test_what_needs_more_says_so_at_once(self, bare: Command, arguments: tuple[str, ...], missing: str) -> None:
        refused = bare(*arguments)
        assert refused.returncode == 1
        command = "demo run" if arguments[0] == "demo" else arguments[0]
        assert refused.stderr == (
            f"phrasemill {command} needs {missing}: install phrasemill[airflow], or run it where Airflow is installed\n"
        )
