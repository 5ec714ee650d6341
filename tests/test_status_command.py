"""`phrasemill status`: the table, the JSON, and watching, on a real S3 server."""

import io
import json

import boto3
import pytest
from botocore.config import Config
from rich.console import Console

from phrasemill.cli.status import show, status_table, watch
from phrasemill.corpus_state import CorpusState, corpus_state
from phrasemill.errors import StoreError, StoreUnavailable
from phrasemill.facts import Facts
from phrasemill.planning import shard_of
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket, client_config
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from tests.servers import KEYS, S3Server
from tests.snapshots import NOW, ago, entry, saved, snapshot_of
from tests.specs import make_spec
from tests.store.rows import shard_rows
from tests.store.s3_proxy import S3Proxy


@pytest.fixture
def spec() -> CorpusSpec:
    return make_spec(schedule={"cron": None})


@pytest.fixture
def store(s3_server: S3Server, proxy: S3Proxy, spec: CorpusSpec) -> CorpusStore:
    """A corpus of four shards of which three are committed, seen through the proxy; a request is tried once."""
    once = client_config().merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
    client = boto3.client("s3", endpoint_url=proxy.url, config=once, **KEYS)
    store = CorpusStore(Bucket(client, S3Server.new_bucket(s3_server.endpoint)), spec)
    for number in range(3):
        commit(store, number)
    return store


def commit(store: CorpusStore, shard: int) -> None:
    planned = shard_of(store.spec, shard)
    rows = shard_rows(store.spec, planned)
    commit_shard(store, planned, rows, facts=Facts(accepted=60), verdict={"passed": True}, run_id="run-1")


def table_of(spec: CorpusSpec, state: CorpusState) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(status_table(spec, state))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


class TestTable:
    def test_it_tells_rate_eta_and_nights(self) -> None:
        spec = make_spec(target_phrases=20_000, shard_phrases=2_000, block_phrases=20, schedule={"cron": None})
        shards = [entry(spec, 0, started=ago(90_000), seconds=1_000)]
        snapshot = snapshot_of(shards, staged={1: saved(*range(0, 900, 10))}, held={5: "too short"})
        shown = table_of(spec, corpus_state(spec, snapshot, now=NOW))
        assert "10.0% of 20,000 phrases" in shown
        assert "running: 1 shard; shard 5 quarantined" in shown
        assert "2 phrases/s (1.8 to 2.3)" in shown
        assert "at the rate of the last minutes" in shown
        assert "night 0, shards 0-1: running: 1 shard, 2,000 phrases, 2.0 phrases/s" in shown
        assert "shard 1: 1,800 of 2,000 phrases saved" in shown
        assert "1-9" in shown
        assert "times: Europe/Berlin" in shown

    def test_a_reason_that_would_act_on_a_terminal_is_spelled_out(self, spec: CorpusSpec) -> None:
        state = corpus_state(spec, snapshot_of(held={0: "[red]x[/]\x1b[2J\u202e"}), now=NOW)
        shown = table_of(spec, state)
        assert "[red]x[/]<U+001B>[2J<U+202E>" in shown

    def test_a_complete_corpus_is_done(self, spec: CorpusSpec) -> None:
        shown = table_of(spec, corpus_state(spec, snapshot_of([entry(spec, n) for n in range(4)]), now=NOW))
        assert "complete" in shown
        assert "done" in shown

    def test_a_corpus_that_only_awaits_its_commits_has_no_unknown_eta(self) -> None:
        spec = make_spec(target_phrases=60, schedule={"cron": None})
        state = corpus_state(spec, snapshot_of(staged={0: saved(5, 10, 15)}), now=NOW)
        assert (state.left_phrases, state.eta) == (0, None)
        assert "all is written, not yet committed" in table_of(spec, state)


class TestOnce:
    def test_json_has_the_whole_state(
        self, store: CorpusStore, spec: CorpusSpec, capsys: pytest.CaptureFixture[str]
    ) -> None:
        show(store, console=Console(), as_json=True)
        state = CorpusState.model_validate_json(capsys.readouterr().out)
        assert (state.corpus, state.committed_shards, state.missing) == (spec.name, 3, [3])
        assert state.state == "stopped: 1 shard missing"

    @pytest.mark.parametrize("folder", ["staging", "manifests", "quarantine"])
    def test_a_folder_that_may_not_be_listed_is_named_with_the_permission(
        self, store: CorpusStore, proxy: S3Proxy, folder: str
    ) -> None:
        proxy.on("GET", f"{folder}%2F", "forge", status=403)
        with pytest.raises(StoreError, match=rf"cannot list s3://\S+/{folder}/: .*; grant s3:ListBucket") as refused:
            show(store, console=Console(file=io.StringIO()), as_json=False)
        assert "\n" not in str(refused.value)


class TestWatching:
    def break_and_mend(self, proxy: S3Proxy, store: CorpusStore) -> None:
        """The first look is answered, the next two are not; before the fourth the last shard is committed."""
        proxy.on("GET", "staging%2F", "pass")
        proxy.on("GET", "staging%2F", "forge", status=503, count=2)
        proxy.on("GET", "staging%2F", "pass", before=lambda: commit(store, 3))

    def test_json_is_an_object_a_line_and_ends_when_the_corpus_is_complete(
        self, store: CorpusStore, proxy: S3Proxy, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.break_and_mend(proxy, store)
        watch(store, console=Console(), as_json=True, every_s=0.01)
        printed = capsys.readouterr()
        states = [json.loads(line) for line in printed.out.splitlines()]
        assert [state["committed_shards"] for state in states] == [3, 4]
        assert states[-1]["state"] == "complete"
        assert printed.err.count("looking again every 0.01 s") == 1

    @pytest.mark.parametrize(("terminal", "kind"), [(True, "xterm"), (True, "dumb"), (False, "xterm")])
    def test_tables_say_that_the_bucket_is_down_and_keep_what_was_seen(
        self, store: CorpusStore, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch, *, terminal: bool, kind: str
    ) -> None:
        self.break_and_mend(proxy, store)
        monkeypatch.setenv("TERM", kind)  # a dumb one cannot be drawn anew
        shown = io.StringIO()
        watch(store, console=Console(file=shown, width=160, force_terminal=terminal), as_json=False, every_s=0.01)
        text = shown.getvalue()
        assert text.count("has not answered since") == 2
        assert text.count("3 of 4 shards") == 3
        assert "4 of 4 shards" in text.rpartition("has not answered since")[2]

    def test_a_bucket_that_never_answered_is_an_error(self, store: CorpusStore, proxy: S3Proxy) -> None:
        proxy.on("GET", "staging%2F", "forge", status=503)
        with pytest.raises(StoreUnavailable):
            watch(store, console=Console(file=io.StringIO()), as_json=False, every_s=0.01)
