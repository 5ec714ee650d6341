"""One engine as the client sees it: its window of prompts in flight, its breaker, its request lists."""

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field
from enum import Enum

import aiohttp

from phrasemill.engines.backend import Request, read_texts
from phrasemill.engines.http import EngineFault, post_json

log = logging.getLogger(__name__)

FAULTS_TO_OPEN = 3  # faults in a row; an engine that is not there at all opens the breaker at once
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to one request list.

    `texts` is prompt-major, n for each prompt; None where the engine gave no usable answer. `seconds` went by from
    the request to its answer. `put_off` are places without an answer for which no engine is to blame: they were not
    asked for, or it said that it wants to be asked later.
    """

    texts: list[str | None]
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    put_off: frozenset[int] = frozenset()


class Breaker(Enum):
    """Whether an engine is asked. From OPEN, /health leads to READY, one list to TRIAL, its answer to CLOSED."""

    CLOSED = "all it has room for"
    OPEN = "nothing until /health answers"
    READY = "one list"
    TRIAL = "nothing until that list is back"


@dataclass(slots=True, eq=False)
class Engine:
    """The client's view of one server.

    `window` is how many prompts it may have in flight from here, `share` this task's part of what it holds when all
    tasks are there: the window begins with it, and grows by it at most at one look (`phrasemill.engines.watch`). A 429
    halves the window; where there are no metrics to look at, a window full of answers then adds a request's, up to
    `ceiling`.
    """

    url: str
    window: int
    share: int = 0
    ceiling: int = 0
    in_flight: int = 0
    waiting: int = 0
    """Prompts of those in flight whose turn has not come: a throttle holds them back."""
    lists: int = 0
    phrases: int = 0
    faults: int = 0
    breaker: Breaker = Breaker.CLOSED
    leaving: bool = False
    """Whether it is gone from the engines that this task asks: it gets no new list."""
    _open_since: float = 0.0
    _faults_in_a_row: int = 0
    _throttled_in_a_row: int = 0
    _answers_at_window: int = 0
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

    @property
    def left_alone(self) -> bool:
        """Whether nothing is to be sent now, not even what has its room already."""
        return self.breaker is Breaker.OPEN or self.pause_left_s > 0

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

    async def ask(self, session: aiohttp.ClientSession, request: Request, *, timeout_s: float) -> Answers:
        """Send one request.

        Raises:
            EngineFault, BadPrompt, EngineRefused, QuotaSpent: as `post_json` and `read_texts` do.
        """
        url = f"{self.url}{request.path}"
        sent_at = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s) as deadline:
                self._deadlines.add(deadline)
                try:
                    answer = await post_json(session, url, request.body, timeout_s=None)
                finally:
                    self._deadlines.discard(deadline)
        except TimeoutError as error:
            raise EngineFault(f"{url}: the list was given up unanswered") from error
        seconds = time.monotonic() - sent_at
        texts = read_texts(url, answer, request.answers)
        try:
            usage = answer.get("usage") or {}
            asked, written = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        except (TypeError, ValueError, AttributeError) as error:
            raise EngineFault(f"{url}: the answer's usage is malformed ({usage!r:.60})") from error
        self.lists += 1
        self.phrases += len(texts)
        return Answers(texts, asked, written, seconds)

    def give_up_lists(self) -> None:
        """Let every list in flight here fail now."""
        now = asyncio.get_running_loop().time()
        for deadline in self._deadlines:
            if not deadline.expired():
                deadline.reschedule(now)

    def note_answer(self, answers: int = 1) -> None:
        """Close the breaker, unless /health is waited for: the engine has answered a request for so many answers.

        An answer that comes while it is open is to what was sent before its faults, and says nothing of it since.
        """
        self._faults_in_a_row = self._throttled_in_a_row = 0
        self._answers_at_window += answers
        if self._answers_at_window >= self.window < self.ceiling:
            self.window = min(self.window + answers, self.ceiling)
            self._answers_at_window = 0
        if self.breaker in (Breaker.READY, Breaker.TRIAL):
            self.breaker = Breaker.CLOSED
            log.info("engine %s is back after %.1f s", self.url, time.monotonic() - self._open_since)

    def note_fault(self, fault: EngineFault) -> bool:
        """Count a fault; true if it opened the breaker."""
        self.faults += 1
        if fault.says_wait:
            self._pause(fault)
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

    def _pause(self, fault: EngineFault) -> None:
        """Leave it alone for as long as it says; where it says nothing, for twice as long as the last time."""
        now = time.monotonic()
        # An engine that says 0 would be asked without end.
        pause = max(FIRST_PAUSE_S, fault.retry_after or 0)
        if fault.throttled and now >= self._paused_until:  # what was in flight with the first one tells nothing more
            self.window = max(1, self.window // 2)
            if fault.retry_after is None:
                pause = min(FIRST_PAUSE_S * 2**self._throttled_in_a_row, LONGEST_PAUSE_S)
            self._throttled_in_a_row += 1
        self._paused_until = max(self._paused_until, now + pause * random.uniform(1.0, 1.2))  # noqa: S311

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
