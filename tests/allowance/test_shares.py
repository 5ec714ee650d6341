"""Shares, lanes, bounds and periods: the pure parts."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from phrasemill.allowance import period_of
from phrasemill.allowance.lane import Lane
from phrasemill.allowance.shares import Share, fair_part, shares_of
from phrasemill.allowance.token_bound import ANSWERS_TO_LEARN, TokenBound
from phrasemill.limit_settings import ApiLimits

BERLIN = ZoneInfo("Europe/Berlin")


class TestShares:
    @pytest.mark.parametrize(
        ("limits", "count"),
        [
            ({"requests_per_minute": 3}, 3),
            ({"requests_per_minute": 500}, 16),
            ({"tokens_per_second": 2}, 1),
            ({"tokens_per_second": 4}, 1),
            ({"tokens_per_minute": 40_000}, 4),
            ({"tokens_per_minute": 100}, 1),
            ({"requests_per_minute": 500, "concurrent": 5}, 5),
            ({"budget_per_night": 5}, 0),
        ],
    )
    def test_each_share_lets_a_request_through(self, limits: dict[str, float], count: int) -> None:
        shares = shares_of(ApiLimits.model_validate(limits))
        assert len(shares) == count
        for share in shares:
            assert all(part is None or part >= 1 for part in (share.requests, share.tokens, share.concurrent))

    @pytest.mark.parametrize("limit", [1, 3, 16, 17, 100, 9_999, 123_457])
    def test_shares_add_up_to_the_limits(self, limit: int) -> None:
        limits = ApiLimits(
            requests_per_minute=limit, tokens_per_minute=limit, concurrent=limit, tokens_per_second=limit / 7
        )
        shares = shares_of(limits)
        assert sum(share.requests or 0 for share in shares) == limit
        assert sum(share.tokens or 0 for share in shares) == limit
        assert sum(share.concurrent or 0 for share in shares) == limit
        assert sum(share.tokens_per_second or 0 for share in shares) == pytest.approx(limit / 7)

    @pytest.mark.parametrize("tasks", [1, 2, 3, 5, 16, 40])
    def test_fair_parts_use_all_shares_and_the_oldest_come_first(self, tasks: int) -> None:
        names = [f"20261123T2000{number:02d}" for number in range(tasks)]
        parts = [fair_part(16, names, task=name) for name in names]
        assert sum(parts) == 16
        assert parts == sorted(parts, reverse=True)
        assert parts[0] - parts[-1] <= 1

    def test_a_task_that_is_not_listed_yet_counts_itself(self) -> None:
        assert fair_part(4, ["a"], task="b") == 2


class TestLane:
    def lane(self, **share: float) -> Lane:
        whole = {"requests": None, "tokens": None, "tokens_per_second": None, "concurrent": None} | share
        lane = Lane(0, Share(**whole))
        lane.windows = {0, 1}
        return lane

    def test_requests_are_spaced(self) -> None:
        lane = self.lane(requests=4)
        lane.send(10, completion=5, expected=10, now=1.0)
        assert lane.ready_at(10, now=1.0) == 16.25  # a quarter of a minute, and of a second for the way

    def test_tokens_of_the_last_minute_stay_below_the_share(self) -> None:
        lane = self.lane(tokens=100)
        lane.send(60, completion=5, expected=0, now=0.0)
        lane.send(30, completion=5, expected=0, now=10.0)
        assert lane.ready_at(10, now=20.0) == 20.0
        assert lane.ready_at(40, now=20.0) == 61.0
        assert lane.ready_at(80, now=20.0) == 71.0

    def test_what_an_answer_did_not_use_is_there_again(self) -> None:
        lane = self.lane(tokens=100)
        charge = lane.send(90, completion=50, expected=0, now=0.0)
        assert lane.ready_at(40, now=1.0) == 61.0
        lane.settle(charge, tokens=20, completion=10)
        assert lane.ready_at(40, now=1.0) == 1.0

    def test_an_answer_longer_than_reserved_counts_too(self) -> None:
        lane = self.lane(tokens=100)
        charge = lane.send(20, completion=10, expected=0, now=0.0)
        lane.settle(charge, tokens=90, completion=70)
        assert lane.ready_at(20, now=1.0) == 61.0

    def test_slow_writing_is_waited_for(self) -> None:
        lane = self.lane(tokens_per_second=2)
        charge = lane.send(100, completion=60, expected=100, now=0.0)
        assert lane.ready_at(100, now=1.0) == 30.0
        lane.settle(charge, tokens=60, completion=20)
        assert lane.ready_at(100, now=1.0) == 10.0

    def test_no_more_at_once_than_the_share(self) -> None:
        lane = self.lane(concurrent=1)
        charge = lane.send(1, completion=1, expected=1, now=0.0)
        assert lane.ready_at(1, now=5.0) is None
        lane.settle(charge, tokens=1, completion=1)
        assert lane.ready_at(1, now=5.0) == 5.0

    def test_nothing_is_sent_outside_of_windows_held_nor_at_their_very_end(self) -> None:
        lane = self.lane(requests=60)
        assert lane.ready_at(1, now=59.5) == 59.5
        assert lane.ready_at(1, now=117.0) == 117.0
        assert lane.ready_at(1, now=118.5) is None
        assert lane.ready_at(1, now=130.0) is None


class TestTokenBound:
    def test_bytes_are_the_bound_until_answers_are_there(self) -> None:
        bound = TokenBound()
        assert bound.prompt(400) >= 400
        for _ in range(ANSWERS_TO_LEARN):
            bound.learn(prompt_bytes=400, prompt_tokens=100, reserved=500, taken=150)
        assert 100 < bound.prompt(400) < 200
        assert bound.expected(500) < 400

    def test_it_never_exceeds_the_sure_one(self) -> None:
        bound = TokenBound()
        for _ in range(ANSWERS_TO_LEARN):
            bound.learn(prompt_bytes=10, prompt_tokens=74, reserved=80, taken=80)
        assert bound.prompt(1000) == bound.sure(1000)


class TestPeriods:
    LIMITS = ApiLimits(budget_per_night=5, budget_begins="12:00")

    def at(self, *moment: int) -> dt.datetime:
        return dt.datetime(*moment, tzinfo=BERLIN).astimezone(dt.UTC)  # type: ignore[misc,arg-type]

    def test_a_night_lies_in_one_period(self) -> None:
        evening = period_of(self.LIMITS, zone=BERLIN, now=self.at(2026, 11, 23, 22))
        morning = period_of(self.LIMITS, zone=BERLIN, now=self.at(2026, 11, 24, 6))
        assert evening == morning
        assert evening.name == "20261123T1100Z"

    def test_the_next_begins_to_the_second(self) -> None:
        before = period_of(self.LIMITS, zone=BERLIN, now=self.at(2026, 11, 24, 11, 59, 59))
        after = period_of(self.LIMITS, zone=BERLIN, now=self.at(2026, 11, 24, 12))
        assert before.ends == after.begins
        assert before.name != after.name

    def test_days_without_gaps_where_the_clocks_change(self) -> None:
        moment = self.at(2026, 10, 23, 13)
        names, lengths = [], []
        for _ in range(4):
            period = period_of(self.LIMITS, zone=BERLIN, now=moment)
            names.append(period.name)
            lengths.append((period.ends.timestamp() - period.begins.timestamp()) / 3600)
            moment = period.ends.astimezone(dt.UTC)
        assert names == ["20261023T1000Z", "20261024T1000Z", "20261025T1100Z", "20261026T1100Z"]
        assert lengths == [24, 25, 24, 24]
