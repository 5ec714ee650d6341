"""Figures of a release: counted anew from what packing left, the same every time, and right where they are known."""

import numpy as np
import pytest

from phrasemill.release.errors import WorkMissing
from phrasemill.release.figures import OF_TEXT, ReleaseFigures, measure_release, rounded
from phrasemill.release.kept import KeptRows
from phrasemill.release.packed import Packed, read_packed
from phrasemill.release.place import ReleasePlace
from phrasemill.release.vocabulary import vocabulary_of
from phrasemill.release.wholeness import misplaced_ids, repeated_hashes, uneven_files
from phrasemill.rules import text_hash
from tests.release.committing import objects_of
from tests.release.packed_release import packed_release
from tests.specs import make_spec
from tests.tables import sentences


@pytest.fixture(scope="module")
def place() -> ReleasePlace:
    """Two committed shards, of which one phrase is dropped as a repeat and one as near: partial, 118 phrases."""
    texts = sentences(120)
    texts[70] = texts[3].upper()
    words = texts[5].split()
    texts[80] = " ".join([*words[:4], "elsewhere", *words[5:]])
    return packed_release(texts, partial=True)


@pytest.fixture(scope="module")
def figures(place: ReleasePlace) -> ReleaseFigures:
    return measure_release(place)


class TestFiguresAreThoseOfTheReleasedPhrases:
    def test_what_was_dropped_is_told_of_committed_phrases(self, figures: ReleaseFigures) -> None:
        assert figures.known["phrases"] == 118
        assert figures.known["exact_duplicate_share"] == figures.known["near_duplicate_share"] == rounded(1 / 120)

    def test_a_sound_release_has_no_fault(self, figures: ReleaseFigures) -> None:
        faults = ("uneven_files", "misplaced_ids", "wrong_hashes", "exact_duplicates", "near_duplicates_left")
        assert [figures.known[name] for name in faults] == [0] * len(faults)

    def test_the_sample_is_the_release_where_that_is_small(self, figures: ReleaseFigures) -> None:
        assert figures.sample.column("phrase_id").to_pylist() == [n for n in range(120) if n not in {70, 80}]
        assert figures.share_sampled == 1
        assert figures.corpus.sampled.shards == 2

    def test_words_and_bytes_are_counted(self, figures: ReleaseFigures) -> None:
        texts = figures.sample.column("text").to_pylist()
        assert figures.known["words"] == 118 * 14
        assert figures.known["text_bytes"] == sum(len(text.encode()) for text in texts)
        different = {word.rstrip(".") for text in texts for word in text.lower().split()}
        assert figures.known["distinct_1"] == rounded(len(different) / (118 * 14))

    def test_all_that_describes_the_texts_is_known(self, figures: ReleaseFigures) -> None:
        assert tuple(figures.published) == OF_TEXT
        assert figures.unknown == {}
        assert figures.published["words"] == 118 * 14
        assert figures.known["language_share"] == figures.known["slot_coverage"] == 1

    def test_measured_again_they_are_the_same(self, place: ReleasePlace, figures: ReleaseFigures) -> None:
        again = measure_release(place)
        assert (again.known, again.corpus) == (figures.known, figures.corpus)


def test_the_order_of_a_release_changes_no_figure() -> None:
    texts = sentences(120)
    ordered, shuffled = (
        measure_release(packed_release(texts, release={"order": order})) for order in ("id", "shuffled")
    )
    assert shuffled.known == ordered.known
    assert shuffled.corpus == ordered.corpus


class TestWhatCannotBeKnownIsSaid:
    def test_of_too_few_words(self) -> None:
        figures = measure_release(packed_release(sentences(60)))
        told = "the sample has 840 words, and 1,000 are needed"
        assert figures.unknown == {"heaps_exponent": told, "zipf_slope": told, "mtld": told}
        assert figures.published["mtld"] is None

    def test_of_a_corpus_that_keeps_near_duplicates(self) -> None:
        figures = measure_release(packed_release(sentences(60), release={"near_duplicates": None}))
        told = "the corpus keeps near-duplicates"
        assert figures.unknown["near_duplicate_share"] == figures.unknown["near_duplicates_left"] == told


