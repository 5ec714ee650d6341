"""Why a release that nobody has asked for is not begun."""

import datetime as dt

import pytest

from phrasemill.release.keys import ReleaseKeys
from phrasemill.release.planning import plan_release
from phrasemill.release.publish import publish
from phrasemill.release.short import short_of
from phrasemill.release.waiting import full_release, why_wait
from phrasemill.store.corpus_store import CorpusStore
from tests.release.committing import commit, memory_store
from tests.release.releasing import made_release
from tests.specs import make_spec

NOW = dt.datetime(2026, 11, 23, 6, 0, tzinfo=dt.UTC)


@pytest.fixture
def store() -> CorpusStore:
    """Four shards, all committed."""
    store = memory_store(make_spec())
    for number in range(4):
        commit(store, number)
    return store


def come_out_short(store: CorpusStore) -> None:
    plan = plan_release(store, "v1", now=NOW)
    keys = ReleaseKeys.of(store.keys.root, "v1")
    short = short_of(plan, store.spec, unique=200, committed=store.committed())
    store.bucket.put(keys.short, short.model_dump_json().encode())
    store.bucket.delete([keys.plan])


def quarantine(store: CorpusStore) -> None:
    plan_release(store, "v1", now=NOW)
    store.bucket.put(ReleaseKeys.of(store.keys.root, "v1").quarantine, b'{"reasons": ["too much alike"]}')


def test_a_corpus_that_is_covered_is_released(store: CorpusStore) -> None:
    assert why_wait(store) is None


def test_one_that_is_not_waits_and_top_up_shards_do_not_cover_it() -> None:
    store = memory_store(make_spec())
    for number in (0, 1, 2, 4):
        commit(store, number)
    assert why_wait(store) == "3 of 4 shards are committed; the release waits"


def test_a_whole_target_is_released_once_and_another_target_again() -> None:
    place = made_release()
    assert full_release(place.store) is None
    publish(place)
    assert full_release(place.store) == "v1"
    told = why_wait(place.store)
    assert told == "release v1 holds 180 phrases, the whole target; there is nothing to do"
    more = place.store.spec.model_copy(update={"target_phrases": 240, "oversample": 0.0})
    assert why_wait(CorpusStore(place.store.bucket, more)) is None


class TestATryThatWouldEndAsTheLast:
    def test_a_short_one_waits_for_more_shards(self, store: CorpusStore) -> None:
        come_out_short(store)
        assert why_wait(store) == (
            "release v1 was short by 40 phrases, and nothing was committed since; it waits for shards 4; "
            "phrasemill plan tiny --top-up says what to do"
        )
        commit(store, 4)
        assert why_wait(store) is None

    def test_a_short_one_of_another_target_says_nothing(self, store: CorpusStore) -> None:
        come_out_short(store)
        assert why_wait(CorpusStore(store.bucket, make_spec(target_phrases=180))) is None

    def test_a_short_one_is_tried_again_where_other_near_duplicates_are_dropped(self, store: CorpusStore) -> None:
        come_out_short(store)
        assert why_wait(CorpusStore(store.bucket, make_spec(release={"near_duplicates": None}))) is None

    def test_a_quarantined_one_waits_for_other_shards_or_settings(self, store: CorpusStore) -> None:
        quarantine(store)
        assert "release v1 of these shards was quarantined" in (why_wait(store) or "")
        assert why_wait(CorpusStore(store.bucket, make_spec(release={"near_duplicates": 0.9}))) is None
        commit(store, 4)
        assert why_wait(store) is None

    def test_a_quarantined_one_whose_plan_is_of_another_version_says_nothing(self, store: CorpusStore) -> None:
        quarantine(store)
        store.bucket.put(ReleaseKeys.of(store.keys.root, "v1").plan, b"{}")
        assert why_wait(store) is None
