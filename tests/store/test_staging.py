"""Staged blocks: what is sound is reused, what is damaged is redone, what is of another corpus file is refused."""

import logging
from typing import Any

import pyarrow as pa
import pytest

from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.errors import FingerprintMismatch, StagingIncomplete, StoreUnavailable
from phrasemill.planning import blocks_of, shard_of
from phrasemill.rows import encode_rows
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.staging import ShardStaging
from tests.grinding import KeptBlock, MemoryStaging, grind
from tests.servers import S3Server, free_port
from tests.specs import make_spec
from tests.store.conftest import Proxied
from tests.store.rows import block_rows, facts_of, make_rows, stage


def staging_of(store: CorpusStore, shard: int = 0) -> ShardStaging:
    return ShardStaging(store, shard_of(store.spec, shard))


def block_key(store: CorpusStore, number: int, shard: int = 0) -> str:
    return store.keys.block(shard_of(store.spec, shard), number)


def overwrite(store: CorpusStore, number: int, content: bytes) -> None:
    store.bucket.put(block_key(store, number), content)


class TestSoundBlocks:
    def test_they_come_back_as_they_were_saved(self, store: CorpusStore, spec: CorpusSpec) -> None:
        shard = stage(store, shard=1)
        loaded = staging_of(store, 1).load()
        assert sorted(loaded) == [0, 1, 2]
        for block in blocks_of(spec, shard):
            assert loaded[block.number].rows.equals(block_rows(spec, block))
            assert loaded[block.number].facts == facts_of(block)
            assert loaded[block.number].hashes.tolist() == block_rows(spec, block)["text_hash"].to_pylist()

    def test_all_together_are_the_shard(self, store: CorpusStore, spec: CorpusSpec) -> None:
        stage(store, shard=1)
        rows, facts = staging_of(store, 1).rows()
        assert rows.to_pylist() == make_rows(spec, 60, 60).to_pylist()
        assert (facts.accepted, facts.rejects, facts.completion_tokens) == (60, {"echo": 6}, 600)

    def test_a_shard_sees_only_its_own(self, store: CorpusStore) -> None:
        stage(store, shard=1)
        assert staging_of(store, 0).load() == {}

    def test_saving_again_replaces(self, store: CorpusStore, spec: CorpusSpec) -> None:
        shard = stage(store)
        block = blocks_of(spec, shard)[1]
        staging_of(store).save(block, block_rows(spec, block, words="evening"), facts_of(block))
        assert "evening" in staging_of(store).load()[1].rows["text"][0].as_py()

    def test_clearing_removes_those_of_one_shard(self, store: CorpusStore) -> None:
        stage(store, shard=0)
        stage(store, shard=1)
        staging_of(store, 0).clear()
        assert staging_of(store, 0).load() == {}
        assert len(staging_of(store, 1).load()) == 3
        staging_of(store, 0).clear()

    def test_other_things_in_the_folder_are_passed_over(self, store: CorpusStore) -> None:
        shard = stage(store)
        store.bucket.put(store.keys.verdict(shard), b"{}")
        store.bucket.put(store.keys.staging(shard) + "0099.parquet", b"of a plan with more blocks")
        assert sorted(staging_of(store).load()) == [0, 1, 2]


class TestMissingBlocks:
    def test_they_are_told_by_number(self, store: CorpusStore) -> None:
        stage(store, without=(1, 2))
        with pytest.raises(StagingIncomplete, match=r"tiny shard-00000: 2 of 3 staged blocks .* \(block 1 first\)"):
            staging_of(store).rows()

    def test_nothing_staged_at_all(self, store: CorpusStore) -> None:
        with pytest.raises(StagingIncomplete, match=r"3 of 3.*run generate"):
            staging_of(store).rows()


