"""Rates: however many tasks come, go and are killed, no limit is passed in any minute. In virtual time."""

import asyncio
import random

import pytest

from phrasemill.allowance.errors import LimitsDiffer
from phrasemill.allowance.shares import shares_of
from phrasemill.errors import PhrasemillError, SpecError, StoreUnavailable
from phrasemill.limit_settings import ApiLimits
from tests.allowance.nights import ROOT, ZONE, Night, Sent
from tests.allowance.virtual import MemoryBucket, run_virtual, virtual_now

SECONDS = 1200
SLOW = {"latency_s": (2.0, 20.0)}
LONG = {"latency_s": (1.0, 90.0)}
LIMITS = [
    ({"requests_per_minute": 3}, {}),
    ({"requests_per_minute": 50}, {}),
    ({"tokens_per_minute": 40_000}, {}),
    ({"tokens_per_second": 4}, SLOW),
    ({"concurrent": 8}, {}),
    ({"concurrent": 5}, LONG),
    ({"concurrent": 5, "requests_per_minute": 50, "tokens_per_minute": 30_000}, {}),
]


def count(_: Sent) -> float:
    return 1


def tokens(request: Sent) -> float:
    return request.tokens


def completion(request: Sent) -> float:
    return request.completion


def assert_kept(night: Night) -> None:
    limits = night.limits
    if limits.requests_per_minute:
        assert night.most_in(60, count) <= limits.requests_per_minute
    if limits.tokens_per_minute:
        assert night.most_in(60, tokens) <= limits.tokens_per_minute
    if limits.concurrent:
        assert night.most_at_once() <= limits.concurrent
    if limits.tokens_per_second:
        # A request is sent before its tokens are written: each share may be ahead by one.
        ahead = night.max_tokens * len(shares_of(limits))
        for seconds in (60, 300):
            assert night.most_in(seconds, completion) <= limits.tokens_per_second * seconds + ahead


class TestManyTasks:
    @pytest.mark.parametrize("conditional", [True, False], ids=["conditional", "unconditional"])
    @pytest.mark.parametrize(("limits", "how"), LIMITS)
    def test_no_limit_is_passed_while_tasks_come_and_go_and_are_killed(
        self, limits: dict[str, float], how: dict[str, tuple[float, float]], *, conditional: bool
    ) -> None:
        for seed in range(2):
            plan = random.Random(seed)
            bucket = MemoryBucket(conditional=conditional)
            night = Night(ApiLimits.model_validate(limits), bucket=bucket, workers=20, **how)  # type: ignore[arg-type]
            tasks = []
            for number in range(6):
                begins = plan.uniform(0, SECONDS * 0.7)
                ends = begins + plan.uniform(60, SECONDS * 0.6)
                tasks.append((number, begins, ends, plan.random() < 0.4))

            run_virtual(lambda night=night, tasks=tasks: night.all(tasks), seed=seed)
            assert night.sent
            assert_kept(night)


class TestOneTaskAlone:
    @pytest.mark.parametrize("limit", [3, 60, 100])
    def test_it_gets_all_requests_evenly_paced(self, limit: int) -> None:
        night = Night(ApiLimits(requests_per_minute=limit))

        async def main() -> None:
            await night.task(0, begins=0, ends=600)

        run_virtual(main)
        assert len(night.sent) >= 0.97 * limit * 10
        assert night.most_in(60, count) <= limit
        assert night.most_in(10, count) <= limit / 6 + len(shares_of(night.limits))

    @pytest.mark.parametrize("limits", [{"requests_per_minute": 60}, {"tokens_per_minute": 20_000}])
    def test_requests_of_a_minute_are_counted_as_they_arrive(self, limits: dict[str, int]) -> None:
        night = Night(ApiLimits.model_validate(limits), travel_s=1.0)

        async def main() -> None:
            await night.task(0, begins=0, ends=600)

        run_virtual(main)
        assert_kept(night)

    def test_it_gets_all_tokens_once_it_knows_how_many_a_prompt_has(self) -> None:
        night = Night(ApiLimits(tokens_per_minute=40_000))

        async def main() -> None:
            await night.task(0, begins=0, ends=600)

        run_virtual(main)
        used = sum(request.tokens for request in night.between(120, 600)) / 8
        assert used > 0.9 * 40_000
        assert_kept(night)

    @pytest.mark.parametrize("rate", [2, 4])
    def test_a_few_tokens_a_second(self, rate: int) -> None:
        night = Night(ApiLimits(tokens_per_second=rate), latency_s=(64 / rate / 3, 64 / rate))

        async def main() -> None:
            await night.task(0, begins=0, ends=1800)

        run_virtual(main)
        assert sum(request.completion for request in night.sent) > 0.8 * rate * 1800
        assert_kept(night)

    def test_it_asks_the_bucket_less_than_once_a_second(self) -> None:
        night = Night(ApiLimits(requests_per_minute=100))

        async def main() -> None:
            await night.task(0, begins=0, ends=1200)

        run_virtual(main)
        assert night.views[0].requests < 1200
        board = [key for key in night.bucket.objects if "/rates/" in key]
        assert len(board) < 6 * (16 + 2)


