"""The mill over servers that are no vLLM: exactly N phrases, whatever they refuse and however they are throttled."""

from collections.abc import Iterator
from typing import Any

import pytest

from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.outage import Patience
from phrasemill.errors import QuotaSpent
from phrasemill.spec import CorpusSpec
from tests.grinding import MemoryStaging, grind, quick_spec, wait_until_asked
from tests.specs import merged

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
REFUSALS = [(), ("max_tokens",), ("n",), ("system",), ("max_tokens", "n", "system", "unknown_fields")]


def small_spec(**overrides: Any) -> CorpusSpec:
    """48 phrases a shard in blocks of 12, eight requests at once."""
    sizes = {"target_phrases": 96, "shard_phrases": 48, "block_phrases": 12, "engines": {"in_flight": 8}}
    return quick_spec(**merged(sizes, overrides))


def served(**settings: Any) -> FakeEngineProcess:
    return FakeEngineProcess(model="tiny-model", **settings)


def bodies(engine: FakeEngineProcess, *, last: int = 40) -> list[dict[str, Any]]:
    """What the mill asked, once it had found out how to."""
    asked = engine.requests(last=last)
    assert {request["path"] for request in asked} == {CHAT}
    return [request["body"] for request in asked]


@pytest.fixture(scope="module")
def _hosted() -> Iterator[FakeEngineProcess]:
    with served(api="chat", latency_ms=5, retry_after="none") as engine:
        yield engine


@pytest.fixture
def hosted(_hosted: FakeEngineProcess) -> FakeEngineProcess:
    _hosted.reset()
    return _hosted


class TestHosted:
    @pytest.mark.parametrize("refuse", REFUSALS, ids=lambda refuse: "+".join(refuse) or "nothing")
    def test_what_it_refuses_is_asked_otherwise(self, refuse: tuple[str, ...]) -> None:
        with served(api="chat", refuse=refuse) as engine:
            grind(small_spec(sampling={"n": 2}), [engine])
            for body in bodies(engine, last=20):
                assert ("max_completion_tokens" in body) == ("max_tokens" in refuse)
                assert body.get("n", 1) == (1 if "n" in refuse else 2)
                roles = [message["role"] for message in body["messages"]]
                assert roles == (["user"] if "system" in refuse else ["system", "user"])
                assert body["messages"][-1]["content"].startswith("You write short stories.") == ("system" in refuse)
                assert ("chat_template_kwargs" in body) == ("unknown_fields" not in refuse)

    def test_a_base_model_is_asked_for_completions(self) -> None:
        with served(api="chat", completions=True, refuse=("unknown_fields",)) as engine:
            grind(small_spec(model={"chat": False}), [engine])
            assert {request["path"] for request in engine.requests()} == {COMPLETIONS}

    def test_it_needs_a_key(self) -> None:
        with served(api="chat", api_key="sesame") as engine:
            grind(small_spec(), [engine], api_key="sesame")


class TestTgi:
    def test_chat(self) -> None:
        with served(api="tgi") as engine:
            grind(small_spec(sampling={"n": 2}), [engine])
            assert all("n" not in body for body in bodies(engine))

    def test_a_template_without_a_system_message(self) -> None:
        with served(api="tgi", family="gemma_2") as engine:
            grind(small_spec(), [engine])
            assert {len(body["messages"]) for body in bodies(engine)} == {1}

    def test_a_base_model_stops_where_it_is_told_to(self) -> None:
        with served(api="tgi", family="base", text="continued") as engine:
            ground = grind(small_spec(model={"chat": False}, sampling={"stop": ["\n\n"]}), [engine])
            assert engine.requests(last=1)[0]["body"]["stop"] == ["\n\n"]
            assert ground.facts.rejects == {}
            assert not any("\n" in text for text in ground.staging.rows.column("text").to_pylist())

    def test_a_base_model_is_asked_for_completions(self) -> None:
        with served(api="tgi", family="base") as engine:
            grind(small_spec(model={"chat": False}), [engine])
            assert {request["path"] for request in engine.requests()} == {COMPLETIONS}

    def test_overloaded(self) -> None:
        with served(api="tgi", concurrent=4, latency_ms=5, retry_after="none") as engine:
            grind(small_spec(), [engine])


