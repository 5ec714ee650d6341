"""The steps of a night, on fake engines and a real S3 server: each does its work once, and any worker can go on."""

import json
import time
from dataclasses import replace

import pytest

from phrasemill.acceptance import accept
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.outage import Patience
from phrasemill.errors import (
    EngineRefused,
    EnginesDown,
    FingerprintMismatch,
    GateFailed,
    PlanError,
    StagingIncomplete,
    StoreError,
    StoreUnavailable,
)
from phrasemill.gate import Verdict
from phrasemill.planning import blocks_of, shard_of
from phrasemill.progress import Progress
from phrasemill.rows import decode_rows
from phrasemill.rules import fold
from phrasemill.spec import CorpusSpec
from phrasemill.steps import Workplace, generate, next_uncommitted, plan, preflight, publish, validate
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.quarantine import discard, quarantined
from phrasemill.store.staging import ShardStaging
from tests.grinding import QUICK
from tests.servers import S3Server, free_port
from tests.specs import make_spec
from tests.store.rows import block_rows, facts_of
from tests.store.s3_proxy import s3_proxy

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def place(engine: FakeEngineProcess, s3_server: S3Server) -> Workplace:
    return workplace(s3_server, engine, make_spec())


def workplace(server: S3Server, engine: FakeEngineProcess, spec: CorpusSpec) -> Workplace:
    bucket = Bucket(server.client(server.endpoint), server.new_bucket(server.endpoint))
    return Workplace(spec, CorpusStore(bucket, spec), (engine.url,), run_id="run-1", patience=QUICK)


def with_spec(place: Workplace, **changes: object) -> Workplace:
    """The same bucket and engines under a changed corpus file."""
    spec = make_spec(**changes)
    return replace(place, spec=spec, store=CorpusStore(place.store.bucket, spec))


def write(place: Workplace, shard: int = 0) -> None:
    generate(place, shard)
    validate(place, shard)


def commit(place: Workplace, shard: int = 0) -> None:
    write(place, shard)
    publish(place, shard)


def write_alike(place: Workplace, *, blocks: tuple[int, ...]) -> None:
    """Stage blocks of shard 0 anew with near-duplicates; two of three are far over what chance allows a shard."""
    staging = ShardStaging(place.store, shard_of(place.spec, 0))
    for block in blocks_of(place.spec, shard_of(place.spec, 0)):
        if block.number in blocks:
            staging.save(block, block_rows(place.spec, block), facts_of(block))


def staged_keys(place: Workplace, shard: int = 0) -> list[str]:
    prefix = place.store.keys.staging(shard_of(place.spec, shard))
    return [entry.key.removeprefix(prefix) for entry in place.store.bucket.entries(prefix)]


class TestNight:
    def test_planned_shards_are_written_judged_and_committed(self, place: Workplace) -> None:
        preflight(place)
        planned = plan(place, [0, 1])
        assert planned == [
            {"shard": 0, "label": "shard-00000", "first_id": 0, "phrases": 60},
            {"shard": 1, "label": "shard-00001", "first_id": 60, "phrases": 60},
        ]
        for item in planned:
            written = generate(place, item["shard"])
            assert (written["phrases"], written["rejected"]) == (60, 0)
            assert staged_keys(place, item["shard"]) == ["0000.parquet", "0001.parquet", "0002.parquet"]
            assert validate(place, item["shard"])["passed"]
            assert publish(place, item["shard"])["committed"]
            assert staged_keys(place, item["shard"]) == []
        assert plan(place, [0, 1]) == []
        manifest = place.store.manifest(1)
        assert manifest is not None
        assert (manifest.rows, manifest.run_id, manifest.facts.accepted) == (60, "run-1", 60)
        assert manifest.verdict["passed"]
        rows, _ = decode_rows(place.store.bucket.get(manifest.data_key) or b"", source="data")
        assert rows.column("phrase_id").to_pylist() == list(range(60, 120))
        assert len({fold(text) for text in rows.column("text").to_pylist()}) == 60

    def test_doing_it_again_asks_no_engine_and_writes_nothing(
        self, place: Workplace, engine: FakeEngineProcess, s3_server: S3Server
    ) -> None:
        commit(place)
        engine.kill()  # not even needed
        with s3_proxy(s3_server.endpoint) as proxy:
            bucket = Bucket(S3Server.client(proxy.url), place.store.bucket.name)
            again = replace(place, store=CorpusStore(bucket, place.spec), run_id="run-2")
            for step in (generate, validate, publish):
                assert step(again, 0)["committed"]
            assert plan(again, [0]) == []
            assert {method for method, _, _ in proxy.seen} == {"GET"}

    def test_a_removed_manifest_brings_back_that_shard_alone(self, place: Workplace) -> None:
        for shard in (0, 1):
            commit(place, shard)
        place.store.bucket.delete([place.store.keys.manifest(1)])
        assert [item["shard"] for item in plan(place, [0, 1])] == [1]
        commit(place, 1)
        assert place.store.committed() == [0, 1]

    def test_progress_is_told(self, place: Workplace) -> None:
        looks: list[Progress] = []
        generate(place, 0, on_progress=looks.append)
        assert looks[-1].accepted == 60