class TestNearDuplicatesLeft:
    """They are planted by having the search for them switched off while the release is packed."""

    def left(self, *, kept: int) -> float:
        texts = sentences(120)
        for later in range(100, 112):
            words = texts[later - 60].split()
            texts[later] = " ".join([*words[:kept], *(f"strange{n}" for n in range(len(words) - kept))])
        return self.left_in(texts, threshold=0.7)

    def left_in(self, texts: list[str], *, threshold: float) -> float:
        place = packed_release(texts, release={"near_duplicates": None})
        settings = place.plan.settings.model_copy(update={"near_duplicates": threshold})
        told = place.plan.model_copy(update={"settings": settings})
        for name, content in list(objects_of(place.store).items()):  # work lies under the digest of the plan
            objects_of(place.store)[name.replace(place.plan.digest, told.digest)] = content
        return measure_release(ReleasePlace(place.store, told)).known["near_duplicates_left"]

    def test_are_found_by_a_search_of_its_own(self) -> None:
        assert self.left(kept=13) == 0.1  # 13 of 15 words in common

    def test_are_looked_for_at_the_threshold_of_the_release(self) -> None:
        """The third has the words of the second; the second has 13 of 15 in common with the first, which is too few."""
        texts = sentences(120)
        words = texts[20].split()
        texts[40] = " ".join([*words[:13], "strange"])
        texts[80] = " ".join(reversed(texts[40].split()))
        assert self.left_in(texts, threshold=0.95) == pytest.approx(1 / 120, rel=1e-4)

    def test_are_none_where_the_words_do_not_agree_so_far(self) -> None:
        assert self.left(kept=11) == 0  # 11 of 17, whatever MinHash takes them for


class TestDuplicatesSmuggledIn:
    def test_a_hash_that_comes_twice_is_counted_in_whatever_parts(self, place: ReleasePlace) -> None:
        hashes = place.array("packed/hashes-00000.npy")
        for parts in (1, 3):
            cuts = place.plan.cuts.model_copy(update={"exact_parts": parts})
            recut = ReleasePlace(place.store, place.plan.model_copy(update={"cuts": cuts}))
            recut.put_array("packed/hashes-00000.npy", hashes)
            assert repeated_hashes(recut, files=1) == 0
            recut.put_array("packed/hashes-00001.npy", np.array([hashes[7], hashes[9], hashes[7]]))
            assert repeated_hashes(recut, files=2) == 3
            recut.put_array("packed/hashes-00000.npy", hashes)

    def test_a_hash_that_is_not_that_of_its_text_is_found(self, place: ReleasePlace) -> None:
        name = "packed/sample-00000.parquet"
        sound = place.table(name)
        hashes = sound.column("text_hash").to_numpy().copy()
        hashes[5] ^= np.uint64(1)
        at = sound.schema.get_field_index("text_hash")
        place.put_table(name, sound.set_column(at, sound.schema.field(at), [hashes]))
        assert measure_release(place).known["wrong_hashes"] == 1
        place.put_table(name, sound)
        assert text_hash(sound.column("text")[5].as_py()) == sound.column("text_hash")[5].as_py()


class TestFilesOfOneLength:
    def test_a_file_without_its_text_is_uneven(self, place: ReleasePlace) -> None:
        packed = read_packed(place)
        assert uneven_files(place, packed) == 0
        longer = [packed[0].model_copy(update={"rows": 119})]
        assert uneven_files(place, longer) == 1

    def test_a_release_without_all_its_files_is_not_judged(self) -> None:
        place = packed_release(sentences(60))
        objects = objects_of(place.store)
        del objects[next(key for key in objects if key.endswith("packed/file-00000.json"))]
        with pytest.raises(WorkMissing, match=r"0 files with 0 of them"):
            measure_release(place)


