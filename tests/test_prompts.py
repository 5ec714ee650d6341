from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from phrasemill.prompts import SEGMENTS, PromptBook
from phrasemill.spec import CorpusSpec
from tests.specs import make_spec

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def words(prefix: str, count: int) -> list[str]:
    return [f"{prefix} {LETTERS[k // 26]}{LETTERS[k % 26]}" for k in range(count)]


def one_template(text: str, lexicons: dict[str, Any], **overrides: Any) -> CorpusSpec:
    spec = make_spec().model_dump(mode="json")
    spec["prompts"] |= {"templates": [{"name": "only", "text": text}], "lexicons": lexicons}
    return CorpusSpec.model_validate(spec | overrides)


def roomy_spec(**overrides: Any) -> CorpusSpec:
    """Two templates whose cycles are 64 times longer than the corpus of 240 phrases."""
    lexicons = {"object": words("object", 30), "hour": words("hour", 30), "mood": words("mood", 30)}
    templates = [
        {"name": "long", "weight": 2, "text": "{i}: {object} {hour} {mood}"},
        {"name": "other", "weight": 1, "text": "{mood}, {object}, {hour}"},
    ]
    spec = make_spec().model_dump(mode="json")
    spec["prompts"] |= {"lexicons": lexicons, "templates": templates}
    return CorpusSpec.model_validate(spec | overrides)


def ids(count: int, start: int = 0) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.int64)


def at(attempt: int, count: int) -> np.ndarray:
    return np.full(count, attempt, dtype=np.int64)


def combinations(book: PromptBook, which: np.ndarray, attempts: np.ndarray) -> list[tuple[str, Any]]:
    """Template and slot values of each id."""
    table = book.coordinates(which, attempts)
    rows = zip(table.column("template").to_pylist(), table.column("slots").to_pylist(), strict=True)
    return [(template, tuple(sorted(slots))) for template, slots in rows]


class TestPurity:
    def test_two_books_of_one_spec_agree(self) -> None:
        attempts = np.arange(240, dtype=np.int64) % 5
        ours, theirs = PromptBook(make_spec()), PromptBook(make_spec())
        assert ours.texts(ids(240), attempts) == theirs.texts(ids(240), attempts)
        assert ours.coordinates(ids(240), attempts).equals(theirs.coordinates(ids(240), attempts))

    def test_a_prompt_does_not_depend_on_the_batch_it_is_asked_in(self) -> None:
        book = PromptBook(make_spec())
        together = book.texts(ids(240), at(0, 240))
        shuffled = np.random.default_rng(1).permutation(240).astype(np.int64)
        assert book.texts(shuffled, at(0, 240)) == [together[k] for k in shuffled]

    def test_texts_are_the_prompts_one_by_one(self) -> None:
        book = PromptBook(make_spec())
        attempts = np.arange(240, dtype=np.int64) % 3
        texts = book.texts(ids(240), attempts)
        assert texts == [book.prompt(k, int(attempts[k])).text for k in range(240)]

    def test_the_order_of_lexicons_in_the_file_does_not_matter(self) -> None:
        spec = make_spec().model_dump(mode="json")
        spec["prompts"]["lexicons"] = dict(reversed(spec["prompts"]["lexicons"].items()))
        other = PromptBook(CorpusSpec.model_validate(spec))
        assert other.texts(ids(240), at(0, 240)) == PromptBook(make_spec()).texts(ids(240), at(0, 240))

    def test_the_prompts_of_this_version_are_those_of_every_version(self) -> None:
        """A change here changes every corpus that is half written; it needs a new fingerprint."""
        book = PromptBook(make_spec())
        asked = [(0, 0), (1, 0), (2, 0), (0, 1), (239, 7)]
        assert [book.prompt(k, attempt).text.removeprefix("Write one sentence. ") for k, attempt in asked] == [
            "Scene number 1: a flag in the cave.",
            "Scene number 2: a map on the pier.",
            "Scene number 3: a mender with a map.",
            "Scene number 1: a map on the pier.",
            "Scene number 240: a key at the market.",
        ]


