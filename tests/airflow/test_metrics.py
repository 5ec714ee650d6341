"""Metrics: what a StatsD server hears while a shard is ground, and from whole nights."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from phrasemill.corpus_file import dump_corpus
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.metric_names import BOUNDS, ERROR_KINDS, OF_SHARD, SENT, SHARD_STATES, Kind
from tests.docker.statsd_mapping import mapped_name
from tests.servers import S3Server
from tests.specs import make_spec

TYPES = {"c": Kind.COUNTER, "g": Kind.GAUGE, "ms": Kind.TIMER}
# In a process of its own: Airflow sets its metrics up once, as a task's process begins.
BEGIN = """
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
"""
LOOKS = """
import sys
from phrasemill.airflow.metrics import ProgressMetrics, counted_errors
from phrasemill.errors import GateFailed, ShardHopeless, StoreUnavailable
from phrasemill.progress import Progress
from phrasemill.ranges import Range
def look(accepted, short, **more):
    figures = dict(prompt_tokens=100, completion_tokens=50, lists=2, list_seconds=(0.5, 1.5), engines_known=2,
                   engines_up=1, prompts_in_flight=64) | more
    return Progress(corpus="harbour", shard="shard-00003", rows=60, accepted=accepted, resumed=20,
                    rejects={"too_short": short}, reject_share=0.1, phrases_per_s=2.5, tokens_per_s=60.0,
                    eta=Range.exactly(4.0), in_flight={}, **figures)
try:
    with counted_errors("harbour", "generate"), ProgressMetrics() as send:
        send(look(30, 1))
        send(look(45, 4, prompt_tokens=160, completion_tokens=80, lists=5, list_seconds=tuple(range(200))))
        raise ShardHopeless("nearly all is rejected")
except ShardHopeless:
    pass
for error in (StoreUnavailable("away"), GateFailed("failed", gravest="mean characters a phrase")):
    try:
        with counted_errors("harbour", "publish"):
            raise error
    except type(error):
        pass
"""
BUCKET_AWAY = """
import datetime as dt
from phrasemill.airflow.night_metrics import send_closed, send_committed, send_planned
from phrasemill.errors import StoreUnavailable
from phrasemill.steps import Workplace
from tests.specs import make_spec
class Away:
    def __getattr__(self, name):
        raise StoreUnavailable("away")
place = Workplace(spec=make_spec(), store=Away(), run_id="")
send_planned(place, [0, 1], todo=2)
send_committed(place, [0, 1])
send_closed(place, [0, 1], begun_at=dt.datetime.now(dt.UTC) - dt.timedelta(hours=1))
"""
NIGHTS = """
import pathlib, sys
from airflow.dag_processing.dagbag import DagBag
dags, changed = sys.argv[1:]
def night(shards):
    return DagBag(dags).dags["corpus_tiny"].test(run_conf={"shards": shards}).state
