"""Every fault that engines have: the mill gets through it, and `grind` sees that no phrase is lost or doubled."""

import logging
import time

import pytest

from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.outage import Patience
from phrasemill.errors import EngineRefused, EnginesDown
from phrasemill.prompts import PromptBook
from tests.grinding import MemoryStaging, grind, quick_spec, wait_until, wait_until_asked

SLOWLY = {"mode": "slow", "seconds": 0.25}  # 240 phrases then take an engine about 2 s


def told(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


class TestKilledEngines:
    def test_killed_with_lists_in_flight_and_back(
        self, engines: list[FakeEngineProcess], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        victim, other = engines
        victim.faults(**SLOWLY)
        other.faults(mode="slow", seconds=1.5)  # alone it needs 20 s: the victim is back by then

        def kill_and_start() -> None:
            wait_until_asked(victim)
            victim.kill()
            time.sleep(0.3)
            victim.start()

        grind(quick_spec(shard_phrases=480), engines, meanwhile=kill_and_start)
        assert victim.state()["phrases"] > 0  # since its restart
        assert len(told(caplog, f"{victim.url} is left out")) == 1
        assert len(told(caplog, f"{victim.url} is back")) == 1
        assert not told(caplog, other.url)

    def test_killed_for_good_while_another_lives(
        self, engines: list[FakeEngineProcess], caplog: pytest.LogCaptureFixture
    ) -> None:
        victim, other = engines
        victim.faults(mode="die", after=8)
        other.faults(**SLOWLY)
        ground = grind(quick_spec(), engines)
        assert not victim.alive
        assert 120 < other.state()["phrases"] < 240
        assert ground.facts.rejects == {}
        assert len(told(caplog, "left out")) == 1
        assert not told(caplog, "no engine answers")

    def test_dead_before_the_shard_begins(self, engines: list[FakeEngineProcess]) -> None:
        engines[0].kill()
        grind(quick_spec(), engines)
        assert engines[1].state()["phrases"] == 240

    def test_dead_as_vllm_dies_with_500_to_all_in_flight(self, engines: list[FakeEngineProcess]) -> None:
        for engine in engines:
            engine.faults(mode="engine_dead", after=8)
            engine.faults(**SLOWLY)

        def start_again() -> None:
            for engine in engines:
                engine.wait_dead(timeout_s=30)
            for engine in engines:
                engine.start()

        grind(quick_spec(), engines, meanwhile=start_again)

    def test_all_dead_for_a_while(self, engines: list[FakeEngineProcess], caplog: pytest.LogCaptureFixture) -> None:
        for engine in engines:
            engine.faults(mode="die", after=4)

        def start_again() -> None:
            for engine in engines:
                engine.wait_dead(timeout_s=30)
            wait_until(lambda: told(caplog, "no engine answers"))
            for engine in engines:
                engine.start()

        ground = grind(quick_spec(), engines, meanwhile=start_again)
        assert ground.facts.rejects == {}
        assert len(told(caplog, "no engine answers; waiting up to 60 s")) == 1
        assert len(told(caplog, "left out")) == 2

    def test_all_dead_for_longer_than_the_budget_keeps_what_is_staged(
        self, engines: list[FakeEngineProcess], caplog: pytest.LogCaptureFixture
    ) -> None:
        spec, staging = quick_spec(), MemoryStaging()
        for engine in engines:
            engine.faults(mode="die", after=8)
        with pytest.raises(EnginesDown, match=rf"no engine has answered for 0.8 s \({engines[0].url}") as error:
            grind(spec, engines, staging=staging, patience=Patience(outage_s=0.8, watch_s=0.1))
        assert error.value.retryable
        assert len(told(caplog, "no engine answers")) == 1
        kept = dict(staging.blocks)
        assert kept
        for engine in engines:
            engine.start()
        grind(spec, engines, staging=staging)
        assert all(staging.blocks[number] is block for number, block in kept.items())
        assert sum(engine.state()["phrases"] for engine in engines) == 240 - 40 * len(kept)

    def test_nobody_there_from_the_start(self) -> None:
        with pytest.raises(EnginesDown, match="start them again"):
            grind(quick_spec(), ["http://127.0.0.1:9"], patience=Patience(outage_s=0.4))

    def test_restarted_over_and_over_as_for_a_memory_leak(self) -> None:
        def recycle() -> None:
            for _ in range(2):
                wait_until_asked(engine)
                engine.restart()

        with FakeEngineProcess(model="tiny-model", latency_ms=250) as engine:
            ground = grind(quick_spec(), [engine], meanwhile=recycle)
        assert ground.facts.rejects == {}


class TestHungEngines:
    def test_a_list_past_its_deadline_is_asked_elsewhere(self, engines: list[FakeEngineProcess]) -> None:
        engines[0].faults(mode="hang", count=1)
        ground = grind(quick_spec(), engines, patience=Patience(list_s=1, watch_s=0.2))
        assert 1 <= ground.seconds < 30
        assert ground.facts.rejects == {}

    def test_an_engine_that_brings_forth_no_token_is_left_out(
        self, engines: list[FakeEngineProcess], caplog: pytest.LogCaptureFixture
    ) -> None:
        hung, other = engines
        for engine in engines:
            engine.faults(**SLOWLY)

        def stop_it() -> None:
            wait_until_asked(hung)
            time.sleep(0.15)  # so that the watch has seen it work
            hung.pause()

        ground = grind(
            quick_spec(shard_phrases=480),
            engines,
            patience=Patience(list_s=60, silence_s=2, watch_s=0.3),
            meanwhile=stop_it,
        )
        assert ground.seconds < 40
        assert len(told(caplog, f"{hung.url} is left out until it is healthy again: ")) == 1
        assert told(caplog, "no token for")
        assert other.state()["phrases"] > 240

    def test_one_that_hung_and_goes_on_is_asked_again(self, engine: FakeEngineProcess) -> None:
        engine.faults(**SLOWLY)

        def stop_it() -> None:
            wait_until_asked(engine)
            time.sleep(0.15)
            engine.pause()
            time.sleep(1.2)
            engine.resume()

        ground = grind(
            quick_spec(), [engine], patience=Patience(list_s=60, silence_s=0.5, watch_s=0.1), meanwhile=stop_it
        )
        assert ground.facts.rejects == {}

    def test_a_slow_engine_gets_less_work(self, engines: list[FakeEngineProcess]) -> None:
        slow, fast = engines
        slow.faults(mode="slow", seconds=1.5)
        grind(quick_spec(shard_phrases=480), engines)
        assert 0 < slow.state()["phrases"] * 2 < fast.state()["phrases"]


class TestErrorStatuses:
    @pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 524])
    def test_passing_errors_are_tried_again(self, engine: FakeEngineProcess, status: int) -> None:
        engine.faults(mode="status", status=status, count=2)
        ground = grind(quick_spec(), [engine])
        assert engine.state()["faults_struck"] == {"status": 2}
        assert (ground.facts.rejects, engine.state()["phrases"]) == ({}, 240)

    def test_many_errors_in_a_row_open_the_breaker_until_health_answers(
        self, engine: FakeEngineProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        engine.faults(mode="status", status=503, count=3)
        engine.faults(mode="unhealthy", count=1)
        ground = grind(quick_spec(engines={"in_flight": 8}), [engine])
        assert engine.state()["faults_struck"] == {"status": 3, "unhealthy": 1}
        assert ground.facts.rejects == {}
        assert len(told(caplog, "left out")) == 1
        assert len(told(caplog, "is back after")) == 1

    def test_an_engine_that_is_healthy_but_fails_every_list_is_given_up(
        self, engine: FakeEngineProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        engine.faults(mode="status", status=500)
        with pytest.raises(EnginesDown):
            grind(quick_spec(), [engine], patience=Patience(outage_s=1.2, watch_s=0.1))
        assert engine.state()["lists"] < 15
        assert len(told(caplog, "left out")) == 1
        assert len(told(caplog, "no engine answers")) == 1

    def test_429_leaves_the_engine_alone_for_as_long_as_it_asks(
        self, engine: FakeEngineProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        engine.faults(mode="status", status=429, retry_after=0.5, after=2, count=4)
        ground = grind(quick_spec(), [engine])
        assert ground.seconds >= 0.5
        assert engine.state()["lists"] == 30 + 4
        assert ground.facts.rejects == {}
        assert not told(caplog, "left out")

    def test_429_for_ever_is_an_outage(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="status", status=429, retry_after=0)
        started = time.monotonic()
        with pytest.raises(EnginesDown):
            grind(quick_spec(), [engine], patience=Patience(outage_s=1.2, watch_s=0.1))
        rounds = 1 + (time.monotonic() - started) // 0.5
        assert engine.state()["lists"] <= 4 * rounds

    def test_one_bad_prompt_in_a_list_is_found_and_its_id_asked_otherwise(self, engine: FakeEngineProcess) -> None:
        spec = quick_spec()
        bad = PromptBook(spec).prompt(101).text
        engine.faults(mode="status", status=400, contains=bad, message="this prompt is cursed")
        ground = grind(spec, [engine])
        assert ground.facts.rejects == {"refused_by_engine": 1}
        assert "this prompt is cursed" in ground.facts.examples["refused_by_engine"][0]
        assert [phrase_id for phrase_id, attempt in enumerate(ground.attempts) if attempt] == [101]
        assert engine.state()["phrases"] == 240
        assert engine.state()["faults_struck"] == {"status": 4}  # lists of 8, 4, 2, 1

    def test_one_bad_prompt_with_several_samples_is_found_too(self, engine: FakeEngineProcess) -> None:
        spec = quick_spec(sampling={"n": 4})
        bad = PromptBook(spec).prompt(100).text
        engine.faults(mode="status", status=422, contains=bad)
        ground = grind(spec, [engine])
        assert ground.facts.rejects == {"refused_by_engine": 4}
        assert [phrase_id for phrase_id, attempt in enumerate(ground.attempts) if attempt] == [100, 101, 102, 103]

    def test_a_prompt_that_fails_its_engine_each_time_is_asked_otherwise(self, engine: FakeEngineProcess) -> None:
        spec = quick_spec()
        bad = PromptBook(spec).prompt(7).text
        engine.faults(mode="status", status=500, contains=bad)
        ground = grind(spec, [engine])
        assert ground.facts.rejects == {"engine_error": 1}
        assert ground.attempts[7] == 1

    @pytest.mark.parametrize(("status", "words"), [(401, "API key"), (403, "API key"), (404, "model")])
    def test_a_wrong_key_or_model_fails_at_once(
        self, engines: list[FakeEngineProcess], status: int, words: str
    ) -> None:
        engines[1].faults(mode="status", status=status, after=2)
        started = time.monotonic()
        with pytest.raises(EngineRefused, match=words) as error:
            grind(quick_spec(), engines)
        assert time.monotonic() - started < 20
        assert f"{engines[1].url}/v1/completions: HTTP {status}" in str(error.value)
        assert not error.value.retryable
        assert engines[1].state()["faults_struck"]["status"] <= 4  # what was in flight, nothing after

    def test_a_wrong_key_is_told_before_anything_is_asked(self) -> None:
        with FakeEngineProcess(model="tiny-model", api_key="right") as engine:
            with pytest.raises(EngineRefused, match=r"HTTP 401.*check the API key"):
                grind(quick_spec(), [engine], api_key="wrong")
            grind(quick_spec(), [engine], api_key="right")

    def test_an_engine_of_another_model_fails_at_once(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="other_model", model="other-model")
        with pytest.raises(EngineRefused, match=r"`tiny-model` does not exist.*serves the corpus's model"):
            grind(quick_spec(), [engine])
        assert engine.state()["phrases"] == 0

    def test_an_engine_that_comes_back_with_another_model_fails_at_once(self, engine: FakeEngineProcess) -> None:
        engine.faults(**SLOWLY)

        def change() -> None:
            wait_until_asked(engine)
            engine.faults(mode="other_model", model="other-model")

        with pytest.raises(EngineRefused, match="tiny-model"):
            grind(quick_spec(), [engine], meanwhile=change)


class TestBrokenAnswers:
    @pytest.mark.parametrize(
        "fault",
        [
            {"mode": "truncated"},
            {"mode": "reset"},
            {"mode": "close"},
            {"mode": "close_after"},
            {"mode": "wrong_json"},
            {"mode": "wrong_json", "body": ""},
            {"mode": "wrong_json", "body": "[]"},
            {"mode": "wrong_json", "body": "{}"},
            {"mode": "wrong_json", "body": '{"choices": null}'},
            {"mode": "wrong_json", "body": '{"choices": [{"index": 0}]}'},
            {"mode": "wrong_json", "body": '{"choices": [{"index": 0, "text": 5, "finish_reason": "stop"}]}'},
            {"mode": "wrong_json", "body": '{"choices": [{"index": -1, "text": "A.", "finish_reason": "stop"}]}'},
            {"mode": "wrong_json", "body": '{"choices": [{"index": 8, "text": "A.", "finish_reason": "stop"}]}'},
            {"mode": "wrong_json", "body": '{"choices": [], "usage": []}'},
            {"mode": "missing_choice", "choices": 3},
            {"mode": "missing_choice", "choices": 8},
            {"mode": "repeated_choice"},
            {"mode": "shuffled"},
            {"mode": "abort"},
            {"mode": "abort", "choices": 8},
        ],
        ids=lambda fault: "-".join(str(value) for value in fault.values()),
    )
    def test_they_are_asked_for_again(self, engine: FakeEngineProcess, fault: dict[str, object]) -> None:
        engine.faults(**fault, after=1, count=2)
        ground = grind(quick_spec(), [engine])
        assert engine.state()["faults_struck"][fault["mode"]] == 2
        assert ground.facts.rejects == {}
        assert set(ground.attempts) == {0}

    def test_a_choice_that_never_comes_is_asked_otherwise(self, engine: FakeEngineProcess) -> None:
        spec = quick_spec()
        engine.faults(mode="missing_choice", contains=PromptBook(spec).prompt(7).text)  # the last of its list
        ground = grind(spec, [engine])
        assert ground.facts.rejects == {"engine_error": 1}
        assert [phrase_id for phrase_id, attempt in enumerate(ground.attempts) if attempt] == [7]

    def test_a_choice_that_is_aborted_each_time_beside_sound_ones_is_asked_otherwise(
        self, engine: FakeEngineProcess
    ) -> None:
        spec = quick_spec()
        for choices in (4, 2, 1):
            engine.faults(mode="abort", choices=choices, count=1, contains=PromptBook(spec).prompt(7).text)
        ground = grind(spec, [engine])
        assert ground.facts.rejects == {"engine_error": 1}
        assert "finish_reason" in ground.facts.examples["engine_error"][0]
        assert [phrase_id for phrase_id, attempt in enumerate(ground.attempts) if attempt] == [7]

    def test_a_connection_that_closes_after_each_answer(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="close_after")
        ground = grind(quick_spec(), [engine])
        assert ground.facts.rejects == {}

    def test_a_keep_alive_shorter_than_the_pause_between_lists(self) -> None:
        with FakeEngineProcess(model="tiny-model", keep_alive_s=0.05, latency_ms=60) as engine:
            ground = grind(quick_spec(engines={"list_size": 8, "in_flight": 16}), [engine])
        assert ground.facts.rejects == {}

    def test_half_of_all_lists_failing_in_every_way(self, engines: list[FakeEngineProcess]) -> None:
        for engine in engines:
            for mode in ("truncated", "missing_choice", "close", "wrong_json", "shuffled", "abort"):
                engine.faults(mode=mode, probability=0.15)
        grind(quick_spec(), engines)


class TestBrokenTexts:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("empty", "empty"),
            ("whitespace", "empty"),
            ("nul", "control_characters"),
            ("lone_surrogate", "control_characters"),
            ("invalid_utf8", "control_characters"),
        ],
    )
    def test_they_are_rejected_and_asked_otherwise(self, engine: FakeEngineProcess, text: str, reason: str) -> None:
        engine.faults(mode="text", text=text, share=0.5, count=10)
        ground = grind(quick_spec(), [engine])
        assert list(ground.facts.rejects) == [reason]
        assert 30 < ground.facts.rejects[reason] < 50
        # The facts of a block are kept as JSON with it.
        for kept in ground.staging.blocks.values():
            assert type(kept.facts).model_validate_json(kept.facts.model_dump_json()) == kept.facts

    def test_of_100_kb_the_first_sentence_is_taken_if_there_is_one(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="huge", count=5)
        ground = grind(quick_spec(), [engine])
        assert set(ground.facts.rejects) <= {"no_sentence"}
        assert max(map(len, ground.staging.rows.column("text").to_pylist())) <= 160