class TestTheFullCycle:
    @pytest.mark.parametrize("template", ["seen", "made"])
    def test_no_combination_repeats_before_all_are_used(self, template: str) -> None:
        book = PromptBook(make_spec(target_phrases=600))
        cycle = book.cycles[template]
        mine = [slots for name, slots in combinations(book, ids(600), at(0, 600)) if name == template]
        assert len(mine) > 2 * cycle
        for start in range(0, len(mine) - cycle + 1, cycle):
            assert len(set(mine[start : start + cycle])) == cycle

    def test_cycles_are_the_products_of_the_lexicons(self) -> None:
        assert PromptBook(make_spec()).cycles == {"seen": 40, "made": 70}

    def test_a_cycle_of_one_combination_works(self) -> None:
        book = PromptBook(one_template("Write about {sea}, scene {i}.", {"sea": ["the sea"]}))
        assert book.texts(ids(3), np.array([0, 1, 99])) == [f"Write about the sea, scene {k}." for k in (1, 2, 3)]

    def test_every_lexeme_comes_equally_often_in_a_cycle(self) -> None:
        book = PromptBook(roomy_spec())
        cycle = book.cycles["other"]
        which = ids(3 * cycle)
        table = book.coordinates(which, at(0, 3 * cycle))
        mask = np.array(table.column("template").to_pylist()) == "other"
        slots = [dict(row) for row, mine in zip(table.column("slots").to_pylist(), mask, strict=True) if mine]
        assert set(Counter(row["mood"] for row in slots).values()) == {cycle // 30}


class TestReAsks:
    def test_another_attempt_asks_another_combination(self) -> None:
        book = PromptBook(roomy_spec())
        for phrase in range(12):
            asked = combinations(book, np.full(SEGMENTS, phrase), np.arange(SEGMENTS))
            assert len(set(asked)) == SEGMENTS

    @pytest.mark.parametrize("n", [1, 4])
    def test_no_attempt_of_any_phrase_meets_anothers_combination(self, n: int) -> None:
        """True as long as the cycle is SEGMENTS times longer than the template's share of the corpus."""
        book = PromptBook(roomy_spec(sampling={"n": n}))
        first = combinations(book, ids(240), at(0, 240))
        again = [pair for attempt in range(1, SEGMENTS) for pair in combinations(book, ids(240), at(attempt, 240))]
        assert len(set(first)) == 240 // n
        assert len(set(again)) == 240 * (SEGMENTS - 1)
        assert set(first).isdisjoint(again)

    def test_the_template_and_the_scene_stay(self) -> None:
        book = PromptBook(make_spec())
        first, again = book.prompt(17, 0), book.prompt(17, 5)
        assert (first.template, first.scene) == (again.template, again.scene)
        assert first.slots != again.slots

    def test_past_the_last_segment_attempts_go_on(self) -> None:
        book = PromptBook(roomy_spec())
        asked = combinations(book, np.full(200, 5), np.arange(200))
        assert len(set(asked)) == 200

    def test_a_small_cycle_still_changes_the_combination_at_once(self) -> None:
        book = PromptBook(one_template("{a} {b}", {"a": ["x", "y"], "b": ["p", "q", "r"]}))
        asked = combinations(book, np.full(6, 0), np.arange(6))
        assert len(set(asked)) == 6


class TestTemplatesByWeight:
    def test_proportions_are_exact_in_every_turn(self) -> None:
        book = PromptBook(make_spec())
        names = [name for name, _ in combinations(book, ids(240), at(0, 240))]
        assert Counter(names) == {"seen": 180, "made": 60}
        for turn in range(0, 240, 4):
            assert Counter(names[turn : turn + 4]) == {"seen": 3, "made": 1}

    def test_each_template_is_spread_over_the_turn(self) -> None:
        spec = make_spec().model_dump(mode="json")
        spec["prompts"]["templates"][0]["weight"] = 6
        spec["prompts"]["templates"][1]["weight"] = 2
        names = [name for name, _ in combinations(PromptBook(CorpusSpec.model_validate(spec)), ids(64), at(0, 64))]
        places = [place for place, name in enumerate(names) if name == "made"]
        assert set(np.diff(places)) == {4}

    def test_templates_are_listed_in_the_files_order(self) -> None:
        assert PromptBook(make_spec()).templates == ["seen", "made"]


class TestScenes:
    def test_scenes_count_from_1(self) -> None:
        assert [PromptBook(make_spec()).prompt(k).scene for k in (0, 1, 239)] == [1, 2, 240]

    def test_some_phrases_may_share_a_scene(self) -> None:
        book = PromptBook(make_spec(prompts={"scene_phrases": 10}))
        assert [book.prompt(k).scene for k in (0, 9, 10, 239)] == [1, 1, 2, 24]

    def test_the_scene_is_written_into_the_text(self) -> None:
        assert "Scene number 240: " in PromptBook(make_spec()).prompt(239).text


class TestGroupsOfSamples:
    def test_a_group_shares_its_first_prompt(self) -> None:
        book = PromptBook(make_spec(sampling={"n": 4}))
        texts = book.texts(ids(240), at(0, 240))
        for start in range(0, 240, 4):
            assert len(set(texts[start : start + 4])) == 1
        assert len({texts[start] for start in range(0, 240, 4)}) == 60

    def test_re_asks_of_a_group_part_ways(self) -> None:
        book = PromptBook(roomy_spec(sampling={"n": 4}))
        assert len(set(combinations(book, ids(4), at(1, 4)))) == 4

    def test_proportions_hold_between_groups(self) -> None:
        book = PromptBook(make_spec(sampling={"n": 4}))
        names = [name for name, _ in combinations(book, ids(240), at(0, 240))]
        assert Counter(names) == {"seen": 180, "made": 60}


class TestCoordinates:
    def test_columns(self) -> None:
        schema = PromptBook(make_spec()).coordinates(ids(3), at(0, 3)).schema
        assert schema.field("template").type == pa.dictionary(pa.int32(), pa.string())
        assert schema.field("scene").type == pa.int64()
        assert schema.field("slots").type == pa.map_(pa.string(), pa.string())

    @pytest.mark.parametrize("attempt", [0, 1, 63])
    def test_they_are_those_of_the_text(self, attempt: int) -> None:
        spec = make_spec()
        places = {lexeme["name"]: lexeme["at"] for lexeme in spec.prompts.lexicons["place"]}
        book = PromptBook(spec)
        for phrase in range(240):
            prompt = book.prompt(phrase, attempt)
            ending = (
                f"{prompt.slots['object']} {places[prompt.slots['place']]}."
                if prompt.template == "seen"
                else f"{prompt.slots['trade']} with {prompt.slots['object']}."
            )
            assert prompt.text == f"Write one sentence. Scene number {phrase + 1}: {ending}"

    def test_a_lexeme_is_named_by_its_first_form(self) -> None:
        slots = PromptBook(make_spec()).prompt(0).slots
        assert slots["place"].startswith("the ")

    def test_slots_stand_in_the_order_of_the_text(self) -> None:
        assert list(PromptBook(make_spec()).prompt(0).slots) == ["object", "place"]


class TestTexts:
    def test_percent_signs_survive(self) -> None:
        spec = one_template("{i} is 100 % of {share}, %s %d %(x)s.", {"share": ["50 %", "%s", "%%"]})
        texts = PromptBook(spec).texts(ids(3), at(0, 3))
        assert sorted(text.partition(" of ")[2] for text in texts) == sorted(
            f"{share}, %s %d %(x)s." for share in ("50 %", "%s", "%%")
        )

    def test_braces_in_a_lexeme_are_not_slots(self) -> None:
        spec = one_template("About {thing}.", {"thing": ["a {thing}", "{i}"]})
        assert sorted(PromptBook(spec).texts(ids(2), at(0, 2))) == ["About a {thing}.", "About {i}."]

    def test_russian_survives(self) -> None:
        spec = one_template("Сцена номер {i}: {thing} — «на пристани».", {"thing": ["латунный ключ", "ёлка"]})
        texts = PromptBook(spec).texts(ids(2), at(0, 2))
        assert {text.partition(": ")[2] for text in texts} == {
            "латунный ключ — «на пристани».",
            "ёлка — «на пристани».",
        }
        assert texts[1].startswith("Сцена номер 2: ")

    def test_the_scene_number_may_stand_twice_or_not_at_all(self) -> None:
        twice = one_template("{i}/{i} {a}", {"a": ["x"]})
        assert PromptBook(twice).texts(ids(2), at(0, 2)) == ["1/1 x", "2/2 x"]
        without = one_template("just {a}", {"a": ["x"]})
        assert PromptBook(without).texts(ids(1), at(0, 1)) == ["just x"]


class TestTenMillionPhrases:
    def test_the_last_ids_have_their_prompts(self) -> None:
        book = PromptBook(roomy_spec(target_phrases=10_000_000, shard_phrases=50_000, block_phrases=1_000))
        last = ids(60, start=9_999_940)
        table = book.coordinates(last, at(0, 60))
        assert table.column("scene").to_pylist() == list(range(9_999_941, 10_000_001))
        assert book.texts(last, at(0, 60))[-1] == book.prompt(9_999_999).text

    def test_a_cycle_of_over_ten_million_gives_each_phrase_its_own_combination(self) -> None:
        lexicons = {name: words(name, size) for name, size in (("a", 250), ("b", 250), ("c", 200))}
        book = PromptBook(one_template("{a} {b} {c}", lexicons))
        assert book.cycles["only"] == 12_500_000
        page = book._pages[0]
        seen = np.zeros(book.cycles["only"], dtype=bool)
        for start in range(0, 10_000_000, 1_000_000):
            first, second, third = page.digits(ids(1_000_000, start), at(0, 1_000_000))
            seen[first + 250 * (second + 250 * third)] = True
        assert seen.sum() == 10_000_000
