"""Several phrases from one prompt: the request for a numbered list, and what comes back."""

import pytest

from phrasemill.listing import list_entries, list_request, list_tokens


class TestRequest:
    def test_one_phrase_needs_none(self) -> None:
        assert list_request("en", 1) == ""
        assert list_tokens(64, 1) == 64

    @pytest.mark.parametrize("language", ["en", "ru"])
    def test_it_names_the_count(self, language: str) -> None:
        assert list_request(language, 7).count("7") == 2

    def test_an_answer_may_take_the_tokens_of_all_and_their_numbers(self) -> None:
        assert list_tokens(64, 8) == 8 * 68


class TestEntries:
    @pytest.mark.parametrize(
        "answer",
        [
            "1. A bell rang.\n2. A key fell.\n3. A map burned.",
            "Here they are:\n\n1) A bell rang.\n2) A key fell.\n3) A map burned.\n",
            "  1. A bell rang.  \n\n  2. A key fell.\n**3.** A map burned.",
            "- 1: A bell rang.\n- 2: A key fell.\n- 3: A map burned.",
        ],
    )
    def test_marks_blanks_and_talk_around_them_do_not_matter(self, answer: str) -> None:
        entries = [entry and entry.strip() for entry in list_entries(answer, 3)]
        assert entries == ["A bell rang.", "A key fell.", "A map burned."]

    def test_what_is_missing_is_none_in_its_place(self) -> None:
        assert list_entries("1. A bell rang.\n3. A map burned.", 3) == ["A bell rang.", None, "A map burned."]

    def test_an_answer_goes_on_from_the_number_behind_the_prompt(self) -> None:
        assert list_entries(" A bell rang.\n2. A key fell.", 2) == ["A bell rang.", "A key fell."]

    def test_an_answer_that_is_no_list_has_but_the_first_entry(self) -> None:
        assert list_entries("A bell rang in 1999. It was late.", 2) == ["A bell rang in 1999. It was late.", None]

    def test_numbers_beyond_the_count_and_second_ones_are_left_out(self) -> None:
        assert list_entries("1. A.\n1. B.\n0. C.\n4. D.\n2. E.", 2) == ["A.", "E."]

    def test_a_number_at_the_start_of_a_sentence_within_an_entry_stays(self) -> None:
        assert list_entries("1. At 5. o'clock it rang.", 1) == ["At 5. o'clock it rang."]

    def test_an_empty_answer_has_no_entry(self) -> None:
        assert list_entries(" \n", 2) == [None, None]