assert night("0-1") == "success"
corpus = pathlib.Path(changed)
corpus.replace(corpus.with_name("tiny.yaml"))
assert night("2") == "failed"
"""


@dataclass(frozen=True)
class Heard:
    """One StatsD line, its tags apart."""

    name: str
    tags: dict[str, str]
    value: str
    type: str

    @classmethod
    def of(cls, line: str) -> "Heard":
        named, _, rest = line.partition(":")
        value, _, kind = rest.partition("|")
        name, *tags = named.split(",")
        return cls(name.removeprefix("airflow."), dict(tag.split("=", 1) for tag in tags), value, kind)


class StatsdServer:
    """Takes lines by UDP until it is left."""

    def __init__(self) -> None:
        self.lines: list[Heard] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._take)

    def __enter__(self) -> "StatsdServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))  # behind all that was sent
        self._thread.join()
        self._socket.close()

    def _take(self) -> None:
        while packet := self._socket.recv(65536):
            self.lines += map(Heard.of, packet.decode().splitlines())

    @property
    def variables(self) -> dict[str, str]:
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self.port),
            "AIRFLOW__METRICS__STATSD_PREFIX": "airflow",
            "AIRFLOW__METRICS__STATSD_DATADOG_ENABLED": "False",
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        }


def hear(script: str, *arguments: str, **variables: str) -> list[Heard]:
    with StatsdServer() as server:
        ended = subprocess.run(
            [sys.executable, "-c", BEGIN + script, *arguments],
            env=os.environ | server.variables | variables,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return server.lines


@pytest.fixture(scope="module")
def looks() -> list[Heard]:
    return hear(LOOKS)


@pytest.fixture(scope="module")
def nights(
    airflow_database: Path, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Heard]]:
    """What two runs send: two shards are committed, then one fails a gate that nothing passes."""
    from tests.servers import KEYS

    corpora = tmp_path_factory.mktemp("corpora")
    spec = make_spec(model={"name": "test-model"}, storage={"bucket": s3_server.new_bucket(s3_server.endpoint)})
    (corpora / "tiny.yaml").write_text(dump_corpus(spec))
    strict = spec.model_copy(update={"gate": spec.gate.model_copy(update={"min_mean_chars": 139})})
    changed = tmp_path_factory.mktemp("changed") / "strict.yaml"
    changed.write_text(dump_corpus(strict))
    changed = changed.replace(corpora / "strict.txt")
    s3 = {
        "conn_type": "aws",
        "login": KEYS["aws_access_key_id"],
        "password": KEYS["aws_secret_access_key"],
        "extra": {"endpoint_url": s3_server.endpoint, "region_name": KEYS["region_name"]},
    }
    with FakeEngineProcess(model="test-model", bad_modes=("refusals",), bad_share=0.1) as engine:
        yield hear(
            NIGHTS,
            str(Path(__file__).parents[2] / "dags"),
            str(changed),
            PHRASEMILL_CORPORA=str(corpora),
            AIRFLOW_CONN_PHRASEMILL_S3=json.dumps(s3),
            AIRFLOW_CONN_PHRASEMILL_ENGINES=json.dumps({"conn_type": "vllm", "extra": {"urls": engine.url}}),
        )


def values(heard: list[Heard], name: str, **tags: str) -> list[float]:
    return [
        float(line.value) for line in heard if line.name == f"phrasemill.{name}" and tags.items() <= line.tags.items()
    ]


def check_line(line: Heard) -> None:
    """Its name, tags and type are the catalogue's, its values of bounded tags too, and statsd.yaml knows it."""
    (metric,) = [metric for metric in SENT if metric.name == line.name]
    assert TYPES[line.type] is metric.kind, line
    assert set(line.tags) == set(metric.tags), line
    assert mapped_name(f"airflow.{line.name}") == metric.in_prometheus
    bounded = {"state": SHARD_STATES, "bound": BOUNDS, "kind": ERROR_KINDS}
    for tag in bounded.keys() & line.tags.keys():
        assert line.tags[tag] in bounded[tag], line


class TestAShardThatIsBeingWritten:
    def test_counts_what_has_come_since_the_last_look(self, looks: list[Heard]) -> None:
        assert values(looks, "phrases.accepted") == [10, 15]
        assert values(looks, "phrases.rejected", reason="too_short") == [1, 3]
        assert values(looks, "tokens.prompt") == [100, 60]
        assert values(looks, "tokens.completion") == [50, 30]
        assert values(looks, "lists.answered") == [2, 3]

    def test_times_ten_lists_a_look_at_most_evenly_through_them(self, looks: list[Heard]) -> None:
        assert values(looks, "list.duration") == [500, 1500, *(1000.0 * second for second in range(10, 200, 20))]

    def test_sets_its_gauges_to_0_when_it_ends(self, looks: list[Heard]) -> None:
        assert values(looks, "shard.eta_seconds") == [4, 4, 0]
        assert values(looks, "shard.engines_up", shard="shard-00003") == [1, 1, 0]
        for metric in OF_SHARD:
            assert values(looks, metric.name.removeprefix("phrasemill."))[-1] == 0

    def test_every_line_is_in_the_catalogue(self, looks: list[Heard]) -> None:
        ours = [line for line in looks if line.name.startswith("phrasemill.")]
        assert len(ours) > 30
        for line in ours:
            check_line(line)


