"""Asks: which ids are still to be asked for, at which attempt, and how they are packed into request lists."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from phrasemill.engines.chat_template import ChatTemplate
from phrasemill.listing import LIST_START
from phrasemill.planning import Block
from phrasemill.prompts import PromptBook

PAGE_IDS = 2048  # ids rendered at a time: numpy's call costs spread thin, the pages stay small


@dataclass(frozen=True, slots=True)
class AskList:
    """One request list: `n` answers are asked of each prompt, and `entries` phrases in each answer.

    Ids and attempts are n * entries times as many as prompts. `faults` counts how often an engine answered this
    list with an error of its own.
    """

    ids: list[int]
    attempts: list[int]
    prompts: list[str]
    n: int = 1
    entries: int = 1
    faults: int = 0

    @property
    def answers(self) -> int:
        """Answers asked for, each a sequence in the engine."""
        return len(self.prompts) * self.n

    def prompt_of(self, position: int) -> str:
        """The prompt of the id at a position."""
        return self.prompts[position // (self.n * self.entries)]

    def halves(self) -> list["AskList"]:
        """Two lists of half the size; a single prompt's samples part into lists of one answer each."""
        if len(self.prompts) > 1:
            cut = len(self.prompts) // 2
            at = cut * self.n * self.entries
            return [
                replace(self, ids=self.ids[:at], attempts=self.attempts[:at], prompts=self.prompts[:cut], faults=0),
                replace(self, ids=self.ids[at:], attempts=self.attempts[at:], prompts=self.prompts[cut:], faults=0),
            ]
        return [replace(self.only([answer]), faults=0) for answer in range(self.n)]

    def only(self, answers: list[int]) -> "AskList":
        """A list that asks for some of the answers alone."""
        chosen = [answer * self.entries + entry for answer in answers for entry in range(self.entries)]
        return AskList(
            [self.ids[k] for k in chosen],
            [self.attempts[k] for k in chosen],
            [self.prompts[answer // self.n] for answer in answers],
            entries=self.entries,
            faults=self.faults,
        )

    def again(self) -> "AskList":
        """The same list after one more fault."""
        return replace(self, faults=self.faults + 1)


class AskQueue:
    """Everything a shard still has to ask for.

    Args:
        book: renders prompts.
        template: wraps them.
        blocks: the blocks to write, in order.
        first_attempt: the attempt that fresh ids begin with.
        list_size: answers asked for in one list.
        n: samples of one prompt.
        entries: phrases asked for in one answer.
        list_start: what is put behind a prompt that asks for several.
    """

    def __init__(
        self,
        book: PromptBook,
        template: ChatTemplate,
        blocks: Iterable[Block],
        *,
        first_attempt: int,
        list_size: int,
        n: int,
        entries: int = 1,
        list_start: str = LIST_START,
    ) -> None:
        self._book = book
        self._template = template
        self._list_start = list_start
        self._list_size = list_size
        # Only first attempts share a prompt in the book.
        self._n, self._entries = (n, entries) if first_attempt == 0 else (1, 1)
        self._first_attempt = first_attempt
        self._blocks = deque(blocks)
        self._returned: deque[AskList] = deque()
        self._fresh: deque[AskList] = deque()
        self._again: deque[tuple[int, int]] = deque()
        self._patience = self._blocks[0].rows if self._blocks else 0
        self._overtaken = 0  # fresh ids asked for while re-asks wait

    def give_back(self, asks: AskList) -> None:
        """Take back a list that was not answered."""
        self._returned.append(asks)

    def ask_again(self, phrase_id: int, attempt: int) -> None:
        """Ask for an id at a new attempt."""
        self._again.append((phrase_id, attempt))

    def take(self) -> AskList | None:
        """The next list: returned ones first, then re-asks, fresh ids, and the last re-asks.

        Re-asks wait until they fill a list, but for a block's worth of fresh ids at most: one rejected id keeps its
        whole block from being saved, and with one in a thousand rejected a list of 64 would fill in 64 blocks.
        """
        if self._returned:
            return self._returned.popleft()
        if len(self._again) >= self._list_size or (self._again and self._overtaken >= self._patience):
            return self._take_again()
        if not self._fresh and self._blocks:
            self._render_page()
        if self._fresh:
            asks = self._fresh.popleft()
            self._overtaken += len(asks.ids) if self._again else 0
            return asks
        return self._take_again() if self._again else None

    def _take_again(self) -> AskList:
        self._overtaken = 0
        count = min(len(self._again), self._list_size)
        ids, attempts = zip(*(self._again.popleft() for _ in range(count)), strict=True)
        return AskList(list(ids), list(attempts), self._render(list(ids), list(attempts)))

    def _render_page(self) -> None:
        """Render the prompts of the next blocks, one of each group of ids that share it."""
        group = self._n * self._entries
        page: list[int] = []
        while self._blocks and len(page) < PAGE_IDS:
            block = self._blocks.popleft()
            page.extend(range(block.first_id, block.first_id + block.rows))
        heads = page[::group]
        prompts = self._render(heads, [self._first_attempt] * len(heads))
        if self._entries > 1:
            prompts = [prompt + self._list_start for prompt in prompts]
        step = max(1, self._list_size // self._n)
        for start in range(0, len(heads), step):
            ids = page[start * group : (start + step) * group]
            attempts = [self._first_attempt] * len(ids)
            self._fresh.append(AskList(ids, attempts, prompts[start : start + step], self._n, self._entries))

    def _render(self, ids: list[int], attempts: list[int]) -> list[str]:
        texts = self._book.texts(np.array(ids, dtype=np.int64), np.array(attempts, dtype=np.int64))
        return [self._template.render(text) for text in texts]