class TestSeveralTasks:
    def test_they_end_up_with_fair_parts_and_use_the_whole(self) -> None:
        night = Night(ApiLimits(requests_per_minute=64))

        async def main() -> None:
            await asyncio.gather(*(night.task(number, begins=40 * number, ends=1200) for number in range(4)))

        run_virtual(main)
        late = night.between(600, 1200)
        parts = [sum(request.task == number for request in late) for number in range(4)]
        assert all(0.9 * 160 <= part <= 160 for part in parts), parts
        assert_kept(night)

    def test_what_a_killed_task_held_is_used_again_from_the_second_window_on(self) -> None:
        night = Night(ApiLimits(requests_per_minute=60))

        async def main() -> None:
            await asyncio.gather(night.task(0, begins=0, ends=400, killed=True), night.task(1, begins=0, ends=900))

        run_virtual(main)
        assert len(night.between(520, 880)) >= 0.97 * 360
        assert_kept(night)

    def test_one_share_goes_to_the_next_task_when_the_first_is_done(self) -> None:
        night = Night(ApiLimits(tokens_per_second=4), **SLOW)  # type: ignore[arg-type]

        async def main() -> None:
            await asyncio.gather(night.task(0, begins=0, ends=300), night.task(1, begins=10, ends=900))

        run_virtual(main)
        assert {request.task for request in night.between(0, 300)} == {0}
        assert {request.task for request in night.between(480, 900)} == {1}

    def test_a_task_that_waits_asks_the_bucket_a_few_times_a_minute(self) -> None:
        night = Night(ApiLimits(tokens_per_second=4), **SLOW)  # type: ignore[arg-type]

        async def main() -> None:
            await asyncio.gather(night.task(0, begins=0, ends=1260), night.task(1, begins=10, ends=1210))

        run_virtual(main)
        assert {request.task for request in night.sent} == {0}
        assert night.views[1].requests < 6 * 20

    def test_what_killed_tasks_left_on_the_board_is_removed(self) -> None:
        night = Night(ApiLimits(requests_per_minute=60))

        async def main() -> None:
            await night.task(0, begins=0, ends=100, killed=True)
            await night.task(1, begins=100, ends=900)

        run_virtual(main)
        left = {int(key.split("/")[-2]) for key in night.bucket.objects if "/rates/" in key}
        assert max(left) - min(left) < 10


class TestRefusals:
    def ask(self, bucket: MemoryBucket, limits: ApiLimits, *, prompt_bytes: int = 100) -> list[PhrasemillError]:
        """What a first request meets, where the board is as it is."""
        from phrasemill.allowance import open_allowance

        met: list[PhrasemillError] = []

        async def main() -> None:
            now = virtual_now()
            async with open_allowance(bucket, root=ROOT, limits=limits, price=None, zone=ZONE, now=now) as throttle:
                try:
                    turn = await throttle.turn(prompt_bytes=prompt_bytes, completion_tokens=50)
                    turn.unanswered(billed=False)
                except PhrasemillError as error:
                    met.append(error)

        run_virtual(main)
        return met

    def test_other_limits_under_the_same_root(self) -> None:
        """The one who came first goes on; the other is told in one line."""
        first = Night(ApiLimits(requests_per_minute=60))
        other = Night(ApiLimits(requests_per_minute=30, concurrent=4), bucket=first.bucket)
        met: list[LimitsDiffer] = []

        async def main() -> None:
            async def second() -> None:
                try:
                    await other.task(1, begins=100, ends=300)
                except LimitsDiffer as error:
                    met.append(error)

            await asyncio.gather(first.task(0, begins=0, ends=300), second())

        run_virtual(main)
        assert not other.sent
        assert len(first.sent) > 280
        message = str(met[0])
        assert "concurrent is None there and 4 here, requests_per_minute is 60 there and 30 here" in message
        assert "\n" not in message

    def test_changed_limits_are_taken_once_the_tasks_before_are_done(self) -> None:
        first = Night(ApiLimits(requests_per_minute=60))
        other = Night(ApiLimits(requests_per_minute=30), bucket=first.bucket)

        async def main() -> None:
            await first.task(0, begins=0, ends=100)
            await other.task(1, begins=110, ends=400)

        run_virtual(main)
        assert len(other.sent) > 60

    def test_a_request_that_no_share_ever_lets_through(self) -> None:
        (met,) = self.ask(MemoryBucket(), ApiLimits(tokens_per_minute=1000), prompt_bytes=2000)
        assert isinstance(met, SpecError)
        assert "2,114 tokens" in str(met)

    def test_a_bucket_that_does_not_answer_gives_no_leave(self) -> None:
        class Refusing(MemoryBucket):
            def put_if_absent(self, key: str, content: bytes, *, content_type: str = "") -> bool:
                raise StoreUnavailable("cannot put; retry")

        (met,) = self.ask(Refusing(), ApiLimits(requests_per_minute=60))
        assert isinstance(met, StoreUnavailable)

    def test_an_outage_stops_a_task_before_the_first_minute_without_shares(self) -> None:
        night = Night(ApiLimits(requests_per_minute=60))
        met: list[StoreUnavailable] = []

        async def main() -> None:
            async def cut() -> None:
                await asyncio.sleep(130)
                night.views[0].cut = True

            try:
                await asyncio.gather(night.task(0, begins=0, ends=600), cut())
            except StoreUnavailable as error:
                met.append(error)

        run_virtual(main)
        assert met
        assert 100 < max(request.at for request in night.sent) < 240

    def test_a_short_outage_is_ridden_out(self) -> None:
        night = Night(ApiLimits(requests_per_minute=60))

        async def main() -> None:
            async def cut() -> None:
                await asyncio.sleep(70)  # 20:01:27, before the renewal at 20:01:30
                night.views[0].cut = True
                await asyncio.sleep(10)
                night.views[0].cut = False

            await asyncio.gather(night.task(0, begins=0, ends=300), cut())

        run_virtual(main)
        assert len(night.sent) > 285
