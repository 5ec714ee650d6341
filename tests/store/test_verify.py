"""A corpus proved whole from its bucket alone: every kind of harm is found, named and mended without a loss."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from phrasemill.errors import StoreUnavailable
from phrasemill.facts import Facts
from phrasemill.manifest import Manifest
from phrasemill.planning import blocks_of, shard_of
from phrasemill.repair import Repaired, repair
from phrasemill.rows import encode_rows
from phrasemill.spec import CorpusSpec
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.quarantine import discard, quarantine_shard, quarantined
from phrasemill.store.staging import ShardStaging
from phrasemill.verify import verify
from phrasemill.verify_findings import Finding, Report
from tests.specs import make_spec
from tests.store.conftest import Proxied
from tests.store.rows import block_rows, facts_of, shard_rows, stage
from tests.tables import with_column

NOW = dt.timedelta(days=-1)
"""As the age of litter: everything is old enough."""
VERDICT = {"passed": True, "metrics": {"rows": 60}, "samples": [{"text": "A lamp."}]}


def commit(store: CorpusStore, shard: int, rows: Any = None) -> Manifest:
    planned = shard_of(store.spec, shard)
    rows = shard_rows(store.spec, planned) if rows is None else rows
    return commit_shard(store, planned, rows, facts=Facts(accepted=60), verdict=VERDICT, run_id="run-1")


@pytest.fixture
def corpus(store: CorpusStore) -> CorpusStore:
    """Shards 0 and 1 of four are committed."""
    store.record_spec()
    for shard in (0, 1):
        commit(store, shard)
    return store


def manifest_of(store: CorpusStore, shard: int = 0) -> Manifest:
    manifest = store.manifest(shard)
    assert manifest is not None
    return manifest


def edit_manifest(store: CorpusStore, **changes: Any) -> None:
    record = json.loads(manifest_of(store).model_dump_json()) | changes
    store.bucket.put(store.keys.manifest(0), json.dumps(record).encode())


def only(report: Report) -> Finding:
    [finding] = report.findings
    return finding


def keys(store: CorpusStore, folder: str = "") -> list[str]:
    root = f"{store.keys.root}/"
    return [entry.key.removeprefix(root) for entry in store.bucket.entries(root + folder)]


def mended(store: CorpusStore, *, deep: bool = False) -> Repaired:
    return repair(store, verify(store, deep=deep, litter_age=NOW), litter_age=NOW)


class TestWhole:
    @pytest.mark.parametrize("deep", [False, True])
    def test_a_sound_corpus_is_whole_and_says_what_is_still_to_write(self, corpus: CorpusStore, deep: bool) -> None:
        before = keys(corpus)
        report = verify(corpus, deep=deep)
        assert (report.findings, report.waiting, report.unchecked) == ([], [], [])
        assert report.whole
        assert (report.committed, report.shards, report.phrases, report.missing) == (2, 4, 120, [2, 3])
        assert report.bytes_read == sum(manifest_of(corpus, shard).data_bytes for shard in (0, 1))
        assert "tiny: whole; 2 of 4 shards committed, 120 phrases; 2 to write: 2-3; " in report.summary()
        assert keys(corpus) == before

    def test_an_empty_corpus_is_whole(self, store: CorpusStore) -> None:
        report = verify(store)
        assert report.whole
        assert report.missing == [0, 1, 2, 3]

    def test_work_under_way_is_no_fault(self, corpus: CorpusStore) -> None:
        stage(corpus, shard=2)
        for key in (corpus.keys.data(shard_of(corpus.spec, 2), "a" * 64), f"{corpus.keys.probes()}00"):
            corpus.bucket.put(key, b"x")
        report = verify(corpus)
        assert report.whole
        assert sorted(finding.kind for finding in report.waiting) == ["orphan", "probe"]
        assert repair(corpus, report).done == []
        assert len(keys(corpus, "staging/")) == 4

    def test_what_a_night_leaves_is_no_stranger(self, corpus: CorpusStore) -> None:
        corpus.bucket.put(corpus.keys.report("2026-11-23", "report.html"), b"<p>")
        corpus.bucket.put(f"{corpus.keys.root}/releases/1/README.md", b"#")
        corpus.bucket.put(corpus.keys.retracted(3, "now"), b"{}")
        assert verify(corpus).whole

    def test_a_server_that_fails_is_no_finding(self, proxied: Proxied, corpus: CorpusStore) -> None:
        proxied.proxy.on("GET", "/shards/shard-00001", "truncate", count=None)
        with pytest.raises(StoreUnavailable):
            verify(proxied.store)

    def test_a_server_that_does_not_list_uploads_is_told_of(self, proxied: Proxied, corpus: CorpusStore) -> None:
        proxied.proxy.on("GET", "uploads", "forge", status=403)
        report = verify(proxied.store)
        assert report.whole
        assert "grant s3:ListBucketMultipartUploads" in report.unchecked[0]


class TestData:
    def test_data_that_is_gone(self, corpus: CorpusStore) -> None:
        manifest = manifest_of(corpus)
        corpus.bucket.delete([manifest.data_key])
        finding = only(verify(corpus))
        assert (finding.kind, finding.shard, finding.where) == ("data_gone", 0, corpus.url(manifest.data_key))
        assert str(finding).startswith(
            f"data_gone: {corpus.url(manifest.data_key)}: the committed data is gone; restore"
        )

    @pytest.mark.parametrize("damage", [lambda it: it[:-1], lambda it: b"", lambda it: it[:9] + b"!" + it[10:]])
    def test_data_that_is_damaged(self, corpus: CorpusStore, damage: Callable[[bytes], bytes]) -> None:
        key = manifest_of(corpus).data_key
        corpus.bucket.put(key, damage(corpus.bucket.get(key) or b""))
        finding = only(verify(corpus))
        assert (finding.kind, finding.key) == ("data_damaged", key)
        assert "are not the" in finding.what

    def test_data_that_the_disk_damaged(self, corpus: CorpusStore, client: Any) -> None:
        key = manifest_of(corpus).data_key
        written = client.get_object(Bucket=corpus.bucket.name, Key=key)
        client.put_object(Bucket=corpus.bucket.name, Key=key, Body=b"rotten", Metadata=written["Metadata"])
        assert only(verify(corpus)).kind == "data_damaged"

    def committed_anyhow(self, store: CorpusStore, rows: Any) -> Report:
        store.record_spec()
        commit(store, 0, rows)
        return verify(store)

    def rows(self, spec: CorpusSpec, shard: int = 0) -> Any:
        return shard_rows(spec, shard_of(spec, shard))

    def test_ids_of_another_shard(self, store: CorpusStore) -> None:
        report = self.committed_anyhow(store, self.rows(store.spec, 1))
        assert "its ids are not 0 to 59 in order: 60 outside that range, 0 repeated" in only(report).what

    def test_ids_that_repeat(self, store: CorpusStore) -> None:
        rows = self.rows(store.spec)
        ids = [0, *range(59)]
        report = self.committed_anyhow(store, with_column(rows, "phrase_id", ids))
        assert "0 outside that range, 1 repeated" in only(report).what

    def test_texts_that_repeat(self, store: CorpusStore) -> None:
        rows = self.rows(store.spec)
        hashes = rows["text_hash"].to_pylist()
        report = self.committed_anyhow(store, with_column(rows, "text_hash", [hashes[1], *hashes[1:]]))
        assert only(report).what == "1 rows repeat a text of the shard"

    def test_too_few_rows(self, store: CorpusStore) -> None:
        report = self.committed_anyhow(store, self.rows(store.spec).slice(0, 59))
        assert {finding.what for finding in report.findings} == {
            "says rows 59 where 60 must stand",
            "has 59 rows, a shard has 60",
        }

    def test_a_manifest_that_counts_other_characters(self, corpus: CorpusStore) -> None:
        edit_manifest(corpus, chars=1)
        assert "its manifest says 1 and" in only(verify(corpus)).what

    @pytest.mark.parametrize(
        ("column", "change", "what"),
        [
            ("text", lambda texts: texts[::-1], "60 rows have a text_hash"),
            ("chars", lambda chars: [chars[0] + 1, chars[1] - 1, *chars[2:]], "rows have another number of char"),
            ("scene", lambda scenes: [7] * 60, "rows have another scene than the corpus file gives"),
            ("template", lambda names: ["seen"] * 60, "rows have another template than"),
            ("slots", lambda slots: [[("object", "a bell")]] * 60, "rows have another slots than"),
            ("lang", lambda languages: ["ru"] * 60, "rows of another language than en"),
            ("attempt", lambda attempts: [1] * 60, "rows have another slots than"),
        ],
    )
    def test_only_a_deep_look_recomputes_the_rows(
        self, store: CorpusStore, column: str, change: Callable[[list[Any]], list[Any]], what: str
    ) -> None:
        rows = self.rows(store.spec)
        rows = with_column(rows, column, change(rows[column].to_pylist()))
        assert self.committed_anyhow(store, rows).whole
        assert any(finding.what.startswith(what) for finding in verify(store, deep=True).findings)


class TestManifest:
    @pytest.mark.parametrize(
        ("changes", "what"),
        [
            ({"corpus": "other"}, "says corpus 'other' where 'tiny' must stand"),
            ({"shard": 1}, "says shard 1 where 0 must stand"),
            ({"first_id": 60}, "says first_id 60 where 0 must stand"),
            ({"data_key": "elsewhere.parquet"}, "says data_key 'elsewhere.parquet' where"),
        ],
    )
    def test_one_that_contradicts_its_own_key(self, corpus: CorpusStore, changes: dict[str, Any], what: str) -> None:
        edit_manifest(corpus, **changes)
        report = verify(corpus)
        assert any(finding.kind == "manifest" and finding.what.startswith(what) for finding in report.findings)

    @pytest.mark.parametrize("content", [b"", b"{", b'{"format": 99}'])
    def test_one_that_cannot_be_read_protects_its_data(self, corpus: CorpusStore, content: bytes) -> None:
        data = manifest_of(corpus).data_key
        corpus.bucket.put(corpus.keys.manifest(0), content)
        report = verify(corpus, litter_age=NOW)
        assert only(report).kind == "manifest"
        assert repair(corpus, report, litter_age=NOW).left == report.findings
        assert corpus.bucket.get(data)

    def test_another_version_of_the_corpus_file_is_told_once_with_the_field(self, corpus: CorpusStore) -> None:
        changed = CorpusStore(corpus.bucket, make_spec(rules={"max_chars": 200}))
        finding = only(verify(changed))
        assert finding.kind == "fingerprint"
        assert "shards 0-1 were made from another version" in finding.what
        assert "rules.max_chars (160 there, 200 in the corpus file)" in finding.what

    def test_a_corpus_file_that_was_not_kept(self, corpus: CorpusStore) -> None:
        corpus.bucket.delete([corpus.keys.spec(corpus.fingerprint)])
        assert only(verify(corpus)).kind == "spec"
        assert mended(corpus).left == []
        assert verify(corpus).whole

    def test_a_verdict_that_is_gone_is_written_anew(self, corpus: CorpusStore) -> None:
        manifest = manifest_of(corpus)
        corpus.bucket.delete([manifest.verdict_key])
        assert only(verify(corpus)).kind == "verdict"
        assert mended(corpus).left == []
        assert verify(corpus, deep=True).whole
        assert json.loads(corpus.bucket.get(manifest.verdict_key) or b"") == manifest.verdict

    def test_a_verdict_of_something_else_is_found_by_a_deep_look(self, corpus: CorpusStore) -> None:
        corpus.bucket.put(manifest_of(corpus).verdict_key, b'{"passed": false}')
        assert verify(corpus).whole
        report = verify(corpus, deep=True)
        assert only(report).kind == "verdict"
        assert repair(corpus, report).left == report.findings


class TestLitter:
    def test_what_a_killed_commit_left_is_removed_once_it_is_old(self, corpus: CorpusStore) -> None:
        planned = shard_of(corpus.spec, 2)
        left = [corpus.keys.data(planned, "a" * 64), corpus.keys.judged(planned, "a" * 64)]
        for key in left:
            corpus.bucket.put(key, b"x")
        assert verify(corpus).whole
        report = verify(corpus, litter_age=NOW)
        assert [finding.kind for finding in report.findings] == ["orphan", "orphan"]
        assert repair(corpus, report).done == []  # a day has not gone by
        assert len(repair(corpus, report, litter_age=NOW).done) == 2
        assert not set(keys(corpus)) & {key.removeprefix(f"{corpus.keys.root}/") for key in left}
        assert verify(corpus, deep=True, litter_age=NOW).whole

    def test_data_is_kept_while_its_staged_blocks_may_still_be_committed(self, corpus: CorpusStore) -> None:
        planned = stage(corpus, shard=2)
        corpus.bucket.put(corpus.keys.data(planned, "a" * 64), b"x")
        report = verify(corpus, litter_age=NOW)
        assert repair(corpus, report, litter_age=NOW).left == report.findings
        assert len(keys(corpus, "shards/")) == 3

    def test_data_that_was_committed_meanwhile_is_kept(self, corpus: CorpusStore) -> None:
        planned = shard_of(corpus.spec, 2)
        content = encode_rows(shard_rows(corpus.spec, planned))
        corpus.bucket.put(corpus.keys.data(planned, hashlib.sha256(content).hexdigest()), content)
        report = verify(corpus, litter_age=NOW)
        assert only(report).kind == "orphan"
        commit(corpus, 2)
        assert repair(corpus, report, litter_age=NOW).done == []
        assert verify(corpus, litter_age=NOW).whole

    def test_staging_of_a_committed_shard(self, corpus: CorpusStore) -> None:
        stage(corpus, shard=0)
        stage(corpus, shard=2)
        finding = only(verify(corpus))
        assert (finding.kind, finding.shard) == ("staging", 0)
        assert mended(corpus).left == []
        assert {key.split("/")[1] for key in keys(corpus, "staging/")} == {"00002"}

    def test_staging_of_a_shard_whose_data_is_damaged_is_all_there_may_be(self, corpus: CorpusStore) -> None:
        stage(corpus, shard=0)
        corpus.bucket.put(manifest_of(corpus).data_key, b"rotten")
        done = mended(corpus)
        assert [finding.kind for finding in done.left] == ["data_damaged", "staging"]
        assert len(keys(corpus, "staging/")) == 3

    def test_probes_and_unfinished_uploads(self, corpus: CorpusStore, client: Any) -> None:
        corpus.bucket.put(f"{corpus.keys.probes()}0123", b"x")
        client.create_multipart_upload(Bucket=corpus.bucket.name, Key=f"{corpus.keys.root}/shards/large.parquet")
        report = verify(corpus, litter_age=NOW)
        assert sorted(finding.kind for finding in report.findings) == ["probe", "upload"]
        assert repair(corpus, report, litter_age=NOW).left == []
        assert verify(corpus, litter_age=NOW).whole

    @pytest.mark.parametrize("key", ["shards/mine.txt", "staging/notes", "elsewhere/mine.txt"])
    def test_what_is_not_ours_is_told_and_left_alone(self, corpus: CorpusStore, key: str) -> None:
        corpus.bucket.put(f"{corpus.keys.root}/{key}", b"x")
        report = verify(corpus, litter_age=NOW)
        assert only(report).kind == "stray"
        assert repair(corpus, report, litter_age=NOW).left == report.findings
        assert key in keys(corpus)


class TestQuarantine:
    def hold(self, store: CorpusStore) -> str:
        planned = shard_of(store.spec, 2)
        rows = shard_rows(store.spec, planned)
        facts = Facts(accepted=60)
        return quarantine_shard(
            store, planned, rows, facts=facts, verdict={"passed": False}, reason="too short", note="n", run_id="run-1"
        )

    @pytest.mark.parametrize("deep", [False, True])
    def test_a_whole_record_is_no_fault_nor_is_one_whose_rows_were_discarded(
        self, corpus: CorpusStore, deep: bool
    ) -> None:
        self.hold(corpus)
        assert verify(corpus, deep=deep).whole
        discard(corpus, quarantined(corpus)[0], by="anna")
        assert verify(corpus, deep=deep).whole

    def test_rows_that_are_gone(self, corpus: CorpusStore) -> None:
        key = self.hold(corpus)
        corpus.bucket.delete([key.replace("verdict.json", "rows.parquet")])
        finding = only(verify(corpus))
        assert finding.kind == "quarantine"
        assert "phrasemill quarantine discard tiny 2" in finding.mend

    def test_rows_that_are_damaged_are_found_by_a_deep_look(self, corpus: CorpusStore) -> None:
        corpus.bucket.put(self.hold(corpus).replace("verdict.json", "rows.parquet"), b"rotten")
        assert verify(corpus).whole
        assert only(verify(corpus, deep=True)).kind == "quarantine"

    def test_a_record_that_cannot_be_read_is_never_removed(self, corpus: CorpusStore) -> None:
        key = self.hold(corpus)
        corpus.bucket.put(key, b"{}")
        report = verify(corpus, litter_age=NOW)
        assert only(report).kind == "quarantine"
        assert repair(corpus, report, litter_age=NOW).left == report.findings

    def test_rows_without_a_record_are_litter(self, corpus: CorpusStore) -> None:
        corpus.bucket.delete([self.hold(corpus)])
        assert verify(corpus).whole
        assert len(mended(corpus).done) == 2
        assert keys(corpus, "quarantine/") == []


class TestRewriting:
    def test_a_shard_whose_data_is_gone_is_planned_again_and_its_manifest_kept(self, corpus: CorpusStore) -> None:
        manifest = manifest_of(corpus)
        stage(corpus, shard=0)
        corpus.bucket.delete([manifest.data_key])
        done = mended(corpus)
        assert done.rewrite == [0, 2, 3]
        assert "took back the commit of shard-00000, whose data is gone" in done.done[0]
        assert corpus.committed() == [1]
        [kept] = keys(corpus, "retracted/")
        assert Manifest.model_validate_json(corpus.bucket.get(f"{corpus.keys.root}/{kept}") or b"") == manifest
        assert len(keys(corpus, "staging/")) == 3  # they make writing it again quick
        commit(corpus, 0)
        assert verify(corpus, deep=True).whole

    def test_data_that_comes_back_keeps_its_commit(self, corpus: CorpusStore) -> None:
        manifest = manifest_of(corpus)
        content = corpus.bucket.get(manifest.data_key) or b""
        corpus.bucket.delete([manifest.data_key])
        report = verify(corpus)
        corpus.bucket.put(manifest.data_key, content)
        assert repair(corpus, report).done == []
        assert verify(corpus).whole

    def test_damaged_data_is_never_removed(self, corpus: CorpusStore) -> None:
        key = manifest_of(corpus).data_key
        corpus.bucket.put(key, b"rotten")
        report = verify(corpus, litter_age=NOW)
        assert repair(corpus, report, litter_age=NOW).left == report.findings
        assert corpus.bucket.get(key) == b"rotten"
        assert corpus.committed() == [0, 1]

    def test_repairing_a_whole_corpus_changes_nothing(self, proxied: Proxied, corpus: CorpusStore) -> None:
        done = repair(proxied.store, verify(proxied.store))
        assert (done.done, done.left, done.rewrite) == ([], [], [2, 3])
        assert {method for method, _, _ in proxied.proxy.seen} == {"GET"}

    def test_a_shard_that_resumes_after_a_repair_is_whole(self, corpus: CorpusStore) -> None:
        corpus.bucket.delete([manifest_of(corpus).data_key])
        mended(corpus)
        planned = shard_of(corpus.spec, 0)
        staging = ShardStaging(corpus, planned)
        for block in blocks_of(corpus.spec, planned):
            staging.save(block, block_rows(corpus.spec, block, words="evening"), facts_of(block))
        rows, facts = staging.rows()
        commit_shard(corpus, planned, rows, facts=facts, verdict=VERDICT, run_id="run-2")
        assert verify(corpus, deep=True, litter_age=NOW).whole
