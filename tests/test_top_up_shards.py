"""Top-up shards, numbered after the corpus's own: told apart wherever a corpus is looked at, and nowhere lost."""

import io

import pytest
from rich.console import Console

from phrasemill.cli.status import status_table
from phrasemill.corpus_state import CorpusState, corpus_state, shard_cell, shard_cells
from phrasemill.manifest import Totals
from phrasemill.report.night import summarise_corpus
from phrasemill.report.page import render_report
from phrasemill.snapshot import Snapshot
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.verify import verify
from phrasemill.web.corpus_figures import corpus_figures
from phrasemill.web.shard_grid import shard_grid
from tests.release.committing import commit, memory_store
from tests.servers import S3Server
from tests.snapshots import NOW, ago, entry, saved, snapshot_of
from tests.specs import make_spec
from tests.verdicts import make_verdict


@pytest.fixture
def spec() -> CorpusSpec:
    """Four shards, three a night: the last night would own shards 4 and 5 too if they were the corpus's own."""
    return make_spec(schedule={"cron": None, "shards_per_night": 3})


def whole(spec: CorpusSpec, *more: int, **rest: object) -> Snapshot:
    return snapshot_of([entry(spec, number) for number in (*range(4), *more)], **rest)  # type: ignore[arg-type]


def state_of(spec: CorpusSpec, snapshot: Snapshot) -> CorpusState:
    return corpus_state(spec, snapshot, now=NOW)


class TestState:
    def test_committed_ones_add_phrases_and_no_shards(self, spec: CorpusSpec) -> None:
        state = state_of(spec, whole(spec, 4, 9))
        assert (state.shards, state.committed_shards, state.phrases) == (4, 4, 360)
        assert (state.top_ups.shards, state.top_ups.phrases) == ([4, 9], 120)
        assert state.target_share == pytest.approx(1.5)
        assert [night.committed for night in state.nights] == [3, 1]
        assert state.state == "complete"

    def test_they_stand_in_for_no_missing_shard(self, spec: CorpusSpec) -> None:
        shards = [entry(spec, number) for number in (0, 1, 2, 4)]
        state = state_of(spec, snapshot_of(shards))
        assert (state.committed_shards, state.missing, state.left_phrases) == (3, [3], 60)
        assert state.state == "stopped: 1 shard missing"

    def test_what_is_written_or_held_is_told_although_the_corpus_is_complete(self, spec: CorpusSpec) -> None:
        snapshot = whole(spec, staged={5: saved(5, 15), 6: saved(9_000)}, held={4: "too short"})
        state = state_of(spec, snapshot)
        assert state.state == (
            "complete; running: 1 top-up shard; shard 4 quarantined; shard 6 begun, last saved 2026-11-20 10:30"
        )
        assert ([one.shard for one in state.running], [one.shard for one in state.begun]) == ([5], [6])
        assert state.rate_now is not None
        assert (state.missing, state.left_phrases, state.eta) == ([], 0, None)
        assert [night.state for night in state.nights] == ["complete", "complete"]

    def test_one_under_way_makes_no_night_active(self) -> None:
        spec = make_spec(schedule={"shards_per_night": 3, "start_date": "2026-11-01"})
        shards = [entry(spec, 0, started=ago(900_000)), entry(spec, 5, started=ago(70))]
        state = state_of(spec, snapshot_of(shards, staged={4: saved(5, 15)}))
        assert state.left_behind == [1, 2, 3]
        assert state.last_night == state.nights[0]

    def test_the_table_names_them(self, spec: CorpusSpec) -> None:
        console = Console(file=io.StringIO(), width=200)
        console.print(status_table(spec, state_of(spec, whole(spec, 4, 5))))
        shown = console.file.getvalue()  # type: ignore[attr-defined]
        assert "4 of 4 shards, 360 phrases, 120 of them in 2 top-up shards: 4-5" in shown


