"""A night of several tasks on one account, in virtual time: what was sent when is noted and judged."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from phrasemill.allowance import open_allowance
from phrasemill.errors import QuotaSpent
from phrasemill.limit_settings import ApiLimits
from phrasemill.price_settings import Price
from tests.allowance.virtual import MemoryBucket, VirtualLoop, virtual_now

ROOT = "corpora/_limits/api"
ZONE = ZoneInfo("Europe/Berlin")
PRICE = Price(per_million_prompt_tokens=150, per_million_completion_tokens=600)


@dataclass
class Sent:
    """One request: when, for how long, and what it used in truth."""

    at: float
    task: int
    tokens: int
    completion: int
    cost: float
    ended: float | None = None


@dataclass
class Night:
    """Tasks that ask as fast as they may.

    `prompt_bytes` and `max_tokens` are of every request; a server needs `latency_s` for one, which is on its
    way there for up to `travel_s`.
    """

    limits: ApiLimits
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    price: Price | None = None
    prompt_bytes: int = 400
    max_tokens: int = 64
    latency_s: tuple[float, float] = (0.5, 4.0)
    travel_s: float = 0.0
    unanswered: float = 0.0
    workers: int = 40
    sent: list[Sent] = field(default_factory=list)
    stopped: list[QuotaSpent] = field(default_factory=list)
    views: dict[int, MemoryBucket] = field(default_factory=dict)

    async def all(self, tasks: list[tuple[int, float, float, bool]]) -> None:
        """Several tasks: number, beginning, end, and whether it is killed then."""
        await asyncio.gather(
            *(self.task(n, begins=begins, ends=ends, killed=killed) for n, begins, ends, killed in tasks)
        )

    async def task(self, number: int, *, begins: float, ends: float, killed: bool = False) -> None:
        """One task that comes and goes; a killed one's connection is cut first, so that it leaves nothing behind."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await asyncio.sleep(max(0.0, begins - loop.time()))
        view = self.views[number] = self.bucket.view()
        work = asyncio.create_task(self._work(number, view, ahead_s=loop.random.uniform(-0.5, 0.5)))
        done, _ = await asyncio.wait({work}, timeout=ends - begins)
        if not done:
            view.cut = killed
            work.cancel()
            await asyncio.wait({work})
        if not work.cancelled() and (error := work.exception()):
            if not isinstance(error, QuotaSpent):
                raise error
            self.stopped.append(error)

    async def _work(self, number: int, view: MemoryBucket, *, ahead_s: float) -> None:
        now = virtual_now(ahead_s=ahead_s)
        async with open_allowance(
            view, root=ROOT, limits=self.limits, price=self.price, zone=ZONE, now=now
        ) as throttle:

            async def ask() -> None:
                loop = asyncio.get_running_loop()
                assert isinstance(loop, VirtualLoop)
                while True:
                    turn = await throttle.turn(prompt_bytes=self.prompt_bytes, completion_tokens=self.max_tokens)
                    prompt = int(self.prompt_bytes * loop.random.uniform(0.22, 0.26))
                    completion = loop.random.randint(self.max_tokens // 3, self.max_tokens)
                    cost = (prompt * 150 + completion * 600) / 1e6 if self.price else 0.0
                    if self.travel_s:
                        await asyncio.sleep(loop.random.uniform(0.0, self.travel_s))
                    request = Sent(loop.time(), number, prompt + completion, completion, cost)
                    self.sent.append(request)
                    try:
                        await asyncio.sleep(loop.random.uniform(*self.latency_s))
                    finally:
                        request.ended = loop.time()
                    if loop.random.random() < self.unanswered:
                        turn.unanswered(billed=True)
                    else:
                        turn.answered(prompt_tokens=prompt, completion_tokens=completion)

            workers = [asyncio.create_task(ask()) for _ in range(self.workers)]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    def most_in(self, seconds: float, amount: Callable[[Sent], float]) -> float:
        """The most of something in any half-open stretch of so many seconds."""
        most = total = 0.0
        first = 0
        ordered = sorted(self.sent, key=lambda request: request.at)
        for request in ordered:
            total += amount(request)
            while ordered[first].at <= request.at - seconds + 1e-6:
                total -= amount(ordered[first])
                first += 1
            most = max(most, total)
        return most

    def most_at_once(self) -> int:
        """The most requests that were under way at any moment."""
        steps = [(request.at, 1) for request in self.sent]
        steps += [(request.ended, -1) for request in self.sent if request.ended is not None]
        most = now = 0
        for _, step in sorted(steps):
            now += step
            most = max(most, now)
        return most

    def between(self, begins: float, ends: float) -> list[Sent]:
        return [request for request in self.sent if begins <= request.at < ends]
