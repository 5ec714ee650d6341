"""A whole release in one process: all its steps, and the same bytes however often it is killed."""

import datetime as dt
import hashlib
import io
import threading
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest

from phrasemill.errors import ObjectDamaged
from phrasemill.release.errors import NotCovered, ReleaseExists, ReleaseQuarantined, ReleaseShort, WorkMissing
from phrasemill.release.keys import ReleaseKeys
from phrasemill.release.manifest import ReleaseManifest, read_manifest
from phrasemill.release.plan import ReleasePlan
from phrasemill.release.planning import plan_release
from phrasemill.release.run import STEPS, OnStep, run_release, threads_for
from phrasemill.release.short import latest_short
from phrasemill.store.corpus_store import CorpusStore
from tests.release.committing import changed, commit, copy_of, memory_store, objects_of, sentence
from tests.specs import make_spec

NOW = dt.datetime(2026, 12, 1, 8, 30, tzinfo=dt.UTC)
Seen = list[tuple[str, int, int]]


class Killed(BaseException):
    """What a kill is to a thread: nothing of ours catches it."""


def corpus(*, shards: int = 4, **overrides: Any) -> CorpusStore:
    """240 phrases for a target of 120: from the 30th on every tenth nearly, every fifteenth wholly an earlier one."""
    store = memory_store(make_spec(**({"target_phrases": 120, "oversample": 1.0} | overrides)))
    for number in range(shards):
        commit(store, number, [text_of(one) for one in range(number * 60, (number + 1) * 60)])
    return store


def text_of(phrase_id: int) -> str:
    if phrase_id >= 30 and phrase_id % 15 == 0:
        return sentence(phrase_id - 29)
    if phrase_id >= 30 and phrase_id % 10 == 9:
        return changed(sentence(phrase_id - 28), "otherwise")
    return sentence(phrase_id)


def released(store: CorpusStore) -> dict[str, str]:
    """All that lies under releases/, by key."""
    return {key: hashlib.sha256(held).hexdigest() for key, held in objects_of(store).items() if "/releases/" in key}


@pytest.fixture(scope="module")
def committed() -> CorpusStore:
    """A corpus that is not released yet; tests take copies."""
    return corpus()


@pytest.fixture(scope="module")
def whole(committed: CorpusStore) -> tuple[CorpusStore, ReleaseManifest, Seen]:
    """A release made in one go, and the steps as they were told."""
    store, seen = copy_of(committed), Seen()
    manifest = run_release(store, "v1", now=NOW, on_step=lambda *told: seen.append(told))
    return store, manifest, seen


Whole = tuple[CorpusStore, ReleaseManifest, Seen]


class TestInOneGo:
    def test_exactly_the_target_is_published_each_phrase_once(self, whole: Whole) -> None:
        store, manifest, _ = whole
        assert (manifest.version, manifest.phrases, manifest.committed, manifest.created_at) == ("v1", 120, 240, NOW)
        assert read_manifest(store, "v1") == manifest
        keys = ReleaseKeys.of(store.keys.root, "v1")
        rows = pq.read_table(io.BytesIO(objects_of(store)[keys.file("data/train-00000-of-00001.parquet")])).to_pylist()
        ids = [row["phrase_id"] for row in rows]
        expected = [one for one in range(240) if text_of(one) == sentence(one)]
        assert ids == expected[:120]
        assert [row["text"] for row in rows] == [sentence(one) for one in ids]

    def test_what_is_dropped_is_counted(self, whole: Whole) -> None:
        store, manifest, _ = whole
        repeats = sum(one % 15 == 0 for one in range(30, 240))
        near = sum(one % 10 == 9 for one in range(30, 240))
        assert (manifest.dropped_exact, manifest.dropped_near) == (repeats, near)
        assert read_manifest(store, "v2") is None

    def test_nothing_but_its_files_manifest_and_plan_is_left(self, whole: Whole) -> None:
        store, manifest, _ = whole
        keys = ReleaseKeys.of(store.keys.root, "v1")
        files = {keys.file(entry.path): entry.sha256 for entry in manifest.files}
        left = released(store)
        assert left.keys() == files.keys() | {keys.manifest, keys.plan}
        assert {key: left[key] for key in files} == files

    def test_every_step_is_told_from_none_to_all_of_its_pieces(self, whole: Whole) -> None:
        _, _, seen = whole
        names = list(dict.fromkeys(name for name, _, _ in seen))
        assert names == ["plan", *(step.name for step in STEPS if step.name != "deal"), "publish"]
        for name in names:
            told = [(done, of) for step, done, of in seen if step == name]
            assert told == [(done, told[0][1]) for done in range(told[0][1] + 1)]

    def test_a_published_version_is_not_made_again(self, whole: Whole) -> None:
        store, _, _ = whole
        before = released(store)
        with pytest.raises(ReleaseExists, match="such as v2"):
            run_release(store, "v1")
        assert released(store) == before

    def test_another_number_of_workers_makes_the_same_bytes(self, committed: CorpusStore, whole: Whole) -> None:
        other = copy_of(committed)
        run_release(other, "v1", now=NOW, workers=1)
        assert released(other) == released(whole[0])


