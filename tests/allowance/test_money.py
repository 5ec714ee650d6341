"""Money: a budget is never passed, whoever is killed and whatever goes unanswered. In virtual time, mostly."""

import asyncio
import random

import pytest

from phrasemill.allowance import open_allowance, spent
from phrasemill.allowance.errors import LimitsDiffer
from phrasemill.errors import SpecError
from phrasemill.limit_settings import ApiLimits
from phrasemill.price_settings import Price
from tests.allowance.nights import PRICE, ROOT, ZONE, Night
from tests.allowance.virtual import EPOCH, MemoryBucket, run_virtual, virtual_now

BUDGET = 20.0
"""A request costs up to 0.108 and takes some 0.04: a tranche of 0.1 is less than one."""
SIX_PM = ApiLimits(budget_per_night=BUDGET, budget_begins="18:00")


def total(night: Night, begins: float = 0, ends: float = float("inf")) -> float:
    return sum(request.cost for request in night.between(begins, ends))


class TestBudget:
    @pytest.mark.parametrize("conditional", [True, False], ids=["conditional", "unconditional"])
    def test_it_is_never_passed_by_tasks_that_come_and_go_and_are_killed(self, *, conditional: bool) -> None:
        for seed in range(4):
            plan = random.Random(seed)
            bucket = MemoryBucket(conditional=conditional)
            night = Night(SIX_PM, bucket=bucket, price=PRICE, unanswered=0.1, workers=6)
            tasks = [(number, plan.uniform(0, 20), plan.uniform(21, 60), plan.random() < 0.3) for number in range(5)]
            tasks += [(5, 60, 2000, False), (6, 60, 2000, False)]

            run_virtual(lambda night=night, tasks=tasks: night.all(tasks), seed=seed)
            assert night.stopped
            assert 0.5 * BUDGET < total(night) <= BUDGET

    def test_one_task_spends_nearly_all_of_it_and_says_what_to_do(self) -> None:
        night = Night(SIX_PM, price=PRICE)

        async def main() -> None:
            await night.task(0, begins=0, ends=3600)

        run_virtual(main)
        assert BUDGET - 0.2 < total(night) <= BUDGET
        message = str(night.stopped[0])
        assert "of 20.0000 EUR" in message
        assert "since 2026-11-23 18:00" in message
        assert "begins anew on 2026-11-24 18:00 (CET): clear the failed tasks after that" in message
        assert "\n" not in message
        assert not night.stopped[0].retryable

    def test_a_task_that_ends_in_order_gives_back_what_it_has_not_spent(self) -> None:
        night = Night(SIX_PM, price=PRICE, workers=2, latency_s=(1.0, 1.0))

        async def main() -> None:
            await night.task(0, begins=0, ends=5)
            await asyncio.sleep(5)
            now = virtual_now()
            standing = spent(night.bucket, root=ROOT, limits=SIX_PM, zone=ZONE, now=now)
            in_flight = 2 * 0.11
            assert total(night) <= standing.amount <= total(night) + in_flight
            assert standing.left == pytest.approx(BUDGET - standing.amount)
            await night.task(1, begins=10, ends=3600)

        run_virtual(main)
        assert BUDGET - 0.5 < total(night) <= BUDGET

    def test_a_new_period_goes_on(self) -> None:
        limits = SIX_PM.model_copy(update={"budget_begins": "21:10"})  # EPOCH is 21:00:17 in Berlin
        night = Night(limits, price=PRICE, workers=4)

        async def main() -> None:
            await night.task(0, begins=0, ends=500)
            assert night.stopped
            await night.task(1, begins=520, ends=570)
            assert len(night.stopped) == 2
            await night.task(2, begins=590, ends=3600)

        run_virtual(main)
        assert BUDGET - 0.5 < total(night, 0, 583) <= BUDGET
        assert BUDGET - 0.5 < total(night, 583) <= BUDGET
        assert "begins anew on 2026-11-24 21:10" in str(night.stopped[-1])

    def test_unanswered_requests_count_in_full_if_they_may_be_billed(self) -> None:
        async def main() -> None:
            for billed, expected in ((True, 0.0646), (False, 0.0)):
                bucket, now = MemoryBucket(), virtual_now()
                limits = ApiLimits(budget_per_night=1)
                async with open_allowance(
                    bucket, root=ROOT, limits=limits, price=PRICE, zone=ZONE, now=now
                ) as throttle:
                    turn = await throttle.turn(prompt_bytes=300, completion_tokens=10)
                    turn.unanswered(billed=billed)
                    turn.unanswered(billed=True)  # the first word counts
                standing = spent(bucket, root=ROOT, limits=limits, zone=ZONE, now=now)
                # 300 bytes and what a template adds, at 150 a million, and 10 tokens at 600.
                assert standing.amount == pytest.approx(expected and (364 * 150 + 10 * 600) / 1e6)

        run_virtual(main)

    def test_an_answer_without_usage_counts_in_full(self) -> None:
        async def main() -> None:
            bucket, now = MemoryBucket(), virtual_now()
            limits = ApiLimits(budget_per_night=1)
            async with open_allowance(bucket, root=ROOT, limits=limits, price=PRICE, zone=ZONE, now=now) as throttle:
                turn = await throttle.turn(prompt_bytes=300, completion_tokens=10)
                turn.answered(prompt_tokens=0, completion_tokens=0)
            standing = spent(bucket, root=ROOT, limits=limits, zone=ZONE, now=now)
            assert standing.amount == pytest.approx((364 * 150 + 10 * 600) / 1e6)

        run_virtual(main)

    @pytest.mark.parametrize("budget", [1, 100], ids=["while it claims tranches", "while it waits for its share"])
    def test_who_gives_up_waiting_for_its_turn_spends_nothing(self, budget: float) -> None:
        async def main() -> None:
            bucket, now = MemoryBucket(), virtual_now()
            limits = ApiLimits(budget_per_night=budget, requests_per_minute=1)
            async with open_allowance(bucket, root=ROOT, limits=limits, price=PRICE, zone=ZONE, now=now) as throttle:
                first = await throttle.turn(prompt_bytes=300, completion_tokens=10)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(5):
                        await throttle.turn(prompt_bytes=300, completion_tokens=10)
                first.unanswered(billed=False)
            assert spent(bucket, root=ROOT, limits=limits, zone=ZONE, now=now).amount == 0

        run_virtual(main)

    def test_a_request_dearer_than_the_whole_budget_takes_nothing(self) -> None:
        limits = ApiLimits(budget_per_night=0.01)
        night = Night(limits, price=PRICE)

        async def main() -> None:
            await night.task(0, begins=0, ends=60)

        run_virtual(main)
        assert night.stopped
        assert spent(night.bucket, root=ROOT, limits=limits, zone=ZONE, now=lambda: EPOCH).amount == 0


