"""The steps that find duplicates: what is dropped and for which phrase, exactly the target, and done twice as once."""

import hashlib
import io
from collections.abc import Sequence
from itertools import combinations
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest

from phrasemill.errors import FingerprintMismatch, ObjectDamaged, StoreError
from phrasemill.planning import format_shards
from phrasemill.release.errors import ReleaseShort, WorkMissing
from phrasemill.release.place import ReleasePlace
from phrasemill.release.plan import BANDS, Cuts
from phrasemill.release.planning import plan_release
from phrasemill.release.short import latest_short
from phrasemill.release.steps import exact, gather, near, near_tasks, open_release, resolve, sketch
from phrasemill.rules import text_hash
from phrasemill.spec import CorpusSpec
from phrasemill.store.corpus_store import CorpusStore
from tests.release.committing import changed, commit, memory_store, objects_of, sentence
from tests.specs import make_spec

SHARD = 60
SMALL = Cuts(
    spans=((0, 1), (1, 3), (3, 4)), exact_parts=3, near_groups=((0, 1, 2, 3, 4, 5), (6, 7)), near_parts=2, link_ranges=1
)
"""As many pieces of everything as a large corpus has."""
Drop = tuple[int, int, str, float]


def corpus(repeats: dict[int, str], *, shards: int = 4, **overrides: object) -> CorpusStore:
    """Shards of 60 sentences that have nothing in common, but for some ids whose texts are given."""
    sizes = {"target_phrases": 120, "oversample": 1.0}
    store = memory_store(make_spec(**(sizes | overrides)))
    for number in range(shards):
        ids = range(number * SHARD, (number + 1) * SHARD)
        commit(store, number, [repeats.get(one) or sentence(one) for one in ids])
    return store


def find(place: ReleasePlace, *, upto: str = "resolve") -> dict[str, object]:
    """Do the steps in their order; returns what the last one told."""
    cuts, told = place.plan.cuts, dict[str, object]()
    for span in range(len(cuts.spans)):
        told = sketch(place, span)
    for part in range(cuts.exact_parts):
        told = exact(place, part)
    for group, part in near_tasks(place.plan):
        told = near(place, group, part)
    if cuts.near_groups:
        for span in range(len(cuts.spans)):
            told = gather(place, span)
    return resolve(place) if upto == "resolve" else told


def planned(store: CorpusStore, *, partial: bool = False, cuts: Cuts | None = None) -> ReleasePlace:
    place = ReleasePlace(store, plan_release(store, "v1", partial=partial))
    if cuts is None:
        return place
    recut = place.plan.model_copy(update={"cuts": cuts})
    store.bucket.put(place.keys.plan, recut.as_json())
    return open_release(store, "v1")


def dropped(place: ReleasePlace) -> list[Drop]:
    content = objects_of(place.store)[place.keys.file("dropped.parquet")]
    rows = pq.read_table(io.BytesIO(content)).to_pylist()
    return [(row["phrase_id"], row["kept_id"], row["why"], round(row["similarity"], 3)) for row in rows]


def released(store: CorpusStore) -> dict[str, str]:
    """All that lies under releases/, by key."""
    return {key: hashlib.sha256(held).hexdigest() for key, held in objects_of(store).items() if "/releases/" in key}


def loud(text: str) -> str:
    return text.upper().replace(" ", "  ")


NEAR_9_OF_11 = round(9 / 11, 3)


