"""One engine as the client sees it: its window of prompts in flight, its breaker, its request lists."""

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import aiohttp

from phrasemill.engines.http import EngineFault, post_json

log = logging.getLogger(__name__)

FAULTS_TO_OPEN = 3  # faults in a row; an engine that is not there at all opens the breaker at once
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0
ACCEPTED_FINISHES = frozenset({"stop", "length"})


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to one request list.

    `texts` is prompt-major, n for each prompt; None where the engine gave no usable answer. `seconds` went by from
    the request to its answer.
    """

    texts: list[str | None]
    prompt_tokens: int
    completion_tokens: int
    seconds: float


class Breaker(Enum):
    """Whether an engine is asked. From OPEN, /health leads to READY, one list to TRIAL, its answer to CLOSED."""

    CLOSED = "all it has room for"
    OPEN = "nothing until /health answers"
    READY = "one list"
    TRIAL = "nothing until that list is back"


@dataclass(slots=True, eq=False)
class Engine:
    """The client's view of one vLLM server.

    `window` is how many prompts it may have in flight from here, `share` this task's part of what it holds when all
    tasks are there: the window begins with it, and grows by it at most at one look (`phrasemill.engines.watch`).
    """

    url: str
    window: int
    share: int = 0
    in_flight: int = 0
    lists: int = 0
    phrases: int = 0
    faults: int = 0
    breaker: Breaker = Breaker.CLOSED
    leaving: bool = False
    """Whether it is gone from the engines that this task asks: it gets no new list."""
    _open_since: float = 0.0
    _faults_in_a_row: int = 0
    _paused_until: float = 0.0
    _pauses: int = 0
    _deadlines: set[asyncio.Timeout] = field(default_factory=set)

    @property
    def healthy(self) -> bool:
        """Whether its breaker is closed."""
        return self.breaker is Breaker.CLOSED

    @property
    def pause_left_s(self) -> float:
        """Seconds that the engine has asked to be left alone for (429 with Retry-After)."""
        return max(0.0, self._paused_until - time.monotonic())

    def has_room(self, size: int) -> bool:
        """Whether it may be asked for `size` prompts more now."""
        if self.leaving or self.pause_left_s:
            return False
        if self.healthy:
            # Something must be in flight always, also in a window that is smaller than one list.
            return self.in_flight + size <= self.window or self.in_flight == 0
        return self.breaker is Breaker.READY

    def reserve(self, size: int) -> None:
        """Take room for `size` prompts."""
        self.in_flight += size
        if self.breaker is Breaker.READY:
            self.breaker = Breaker.TRIAL

    async def ask(self, session: aiohttp.ClientSession, body: dict[str, Any], *, timeout_s: float) -> Answers:
        """Send one request list; `body` is of /v1/completions and its prompt a list.

        Raises:
            EngineFault, BadPrompt, EngineRefused: as `post_json` does.
        """
        url = f"{self.url}/v1/completions"
        sent_at = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s) as deadline:
                self._deadlines.add(deadline)
                try:
                    answer = await post_json(session, url, body, timeout_s=None)
                finally:
                    self._deadlines.discard(deadline)
        except TimeoutError as error:
            raise EngineFault(f"{url}: the list was given up unanswered") from error
        seconds = time.monotonic() - sent_at
        answers = _answers(url, answer, len(body["prompt"]) * body.get("n", 1), seconds=seconds)
        self.lists += 1
        self.phrases += len(answers.texts)
        return answers

    def give_up_lists(self) -> None:
        """Let every list in flight here fail now."""
        now = asyncio.get_running_loop().time()
        for deadline in self._deadlines:
            if not deadline.expired():
                deadline.reschedule(now)

    def note_answer(self) -> None:
        """Close the breaker if it is open: the engine has answered."""
        self._faults_in_a_row = 0
        if not self.healthy:
            self.breaker = Breaker.CLOSED
            log.info("engine %s is back after %.1f s", self.url, time.monotonic() - self._open_since)

    def note_fault(self, fault: EngineFault) -> bool:
        """Count a fault; true if it opened the breaker."""
        self.faults += 1
        if fault.retry_after is not None:
            pause = max(FIRST_PAUSE_S, fault.retry_after)  # an engine that says 0 would be asked without end
            self._paused_until = time.monotonic() + pause * random.uniform(1.0, 1.2)  # noqa: S311
            if self.breaker is Breaker.TRIAL:
                self.breaker = Breaker.READY
            return False
        self._faults_in_a_row += 1
        if self.healthy:
            if self._faults_in_a_row < FAULTS_TO_OPEN and fault.reached:
                return False
            self.open(str(fault))
            return True
        if self.breaker is Breaker.OPEN:
            return False
        self.breaker = Breaker.OPEN  # the trial failed: said already
        return True

    def open(self, why: str) -> None:
        """Open the breaker: nothing is sent until /health answers again. Says so once."""
        self.breaker = Breaker.OPEN
        self._open_since = time.monotonic()
        self._pauses = 0
        log.warning("engine %s is left out until it is healthy again: %s", self.url, why)

    def offer_trial(self) -> None:
        """Let one list through, after /health has answered; what comes of it closes or opens the breaker."""
        if self.breaker is Breaker.OPEN:
            self.breaker = Breaker.READY

    def next_pause_s(self) -> float:
        """Seconds until the next look at /health: doubling, jittered."""
        pause: float = min(FIRST_PAUSE_S * 2**self._pauses, LONGEST_PAUSE_S)
        self._pauses += 1
        return pause * random.uniform(0.5, 1.0)  # noqa: S311


def _answers(url: str, answer: dict[str, Any], count: int, *, seconds: float) -> Answers:
    texts: list[str | None] = [None] * count
    try:
        for choice in answer["choices"]:
            index, text = choice["index"], choice["text"]
            if not isinstance(text, str) or not 0 <= index < count:
                raise EngineFault(f"{url}: the answer is malformed (choice {index!r} of {count}: {text!r:.60})")
            if choice["finish_reason"] in ACCEPTED_FINISHES:
                texts[index] = text
        usage = answer.get("usage") or {}
        asked, written = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
        answers = Answers(texts, asked, written, seconds)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EngineFault(f"{url}: the answer is malformed ({type(error).__name__}: {error})") from error
    if all(text is None for text in texts):
        raise EngineFault(f"{url}: none of the {count} choices asked for is in the answer")
    return answers
