"""Planning a release: which shards it is made of, into how many pieces its work is cut, and which versions are left."""

import datetime as dt
import json

import pytest

from phrasemill.errors import FingerprintMismatch, RecordUnreadable
from phrasemill.planning import top_up_end
from phrasemill.release.errors import NotCovered, ReleaseError, ReleaseExists, ReleaseQuarantined
from phrasemill.release.keys import ReleaseKeys
from phrasemill.release.place import ReleasePlace
from phrasemill.release.plan import ReleasePlan
from phrasemill.release.planning import next_version, plan_release, released
from phrasemill.release.short import Short, latest_short, short_of
from phrasemill.spec import CorpusSpec
from phrasemill.store.corpus_store import CorpusStore
from tests.release.committing import commit, memory_store, objects_of
from tests.specs import make_spec

NOW = dt.datetime(2026, 12, 1, 8, 30, 15, 123_456, tzinfo=dt.UTC)
GIB = 2**30


@pytest.fixture
def store(spec: CorpusSpec) -> CorpusStore:
    """Four shards of 60, none committed."""
    return memory_store(spec)


def commit_all(store: CorpusStore) -> None:
    for number in range(store.spec.shard_count):
        commit(store, number)


def put(store: CorpusStore, version: str, name: str, content: object = None) -> None:
    key = ReleaseKeys.of(store.keys.root, version).file(name)
    store.bucket.put(key, json.dumps(content).encode())


def shard_numbers(plan: ReleasePlan) -> list[int]:
    return [shard.shard for shard in plan.shards]


class TestCovered:
    def test_a_plan_names_all_committed_shards_with_their_data(self, store: CorpusStore) -> None:
        manifests = [commit(store, number) for number in (2, 0, 3, 1)]
        plan = plan_release(store, "v1", now=NOW)
        assert shard_numbers(plan) == [0, 1, 2, 3]
        assert plan.shards[2].data_key == manifests[0].data_key
        assert plan.shards[2].data_sha256 == manifests[0].data_sha256
        assert (plan.shards[2].first_id, plan.shards[2].rows, plan.phrases, plan.last_id) == (120, 60, 240, 239)
        assert (plan.corpus, plan.version, plan.partial, plan.target) == ("tiny", "v1", False, 240)
        assert plan.fingerprint == store.fingerprint
        assert plan.settings == store.spec.release

    def test_missing_shards_are_named_with_the_ways_to_go_on(self, store: CorpusStore) -> None:
        commit(store, 1)
        with pytest.raises(NotCovered) as raised:
            plan_release(store, "v1")
        told = str(raised.value)
        assert "3 of 4 shards of tiny are not committed: 0, 2-3" in told
        assert "`phrasemill run tiny --shards '0, 2-3'`" in told
        assert "Dag corpus_tiny" in told
        assert "--partial" in told
        assert "\n" not in told
        assert not [key for key in objects_of(store) if "/releases/" in key]

    def test_a_partial_release_takes_what_is_there(self, store: CorpusStore) -> None:
        commit(store, 1)
        plan = plan_release(store, "v1", partial=True)
        assert (plan.partial, shard_numbers(plan), plan.target) == (True, [1], 240)

    def test_nothing_committed_is_no_partial_release(self, store: CorpusStore) -> None:
        with pytest.raises(NotCovered, match="no shard of tiny is committed yet"):
            plan_release(store, "v1", partial=True)

    def test_shards_of_a_top_up_belong_in(self, store: CorpusStore) -> None:
        commit_all(store)
        commit(store, 6)
        assert shard_numbers(plan_release(store, "v1")) == [0, 1, 2, 3, 6]

    def test_a_top_up_does_not_stand_in_for_a_missing_shard(self, store: CorpusStore) -> None:
        for number in (0, 1, 2, 4):
            commit(store, number)
        with pytest.raises(NotCovered, match=r"1 of 4 shards of tiny are not committed: 3. "):
            plan_release(store, "v1")

    def test_shards_that_are_oversampled_must_be_there_too(self) -> None:
        store = memory_store(make_spec(oversample=0.25))
        for number in range(4):
            commit(store, number)
        with pytest.raises(NotCovered, match=r"1 of 5 shards of tiny are not committed: 4. "):
            plan_release(store, "v1")

    def test_shards_of_another_corpus_file_are_refused(self, store: CorpusStore) -> None:
        commit_all(store)
        changed = CorpusStore(store.bucket, make_spec(sampling={"temperature": 0.5}))
        with pytest.raises(FingerprintMismatch):
            plan_release(changed, "v1")

    def test_a_version_that_is_no_part_of_a_key_is_refused(self, store: CorpusStore) -> None:
        commit_all(store)
        with pytest.raises(ReleaseError, match=r"version '../v1' cannot be used"):
            plan_release(store, "../v1")

    def test_latest_is_no_version_of_its_own(self, store: CorpusStore) -> None:
        commit_all(store)
        with pytest.raises(ReleaseError, match="'latest' stands for the newest one; give one of its own, such as v1"):
            plan_release(store, "latest")

    def test_too_little_memory_is_refused(self, store: CorpusStore) -> None:
        commit_all(store)
        with pytest.raises(ReleaseError, match="100,000,000 bytes is too little"):
            plan_release(store, "v1", memory=10**8)