class TestKeepFirst:
    def test_an_exact_repeat_in_another_shard_is_dropped_for_the_first(self) -> None:
        store = corpus({130: loud(sentence(7)), 200: sentence(7), 3: sentence(70)})
        place = planned(store)
        told = find(place)
        assert dropped(place) == [(70, 3, "exact", 1.0), (130, 7, "exact", 1.0), (200, 7, "exact", 1.0)]
        assert (told["committed"], told["unique"], told["exact"], told["near"]) == (240, 237, 3, 0)

    def test_a_near_one_is_dropped_for_the_first_with_its_similarity(self) -> None:
        store = corpus({190: changed(sentence(10), "otherwise"), 30: changed(sentence(100), "instead")})
        place = planned(store)
        told = find(place)
        assert dropped(place) == [(100, 30, "near", NEAR_9_OF_11), (190, 10, "near", NEAR_9_OF_11)]
        assert (told["exact"], told["near"]) == (0, 2)

    def test_two_words_of_ten_are_too_many(self) -> None:
        place = planned(corpus({190: changed(sentence(10), "quite", "otherwise")}))  # 8 of 12 words
        find(place)
        assert dropped(place) == []

    def test_what_is_near_a_dropped_phrase_only_is_kept(self) -> None:
        second = changed(sentence(10), "otherwise")
        words = second.split(" ")
        third = " ".join([*words[:-1], "different."])  # 9 of 11 with the second, 8 of 12 with the first
        place = planned(corpus({100: second, 200: third}))
        find(place)
        assert dropped(place) == [(100, 10, "near", NEAR_9_OF_11)]

    def test_a_repeat_of_a_dropped_phrase_is_dropped_for_that_ones_keeper(self) -> None:
        second = changed(sentence(10), "otherwise")
        place = planned(corpus({100: second, 150: loud(second), 210: sentence(10)}))
        told = find(place)
        near_10 = (10, "near", NEAR_9_OF_11)
        assert dropped(place) == [(100, *near_10), (150, *near_10), (210, 10, "exact", 1.0)]
        assert (told["exact"], told["near"]) == (1, 2)

    def test_without_a_threshold_only_exact_repeats_go(self) -> None:
        store = corpus({190: changed(sentence(10), "otherwise"), 191: sentence(11)}, release={"near_duplicates": None})
        place = planned(store)
        assert near_tasks(place.plan) == []
        find(place)
        assert dropped(place) == [(191, 11, "exact", 1.0)]
        assert gather(place, 0) == {"span": 0, "phrases": 0}
        assert not any("/bits" in key or "/band" in key for key in released(store))

    def test_it_is_what_comparing_all_with_all_finds(self) -> None:
        repeats = {
            one: changed(sentence(one % 37), f"word{one}") if one % 3 else sentence(one % 41)
            for one in range(41, 240, 4)
        }
        place = planned(corpus(repeats), cuts=SMALL)
        find(place)
        texts = [repeats.get(one) or sentence(one) for one in range(240)]
        assert dropped(place) == all_with_all(texts, threshold=0.7)
        assert len(dropped(place)) > 30


def all_with_all(texts: Sequence[str], *, threshold: float) -> list[Drop]:
    """Exact repeats first, then greedily by id for the most similar kept one."""
    first: dict[int, int] = {}
    exact_of = {one: first.setdefault(text_hash(text), one) for one, text in enumerate(texts)}
    single = [one for one, kept in exact_of.items() if one == kept]
    words = {one: set(texts[one].casefold().removesuffix(".").split()) for one in single}
    alike: dict[int, list[tuple[float, int]]] = {}
    for earlier, later in combinations(single, 2):
        shared = len(words[earlier] & words[later]) / len(words[earlier] | words[later])
        if shared >= threshold:
            alike.setdefault(later, []).append((shared, earlier))
    near_of: dict[int, tuple[int, float]] = {}
    for one in single:
        found = [(-shared, kept) for shared, kept in alike.get(one, ()) if kept not in near_of]
        if found:
            near_of[one] = (min(found)[1], -min(found)[0])
    drops: list[Drop] = []
    for one, kept in exact_of.items():
        if kept in near_of:
            drops.append((one, near_of[kept][0], "near", round(near_of[kept][1], 3)))
        elif one != kept:
            drops.append((one, kept, "exact", 1.0))
    return drops


class TestTheTarget:
    def test_the_first_n_unique_by_id_are_kept(self) -> None:
        store = corpus({10: sentence(0), 70: sentence(1), 119: sentence(2), 120: sentence(3)})
        told = find(planned(store))
        # 117 of the first 120 are unique, 120 is none: 121, 122 and 123 make up for the three.
        assert (told["kept"], told["unique"], told["last_id"]) == (120, 236, 123)

    def test_all_that_is_unique_is_kept_of_a_partial_release(self) -> None:
        store = corpus({59: sentence(0), 31: sentence(1)}, shards=1)
        told = find(planned(store, partial=True))
        assert (told["kept"], told["unique"], told["committed"], told["last_id"]) == (58, 58, 60, 58)

    def test_a_partial_release_of_more_than_the_target_stops_at_the_target(self) -> None:
        told = find(planned(corpus({}, shards=3), partial=True))
        assert (told["kept"], told["unique"], told["last_id"]) == (120, 180, 119)

    def test_ids_between_missing_shards_are_passed_over(self) -> None:
        store = corpus({}, shards=1)
        commit(store, 3)
        told = find(planned(store, partial=True))
        assert (told["kept"], told["last_id"]) == (120, 239)