class TestIdsInPlace:
    def kept(self, place: ReleasePlace) -> KeptRows:
        return KeptRows.read(place)  # 0 to 119 without 70 and 80

    def files(self, *ends: tuple[int, int, int]) -> list[Packed]:
        blank = {"chars": 1, "text_bytes": 1, "templates": {}, "lexemes": {}, "langs": {}}
        return [Packed(rows=rows, first_id=first, last_id=last, **blank) for rows, first, last in ends]

    @pytest.mark.parametrize(
        ("files", "sound"),
        [
            (((69, 0, 68), (49, 69, 119)), True),
            (((69, 0, 68), (48, 69, 118)), True),  # the count tells that one is missing
            (((69, 0, 68), (50, 69, 119)), False),  # a row too many
            (((68, 0, 67), (49, 69, 119)), False),  # 68 is left out
            (((70, 0, 69), (49, 69, 119)), False),  # 69 is in both
            (((70, 0, 70), (48, 71, 119)), False),  # 70 was dropped
            (((49, 69, 119), (69, 0, 68)), False),  # the wrong way round
        ],
    )
    def test_files_are_dense_in_the_order_of_ids(self, place, files, sound) -> None:
        faults = misplaced_ids(self.kept(place), self.files(*files), np.array([0, 50, 71]), in_order=True)
        assert (faults == 0) == sound

    @pytest.mark.parametrize(
        ("sampled", "in_order", "faults"),
        [
            ([3, 9, 100], True, 0),
            ([3, 100, 9], True, 1),
            ([3, 100, 9], False, 0),
            ([3, 9, 9], False, 1),
            ([3, 70], False, 1),  # dropped
            ([3, 120], False, 1),  # beyond the last one kept
        ],
    )
    def test_sampled_ids_are_kept_ones_and_none_comes_twice(self, place, sampled, in_order, faults) -> None:
        whole = self.files((118, 0, 119))
        assert misplaced_ids(self.kept(place), whole, np.array(sampled), in_order=in_order) == faults


class TestVocabulary:
    """The tiny corpus: `seen` has three of four phrases with 10 objects and 4 places, `made` one with 7 trades."""

    OBJECTS = "bell key map kettle lens rope drum scarf flag boot"
    PLACES = ("the pier", "the attic", "the cave", "the market")
    TRADES = "baker diver pilot mender roofer cooper glazier"

    @property
    def full(self) -> dict[str, dict[str, int]]:
        return {
            "object": {f"a {name}": 9 for name in self.OBJECTS.split()},
            "place": dict.fromkeys(self.PLACES, 9),
            "trade": {f"a {name}": 9 for name in self.TRADES.split()},
        }

    def test_all_is_there(self) -> None:
        found = vocabulary_of({"seen": 750, "made": 250}, self.full, spec=make_spec())
        assert (found.templates, found.slots, found.lexemes, found.missing) == (1, 1, 21, ())
        assert found.slots_chance < 0.001

    def test_a_lexeme_that_never_came_through_is_named(self) -> None:
        trades = {name: 9 for name in self.full["trade"] if name != "a diver"}
        found = vocabulary_of({"seen": 750, "made": 250}, self.full | {"trade": trades}, spec=make_spec())
        assert found.missing == ("trade: a diver",)
        assert found.slots == pytest.approx(20 / 21)

    def test_a_template_that_lost_half_of_its_phrases(self) -> None:
        found = vocabulary_of({"seen": 750, "made": 107}, self.full, spec=make_spec())
        assert found.templates == pytest.approx(107 / (857 / 4))

    def test_a_template_that_is_gone(self) -> None:
        assert vocabulary_of({"seen": 750}, self.full, spec=make_spec()).templates == 0

    def test_few_phrases_need_not_have_every_lexeme(self) -> None:
        """Of 7 trades in 2 phrases less than 2 are to be expected, and of 10 objects in 8 phrases less than 6."""
        some = {"object": {"a bell": 4, "a key": 4}, "place": {"the pier": 6}, "trade": {"a diver": 2}}
        found = vocabulary_of({"seen": 6, "made": 2}, some, spec=make_spec())
        trades, objects, places = 7 * (1 - (6 / 7) ** 2), 10 * (1 - 0.9**8), 4 * (1 - 0.75**6)
        assert found.slots == pytest.approx(4 / (trades + objects + places))
        assert found.slots_chance > 0.3
        assert found.missing == ()

    def test_phrases_of_one_prompt_count_once(self) -> None:
        grouped = make_spec(sampling={"n": 4})
        one, four = (vocabulary_of({"seen": 30, "made": 10}, self.full, spec=spec) for spec in (make_spec(), grouped))
        assert four.lexemes < one.lexemes
        assert four.rarest_prompts == one.rarest_prompts / 4 == 2.5


def test_numbers_are_rounded_and_whole_ones_kept() -> None:
    held = {"text_bytes": 1_234_567_890.0, "share": 0.123456789, "points": ((1_234_567, 2),), "none": None}
    assert rounded(held) == {"text_bytes": 1_234_567_890, "share": 0.123457, "points": [[1_234_567, 2]], "none": None}