class TestDamagedBlocks:
    @pytest.mark.parametrize(
        "damage",
        [
            lambda content: content[:-1],
            lambda content: content[: len(content) // 2],
            lambda content: content[:4],
            lambda content: b"",
            lambda content: content + b"x",
            lambda content: b"PAR1" + bytes(len(content) - 8) + b"PAR1",
            lambda content: b"<html>not found</html>",
            lambda content: content[:300] + bytes([content[300] ^ 8]) + content[301:],
        ],
        ids=["short-1", "half", "head", "empty", "long", "zeros", "html", "bit"],
    )
    def test_they_are_left_out_with_a_warning(
        self, store: CorpusStore, damage: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        stage(store)
        sound = store.bucket.get(block_key(store, 1))
        assert sound
        overwrite(store, 1, damage(sound))
        assert sorted(staging_of(store).load()) == [0, 2]
        assert f"{store.url(block_key(store, 1))} is damaged and redone" in caplog.text
        with pytest.raises(StagingIncomplete):
            staging_of(store).rows()

    def test_no_flipped_bit_goes_unseen(
        self, store: CorpusStore, client: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        # Page checksums cover neither the footer nor the pages' own headers: the object's sha256 does.
        stage(store)
        key = block_key(store, 1)
        written = client.get_object(Bucket=store.bucket.name, Key=key)
        content = written["Body"].read()
        for at in range(0, len(content), len(content) // 25):
            damaged = content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]
            client.put_object(Bucket=store.bucket.name, Key=key, Body=damaged, Metadata=written["Metadata"])
            assert sorted(staging_of(store).load()) == [0, 2]
        assert "not those that were written" in caplog.text

    @pytest.mark.parametrize("facts", [None, "none", {"accepted": "many"}, {"unknown": 1}])
    def test_facts_that_make_no_sense_are_damage(self, store: CorpusStore, spec: CorpusSpec, facts: object) -> None:
        shard = stage(store)
        block = blocks_of(spec, shard)[1]
        label = staging_of(store)._label(block) | ({"facts": facts} if facts else {})
        overwrite(store, 1, encode_rows(block_rows(spec, block), label))
        assert sorted(staging_of(store).load()) == [0, 2]

    def test_only_they_are_generated_again(self, store: CorpusStore, engine: FakeEngineProcess) -> None:
        stage(store)
        overwrite(store, 2, b"torn")
        loaded = staging_of(store).load()
        kept = MemoryStaging({n: KeptBlock(one.block, one.rows, one.facts) for n, one in loaded.items()})
        grind(store.spec, [engine], staging=kept)
        assert kept.saves_begun == [2]
        block = kept.blocks[2]
        staging_of(store).save(block.block, block.rows, block.facts)
        rows, _ = staging_of(store).rows()
        assert rows.num_rows == 60


class TestOtherBlocks:
    def test_blocks_of_another_size_are_redone(self, store: CorpusStore, caplog: pytest.LogCaptureFixture) -> None:
        stage(store)
        smaller = CorpusStore(store.bucket, make_spec(block_phrases=15))
        assert staging_of(smaller).load() == {}
        assert "holds other phrases than planned" in caplog.text

    def test_a_block_in_anothers_place_is_redone(self, store: CorpusStore) -> None:
        stage(store)
        content = store.bucket.get(block_key(store, 0))
        assert content
        overwrite(store, 1, content)
        assert sorted(staging_of(store).load()) == [0, 2]

    def test_a_block_that_repeats_a_text_of_another_is_redone(
        self, store: CorpusStore, spec: CorpusSpec, caplog: pytest.LogCaptureFixture
    ) -> None:
        shard = stage(store)
        block = blocks_of(spec, shard)[2]
        table = block_rows(spec, block)
        other = block_rows(spec, blocks_of(spec, shard)[0])
        for name in ("text", "text_hash"):
            at = table.schema.get_field_index(name)
            table = table.set_column(at, table.schema.field(name), other.column(name))
        staging_of(store).save(block, table, facts_of(block))
        assert sorted(staging_of(store).load()) == [0, 1]
        assert "block 2 repeats a phrase" in caplog.text

    def test_a_block_that_repeats_a_text_of_its_own_is_redone(self, store: CorpusStore, spec: CorpusSpec) -> None:
        shard = stage(store)
        block = blocks_of(spec, shard)[1]
        table = block_rows(spec, block)
        at = table.schema.get_field_index("text_hash")
        one = pa.array([7] * 20, pa.uint64())
        staging_of(store).save(block, table.set_column(at, table.schema.field("text_hash"), one), facts_of(block))
        assert sorted(staging_of(store).load()) == [0, 2]


class TestOtherFingerprints:
    def test_they_are_refused_and_the_field_is_named(self, store: CorpusStore) -> None:
        store.record_spec()
        stage(store)
        changed = CorpusStore(store.bucket, make_spec(sampling={"temperature": 0.7}))
        with pytest.raises(FingerprintMismatch) as error:
            staging_of(changed).load()
        message = str(error.value)
        assert store.url(block_key(store, 0)) in message
        assert "what differs: sampling.temperature (1.0 there, 0.7 in the corpus file)" in message
        assert "Undo the change, or give the corpus a new name" in message
        assert not error.value.retryable

    def test_without_the_old_corpus_file_that_is_said(self, store: CorpusStore) -> None:
        stage(store)
        changed = CorpusStore(store.bucket, make_spec(sampling={"temperature": 0.7}))
        with pytest.raises(FingerprintMismatch, match="fields unknown: its corpus file was not kept"):
            staging_of(changed).load()

    def test_what_does_not_decide_the_text_may_change(self, store: CorpusStore) -> None:
        stage(store)
        changed = CorpusStore(store.bucket, make_spec(title="Another", engines={"list_size": 4}))
        assert len(staging_of(changed).load()) == 3


class TestUnavailable:
    def test_a_dead_server_is_told_as_such(self, spec: CorpusSpec) -> None:
        dead = Bucket(S3Server.client(f"http://127.0.0.1:{free_port()}"), "corpora")
        with pytest.raises(StoreUnavailable):
            staging_of(CorpusStore(dead, spec)).load()

    def test_a_server_that_dies_while_blocks_are_read(self, proxied: Proxied, store: CorpusStore) -> None:
        stage(store)
        proxied.proxy.on("GET", "0001.parquet", "lose", count=None)
        with pytest.raises(StoreUnavailable, match=r"0001\.parquet"):
            staging_of(proxied.store).load()


@pytest.fixture(autouse=True)
def _log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