class TestPinned:
    def test_the_plan_that_stands_is_taken_as_it_is(self, store: CorpusStore) -> None:
        commit_all(store)
        first = plan_release(store, "v1", now=NOW)
        commit(store, 4)
        again = plan_release(store, "v1", now=NOW + dt.timedelta(days=1), memory=2 * GIB)
        assert again == first
        assert again.as_json() == objects_of(store)[ReleaseKeys.of("corpora/tiny", "v1").plan]
        assert again.digest == first.digest
        assert shard_numbers(plan_release(store, "v2", now=NOW)) == [0, 1, 2, 3, 4]

    def test_its_date_is_a_whole_second_in_utc(self, store: CorpusStore) -> None:
        commit_all(store)
        berlin = dt.timezone(dt.timedelta(hours=1))
        plan = plan_release(store, "v1", now=NOW.astimezone(berlin))
        assert plan.created_at == NOW.replace(microsecond=0)
        assert '"created_at": "2026-12-01T08:30:15Z"' in plan.as_json().decode()

    @pytest.mark.parametrize("partial", [True, False])
    def test_partial_cannot_change_under_way(self, store: CorpusStore, *, partial: bool) -> None:
        commit_all(store)
        plan_release(store, "v1", partial=partial)
        began = "with" if partial else "without"
        with pytest.raises(ReleaseError, match=f"was begun {began} --partial and is not finished"):
            plan_release(store, "v1", partial=not partial)

    def test_settings_cannot_change_under_way(self, store: CorpusStore) -> None:
        commit_all(store)
        begun = plan_release(store, "v1")
        other = make_spec(target_phrases=180, oversample=1 / 3, release={"near_duplicates": 0.8})
        edited = CorpusStore(store.bucket, other)
        with pytest.raises(ReleaseError) as raised:
            plan_release(edited, "v1")
        assert "release v1 of tiny was begun with other settings and is not finished" in str(raised.value)
        assert "target_phrases was 240 and is 180; near_duplicates was 0.7 and is 0.8. Undo" in str(raised.value)
        assert plan_release(edited, "v2").target == 180
        assert plan_release(store, "v1") == begun

    def test_whoever_loses_the_race_takes_the_winners_plan(
        self, store: CorpusStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commit_all(store)
        other = plan_release(store, "v1", now=NOW)
        key = ReleaseKeys.of(store.keys.root, "v1").plan
        content = objects_of(store).pop(key)
        delete = store.bucket.delete

        def and_then_somebody_plans(keys: list[str]) -> None:
            delete(keys)
            objects_of(store)[key] = content

        monkeypatch.setattr(store.bucket, "delete", and_then_somebody_plans)
        assert plan_release(store, "v1", now=NOW + dt.timedelta(hours=1)) == other

    def test_a_plan_of_another_corpus_file_is_refused(self, store: CorpusStore) -> None:
        commit_all(store)
        plan_release(store, "v1")
        with pytest.raises(FingerprintMismatch, match=r"releases/v1/plan.json"):
            plan_release(CorpusStore(store.bucket, make_spec(sampling={"temperature": 0.5})), "v1")

    def test_what_is_no_plan_is_told(self, store: CorpusStore) -> None:
        commit_all(store)
        put(store, "v1", "plan.json", {"format": 2})
        with pytest.raises(RecordUnreadable, match=r"releases/v1/plan.json: is no release plan"):
            plan_release(store, "v1")


class TestVersions:
    def test_numbers_go_on_after_the_highest_that_is_finished(self, store: CorpusStore) -> None:
        assert (next_version(store), released(store)) == ("v1", [])
        put(store, "v1", "plan.json")
        put(store, "v1", "work/0123/kept.json")
        assert (next_version(store), released(store)) == ("v1", [])
        put(store, "v1", "manifest.json")
        put(store, "v9", "manifest.json")
        put(store, "v10", "manifest.json")
        put(store, "draft", "manifest.json")
        assert (next_version(store), released(store)) == ("v11", ["v1", "v9", "v10", "draft"])
        put(store, "v11", "quarantine.json")
        assert (next_version(store), released(store)) == ("v12", ["v1", "v9", "v10", "draft"])

    def test_a_published_version_is_never_made_again(self, store: CorpusStore) -> None:
        commit_all(store)
        put(store, "v1", "manifest.json", "as it was")
        put(store, "v1", "work/0123/sketch/span-00000/hashes.npy")
        with pytest.raises(ReleaseExists, match=r"is published already .*such as v2"):
            plan_release(store, "v1")
        left = [key for key in objects_of(store) if "/releases/" in key]
        assert left == ["corpora/tiny/releases/v1/manifest.json"]
        assert objects_of(store)[left[0]] == b'"as it was"'

    def test_a_quarantined_version_says_why_and_asks_for_a_new_one(self, store: CorpusStore) -> None:
        commit_all(store)
        put(store, "v1", "quarantine.json", {"reasons": ["duplicates: 3 (limit: 0)", "count: 239 (limit: 240)"]})
        with pytest.raises(ReleaseQuarantined) as raised:
            plan_release(store, "v1")
        assert "duplicates: 3 (limit: 0); count: 239 (limit: 240)." in str(raised.value)
        assert "new version, such as v2" in str(raised.value)


class TestShort:
    def plan(self, store: CorpusStore) -> ReleasePlan:
        commit_all(store)
        return plan_release(store, "v1", now=NOW)

    @pytest.mark.parametrize(
        ("unique", "shards"),
        [
            (239, "4"),  # one phrase takes a shard
            (196, "4"),  # 44 / (196 / 240) * 1.1 = 59.3 phrases
            (195, "4-5"),  # 60.9
            (120, "4-8"),  # 264
        ],
    )
    def test_so_many_shards_as_the_yield_asks_for_and_a_tenth(
        self, store: CorpusStore, unique: int, shards: str
    ) -> None:
        short = short_of(self.plan(store), store.spec, unique=unique, committed=range(4))
        assert (short.shards, short.short_by, short.committed) == (shards, 240 - unique, 240)

    def test_shards_of_the_corpus_itself_come_first_and_committed_ones_are_passed_over(
        self, store: CorpusStore
    ) -> None:
        short = short_of(self.plan(store), store.spec, unique=80, committed=[0, 1, 3, 5])
        assert short.shards == "2, 4, 6-12"

    def test_its_message_says_by_how_many_and_how_to_go_on(self, store: CorpusStore) -> None:
        error = short_of(self.plan(store), store.spec, unique=120, committed=range(4)).error("tiny")
        assert (error.short_by, error.shards) == (120, "4-8")
        told = str(error)
        assert "release v1 of tiny is short by 120 phrases: of 240 committed 120 are unique" in told
        assert "`phrasemill run tiny --shards '4-8'`" in told
        assert "trigger Dag corpus_tiny with shards '4-8'" in told

    def test_where_no_shard_is_left_it_says_so(self, store: CorpusStore) -> None:
        short = short_of(self.plan(store), store.spec, unique=120, committed=range(top_up_end(store.spec)))
        assert short.shards == ""
        assert "No shard is left to write: raise oversample" in str(short.error("tiny"))

    def test_the_latest_is_found_by_the_date_of_its_plan(self, store: CorpusStore) -> None:
        assert latest_short(store) is None
        plan = self.plan(store)
        for version, days in (("v1", 3), ("v2", 1), ("a", 2)):
            later = plan.model_copy(update={"version": version, "created_at": NOW + dt.timedelta(days=days)})
            record = short_of(later, store.spec, unique=200, committed=range(4))
            store.bucket.put(ReleaseKeys.of(store.keys.root, version).short, record.model_dump_json().encode())
        put(store, "v3", "plan.json")
        found = latest_short(store)
        assert found is not None
        assert (found.version, found.at) == ("v1", NOW.replace(microsecond=123_456) + dt.timedelta(days=3))

    def test_what_is_no_record_is_told(self, store: CorpusStore) -> None:
        put(store, "v1", "short.json", {"version": 1})
        with pytest.raises(RecordUnreadable, match=r"releases/v1/short.json"):
            latest_short(store)

    def test_what_a_kill_left_of_a_short_release_is_removed_and_planned_anew(self, store: CorpusStore) -> None:
        plan = self.plan(store)
        place = ReleasePlace(store, plan)
        place.put_json("kept.json", {})
        record = short_of(plan, store.spec, unique=200, committed=range(4))
        store.bucket.put(place.keys.short, record.model_dump_json().encode())
        commit(store, 4)
        fresh = plan_release(store, "v1", now=NOW)
        assert shard_numbers(fresh) == [0, 1, 2, 3, 4]
        assert [key for key in objects_of(store) if "/releases/" in key] == [place.keys.plan]

    def test_the_record_of_an_earlier_try_stays_until_a_new_plan_is_made(self, store: CorpusStore) -> None:
        commit(store, 0)
        plan = plan_release(store, "v1", partial=True)
        keys = ReleaseKeys.of(store.keys.root, "v1")
        store.bucket.delete([keys.plan])
        record = short_of(plan, store.spec, unique=30, committed=[0])
        store.bucket.put(keys.short, record.model_dump_json().encode())
        with pytest.raises(NotCovered):
            plan_release(store, "v1")
        assert latest_short(store) == Short.model_validate_json(objects_of(store)[keys.short])
        commit_all(store)
        plan_release(store, "v1")
        assert latest_short(store) is None
