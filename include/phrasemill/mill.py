"""The mill grinds one shard: prompts -> engines -> rules -> blocks. The hot path.

One coroutine keeps every engine's window full with request lists; each list is judged the moment it is answered,
its rejected ids are asked again with another combination, and a block is saved the moment its last phrase is
accepted. There is no barrier between lists or blocks. What is saved survives any crash; a rerun redoes only the
blocks that were in flight.
"""

import asyncio
import datetime as dt
import time
from collections.abc import Callable

from phrasemill.asks import AskList, AskQueue
from phrasemill.blocks import OpenBlock, Staging
from phrasemill.copying import copies_prompt
from phrasemill.engines.engine import Answers, Engine
from phrasemill.engines.http import BadPrompt, EngineFault
from phrasemill.engines.pool import EnginePool
from phrasemill.errors import PhrasemillError, ShardHopeless
from phrasemill.facts import ENGINE_ERROR, REFUSED, UNLISTED, Facts
from phrasemill.first_error import first_error
from phrasemill.listing import list_entries
from phrasemill.planning import Block, Shard, blocks_of
from phrasemill.progress import Progress, Speedometer
from phrasemill.prompts import PromptBook
from phrasemill.rows import build_rows
from phrasemill.rules import RuleBook
from phrasemill.rules.lexemes import LexemeRule
from phrasemill.spec import CorpusSpec

HOPELESS_AFTER, HOPELESS_SHARE = 300, 0.9
FAULTS_OF_A_LIST = 3  # then it is halved; a single prompt is then rejected and asked otherwise
SAVES_AT_ONCE = 4  # a slow bucket holds generation back instead of filling memory
DUPLICATE, ECHO, LEXEMES = "duplicate", "echo", "missing_lexemes"  # they need more than the answer: shard or prompt