class TestKilled:
    def test_killed_again_and_again_it_comes_to_the_same_bytes(
        self, committed: CorpusStore, whole: Whole, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = copy_of(committed)
        put, lock, kills = store.bucket.put, threading.Lock(), 0
        left = 0

        def put_until_killed(key: str, content: bytes, **how: str) -> None:
            nonlocal left
            with lock:
                left -= 1
                if left < 0:
                    raise Killed
            put(key, content, **how)

        monkeypatch.setattr(store.bucket, "put", put_until_killed)
        while read_manifest(store, "v1") is None:
            left = kills + 1  # a little further each time: a step that puts many things gets them all put some day
            try:
                run_release(store, "v1", now=NOW + dt.timedelta(days=kills))
            except Killed:
                kills += 1
        assert kills >= 8
        assert released(store) == released(whole[0])

    def test_killed_while_it_clears_up_it_is_published_and_cleared_by_the_next(
        self, committed: CorpusStore, whole: Whole, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = copy_of(committed)
        delete = store.bucket.delete

        def killed(keys: list[str]) -> None:
            if any("/work/" in key for key in keys):
                raise Killed
            delete(keys)

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(store.bucket, "delete", killed)
            run_release(store, "v1", now=NOW)
        assert read_manifest(store, "v1") == whole[1]
        with pytest.raises(ReleaseExists):
            run_release(store, "v1")
        assert released(store) == released(whole[0])


def at_step(name: str, what: Callable[[], object]) -> OnStep:
    """Do something just before a step begins."""

    def on_step(step: str, done: int, of: int) -> None:
        if (step, done) == (name, 0) and of:
            what()

    return on_step


class TestTwoAtOnce:
    @pytest.mark.parametrize("step", ["sketch", "near", "pack", "link", "publish"])
    def test_the_later_one_finds_what_the_earlier_one_has_published(
        self, committed: CorpusStore, whole: Whole, step: str
    ) -> None:
        store, first = copy_of(committed), list[ReleaseManifest]()

        def earlier() -> None:
            first.append(run_release(store, "v1"))

        second = run_release(store, "v1", now=NOW, on_step=at_step(step, earlier))
        assert [second] == first == [whole[1]]
        assert released(store) == released(whole[0])

    def test_the_later_one_is_short_as_the_earlier_one_was(self) -> None:
        store = corpus(shards=2, oversample=0.0)

        def earlier() -> None:
            with pytest.raises(ReleaseShort):
                run_release(store, "v1")

        with pytest.raises(ReleaseShort, match="release v1 of tiny is short by"):
            run_release(store, "v1", on_step=at_step("gather", earlier))
        assert list(released(store)) == [ReleaseKeys.of(store.keys.root, "v1").short]

    def test_the_later_one_is_told_why_the_earlier_one_was_quarantined(self) -> None:
        store = corpus(release={"gate": {"max_exact_duplicate_share": 0.0}})

        def earlier() -> None:
            with pytest.raises(ReleaseQuarantined):
                run_release(store, "v1")

        with pytest.raises(ReleaseQuarantined, match="release v1 of tiny was quarantined by the corpus gate"):
            run_release(store, "v1", on_step=at_step("link", earlier))
        assert not any("/work/" in key for key in released(store))

    def test_work_that_vanishes_without_an_end_is_told(self, committed: CorpusStore) -> None:
        store = copy_of(committed)

        def vanish() -> None:
            store.bucket.delete([key for key in objects_of(store) if "/work/" in key])

        with pytest.raises(WorkMissing, match="run the release again from its start"):
            run_release(store, "v1", on_step=at_step("near", vanish))
        assert run_release(store, "v1").phrases == 120


class TestMemory:
    def threads(self, step: str, plan: ReleasePlan, *, memory: int) -> int:
        return threads_for(next(one for one in STEPS if one.name == step), plan, memory=memory, most=16)

    @pytest.fixture(scope="class")
    def plan(self, committed: CorpusStore) -> ReleasePlan:
        """Of 10,000,000 phrases in shards of 25,000, cut for 4 GB."""
        small = plan_release(copy_of(committed), "v1", now=NOW)
        shards = tuple(
            small.shards[0].model_copy(
                update={"shard": number, "first_id": number * 25_000, "rows": 25_000, "data_bytes": 56 * 25_000}
            )
            for number in range(400)
        )
        cuts = small.cuts.model_copy(
            update={"spans": tuple((20 * span, 20 * span + 20) for span in range(20)), "near_groups": ((0,), (1,))}
        )
        return small.model_copy(update={"shards": shards, "cuts": cuts, "target": 9_000_000})

    def test_so_many_pieces_are_worked_on_as_half_of_it_holds(self, plan: ReleasePlan) -> None:
        large = {step.name: self.threads(step.name, plan, memory=4 * 10**9) for step in STEPS}
        assert large == dict.fromkeys(large, 16) | {
            "sketch": 4,  # 500,000 phrases at 1,000 bytes
            "gather": 4,
            "deal": 4,
            "exact": 5,
            "near": 3,
            "pack": 3,  # four times 128 MB
            "ring": 3,
        }

    def test_one_is_worked_on_at_least(self, plan: ReleasePlan) -> None:
        assert {self.threads(step.name, plan, memory=10**6) for step in STEPS if step.name == "sketch"} == {1}

    def test_long_phrases_take_more(self, plan: ReleasePlan) -> None:
        longer = tuple(shard.model_copy(update={"data_bytes": 160 * 25_000}) for shard in plan.shards)
        assert self.threads("sketch", plan.model_copy(update={"shards": longer}), memory=4 * 10**9) == 2


class TestNotMade:
    def test_a_short_release_leaves_its_record_alone(self) -> None:
        store = corpus(shards=2, oversample=0.0)
        with pytest.raises(ReleaseShort):
            run_release(store, "v1")
        assert list(released(store)) == [ReleaseKeys.of(store.keys.root, "v1").short]
        short = latest_short(store)
        assert short is not None
        for number in range(2, 2 + len(short.shards.split(","))):
            commit(store, number)
        assert run_release(store, "v1").phrases == 120

    def test_a_partial_release_has_what_there_is(self) -> None:
        manifest = run_release(corpus(shards=1), "v1", partial=True)
        assert manifest.partial
        assert manifest.phrases == 60 - manifest.dropped_exact - manifest.dropped_near < 60

    def test_missing_shards_stop_it_before_its_first_step(self) -> None:
        store, seen = corpus(shards=1), Seen()
        with pytest.raises(NotCovered):
            run_release(store, "v1", on_step=lambda *told: seen.append(told))
        assert seen == [("plan", 0, 1)]

    def test_damaged_data_stops_it_at_its_first_step(self) -> None:
        store = corpus()
        manifest = store.manifest(3)
        assert manifest is not None
        store.bucket.put(manifest.data_key, b"something else")
        with pytest.raises(ObjectDamaged, match="committed shard 3 is not what was committed"):
            run_release(store, "v1")
        assert read_manifest(store, "v1") is None


def test_the_shuffled_order_is_dealt_and_holds_the_same_phrases() -> None:
    store = corpus(release={"order": "shuffled", "seed": 3})
    seen = Seen()
    run_release(store, "v1", on_step=lambda *told: seen.append(told))
    assert ("deal", 1, 1) in seen
    key = ReleaseKeys.of(store.keys.root, "v1").file("data/train-00000-of-00001.parquet")
    ids = pq.read_table(io.BytesIO(objects_of(store)[key])).column("phrase_id").to_pylist()
    assert ids != sorted(ids)
    assert sorted(ids) == [one for one in range(240) if text_of(one) == sentence(one)][:120]
