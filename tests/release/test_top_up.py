"""Topping up: what a short release asks for, and where that ends."""

import datetime as dt
from typing import Any

import pytest

from phrasemill.errors import RecordUnreadable
from phrasemill.release.short import Short
from phrasemill.release.top_up import MOST_ASKED, TopUpsExhausted, ask, asked, to_write
from phrasemill.store.corpus_store import CorpusStore
from tests.release.committing import commit, memory_store
from tests.specs import make_spec


def short(shards: str = "4-5", **changes: Any) -> Short:
    given = {
        "version": "v1",
        "plan": "0123456789ab",
        "at": dt.datetime(2026, 11, 23, tzinfo=dt.UTC),
        "target": 240,
        "unique": 200,
        "short_by": 40,
        "committed": 240,
        "near_duplicates": 0.7,
        "shards": shards,
    }
    return Short.model_validate(given | changes)


@pytest.fixture
def store() -> CorpusStore:
    return memory_store(make_spec())


class TestWhatIsToWrite:
    def test_it_is_what_the_release_asks_for(self, store: CorpusStore) -> None:
        assert to_write(store, short()) == [4, 5]

    def test_what_is_committed_meanwhile_is_left_out(self, store: CorpusStore) -> None:
        commit(store, 4)
        assert to_write(store, short()) == [5]

    def test_without_any_shard_left_a_person_has_to_decide(self, store: CorpusStore) -> None:
        with pytest.raises(TopUpsExhausted, match=r"no top-up shard is left .*: raise oversample"):
            to_write(store, short(""))
        assert asked(store) == ()


class TestItEnds:
    def test_after_so_many_different_asks_for_one_target(self, store: CorpusStore) -> None:
        for number in range(MOST_ASKED):
            assert ask(store, short(str(4 + number))) == [4 + number]
            commit(store, 4 + number)
        with pytest.raises(TopUpsExhausted, match=r"still short by 40 phrases after 3 top-ups \(shards 4; 5; 6\)"):
            ask(store, short("7"))
        assert [one.shards for one in asked(store)] == ["4", "5", "6"]

    def test_the_same_shards_asked_for_again_count_once(self, store: CorpusStore) -> None:
        for _ in range(2 * MOST_ASKED):
            assert ask(store, short("4")) == [4]
        assert len(asked(store)) == 1

    def test_another_target_or_a_higher_oversample_is_a_new_beginning(self, store: CorpusStore) -> None:
        for number in range(MOST_ASKED):
            ask(store, short(str(4 + number)))
        assert ask(store, short("7", target=230)) == [7]
        assert [one.target for one in asked(store)] == [230]
        more = CorpusStore(store.bucket, make_spec(oversample=0.5))
        for number in range(MOST_ASKED):
            ask(more, short(str(6 + number)))
        with pytest.raises(TopUpsExhausted):
            ask(more, short("9"))

    def test_a_record_that_is_none_is_told(self, store: CorpusStore) -> None:
        ask(store, short())
        [key] = [entry.key for entry in store.bucket.entries(f"{store.keys.root}/releases/")]
        store.bucket.put(key, b"[]")
        with pytest.raises(RecordUnreadable, match="no record of top-ups"):
            ask(store, short())
