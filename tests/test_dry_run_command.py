"""`phrasemill run --dry-run`, and the same lines in preflight."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from phrasemill.corpus_file import dump_corpus
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.limit_settings import ApiLimits
from phrasemill.price_settings import Price
from phrasemill.spec import CorpusSpec
from phrasemill.steps import Workplace, preflight
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.servers import KEYS, S3Server
from tests.specs import make_spec

Command = Callable[..., subprocess.CompletedProcess[str]]
PRICE = {"currency": "USD", "per_million_prompt_tokens": 1.0, "per_million_completion_tokens": 4.0}


@pytest.fixture
def spec(s3_server: S3Server) -> CorpusSpec:
    bucket = S3Server.new_bucket(s3_server.endpoint)
    return make_spec(storage={"bucket": bucket}, price=PRICE, engines={"limits": {"budget_per_night": 5}})


@pytest.fixture
def run(tmp_path: Path, s3_server: S3Server, spec: CorpusSpec) -> Command:
    """`phrasemill run tiny`, with no engine to ask."""
    (tmp_path / "tiny.yaml").write_text(dump_corpus(spec))
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PHRASEMILL_ENGINES"},
        "PHRASEMILL_CORPORA": str(tmp_path),
        "AWS_ENDPOINT_URL": s3_server.endpoint,
        "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("phrasemill")), "run", "tiny", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return run


class TestTheCommand:
    def test_it_prints_tokens_and_money_without_any_engine(self, run: Command) -> None:
        told = run("--shards", "0-1", "--dry-run")
        assert told.returncode == 0, told.stderr
        for words in ("shards 0-1: 120 phrases from tiny-model", "prompt tokens", "USD", "5 left of 5 USD until"):
            assert words in told.stdout

    def test_json_has_the_same_in_plain_units(self, run: Command) -> None:
        told = run("--next", "3", "--dry-run", "--json")
        found = json.loads(told.stdout)
        assert (found["shards"], found["amounts"]["phrases"], found["currency"]) == ([0, 1, 2], 180, "USD")
        assert 0 < found["amounts"]["money"]["low"] < found["amounts"]["money"]["high"]

    def test_json_alone_and_a_run_without_engines_are_refused_in_a_line(self, run: Command) -> None:
        assert "give --dry-run too" in run("--json").stderr
        assert "no engine URL is given" in run("--shards", "0").stderr


class TestARunOnABudget:
    def test_a_spent_budget_ends_it_and_is_told_once(
        self, run: Command, tmp_path: Path, spec: CorpusSpec, engine: FakeEngineProcess
    ) -> None:
        # Enough for preflight, and less than a list of sixty sets aside.
        price = Price(per_million_prompt_tokens=1000, per_million_completion_tokens=1000)
        engines = spec.engines.model_copy(update={"limits": ApiLimits(budget_per_night=4)})
        (tmp_path / "tiny.yaml").write_text(dump_corpus(spec.model_copy(update={"price": price, "engines": engines})))
        told = run("--shards", "0-2", "--engines", engine.url)
        assert told.returncode == 1
        assert told.stderr.count("the budget begins anew on") == 1


class TestPreflight:
    def test_it_logs_what_the_night_takes_where_tokens_are_paid_or_limited(
        self, s3_server: S3Server, engine: FakeEngineProcess, spec: CorpusSpec, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        store = CorpusStore(Bucket(S3Server.client(s3_server.endpoint), spec.storage.bucket), spec)
        place = Workplace(spec, store, (engine.url,), limits=ApiLimits(budget_per_night=5))
        preflight(place, shards=[0, 1])
        assert "120 phrases from tiny-model" in caplog.text
        assert "lists of up to 64 answers" in caplog.text

    def test_it_says_nothing_of_money_where_a_gpu_is_paid(
        self, s3_server: S3Server, engine: FakeEngineProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        spec = make_spec(price=Price(per_gpu_hour=2.5).model_dump())
        bucket = Bucket(S3Server.client(s3_server.endpoint), S3Server.new_bucket(s3_server.endpoint))
        preflight(Workplace(spec, CorpusStore(bucket, spec), (engine.url,)), shards=[0, 1])
        assert "dry run" not in caplog.text