class TestShort:
    def store(self) -> CorpusStore:
        """120 phrases for a target of 120, and 20 of them twice."""
        return corpus({one: sentence(one - 40) for one in range(100, 120)}, shards=2, oversample=0.0)

    def test_it_says_which_shards_to_write_and_leaves_nothing_else(self) -> None:
        store = self.store()
        place = planned(store)
        with pytest.raises(ReleaseShort) as raised:
            find(place)
        assert (raised.value.short_by, raised.value.shards) == (20, "2")  # 20 / (100 / 120) * 1.1 = 26.4 phrases
        assert "short by 20 phrases" in str(raised.value)
        assert list(released(store)) == [place.keys.short]
        short = latest_short(store)
        assert short is not None
        assert (short.version, short.target, short.unique, short.committed) == ("v1", 120, 100, 120)
        assert (short.short_by, short.shards, short.at) == (20, "2", place.plan.created_at)

    def test_with_those_shards_the_same_version_is_whole(self) -> None:
        store = self.store()
        with pytest.raises(ReleaseShort):
            find(planned(store))
        commit(store, 2)
        place = planned(store)
        told = find(place)
        assert (told["kept"], told["unique"], told["last_id"]) == (120, 160, 139)
        assert latest_short(store) is None

    def test_shards_committed_meanwhile_are_not_asked_for(self) -> None:
        store = self.store()
        place = planned(store)
        commit(store, 2)
        with pytest.raises(ReleaseShort) as raised:
            find(place)
        assert raised.value.shards == format_shards([3])

    def test_killed_while_it_is_removed_it_is_short_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        store = self.store()
        place = planned(store)
        find(place, upto="gather")

        def killed(keys: list[str]) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(store.bucket, "delete", killed)
            resolve(place)
        store.bucket.delete([key for key in objects_of(store) if "/near/" in key])  # as far as it came
        with pytest.raises(ReleaseShort) as raised:
            resolve(open_release(store, "v1"))
        assert (raised.value.short_by, raised.value.shards) == (20, "2")
        assert list(released(store)) == [place.keys.short]

    def test_a_late_one_leaves_alone_what_was_begun_anew(self) -> None:
        store = self.store()
        late = planned(store)
        find(late, upto="gather")
        held = dict(objects_of(store))
        with pytest.raises(ReleaseShort):
            resolve(late)
        commit(store, 2)
        anew = planned(store)
        sketch(anew, 0)
        before = released(store)
        objects_of(store).update({key: content for key, content in held.items() if "/work/" in key})
        with pytest.raises(ReleaseShort, match="short by 20 phrases"):
            resolve(late)
        assert released(store) == before
        assert find(anew)["kept"] == 120

    def test_after_it_came_out_short_no_step_goes_on(self) -> None:
        store = self.store()
        with pytest.raises(ReleaseShort):
            find(planned(store))
        with pytest.raises(WorkMissing, match="has not been planned, or it came out short"):
            open_release(store, "v1")


