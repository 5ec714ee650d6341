"""The ask queue: which ids go into which list, in what order, and that none is lost on the way."""

from collections import Counter
from collections.abc import Iterator

import pytest

from phrasemill.asks import AskList, AskQueue
from phrasemill.engines.chat_template import BARE, ChatTemplate
from phrasemill.listing import LIST_START
from phrasemill.planning import Block, blocks_of, shard_of
from phrasemill.prompts import PromptBook
from phrasemill.spec import CorpusSpec
from tests.grinding import quick_spec


def queue_of(
    spec: CorpusSpec,
    *,
    blocks: list[Block] | None = None,
    template: ChatTemplate = BARE,
    first_attempt: int = 0,
    list_size: int = 16,
) -> AskQueue:
    return AskQueue(
        PromptBook(spec),
        template,
        blocks_of(spec, shard_of(spec, 0)) if blocks is None else blocks,
        first_attempt=first_attempt,
        list_size=list_size,
        n=spec.sampling.n,
        entries=spec.sampling.phrases_per_prompt,
    )


def drain(queue: AskQueue) -> Iterator[AskList]:
    while (asks := queue.take()) is not None:
        yield asks


class TestFreshIds:
    def test_all_ids_of_the_blocks_come_once_and_in_order(self) -> None:
        lists = list(drain(queue_of(quick_spec())))
        assert [phrase_id for asks in lists for phrase_id in asks.ids] == list(range(240))
        assert {len(asks.ids) for asks in lists} == {16}
        assert {attempt for asks in lists for attempt in asks.attempts} == {0}

    def test_only_missing_blocks_are_asked_for(self) -> None:
        spec = quick_spec()
        blocks = blocks_of(spec, shard_of(spec, 0))
        lists = drain(queue_of(spec, blocks=[blocks[1], blocks[4]]))
        assert [phrase_id for asks in lists for phrase_id in asks.ids] == [*range(40, 80), *range(160, 200)]

    def test_pages_end_where_blocks_end_and_lose_nothing(self) -> None:
        spec = quick_spec(shard_phrases=9000, target_phrases=9000, block_phrases=1500)
        lists = drain(queue_of(spec, list_size=64))
        assert [phrase_id for asks in lists for phrase_id in asks.ids] == list(range(9000))

    def test_prompts_are_the_books_in_the_template(self) -> None:
        spec = quick_spec()
        asks = queue_of(spec, template=ChatTemplate("<", ">")).take()
        assert asks is not None
        book = PromptBook(spec)
        assert asks.prompts == [f"<{book.prompt(phrase_id).text}>" for phrase_id in asks.ids]

    def test_after_a_quarantine_they_begin_at_a_later_attempt(self) -> None:
        spec = quick_spec(sampling={"n": 4})
        asks = queue_of(spec, first_attempt=3).take()
        assert asks is not None
        assert (asks.n, len(asks.prompts), set(asks.attempts)) == (1, 16, {3})
        assert asks.prompts[5] == PromptBook(spec).prompt(5, 3).text

    def test_no_block_is_no_list(self) -> None:
        assert queue_of(quick_spec(), blocks=[]).take() is None


class TestSamples:
    @pytest.mark.parametrize(("n", "list_size"), [(4, 16), (4, 18), (8, 8), (20, 8), (40, 64)])
    def test_samples_of_one_prompt_stay_in_one_list(self, n: int, list_size: int) -> None:
        spec = quick_spec(sampling={"n": n})
        lists = list(drain(queue_of(spec, list_size=list_size)))
        assert [phrase_id for asks in lists for phrase_id in asks.ids] == list(range(240))
        for asks in lists:
            assert len(asks.ids) == len(asks.prompts) * asks.n == len(asks.prompts) * n
            assert asks.prompts == [PromptBook(spec).prompt(phrase_id).text for phrase_id in asks.ids[::n]]
            assert asks.answers == len(asks.ids) <= max(list_size, n)

    def test_the_halves_of_a_list_keep_prompts_and_samples_together(self) -> None:
        asks = AskList(list(range(100, 112)), [0] * 12, ["a", "b", "c"], n=4, faults=2)
        first, second = asks.halves()
        assert first == AskList([100, 101, 102, 103], [0] * 4, ["a"], n=4)
        assert second == AskList(list(range(104, 112)), [0] * 8, ["b", "c"], n=4)

    def test_the_samples_of_one_prompt_part_into_lists_of_one(self) -> None:
        assert AskList([8, 9], [3, 4], ["a"], n=2).halves() == [
            AskList([8], [3], ["a"]),
            AskList([9], [4], ["a"]),
        ]


