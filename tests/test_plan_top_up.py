"""`phrasemill plan --top-up` as people type it, on a real S3 server."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from phrasemill.cli.program import app
from phrasemill.corpus_file import dump_corpus
from phrasemill.errors import PlanError
from phrasemill.release.keys import ReleaseKeys
from phrasemill.release.planning import plan_release
from phrasemill.release.publish import publish
from phrasemill.release.short import short_of
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.release.committing import commit
from tests.release.releasing import made_release, release_spec
from tests.servers import KEYS, S3Server

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
Plan = Callable[..., str]


@pytest.fixture
def store(s3_server: S3Server) -> CorpusStore:
    """180 phrases wanted, four shards committed."""
    name = S3Server.new_bucket(s3_server.endpoint)
    spec = release_spec(storage={"bucket": name})
    store = CorpusStore(Bucket(s3_server.client(s3_server.endpoint), name), spec)
    for number in range(4):
        commit(store, number)
    return store


@pytest.fixture
def plan(tmp_path: Path, s3_server: S3Server, store: CorpusStore, monkeypatch: pytest.MonkeyPatch) -> Plan:
    (tmp_path / "tiny.yaml").write_text(dump_corpus(store.spec))
    monkeypatch.setenv("PHRASEMILL_CORPORA", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, KEYS[variable.lower()])

    def command(*options: str, corpus: str = "tiny") -> str:
        done = CliRunner().invoke(app, ["plan", corpus, *options], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    return command


def come_out_short(store: CorpusStore, *, unique: int) -> None:
    pinned = plan_release(store, "v1", now=NOW)
    short = short_of(pinned, store.spec, unique=unique, committed=store.committed())
    keys = ReleaseKeys.of(store.keys.root, "v1")
    store.bucket.put(keys.short, short.model_dump_json().encode())
    store.bucket.delete([keys.plan])


def test_without_a_short_release_there_is_nothing_to_top_up(plan: Plan) -> None:
    assert plan("--top-up") == "tiny: nothing to top up, no release has come out short\n"


def test_it_says_how_short_it_was_and_what_to_type(plan: Plan, store: CorpusStore) -> None:
    come_out_short(store, unique=120)
    assert plan("--top-up").splitlines() == [
        "tiny: release v1 was short by 60 phrases: of 240 committed 120 are unique, its target was 180",
        "write shards 4-6, then release again; either way will do:",
        "  phrasemill run tiny --shards '4-6'",
        """  airflow dags trigger corpus_tiny --conf '{"shards": "4-6"}'""",
    ]


def test_a_corpus_that_was_named_by_its_file_is_named_so_in_what_to_type(
    plan: Plan, store: CorpusStore, tmp_path: Path
) -> None:
    come_out_short(store, unique=120)
    file = tmp_path / "the harbour" / "tiny.yaml"
    file.parent.mkdir()
    (tmp_path / "tiny.yaml").rename(file)
    assert f"  phrasemill run '{file}' --shards '4-6'" in plan("--top-up", corpus=str(file)).splitlines()


def test_what_is_committed_meanwhile_is_left_out(plan: Plan, store: CorpusStore) -> None:
    come_out_short(store, unique=120)
    commit(store, 5)
    assert "write shards 4, 6, then" in plan("--top-up")
    commit(store, 4)
    assert "write shard 6, then" in plan("--top-up")
    commit(store, 6)
    assert "shards 4-6 are committed since; release again: phrasemill release tiny" in plan("--top-up")


def test_a_target_that_has_changed_is_told(plan: Plan, store: CorpusStore, tmp_path: Path) -> None:
    come_out_short(store, unique=120)
    raised = store.spec.model_copy(update={"target_phrases": 240, "oversample": 0.0})
    (tmp_path / "tiny.yaml").write_text(dump_corpus(raised))
    assert "the corpus file asks for 240 by now" in plan("--top-up")


def test_a_full_release_since_then_needs_nothing(plan: Plan, store: CorpusStore) -> None:
    come_out_short(store, unique=120)
    publish(made_release(store, version="final"))
    assert plan("--top-up") == "tiny: nothing to top up, release final holds the whole target\n"


def test_it_goes_with_no_date(plan: Plan) -> None:
    for options in (("--date", "2026-11-01"), ("--nights", "2")):
        with pytest.raises(PlanError, match="no night owns a top-up shard"):
            plan("--top-up", *options)


def test_nights_are_shown_as_before(plan: Plan) -> None:
    assert "none: the corpus is planned to its end" in plan("--date", "2026-11-02", "--nights", "2")