class TestTerms:
    def test_another_budget_in_the_same_period(self) -> None:
        first = Night(SIX_PM, price=PRICE)
        other = Night(SIX_PM.model_copy(update={"budget_per_night": 30.0}), bucket=first.bucket, price=PRICE)

        async def main() -> None:
            await first.task(0, begins=0, ends=5)
            with pytest.raises(LimitsDiffer, match=r"is 20\.0 there and 30\.0 here; .*2026-11-24 18:00"):
                await other.task(1, begins=10, ends=20)

        run_virtual(main)
        assert not other.sent

    @pytest.mark.parametrize("price", [None, Price(per_gpu_hour=2)])
    def test_a_budget_needs_the_price_of_a_token(self, price: Price | None) -> None:
        night = Night(SIX_PM, price=price)

        async def main() -> None:
            with pytest.raises(SpecError, match="per_million_completion_tokens"):
                await night.task(0, begins=0, ends=5)

        run_virtual(main)

    def test_nothing_is_spent_before_anybody_asked(self) -> None:
        standing = spent(MemoryBucket(), root=ROOT, limits=SIX_PM, zone=ZONE, now=lambda: EPOCH)
        assert (standing.amount, standing.left) == (0.0, BUDGET)

    def test_periods_of_last_year_are_removed(self) -> None:
        bucket = MemoryBucket()
        for day in range(100):
            bucket.put(f"{ROOT}/money/2025{day:04d}T1100Z/tranche-00000.json", b"{}")
        night = Night(SIX_PM, bucket=bucket, price=PRICE)

        async def main() -> None:
            await night.task(0, begins=0, ends=5)

        run_virtual(main)
        assert len(bucket.folders(f"{ROOT}/money/")) == 51