class TestListsOfPhrases:
    @pytest.mark.parametrize(("n", "entries", "list_size"), [(1, 4, 16), (2, 5, 16), (4, 2, 3)])
    def test_a_prompt_stands_for_its_samples_and_their_entries(self, n: int, entries: int, list_size: int) -> None:
        spec = quick_spec(sampling={"n": n, "phrases_per_prompt": entries})
        lists = list(drain(queue_of(spec, list_size=list_size)))
        assert [phrase_id for asks in lists for phrase_id in asks.ids] == list(range(240))
        book = PromptBook(spec)
        for asks in lists:
            assert len(asks.ids) == asks.answers * entries == len(asks.prompts) * n * entries
            assert asks.answers <= max(list_size, n)
            expected = [book.prompt(phrase_id).text + LIST_START for phrase_id in asks.ids]
            assert [asks.prompt_of(position) for position in range(len(asks.ids))] == expected

    def test_halves_keep_an_answers_entries_together(self) -> None:
        asks = AskList(list(range(12)), [0] * 12, ["a", "b"], n=2, entries=3)
        first, second = asks.halves()
        assert (first.ids, first.prompts, second.ids, second.prompts) == ([*range(6)], ["a"], [*range(6, 12)], ["b"])
        assert first.halves() == [
            AskList([0, 1, 2], [0] * 3, ["a"], entries=3),
            AskList([3, 4, 5], [0] * 3, ["a"], entries=3),
        ]

    def test_some_answers_alone_keep_their_prompt_and_all_their_entries(self) -> None:
        asks = AskList(list(range(12)), [0] * 12, ["a", "b"], n=2, entries=3, faults=1)
        assert asks.only([1, 2]) == AskList([*range(3, 9)], [0] * 6, ["a", "b"], entries=3, faults=1)

    def test_re_asks_are_for_one_phrase_each(self) -> None:
        spec = quick_spec(sampling={"phrases_per_prompt": 4})
        queue = queue_of(spec, blocks=[])
        queue.ask_again(8, 1)
        asks = queue.take()
        assert asks is not None
        assert (asks.entries, asks.prompts) == (1, [PromptBook(spec).prompt(8, 1).text])
        assert "numbered list" not in asks.prompts[0]


class TestReturnedLists:
    def test_they_are_first_and_as_they_were(self) -> None:
        queue = queue_of(quick_spec())
        asks = queue.take()
        assert asks is not None
        queue.give_back(asks.again())
        again = queue.take()
        assert again is not None
        assert (again.ids, again.prompts, again.faults) == (asks.ids, asks.prompts, 1)

    def test_the_last_list_given_back_is_there_again(self) -> None:
        queue = queue_of(quick_spec())
        last = list(drain(queue))[-1]
        assert queue.take() is None
        queue.give_back(last)
        assert queue.take() is last
        assert queue.take() is None


class TestReasks:
    def test_they_wait_for_a_full_list_while_there_are_fresh_ids(self) -> None:
        queue = queue_of(quick_spec())
        for phrase_id in range(15):
            queue.ask_again(phrase_id, 1)
        fresh = queue.take()
        assert fresh is not None
        assert set(fresh.attempts) == {0}
        queue.ask_again(15, 3)
        again = queue.take()
        assert again is not None
        assert again.ids == list(range(16))
        assert again.attempts == [1] * 15 + [3]

    def test_they_wait_for_a_blocks_worth_of_fresh_ids_at_most(self) -> None:
        queue = queue_of(quick_spec())  # blocks of 40, lists of 16
        queue.ask_again(300, 1)
        lists = list(drain(queue))
        assert [asks.attempts[0] for asks in lists[:5]] == [0, 0, 0, 1, 0]
        assert lists[3].ids == [300]

    def test_the_last_ones_go_in_a_short_list(self) -> None:
        queue = queue_of(quick_spec())
        asked = Counter(phrase_id for asks in drain(queue) for phrase_id in asks.ids)
        queue.ask_again(7, 2)
        last = queue.take()
        assert last is not None
        assert (last.ids, last.attempts, last.n) == ([7], [2], 1)
        assert set(asked.values()) == {1}

    def test_their_prompts_are_those_of_the_new_attempt(self) -> None:
        spec = quick_spec(sampling={"n": 4})
        queue = queue_of(spec, blocks=[])
        for phrase_id in (8, 9, 10):
            queue.ask_again(phrase_id, 1)
        asks = queue.take()
        assert asks is not None
        book = PromptBook(spec)
        assert asks.prompts == [book.prompt(phrase_id, 1).text for phrase_id in (8, 9, 10)]
        assert len(set(asks.prompts)) == 3