class TestThrottled:
    def test_429_at_random(self, hosted: FakeEngineProcess) -> None:
        hosted.faults(mode="status", status=429, probability=0.1)
        grind(small_spec(), [hosted])
        assert hosted.state()["faults_struck"].get("status", 0) > 0

    def test_bursts_in_which_all_is_refused(self, hosted: FakeEngineProcess) -> None:
        hosted.faults(mode="burst", seconds=1, after=10, count=1)
        hosted.faults(mode="burst", seconds=1, after=25, count=1)
        ground = grind(small_spec(), [hosted])
        assert hosted.state()["throttled"]["burst"] >= 2
        assert ground.facts.rejects == {}

    @pytest.mark.parametrize("style", ["seconds", "date", "ms", "none"])
    def test_so_many_requests_a_minute(self, style: str) -> None:
        with served(api="chat", requests_per_minute=25, minute_s=1, retry_after=style) as engine:
            ground = grind(small_spec(), [engine])
            state = engine.state()
            assert state["throttled"]["requests"] > 0
            assert ground.facts.rejects == {}

    def test_a_minute_that_cannot_be_waited_out_is_for_a_later_night(self) -> None:
        staging = MemoryStaging()
        with served(api="chat", requests_per_minute=30, minute_s=3600) as engine:
            with pytest.raises(QuotaSpent, match="left alone for"):
                grind(small_spec(), [engine], staging=staging)
            assert 1 <= len(staging.blocks) < 4

    def test_a_few_tokens_a_second_need_few_requests_at_once(self) -> None:
        # 4 tokens a second, 50 times as fast: 24 sentences at once would take 3 s, longer than the deadline of one.
        patience = Patience(list_s=2, outage_s=60)
        spec = small_spec(target_phrases=24, shard_phrases=24, engines={"in_flight": 24, "limits": {"concurrent": 4}})
        with served(api="chat", tokens_per_second=200) as engine:
            grind(spec, [engine], patience=patience)
            state = engine.state()
            assert state["max_lists_in_flight"] <= 4
            assert state["disconnects"] == 0


class TestQuota:
    def test_a_night_ends_when_it_is_spent_and_a_later_one_goes_on(self) -> None:
        staging, nights = MemoryStaging(), []
        with served(api="chat", daily_tokens=1500) as engine:
            while len(nights) < 10:
                nights.append(len(staging.blocks))
                try:
                    grind(small_spec(), [engine], staging=staging)
                    break
                except QuotaSpent as spent:
                    assert "insufficient_quota" in str(spent)
                    engine.reset_quota()
        assert nights == sorted(nights)
        assert 1 < len(nights) < 10

    def test_402_is_for_a_later_night_too(self, hosted: FakeEngineProcess) -> None:
        staging = MemoryStaging()
        hosted.faults(mode="status", status=402, after=30)
        with pytest.raises(QuotaSpent, match="402"):
            grind(small_spec(), [hosted], staging=staging)
        kept = len(staging.blocks)
        assert 1 <= kept < 4
        hosted.reset()
        grind(small_spec(), [hosted], staging=staging)
        assert hosted.state()["phrases"] < 48 - 12 * kept + 12


class TestOutage:
    def test_one_of_two_servers_is_gone_for_a_while(self) -> None:
        with served(api="chat", latency_ms=100) as victim, served(api="chat", latency_ms=400) as other:

            def kill_and_start() -> None:
                wait_until_asked(victim)
                victim.kill()
                victim.start()

            grind(small_spec(engines={"in_flight": 2}), [victim, other], meanwhile=kill_and_start)
            assert victim.state()["phrases"] > 0  # since its restart
            assert other.state()["phrases"] > 0

    def test_one_of_two_servers_answers_503(self, hosted: FakeEngineProcess) -> None:
        with served(api="chat") as other:
            hosted.faults(mode="status", status=503, after=5)
            ground = grind(small_spec(), [hosted, other])
            assert ground.facts.rejects == {}
            assert other.state()["phrases"] > 36