class TestErrors:
    def test_are_counted_by_step_kind_and_class(self, looks: list[Heard]) -> None:
        counted = [line.tags for line in looks if line.name == "phrasemill.errors"]
        assert counted == [
            {"corpus": "harbour", "step": "generate", "kind": "shard", "error": "ShardHopeless"},
            {"corpus": "harbour", "step": "publish", "kind": "bucket", "error": "StoreUnavailable"},
            {"corpus": "harbour", "step": "publish", "kind": "gate", "error": "GateFailed"},
        ]

    def test_of_the_gate_name_the_gravest_expectation(self, looks: list[Heard]) -> None:
        assert values(looks, "gate.failures", corpus="harbour", expectation="mean_characters_a_phrase") == [1]


class TestWholeNights:
    def test_every_line_is_in_the_catalogue_and_nothing_of_it_is_missing(self, nights: list[Heard]) -> None:
        ours = [line for line in nights if line.name.startswith("phrasemill.")]
        for line in ours:
            check_line(line)
        assert {line.name for line in ours} == {metric.name for metric in SENT}

    def test_count_every_phrase_once(self, nights: list[Heard]) -> None:
        assert sum(values(nights, "phrases.accepted")) == 180

    def test_tell_the_shards_by_state_from_plan_to_close(self, nights: list[Heard]) -> None:
        told = {state: values(nights, "night.shards", state=state) for state in SHARD_STATES}
        # plan, two publishes, close_night; plan and close_night of a night whose one shard failed
        assert told["committed"] == [0, 1, 2, 2, 0, 0]
        assert told["quarantined"] == [0, 0, 0, 0, 0, 1]
        assert [sum(look) for look in zip(*told.values(), strict=True)] == [2, 2, 2, 2, 1, 1]
        assert values(nights, "corpus.shards", state="quarantined")[-1] == 1
        assert values(nights, "corpus.phrases")[-1] == 120
        assert set(values(nights, "corpus.target_phrases")) == {240}

    def test_know_from_the_second_on_how_long_they_should_take(self, nights: list[Heard]) -> None:
        *first, second, failed = values(nights, "night.expected_seconds")
        assert (first, failed) == ([0, 0, 0], 0)
        assert second > 0

    def test_are_open_from_plan_to_close_whole_or_not(self, nights: list[Heard]) -> None:
        begun, closed, again, failed = values(nights, "night.start_time")
        assert begun > 1_700_000_000
        assert again >= begun
        assert (closed, failed) == (0, 0)
        assert len(values(nights, "night.seconds")) == 2

    def test_that_the_bucket_leaves_in_the_lurch_end_all_the_same_and_harm_no_task(self) -> None:
        heard = hear(BUCKET_AWAY)
        begun, closed = values(heard, "night.start_time")
        assert begun > 1_700_000_000
        assert closed == 0
        (seconds,) = values(heard, "night.seconds")
        assert 3600 <= seconds < 7200
        assert values(heard, "night.shards") == []

    def test_count_the_failed_gate_and_the_red_night(self, nights: list[Heard]) -> None:
        counted = [line.tags | {"corpus": ""} for line in nights if line.name == "phrasemill.errors"]
        assert counted == [
            {"corpus": "", "step": "validate", "kind": "gate", "error": "GateFailed"},
            {"corpus": "", "step": "close_night", "kind": "night", "error": "NightIncomplete"},
        ]
        assert values(nights, "gate.failures", expectation="mean_characters_a_phrase") == [1]