class TestDoneAgain:
    REPEATS: ClassVar = {
        100: changed(sentence(10), "otherwise"),
        150: sentence(7),
        230: changed(sentence(151), "again"),
    }

    def test_any_cuts_give_the_same_bytes(self) -> None:
        one, other = corpus(self.REPEATS), corpus(self.REPEATS)
        first, second = planned(one), planned(other, cuts=SMALL)
        assert find(first) == find(second)
        key = first.keys.file("dropped.parquet")
        assert objects_of(one)[key] == objects_of(other)[key]
        assert len(dropped(second)) == 3

    def test_every_step_leaves_the_same_bytes_whenever_it_is_done(self) -> None:
        store = corpus(self.REPEATS)
        place = planned(store, cuts=SMALL)
        find(place)
        once = released(store)
        find(place)
        assert released(store) == once
        root = place.keys.work(place.plan.digest, "")
        for name in ("dropped.parquet", *(key.removeprefix(root) for key in once if key.startswith(root))):
            store.bucket.delete([root + name, place.keys.file(name)])
        find(place)
        assert released(store) == once

    def test_what_is_there_is_not_made_again(self) -> None:
        store = corpus(self.REPEATS)
        place = planned(store, cuts=SMALL)
        told = find(place)
        store.bucket.delete([shard.data_key for shard in place.plan.shards])
        assert find(place) == told

    @pytest.mark.parametrize("left", range(0, 60, 7))
    def test_killed_after_any_put_it_goes_on_to_the_same_bytes(
        self, left: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole, store = corpus(self.REPEATS), corpus(self.REPEATS)
        place = planned(whole, cuts=SMALL)
        told = find(place)
        store.bucket.put(place.keys.plan, place.plan.as_json())
        cut_off = open_release(store, "v1")
        put, puts = store.bucket.put, iter(range(left))

        def put_until_killed(key: str, content: bytes, **how: str) -> None:
            if next(puts, None) is None:
                raise KeyboardInterrupt
            put(key, content, **how)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(store.bucket, "put", put_until_killed)
            find(cut_off)
        assert find(open_release(store, "v1")) == told
        assert released(store) == released(whole)


class TestOpening:
    def test_the_pinned_plan_stays_when_a_shard_is_committed_meanwhile(self) -> None:
        store = corpus({}, shards=4)
        place = planned(store)
        commit(store, 4, [sentence(one) for one in range(SHARD)])
        assert plan_release(store, "v1") == place.plan
        assert open_release(store, "v1").plan == place.plan
        assert find(open_release(store, "v1"))["committed"] == 240

    def test_what_was_not_planned_cannot_be_opened(self, spec: CorpusSpec) -> None:
        with pytest.raises(WorkMissing, match=r"releases/v1/plan.json is not there: release v1 has not been planned"):
            open_release(memory_store(spec), "v1")

    def test_another_corpus_file_is_refused(self) -> None:
        store = corpus({})
        planned(store)
        other = make_spec(target_phrases=120, oversample=1.0, sampling={"temperature": 0.5})
        with pytest.raises(FingerprintMismatch):
            open_release(CorpusStore(store.bucket, other), "v1")

    def test_a_step_before_its_time_says_what_is_missing(self) -> None:
        place = planned(corpus({}))
        with pytest.raises(WorkMissing, match="an earlier step of release v1 has not been done"):
            exact(place, 0)


class TestDamage:
    def test_data_that_is_gone_is_told_in_one_line(self) -> None:
        store = corpus({})
        place = planned(store)
        store.bucket.delete([place.plan.shards[2].data_key])
        with pytest.raises(StoreError) as raised:
            sketch(place, 0)
        told = str(raised.value)
        assert place.plan.shards[2].data_key in told
        assert "the data of committed shard 2 is gone; run `phrasemill verify tiny`" in told
        assert "\n" not in told

    @pytest.mark.parametrize("how", ["other bytes", "another shard's"])
    def test_data_that_is_not_what_was_committed_is_told(self, how: str) -> None:
        store = corpus({})
        place = planned(store)
        key = place.plan.shards[1].data_key
        other = objects_of(store)[place.plan.shards[0].data_key]
        store.bucket.put(key, other if how == "another shard's" else objects_of(store)[key][:-1] + b"!")
        with pytest.raises(ObjectDamaged, match="committed shard 1 is not what was committed; run `phrasemill verify"):
            sketch(place, 0)
        assert not place.has_work("sketch/span-00000/words.parquet")

    def test_gather_looks_at_it_too(self) -> None:
        store = corpus({100: changed(sentence(10), "otherwise")})
        place = planned(store)
        find(place, upto="near")
        store.bucket.delete([key for key in objects_of(store) if "near/words-" in key])
        key = place.plan.shards[0].data_key
        store.bucket.put(key, objects_of(store)[key] + b"!")
        with pytest.raises(ObjectDamaged, match="committed shard 0 is not what was committed"):
            gather(place, 0)


class TestWhatIsLeft:
    def test_a_span_leaves_an_array_of_each_band_and_its_words(self) -> None:
        place = planned(corpus({}), cuts=SMALL)
        assert sketch(place, 1) == {"span": 1, "phrases": 120}
        hashes = place.array("sketch/span-00001/hashes.npy")
        assert hashes.tolist() == [text_hash(sentence(one)) for one in range(60, 180)]
        assert place.array("sketch/span-00001/bits.npy").shape == (2, 120)
        assert place.array("sketch/span-00001/sizes.npy").tolist() == [10] * 120
        for band in range(BANDS):
            assert place.array(f"sketch/span-00001/band-{band}.npy").dtype == np.uint32
        assert place.table("sketch/span-00001/words.parquet").num_rows > 100

    def test_gather_leaves_the_words_of_candidates_alone(self) -> None:
        place = planned(corpus({190: changed(sentence(10), "otherwise")}), cuts=SMALL)
        assert find(place, upto="gather") == {"span": 2, "phrases": 1}
        assert [place.table(f"near/words-{span:05d}.parquet")["phrase_id"].to_pylist() for span in range(3)] == [
            [10],
            [],
            [190],
        ]
        assert len(place.table("near/words-00002.parquet")["words"][0]) == 10