class TestPreflight:
    def test_it_says_what_it_found_and_keeps_the_corpus_file(
        self, place: Workplace, caplog: pytest.LogCaptureFixture
    ) -> None:
        found = preflight(replace(place, engine_urls=(*place.engine_urls, NOBODY)))
        assert found == {
            "engines": "1 of 2 serve tiny-model",
            "asked": "vLLM 0.32.0: lists of 64 prompts to /v1/completions, the fast path, 1024 tokens of context",
            "bucket": "conditional puts are honoured",
            "fingerprint": place.store.fingerprint,
        }
        assert f"engine {NOBODY} does not answer and is left out until it does" in caplog.text
        assert b"Tiny harbour" in (place.store.bucket.get(place.store.keys.spec(place.store.fingerprint)) or b"")

    def test_engines_behind_a_name_are_found_and_write_shards(self, place: Workplace) -> None:
        by_name = replace(place, engine_urls=tuple(f"dns+{url}" for url in place.engine_urls))
        assert preflight(by_name)["engines"] == "1 of 1 serve tiny-model"
        assert generate(by_name, 0)["phrases"] == 60

    def test_engines_or_bucket_that_are_not_there_fail_in_seconds(self, place: Workplace) -> None:
        started = time.monotonic()
        with pytest.raises(EnginesDown):
            preflight(replace(place, engine_urls=(NOBODY,)))
        with pytest.raises(EngineRefused, match="no engine URL"):
            preflight(replace(place, engine_urls=()))
        dead = Bucket(S3Server.client(f"http://127.0.0.1:{free_port()}"), "corpora")
        with pytest.raises(StoreUnavailable):
            preflight(replace(place, store=CorpusStore(dead, place.spec)))
        assert time.monotonic() - started < 10

    def test_a_server_that_ignores_conditional_puts_is_warned_of(
        self, place: Workplace, s3_server: S3Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        with s3_proxy(s3_server.endpoint) as proxy:
            proxy.on("PUT", "/", "strip", count=None)
            bucket = Bucket(S3Server.client(proxy.url), place.store.bucket.name)
            found = preflight(replace(place, store=CorpusStore(bucket, place.spec)))
        assert found["bucket"] == "conditional puts are ignored"
        assert "ignores conditional puts" in caplog.text


class TestPlan:
    def test_there_are_only_the_corpuss_shards(self, place: Workplace) -> None:
        with pytest.raises(PlanError, match="its shards are 0 to 3"):
            plan(place, [3, 20])

    def test_a_top_up_shard_is_planned_when_it_is_asked_for_and_never_the_next(self, place: Workplace) -> None:
        commit(place, 4)
        assert [item["shard"] for item in plan(place, [3, 4, 5])] == [3, 5]
        for number in range(4):
            commit(place, number)
        assert next_uncommitted(place, 10) == []

    def test_the_next_uncommitted_ones(self, place: Workplace) -> None:
        commit(place, 1)
        assert next_uncommitted(place, 2) == [0, 2]
        assert next_uncommitted(place, 10) == [0, 2, 3]

    def test_a_changed_corpus_file_is_refused_and_the_field_is_named(self, place: Workplace) -> None:
        preflight(place)
        commit(place)
        changed = with_spec(place, prompts={"system": "You write long stories."})
        for refuse in (lambda: plan(changed, [0, 1]), lambda: generate(changed, 0), lambda: publish(changed, 0)):
            with pytest.raises(FingerprintMismatch, match=r"what differs: prompts\.system"):
                refuse()


class TestResume:
    def test_another_worker_goes_on_where_one_has_died(self, place: Workplace, engine: FakeEngineProcess) -> None:
        quick = with_spec(place, engines={"list_size": 5, "in_flight": 10})
        engine.faults(mode="die", after=9)
        with pytest.raises(EnginesDown):
            generate(replace(quick, patience=Patience(outage_s=0.5)), 0)
        kept = staged_keys(quick)
        assert 1 <= len(kept) <= 2
        engine.start()
        assert generate(replace(quick, run_id="run-2"), 0)["phrases"] == 60
        assert engine.state()["phrases"] == 60 - 20 * len(kept)
        write(quick)
        publish(quick, 0)
        manifest = quick.store.manifest(0)
        assert manifest is not None
        assert sorted(manifest.facts.run_ids) == ["run-1", "run-2"]

    def test_a_changed_corpus_file_does_not_mix_with_what_is_staged(self, place: Workplace) -> None:
        preflight(place)
        generate(place, 0)
        with pytest.raises(FingerprintMismatch, match=r"sampling\.temperature"):
            generate(with_spec(place, sampling={"temperature": 0.5}), 0)


class TestGate:
    def test_a_shard_that_fails_is_quarantined_and_written_anew_with_other_prompts(
        self, place: Workplace, engine: FakeEngineProcess, s3_server: S3Server
    ) -> None:
        strict = with_spec(place, gate={"min_mean_chars": 139})
        generate(strict, 0)
        with pytest.raises(GateFailed) as error:
            validate(strict, 0)
        [held] = quarantined(strict.store)
        message = str(error.value)
        assert message.startswith("tiny shard-00000 failed the gate: mean characters a phrase: ")
        assert "(limit: 139 to 140, ±" in message
        assert strict.store.url(held.key) in message
        assert "phrasemill quarantine show tiny 0" in message
        assert staged_keys(strict) == []
        assert strict.store.committed() == []
        with pytest.raises(StagingIncomplete, match="3 of 3 staged blocks"):
            validate(strict, 0)
        generate(strict, 0)
        rows, _ = ShardStaging(strict.store, shard_of(strict.spec, 0)).rows()
        assert set(rows.column("attempt").to_pylist()) == {1}
        relaxed = with_spec(place)  # thresholds decide no text: what is staged fits
        validate(relaxed, 0)
        assert publish(relaxed, 0)["committed"]

    def test_discarding_its_rows_does_not_bring_their_attempts_back(self, place: Workplace) -> None:
        strict = with_spec(place, gate={"min_mean_chars": 139})
        for expected in (0, 1, 2):
            generate(strict, 0)
            rows, _ = ShardStaging(strict.store, shard_of(strict.spec, 0)).rows()
            assert min(rows.column("attempt").to_pylist()) == expected
            with pytest.raises(GateFailed):
                validate(strict, 0)
            discard(strict.store, quarantined(strict.store)[-1], by="anna")

    def test_an_accepted_shard_is_done(self, place: Workplace, engine: FakeEngineProcess) -> None:
        strict = with_spec(place, gate={"min_mean_chars": 139})
        generate(strict, 0)
        with pytest.raises(GateFailed):
            validate(strict, 0)
        accept(strict.store, shard_of(strict.spec, 0), quarantined(strict.store)[-1], by="anna", reason="a test")
        engine.kill()  # not even needed
        assert plan(strict, [0]) == []
        for step in (generate, validate, publish):
            assert step(strict, 0)["committed"]

    def test_blocks_that_outlive_a_failed_gate_are_written_anew(
        self, place: Workplace, s3_server: S3Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        strict = with_spec(place, gate={"min_mean_chars": 139})
        generate(strict, 0)
        with s3_proxy(s3_server.endpoint) as proxy:
            proxy.on("DELETE", "/staging/", "forge", status=403)
            bucket = Bucket(S3Server.client(proxy.url), place.store.bucket.name)
            with pytest.raises(StoreError):
                validate(replace(strict, store=CorpusStore(bucket, strict.spec)), 0)
        assert len(quarantined(strict.store)) == 1
        assert len(staged_keys(strict)) == 3
        generate(strict, 0)
        assert "have failed the gate already and are written anew" in caplog.text
        rows, _ = ShardStaging(strict.store, shard_of(strict.spec, 0)).rows()
        assert min(rows.column("attempt").to_pylist()) == 1

    def test_the_whole_verdict_lies_beside_the_manifest(self, place: Workplace) -> None:
        commit(place)
        manifest = place.store.manifest(0)
        assert manifest is not None
        whole = Verdict.model_validate_json(place.store.bucket.get(manifest.verdict_key) or b"")
        assert whole.passed
        assert whole.model_dump(mode="json", exclude={"samples"}) == manifest.verdict


class TestPublish:
    def test_without_a_verdict_it_refuses(self, place: Workplace) -> None:
        generate(place, 0)
        with pytest.raises(StagingIncomplete, match="has no verdict; run validate"):
            publish(place, 0)
        assert place.store.committed() == []

    def test_blocks_written_anew_after_the_gate_pass_it_once_more(
        self, place: Workplace, caplog: pytest.LogCaptureFixture
    ) -> None:
        alike = ("near-duplicate phrases", "share of the most common opening")
        place = with_spec(place, gate={"severity": dict.fromkeys(alike, "warning")})
        write(place)
        write_alike(place, blocks=(1, 2))
        publish(place, 0)
        assert "blocks were written anew after the gate" in caplog.text
        manifest = place.store.manifest(0)
        assert manifest is not None
        near = [one for one in manifest.verdict["expectations"] if one["name"] == "near-duplicate phrases"]
        assert [one["passed"] for one in near] == [False]  # of the new rows, not of those that validate saw

    def test_blocks_written_anew_after_the_gate_that_fail_it_are_not_committed(self, place: Workplace) -> None:
        write(place)
        write_alike(place, blocks=(1, 2))
        with pytest.raises(GateFailed, match="near-duplicate phrases"):
            publish(place, 0)
        assert place.store.committed() == []
        assert len(quarantined(place.store)) == 1

    def test_a_block_lost_after_the_gate_is_refused(self, place: Workplace) -> None:
        write(place)
        place.store.bucket.delete([place.store.keys.block(shard_of(place.spec, 0), 2)])
        with pytest.raises(StagingIncomplete, match="block 2 first"):
            publish(place, 0)

    def test_after_a_death_before_the_manifest_the_same_object_is_committed(
        self, place: Workplace, s3_server: S3Server
    ) -> None:
        write(place)
        with s3_proxy(s3_server.endpoint) as proxy:
            proxy.on("PUT", "/manifests/", "forge", status=403)
            bucket = Bucket(S3Server.client(proxy.url), place.store.bucket.name)
            with pytest.raises(StoreError):
                publish(replace(place, store=CorpusStore(bucket, place.spec)), 0)
        publish(place, 0)
        data = list(place.store.bucket.entries(f"{place.store.keys.root}/shards/"))
        manifest = place.store.manifest(0)
        assert manifest is not None
        assert [entry.key for entry in data] == [manifest.data_key]

    @pytest.mark.parametrize("content", [b"", b"[]", b'{"texts": "x"}', json.dumps({"verdict": {}}).encode()])
    def test_a_verdict_that_makes_no_sense_is_refused(self, place: Workplace, content: bytes) -> None:
        write(place)
        place.store.bucket.put(place.store.keys.verdict(shard_of(place.spec, 0)), content)
        with pytest.raises(StagingIncomplete, match=r"verdict\.json: is no verdict of this version"):
            publish(place, 0)
