"""Look-ups in a release: the same answers in both orders, from a folder and from the bucket."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from phrasemill.browse.errors import NotInRelease
from phrasemill.browse.found import PHRASES_SHOWN
from phrasemill.browse.phrase_rows import window_of
from phrasemill.browse.reader import CANDIDATES_READ, words_in
from phrasemill.gate.words import words_of
from phrasemill.release.order_hash import order_hash
from tests.browse.conftest import PHRASES
from tests.browse.releases import COMMON, LEFT_OUT, SEED, browse_spec, phrases_of

MISSING = LEFT_OUT - 1
ABSENT = [MISSING, PHRASES, PHRASES + 10**6, -1, 2**63 - 1, 2**63, 10**30]


@pytest.fixture(scope="module")
def rows():
    return {row["phrase_id"]: row for row in phrases_of(browse_spec(), PHRASES).to_pylist()}


class TestAPhrase:
    def test_has_its_text_and_its_coordinates(self, reader, rows):
        for phrase_id in (0, 1, 399, 400, PHRASES - 1):
            phrase, row = reader.phrase(phrase_id), rows[phrase_id]
            assert (phrase.text, phrase.scene, phrase.template) == (row["text"], row["scene"], row["template"])
            assert (phrase.slots, phrase.language) == (dict(row["slots"]), "en")

    @pytest.mark.parametrize("phrase_id", ABSENT)
    def test_that_is_not_there_is_told(self, reader, phrase_id):
        with pytest.raises(NotInRelease, match=rf"phrase {phrase_id} is not in release v1"):
            reader.phrase(phrase_id)

    def test_is_found_wherever_it_stands(self, reader, rows):
        wanted = list(rows)[::9]
        found = [reader.phrases(wanted[first : first + 30]) for first in range(0, len(wanted), 30)]
        assert [phrase.phrase_id for phrases in found for phrase in phrases] == wanted

    def test_several_come_in_the_order_asked_for_without_those_that_are_not_there(self, reader):
        wanted = [700, 3, MISSING, 401, 3, -5, 2**70, 12]
        assert [phrase.phrase_id for phrase in reader.phrases(wanted)] == [700, 3, 401, 3, 12]
        assert reader.phrases([]) == reader.phrases([MISSING]) == []

    def test_at_random_is_the_same_for_the_same_seed_and_may_be_any(self, reader, rows):
        drawn = [reader.random_phrase(seed).phrase_id for seed in range(60)]
        assert drawn == [reader.random_phrase(seed).phrase_id for seed in range(60)]
        assert set(drawn) <= set(rows)
        assert {phrase_id // 200 for phrase_id in drawn} == {0, 1, 2, 3}


class TestLinks:
    def test_lead_to_the_next_of_the_scene_first_and_then_by_rare_lexemes(self, reader, rows):
        links = reader.links_from(41)
        assert (links[0].to_id, links[0].in_words) == (42, "next in the scene")
        by_lexeme = {f"{slot}: {lexeme}" for slot, lexeme in rows[41]["slots"]}
        assert {link.why for link in links[1:]} <= by_lexeme
        assert [link.weight for link in links[1:]] == sorted((link.weight for link in links[1:]), reverse=True)
        for link in links[1:]:
            assert link.why in {f"{slot}: {lexeme}" for slot, lexeme in rows[link.to_id]["slots"]}

    def test_are_found_in_every_file(self, reader, rows):
        assert all(reader.links_from(phrase_id) for phrase_id in list(rows)[::97])

    @pytest.mark.parametrize("phrase_id", ABSENT)
    def test_of_what_is_not_there_are_none(self, reader, phrase_id):
        assert reader.links_from(phrase_id) == []


class TestAScene:
    def test_has_its_phrases_by_id(self, reader, rows):
        for number in (1, 4, 80, 81, PHRASES // 5):
            wanted = [phrase_id for phrase_id, row in rows.items() if row["scene"] == number]
            assert [phrase.phrase_id for phrase in reader.scene(number)] == wanted

    def test_of_a_phrase_is_its_own(self, reader, rows):
        for phrase_id in [*list(rows)[::41], 0, PHRASES - 1]:
            phrase = reader.phrase(phrase_id)
            assert reader.scene_of(phrase) == reader.scene(phrase.scene)

    @pytest.mark.parametrize("number", [0, -1, PHRASES // 5 + 1, 2**63 - 1, 10**30])
    def test_that_is_not_there_is_told(self, reader, number):
        with pytest.raises(NotInRelease, match=f"of scene {number}"):
            reader.scene(number)


class TestALexeme:
    def test_has_its_count_and_its_phrases_by_the_page(self, reader, rows):
        having = [phrase_id for phrase_id, row in rows.items() if ("trade", "a diver") in row["slots"]]
        first, second = reader.lexeme("trade", "a diver"), reader.lexeme("trade", "a diver", 2)
        assert (first.lexeme.phrases, first.lexeme.linked) == (len(having), len(having) < COMMON)
        assert [phrase.phrase_id for phrase in first.listing.phrases] == having[:PHRASES_SHOWN]
        assert [phrase.phrase_id for phrase in second.listing.phrases] == having[PHRASES_SHOWN : 2 * PHRASES_SHOWN]
        assert (first.listing.listed, first.listing.pages) == (len(having), -(-len(having) // PHRASES_SHOWN))

    @pytest.mark.parametrize(
        ("slot", "lexeme"), [("place", "a diver"), ("trade", ""), ("", ""), ("trade", "A diver"), ("'; select 1", "--")]
    )
    def test_that_is_not_there_is_told(self, reader, slot, lexeme):
        with pytest.raises(NotInRelease, match="no phrase of release v1 has"):
            reader.lexeme(slot, lexeme)

    @pytest.mark.parametrize("page", [0, -1, 1000])
    def test_has_no_page_beyond_its_last(self, reader, page):
        with pytest.raises(NotInRelease, match=f"there is no page {page} of this list; it has"):
            reader.lexeme("trade", "a diver", page)

    def test_those_of_a_phrase_come_with_their_counts(self, reader, rows):
        slots = dict(rows[41]["slots"]) | {"trade": "a lamplighter"}
        found = reader.lexemes_of(slots)
        assert {one.slot: one.lexeme for one in found} == dict(rows[41]["slots"])
        assert all(one.phrases == reader.lexeme(one.slot, one.lexeme).lexeme.phrases for one in found)

    def test_those_that_link_most_are_the_most_common_of_those_that_link(self, reader):
        found = reader.most_linked(5)
        assert len(found) == 5
        assert [one.phrases for one in found] == sorted((one.phrases for one in found), reverse=True)
        assert all(one.linked and one.phrases < COMMON for one in found)


class TestWords:
    def test_a_word_is_found_folded(self, reader, rows):
        having = [phrase_id for phrase_id, row in rows.items() if "diver" in row["text"]]
        found = reader.word("  DIVER! ")
        assert (found.words, found.phrases, found.checked) == (("diver",), len(having), False)
        assert [phrase.phrase_id for phrase in found.listing.phrases] == having[:PHRASES_SHOWN]

    def test_of_several_rare_ones_all_phrases_with_all_of_them_are_found(self, reader, rows):
        found = reader.word("w41 41")
        assert ([phrase.phrase_id for phrase in found.listing.phrases], found.checked) == ([41], False)
        assert reader.word("w41 42").listing.phrases == ()

    def test_one_that_is_too_common_to_be_listed_whole_is_looked_for_in_the_texts(self, reader, rows):
        having = {
            word: [phrase_id for phrase_id, row in rows.items() if word in row["text"]] for word in ("bell", "diver")
        }
        rarest, other = sorted(having, key=lambda word: len(having[word]))
        wanted = [phrase_id for phrase_id in having[rarest][:CANDIDATES_READ] if phrase_id in having[other]]
        found = reader.word("story bell DIVER")
        assert (found.rarest, found.checked) == (rarest, True)
        assert [phrase.phrase_id for phrase in found.listing.phrases] == wanted != []

    def test_words_that_no_phrase_has_together_find_nothing(self, reader):
        assert reader.word("diver baker").listing.phrases == ()

    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ("zebra", "has the word “zebra”"),
            ("diver zebra", "“zebra”"),
            ("", "no word to look for"),
            (" ,.- ", "no word"),
        ],
    )
    def test_what_is_not_there_is_told(self, reader, query, told):
        with pytest.raises(NotInRelease, match=told):
            reader.word(query)

    @pytest.mark.parametrize("query", ["\x00", "\udcff", "%_'\"; drop table", "W" * 10_000, "\u202e\u2066"])
    def test_hostile_ones_find_nothing(self, reader, query):
        with pytest.raises(NotInRelease):
            reader.word(query)

    def test_those_that_begin_alike_are_offered(self, reader):
        assert reader.near_words("divers") == ["diver"]
        assert reader.near_words("sto") == ["story"]
        assert reader.near_words("zzz") == reader.near_words("") == []

    def test_are_folded_as_the_gate_folds_them(self):
        import pyarrow as pa

        texts = ["Ｆｕｌｌ-width, naïve STRASSE", "Ёлка и «маяк»", "it’s o'clock 42", "  "]
        assert words_in(texts) == [
            ["full", "width", "naïve", "strasse"],
            ["ёлка", "и", "маяк"],
            ["it’s", "o'clock", "42"],
            [],
        ]
        flat = [word for words in words_in(texts[:3]) for word in words]
        assert len(flat) == words_of(pa.array(texts[:3])).count


class TestAWalk:
    def test_follows_links_and_meets_none_twice(self, reader):
        steps = reader.random_walk(41, 8, seed=3)
        ids = [step.phrase.phrase_id for step in steps]
        assert (ids[0], steps[0].link, len(ids)) == (41, None, 9)
        assert len(set(ids)) == len(ids)
        for before, after in itertools.pairwise(steps):
            assert after.link in reader.links_from(before.phrase.phrase_id)
            assert after.link.to_id == after.phrase.phrase_id

    def test_is_the_same_for_the_same_seed_alone(self, reader):
        ways = [[step.phrase.phrase_id for step in reader.random_walk(41, 8, seed=seed)] for seed in (1, 1, 2, 3)]
        assert ways[0] == ways[1]
        assert len({tuple(way) for way in ways}) > 1

    def test_from_what_is_not_there_is_told(self, reader):
        with pytest.raises(NotInRelease, match=f"phrase {MISSING} is not"):
            reader.random_walk(MISSING)


def test_the_release_is_counted(reader, rows):
    counts = reader.counts
    assert (counts["phrases"], counts["lexemes"]) == (len(rows), 4 + 10 + 7)
    assert counts["links"] > 2 * len(rows)
    assert counts["words"] == len(
        {word for words in words_in([row["text"] for row in rows.values()]) for word in words}
    )


def test_many_threads_read_what_one_reads(reader, rows):
    ids = list(rows)[::53]

    def look(phrase_id):
        phrase = reader.phrase(phrase_id)
        return phrase, reader.links_from(phrase_id), reader.scene(phrase.scene), reader.word(f"story {phrase_id}")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(look, ids)) == [look(phrase_id) for phrase_id in ids]


class TestWhereAShuffledPhraseStands:
    def test_is_within_its_window_in_every_file(self):
        ids = np.arange(200_000)
        hashes = order_hash(ids, seed=SEED)
        order = np.argsort(hashes)
        cuts = np.searchsorted(hashes[order], np.array([-(-file * 2**64 // 3) for file in (1, 2)], np.uint64))
        files = np.split(ids[order], cuts)
        places = {int(phrase_id): (file, row) for file, held in enumerate(files) for row, phrase_id in enumerate(held)}
        rows = [len(held) for held in files]
        for phrase_id in range(0, 200_000, 331):
            window = window_of(phrase_id, seed=SEED, rows=rows)
            file, row = places[phrase_id]
            assert window.file == file
            assert window.first <= row <= window.last
            assert window.last - window.first < 5_000