class TestPages:
    def test_cells_are_those_that_something_is_known_of(self, spec: CorpusSpec) -> None:
        cells = shard_cells(spec, whole(spec, 4, 9, held={12: "x"}), now=NOW)
        assert [(cell.shard, cell.night, cell.state) for cell in cells[3:]] == [
            (3, 1, "committed"),
            (4, None, "committed"),
            (9, None, "committed"),
            (12, None, "quarantined"),
        ]
        assert shard_cell(spec, whole(spec, 9), 9, now=NOW) == cells[5]

    def test_the_grid_has_them_apart_with_the_right_numbers(self, spec: CorpusSpec) -> None:
        snapshot = whole(spec, 4, 5, 9)
        nights = state_of(spec, snapshot).nights
        grid = shard_grid(shard_cells(spec, snapshot, now=NOW), nights, {})
        assert [(night.name, night.first, night.count) for night in grid.nights] == [
            ("Night 0, night 0", 0, 3),
            ("Night 1, night 1", 3, 1),
            ("Top-up shards", 4, 2),
            ("Top-up shards", 9, 1),
        ]

    def test_the_figures_tell_of_them(self, spec: CorpusSpec) -> None:
        share, phrases, *_ = corpus_figures(spec, state_of(spec, whole(spec, 4)), paused=False)
        assert share.more == "4 of 4 shards"
        assert (phrases.value, phrases.more) == ("300", "of 240; 60 of them in 1 top-up shard")


class TestVerify:
    @pytest.fixture
    def store(self, s3_server: S3Server) -> CorpusStore:
        store = CorpusStore(
            Bucket(s3_server.client(s3_server.endpoint), S3Server.new_bucket(s3_server.endpoint)), make_spec()
        )
        store.record_spec()
        for number in (0, 1, 2, 4):
            commit(store, number)
        return store

    def test_they_are_committed_shards_and_no_litter(self, store: CorpusStore) -> None:
        report = verify(store)
        assert report.whole
        assert (report.shards, report.committed, report.top_ups, report.missing) == (4, 3, [4], [3])
        assert report.phrases == 240
        assert "3 of 4 shards committed and top-up shards 4, 240 phrases; 1 to write: 3" in report.summary()

    def test_a_fault_in_one_is_found(self, store: CorpusStore) -> None:
        manifest = store.manifest(4)
        assert manifest
        store.bucket.delete([manifest.data_key])
        [finding] = verify(store).findings
        assert (finding.kind, finding.shard) == ("data_gone", 4)


class TestReports:
    def test_a_corpus_report_counts_them_apart(self) -> None:
        spec = make_spec(schedule={"shards_per_night": 3})
        store = memory_store(spec)
        for number in (0, 1, 2, 4):
            commit(store, number)
        manifests = store.manifests(store.committed())
        judged = [one.model_copy(update={"verdict": make_verdict().model_dump(mode="json")}) for one in manifests]
        summary = summarise_corpus(spec, judged, fingerprint="f", run_id="r", quarantined=[], now=NOW)
        assert (summary.progress.shards, summary.progress.committed.shards, summary.progress.top_ups.shards) == (
            4,
            3,
            1,
        )
        assert summary.progress.share == pytest.approx(1.0)
        assert (summary.planned, summary.missing) == ((0, 1, 2, 3, 4), (3,))
        assert summary.outlook is not None
        assert (summary.outlook.shards, summary.outlook.phrases) == (1, 60)
        assert [point.date for point in summary.trend] == ["night 0", "top-up"]
        page = " ".join(render_report(summary).split())
        assert "3 of 4 shards and 1 top-up shard," in page
        assert "240 of 240 phrases" in page

    def test_without_them_a_page_does_not_speak_of_them(self) -> None:
        spec = make_spec()
        store = memory_store(spec)
        manifest = commit(store, 0).model_copy(update={"verdict": make_verdict().model_dump(mode="json")})
        summary = summarise_corpus(spec, [manifest], fingerprint="f", run_id="r", quarantined=[], now=NOW)
        assert summary.progress.top_ups == Totals()
        page = " ".join(render_report(summary).split())
        assert "1 of 4 shards, " in page
        assert "top-up" not in page
