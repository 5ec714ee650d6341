"""The fake engine's limits: what it allows a minute, a day and at once, and what it says when that is used up."""

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest

from phrasemill.engines.fake.process import FakeEngineProcess
from tests.engines.asking import Reply, complete, error, wait_until

LONG_S = 3600.0  # a minute that does not end while a test runs


def ask_times(engine: FakeEngineProcess, times: int) -> list[Reply]:
    return [complete(engine) for _ in range(times)]


class TestMinute:
    def test_requests_beyond_the_limit_are_refused(self) -> None:
        with FakeEngineProcess(api="chat", completions=True, requests_per_minute=3, minute_s=LONG_S) as engine:
            replies = ask_times(engine, 5)
            assert [reply.status for reply in replies] == [200, 200, 200, 429, 429]
            refused = error(replies[-1])
            assert (refused["type"], refused["code"]) == ("requests", "rate_limit_exceeded")
            assert "requests per min (RPM): Limit 3, Used 3, Requested 1" in refused["message"]
            state = engine.state()
            assert (state["throttled"], state["most_requests_a_minute"]) == ({"requests": 2}, 5)

    def test_they_pass_again_once_the_oldest_is_a_minute_old(self) -> None:
        with FakeEngineProcess(requests_per_minute=1, minute_s=0.3) as engine:
            wait_until(lambda: complete(engine).status == 429)
            wait_until(lambda: complete(engine).status == 200)

    def test_tokens_count_at_most_until_the_answer_says_how_many(self) -> None:
        with FakeEngineProcess(tokens_per_minute=200, minute_s=LONG_S) as engine:
            first = complete(engine, max_tokens=150)
            second = complete(engine, max_tokens=120)
            assert (first.status, second.status) == (200, 200)
            used = sum(reply.json["usage"]["total_tokens"] for reply in (first, second))
            refused = error(complete(engine, max_tokens=200 - used))
            assert refused["type"] == "tokens"
            assert f"Limit 200, Used {used}" in refused["message"]
            state = engine.state()
            assert state["most_tokens_a_minute"] == state["tokens_today"] == used

    def test_answers_tell_what_is_left(self) -> None:
        with FakeEngineProcess(requests_per_minute=2, tokens_per_minute=1000, minute_s=LONG_S) as engine:
            reply = complete(engine)
            told = {name: value for name, value in reply.headers.items() if name.startswith("x-ratelimit")}
            assert re.fullmatch(r"(59m\d+|60m0)s", told.pop("x-ratelimit-reset-requests"))
            assert told.pop("x-ratelimit-reset-tokens")
            assert told == {
                "x-ratelimit-limit-requests": "2",
                "x-ratelimit-remaining-requests": "1",
                "x-ratelimit-limit-tokens": "1000",
                "x-ratelimit-remaining-tokens": str(1000 - reply.json["usage"]["total_tokens"]),
            }

    def test_a_limited_vllm_is_refused_in_the_gateways_words(self) -> None:
        for api in ("vllm", "tgi"):
            with FakeEngineProcess(api=api, requests_per_minute=1, minute_s=LONG_S) as engine:
                assert error(ask_times(engine, 2)[1])["code"] == "rate_limit_exceeded"


class TestRetryAfter:
    @pytest.mark.parametrize("style", ["seconds", "date", "ms", "none"])
    def test_it_says_when_to_come_again(self, style: str) -> None:
        with FakeEngineProcess(requests_per_minute=1, minute_s=LONG_S, retry_after=style) as engine:
            headers = ask_times(engine, 2)[1].headers
            seconds, milliseconds = headers.get("Retry-After"), headers.get("retry-after-ms")
            if style == "none":
                assert (seconds, milliseconds) == (None, None)
            elif style == "ms":
                assert seconds is None
                assert 0 < int(milliseconds or 0) <= LONG_S * 1000
            elif style == "seconds":
                assert 0 < int(seconds or 0) <= LONG_S
            else:
                assert parsedate_to_datetime(seconds or "") > datetime.now(UTC)

    def test_a_429_at_random_has_none(self) -> None:
        with FakeEngineProcess(seed=3) as engine:
            engine.faults(mode="status", status=429, probability=0.5)
            replies = ask_times(engine, 30)
            assert set(Counter(reply.status for reply in replies)) == {200, 429}
            assert not any("Retry-After" in reply.headers for reply in replies)


class TestAtOnce:
    def test_one_too_many_is_refused(self) -> None:
        with FakeEngineProcess(concurrent=2, latency_ms=60_000) as engine, ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(complete, engine) for _ in range(2)]
            wait_until(lambda: engine.state()["lists_in_flight"] == 2)
            assert complete(engine).status == 429
            state = engine.state()
            assert (state["max_lists_in_flight"], state["throttled"]) == (2, {"concurrent": 1})
            engine.kill()
            assert all(one.exception() for one in asked)


class TestBurst:
    def test_everything_is_refused_for_a_while(self) -> None:
        with FakeEngineProcess(retry_after="none") as engine:
            engine.faults(mode="burst", seconds=3600, after=1, count=1)
            assert [reply.status for reply in ask_times(engine, 4)] == [200, 429, 429, 429]
            assert engine.state()["throttled"]["burst"] == 3

    def test_and_then_it_is_over(self) -> None:
        with FakeEngineProcess() as engine:
            engine.faults(mode="burst", seconds=0.3, count=1)
            assert complete(engine).status == 429
            wait_until(lambda: complete(engine).status == 200)


class TestQuota:
    def test_it_is_spent_until_the_next_day(self) -> None:
        with FakeEngineProcess(daily_tokens=30) as engine:
            replies = ask_times(engine, 4)
            assert replies[0].status == 200
            assert error(replies[-1])["type"] == error(replies[-1])["code"] == "insufficient_quota"
            assert "Retry-After" not in replies[-1].headers
            assert engine.state()["tokens_today"] >= 30
            engine.reset_quota()
            assert complete(engine).status == 200


class TestSlowEngine:
    def test_four_tokens_a_second_are_no_more(self) -> None:
        with FakeEngineProcess(tokens_per_second=4) as engine:
            began = time.monotonic()
            assert complete(engine, max_tokens=4).json["usage"]["completion_tokens"] == 4
            assert time.monotonic() - began > 0.9