class Mill:
    """Grinds one shard; make a new one for each.

    Args:
        spec: the corpus.
        shard: which shard.
        pool: open engines.
        staging: where blocks go.
        first_attempt: the attempt that fresh ids begin with; above every attempt of a quarantined run.
        run_id: kept with every block.
        on_progress: called every `progress_every_s` seconds from the event loop.
        progress_every_s: see above.
    """

    def __init__(
        self,
        spec: CorpusSpec,
        shard: Shard,
        *,
        pool: EnginePool,
        staging: Staging,
        first_attempt: int = 0,
        run_id: str = "",
        on_progress: Callable[[Progress], None] | None = None,
        progress_every_s: float = 5.0,
    ) -> None:
        self._spec = spec
        self._shard = shard
        self._pool = pool
        self._staging = staging
        self._first_attempt = first_attempt
        self._last_attempt = first_attempt + spec.rules.max_attempts - 1
        self._run_id = run_id
        self._on_progress = on_progress
        self._progress_every_s = progress_every_s
        self._book = PromptBook(spec)
        self._judge = RuleBook(spec).judge
        self._asks_echo = ECHO not in spec.rules.off
        self._lexemes = LexemeRule.of(spec, self._book)
        self._seen: set[int] = set()
        self._open: dict[int, OpenBlock] = {}
        self._done: list[Facts] = []
        self._facts = Facts()  # of this run, whether saved or not
        self._saving = 0
        self._news = asyncio.Event()

    async def grind(self) -> Facts:
        """Write what is missing of the shard; returns the facts of all its blocks, resumed ones included.

        Raises:
            ShardHopeless: nearly all is rejected, or an id ran out of attempts.
            EnginesDown: no engine for longer than the outage budget; what is staged is kept.
            EngineRefused: wrong key, model or path.
            QuotaSpent: the night's budget or the API's quota is used up; what is staged is kept.
            StoreError: a block could not be read or saved.
        """
        staged = await asyncio.to_thread(self._staging.load)
        for block in staged.values():
            self._seen.update(block.hashes.tolist())
            self._done.append(block.facts)
        missing = [block for block in blocks_of(self._spec, self._shard) if block.number not in staged]
        self._speed = Speedometer(resumed=self._shard.rows - sum(block.rows for block in missing))
        try:
            if missing:
                await self._write(missing)
        finally:
            self._report()  # a shard given up within seconds has its rejects told too
        return Facts.total(self._done)

    async def _write(self, missing: list[Block]) -> None:
        """Write the blocks that are missing; whatever ends it, nothing of it runs on."""
        backend = await self._pool.backend()
        self._message_at = len(backend.template.before)  # RuleBook knows the system prompt's runs, the same for all
        self._open = {block.number: OpenBlock(block) for block in missing}
        self._queue = AskQueue(
            self._book,
            backend.template,
            missing,
            first_attempt=self._first_attempt,
            list_size=backend.list_size,
            n=self._spec.sampling.n,
            entries=self._spec.sampling.phrases_per_prompt,
            list_start=backend.list_start,
        )
        self._saved_at = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                ticker = group.create_task(self._tick())
                await self._feed(group)
                ticker.cancel()
        except BaseExceptionGroup as errors:
            raise first_error(errors) from errors

    async def _feed(self, group: asyncio.TaskGroup) -> None:
        """Send lists as long as there is something to ask and room to ask it, until all blocks are saved."""
        while self._open or self._saving:
            asks = self._queue.take() if self._saving < SAVES_AT_ONCE else None
            if asks is None:
                self._news.clear()
                await self._news.wait()
                continue
            engine = await self._pool.room(asks.answers)
            group.create_task(self._exchange(group, engine, asks))

    async def _exchange(self, group: asyncio.TaskGroup, engine: Engine, asks: AskList) -> None:
        """One request list, there and back."""
        try:
            answers = await self._pool.ask(engine, asks.prompts, n=asks.n, entries=asks.entries)
        except BadPrompt as refusal:
            self._split_or_reject(asks, REFUSED, refusal)
        except EngineFault as fault:
            if fault.reached and not fault.says_wait:
                asks = asks.again()
            if asks.faults < FAULTS_OF_A_LIST:
                self._queue.give_back(asks)
            else:
                self._split_or_reject(asks, ENGINE_ERROR, fault)
        else:
            self._speed.note_list(answers.seconds)
            for number in self._take_in(asks, answers):
                self._saving += 1
                group.create_task(self._save(self._open.pop(number)))
        self._give_up_if_hopeless()
        self._news.set()

    def _take_in(self, asks: AskList, answers: Answers) -> list[int]:
        """Judge the answers to a list: each is accepted into its block, or its id asked again.

        Returns the numbers of the blocks that are full now.
        """
        judge, seen, blocks = self._judge, self._seen, self._open
        size, first_id = self._spec.block_phrases, self._shard.first_id
        for facts in (blocks[(asks.ids[0] - first_id) // size].facts, self._facts):
            facts.prompt_tokens += answers.prompt_tokens
            facts.completion_tokens += answers.completion_tokens
        texts = answers.texts
        if answers.put_off:
            self._queue.give_back(asks.only(sorted(answers.put_off)))
        if lost := [place for place, text in enumerate(texts) if text is None and place not in answers.put_off]:
            self._take_back(asks.only(lost))
        if asks.entries > 1:
            texts = self._entries(asks, texts)
        coordinates = self._lexemes and self._lexemes.coordinates(asks.ids, asks.attempts)
        full: list[int] = []
        for position, answer in enumerate(texts):
            if answer is None:
                continue
            text, reason, text_hash = judge(answer)
            if reason is None:
                if text_hash in seen:
                    reason = DUPLICATE
                elif self._asks_echo and copies_prompt(text, asks.prompt_of(position)[self._message_at :]):
                    reason = ECHO
                elif self._lexemes and coordinates and self._lexemes.lacks(text, *coordinates[position]):
                    reason = LEXEMES
            if reason is not None:
                self._reject(asks.ids[position], asks.attempts[position], reason, text)
                continue
            seen.add(text_hash)
            number, index = divmod(asks.ids[position] - first_id, size)
            block = blocks[number]
            block.texts[index], block.hashes[index] = text, text_hash
            block.attempts[index] = asks.attempts[position]
            block.left -= 1
            self._facts.accepted += 1
            if not block.left:
                full.append(number)
        return full

    def _entries(self, asks: AskList, answers: list[str | None]) -> list[str | None]:
        """Take numbered lists apart, an entry an id; what a list lacks is rejected here."""
        entries: list[str | None] = []
        for answer in answers:
            if answer is None:
                entries += [None] * asks.entries
                continue
            for entry in list_entries(answer, asks.entries):
                if entry is None:
                    at = len(entries)
                    self._reject(asks.ids[at], asks.attempts[at], UNLISTED, answer)
                entries.append(entry)
        return entries

    def _take_back(self, lost: AskList) -> None:
        """Ask anew for answers that were missing from an otherwise sound reply."""
        left = lost.again()
        if left.faults < FAULTS_OF_A_LIST:
            self._queue.give_back(left)
        else:
            self._reject_all(left, ENGINE_ERROR, "no answer with finish_reason stop or length")

    def _split_or_reject(self, asks: AskList, reason: str, error: PhrasemillError) -> None:
        """Halve a list that cannot be answered as a whole; the ids of a single answer are asked otherwise."""
        if asks.answers > 1:
            for half in asks.halves():
                self._queue.give_back(half)
        else:
            self._reject_all(asks, reason, str(error))

    def _reject_all(self, asks: AskList, reason: str, text: str) -> None:
        for phrase_id, attempt in zip(asks.ids, asks.attempts, strict=True):
            self._reject(phrase_id, attempt, reason, text)

    def _reject(self, phrase_id: int, attempt: int, reason: str, text: str) -> None:
        number = (phrase_id - self._shard.first_id) // self._spec.block_phrases
        self._open[number].facts.reject(reason, text)
        self._facts.reject(reason, text)
        if attempt >= self._last_attempt:
            raise ShardHopeless(
                f"{self._spec.name} {self._shard.label}: phrase {phrase_id} was rejected "
                f"{self._spec.rules.max_attempts} times, last as {reason}. {self._rejects_in_words()}"
            )
        self._queue.ask_again(phrase_id, attempt + 1)

    def _give_up_if_hopeless(self) -> None:
        facts = self._facts
        if facts.judged >= HOPELESS_AFTER and facts.reject_share > HOPELESS_SHARE:
            raise ShardHopeless(
                f"{self._spec.name} {self._shard.label}: {facts.reject_share:.0%} of the first {facts.judged} "
                f"outputs were rejected. {self._rejects_in_words()}"
            )

    def _rejects_in_words(self) -> str:
        most = max(self._facts.rejects, key=self._facts.rejects.__getitem__)
        examples = "; ".join(repr(text) for text in self._facts.examples[most][:3])
        return (
            f"Rejects: {self._facts.histogram()}. Examples of {most}: {examples}. "
            "Change the prompt, the sampling or the rules of the corpus"
        )

    async def _save(self, block: OpenBlock) -> None:
        """Build, encode and stage a full block beside the event loop."""
        now = time.monotonic()
        facts = block.facts
        facts.accepted = block.block.rows
        facts.seconds, self._saved_at = now - self._saved_at, now
        facts.finished_at = dt.datetime.now(dt.UTC)
        facts.engines = len(self._pool.engines)
        facts.run_ids = [self._run_id] if self._run_id else []

        def work() -> None:
            rows = build_rows(
                self._book,
                language=self._spec.language,
                first_id=block.block.first_id,
                texts=block.texts,
                hashes=block.hashes,
                attempts=block.attempts,
            )
            self._staging.save(block.block, rows, facts)

        await asyncio.to_thread(work)
        self._done.append(facts)
        self._saving -= 1
        self._news.set()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._progress_every_s)
            self._report()

    def _report(self) -> None:
        if self._on_progress:
            self._on_progress(self._speed.progress(self._spec, self._shard, self._facts, self._pool))
