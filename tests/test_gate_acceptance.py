"""Accepting a quarantined shard: as it is, on somebody's word, once, and never rows that are not its own."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from phrasemill.acceptance import accept
from phrasemill.errors import FingerprintMismatch, QuarantineError, StoreError
from phrasemill.facts import Facts
from phrasemill.gate import check_shard
from phrasemill.gate.note import quarantine_note
from phrasemill.planning import shard_of
from phrasemill.rows import decode_rows
from phrasemill.store.bucket import Bucket
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.quarantine import Quarantined, held_rows, quarantine_shard, quarantined
from tests.servers import S3Server
from tests.specs import make_spec
from tests.store.s3_proxy import s3_proxy
from tests.tables import make_rows, sentences, with_column

FACTS = Facts(accepted=60, rejects={"meta": 6})
REASON = "the short style is wanted here"


@pytest.fixture
def store(s3_server: S3Server) -> CorpusStore:
    bucket = Bucket(S3Server.client(s3_server.endpoint), S3Server.new_bucket(s3_server.endpoint))
    return CorpusStore(bucket, make_spec())


def alike() -> list[str]:
    """Sixty texts, the second half as good as the first half: near-duplicates."""
    texts = sentences(60)
    return texts[:30] + [f"{text.removesuffix('.')} quietly." for text in texts[:30]]


def hold(store: CorpusStore, rows: pa.Table | None = None) -> Quarantined:
    """Quarantine shard 0 with rows that the gate fails."""
    shard = shard_of(store.spec, 0)
    rows = make_rows(store.spec, shard, texts=alike()) if rows is None else rows
    verdict = check_shard(rows, spec=store.spec, shard=shard, facts=FACTS, fingerprint=store.fingerprint)
    assert not verdict.passed
    note = quarantine_note(verdict, corpus=store.spec.name, shard=shard, run_id="run-1")
    record = verdict.model_dump(mode="json")
    reason = verdict.reason()
    quarantine_shard(store, shard, rows, facts=FACTS, verdict=record, reason=reason, note=note, run_id="run-1")
    return quarantined(store)[-1]


def spoilt(store: CorpusStore, spoil: Callable[[pa.Table], pa.Table]) -> pa.Table:
    return spoil(make_rows(store.spec, shard_of(store.spec, 0)))


class TestAccept:
    def test_the_rows_are_committed_as_they_are_with_who_when_and_why(self, store: CorpusStore) -> None:
        item = hold(store)
        accept(store, shard_of(store.spec, 0), item, by="anna", reason=f" {REASON} ")
        manifest = store.manifest(0)
        assert manifest is not None
        content = store.bucket.get(manifest.data_key) or b""
        assert decode_rows(content, source="data")[0].equals(held_rows(store, item))
        assert manifest.accepted is not None
        assert (manifest.accepted.by, manifest.accepted.reason) == ("anna", REASON)
        assert manifest.accepted.quarantine_key == item.key
        assert manifest.accepted.at.utcoffset() is not None
        assert [failed.partition(":")[0] for failed in manifest.accepted.failed] == ["near-duplicate phrases"]
        assert (manifest.run_id, manifest.facts) == ("run-1", FACTS)
        assert manifest.verdict["passed"] is False

    def test_it_needs_a_reason(self, store: CorpusStore) -> None:
        item = hold(store)
        with pytest.raises(QuarantineError, match="give a reason"):
            accept(store, shard_of(store.spec, 0), item, by="anna", reason="  ")
        assert store.committed() == []

    def test_thresholds_that_were_relaxed_meanwhile_count(self, store: CorpusStore) -> None:
        item = hold(store)
        relaxed = CorpusStore(store.bucket, make_spec(gate={"max_near_duplicate_share": 0.6}))
        manifest = accept(relaxed, shard_of(store.spec, 0), item, by="anna", reason=REASON)
        assert manifest.accepted is not None
        assert manifest.accepted.failed == ()
        assert manifest.verdict["passed"] is True


class TestRefusal:
    def test_a_shard_that_is_committed(self, store: CorpusStore) -> None:
        item = hold(store)
        accept(store, shard_of(store.spec, 0), item, by="anna", reason=REASON)
        with pytest.raises(QuarantineError, match="tiny shard-00000 is committed already, by run run-1 at 20"):
            accept(store, shard_of(store.spec, 0), item, by="boris", reason=REASON)
        manifest = store.manifest(0)
        assert manifest is not None
        assert manifest.accepted is not None
        assert manifest.accepted.by == "anna"

    def test_a_shard_that_is_committed_in_the_same_moment(self, store: CorpusStore, s3_server: S3Server) -> None:
        item, shard = hold(store), shard_of(store.spec, 0)

        def win() -> None:
            rows = make_rows(store.spec, shard)
            commit_shard(store, shard, rows, facts=FACTS, verdict={"passed": True}, run_id="night-2")

        with s3_proxy(s3_server.endpoint) as proxy:
            proxy.on("PUT", "/manifests/", "pass", before=win)
            late = CorpusStore(Bucket(S3Server.client(proxy.url), store.bucket.name), store.spec)
            with pytest.raises(QuarantineError, match="committed already, by run night-2"):
                accept(late, shard, item, by="anna", reason=REASON)
        manifest = store.manifest(0)
        assert manifest is not None
        assert manifest.accepted is None
        prefixes = [f"{store.keys.root}/{kind}/" for kind in ("shards", "verdicts")]
        kept = [entry.key for prefix in prefixes for entry in store.bucket.entries(prefix)]
        assert kept == [manifest.data_key, manifest.verdict_key]

    def test_rows_of_another_corpus_file(self, store: CorpusStore) -> None:
        store.record_spec()
        item = hold(store)
        changed = CorpusStore(store.bucket, make_spec(sampling={"temperature": 0.5}))
        with pytest.raises(FingerprintMismatch, match=r"sampling\.temperature"):
            accept(changed, shard_of(store.spec, 0), item, by="anna", reason=REASON)

    @pytest.mark.parametrize(
        ("spoil", "named"),
        [
            (lambda rows: rows.slice(1), "phrases in the shard: 59"),
            (lambda rows: with_column(rows, "phrase_id", [0, *range(59)]), "phrase ids are unique: 2 of 60 repeated"),
            (lambda rows: with_column(rows, "phrase_id", list(range(60, 120))), "first phrase id: 60"),
            (lambda rows: with_column(rows, "text_hash", [7] * 60), "texts are unique in the shard: 60 of 60"),
            (
                lambda rows: with_column(rows, "text_hash", list(range(60))),
                "text_hash belongs to the text: 60 of 60 wrong",
            ),
            (lambda rows: with_column(rows, "scene", [9] * 60), "coordinates are those of the plan"),
        ],
        ids=["a row is missing", "an id twice", "other ids", "a text twice", "other hashes", "other coordinates"],
    )
    def test_rows_that_are_not_the_shards(
        self, store: CorpusStore, spoil: Callable[[pa.Table], pa.Table], named: str
    ) -> None:
        item = hold(store, spoilt(store, spoil))
        with pytest.raises(QuarantineError, match=rf"cannot be accepted: .*{named}"):
            accept(store, shard_of(store.spec, 0), item, by="anna", reason=REASON)
        assert store.committed() == []

    def test_rows_that_were_exchanged_in_the_bucket(self, store: CorpusStore) -> None:
        item = hold(store)
        store.bucket.put(item.rows_key, b"PAR1 of something else PAR1")
        with pytest.raises(StoreError, match=r"rows\.parquet: is damaged"):
            accept(store, shard_of(store.spec, 0), item, by="anna", reason=REASON)


class TestNote:
    def test_it_says_what_failed_shows_rows_and_what_can_be_done(self, store: CorpusStore) -> None:
        item = hold(store)
        note = (store.bucket.get(item.key.replace("verdict.json", "reason.txt")) or b"").decode()
        assert note.startswith(
            "tiny shard-00000 failed the gate in run run-1.\n\nFailed:\n- near-duplicate phrases: 50 %"
        )
        assert "    phrase 30 shares 93% of its words with phrase 0: " in note
        assert "phrasemill quarantine accept tiny 0 --reason" in note

    def test_it_offers_no_acceptance_of_rows_that_are_not_the_shards(self, store: CorpusStore) -> None:
        item = hold(store, spoilt(store, lambda rows: rows.slice(1)))
        note = (store.bucket.get(item.key.replace("verdict.json", "reason.txt")) or b"").decode()
        assert "quarantine accept" not in note
        assert "It cannot be accepted as it is" in note

    def test_hostile_text_is_spelled_out(self, store: CorpusStore) -> None:
        texts = alike()
        texts[30] = f"\x1b[31m{texts[30]}\u202e"
        item = hold(store, make_rows(store.spec, shard_of(store.spec, 0), texts=texts))
        note = (store.bucket.get(item.key.replace("verdict.json", "reason.txt")) or b"").decode()
        assert "<U+001B>[31m" in note
        assert "<U+202E>" in note
        assert all(character == "\n" or character.isprintable() for character in note)
