"""The fake engine over real HTTP: what a client of vLLM sees, and every fault it can be told to act out."""

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.fake.settings import FakeEngineError, FakeEngineSettings
from phrasemill.rules import RuleBook
from tests.engines.asking import Reply, ask, complete, error, wait_until
from tests.specs import make_spec

NASTY = [
    "", "plain", "Сцена номер 7: часовщик.", "emoji 🎻 and \u202ebidi", "a\nb\t\r\n c", "e\u0301\ufeff",
    "<|im_start|>user\nhi<|im_end|>\n", "half <|im_st a special", "\x00\x01", " leading and trailing ",
    '{marker} \\u0041 "quoted"',
]  # fmt: skip


def metrics(engine: FakeEngineProcess) -> dict[str, float]:
    """Values by name, and by name{finished_reason} where there is one."""
    values = {}
    for line in ask(engine, "/metrics").raw.decode().splitlines():
        if found := re.fullmatch(r"vllm:(\w+)\{(.*)\} (\S+)", line):
            reason = re.search(r'finished_reason="(\w+)"', found[2])
            values[found[1] + (f"{{{reason[1]}}}" if reason else "")] = float(found[3])
    return values


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeEngineProcess]:
    with FakeEngineProcess(seed=7, model="tiny-model", lora=("poet",)) as running:
        yield running


@pytest.fixture
def engine(shared: FakeEngineProcess) -> FakeEngineProcess:
    shared.reset()
    return shared


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads


class TestShutdown:
    def test_with_a_shutdown_timeout_lists_in_flight_are_answered_and_new_ones_refused(
        self, pool: ThreadPoolExecutor
    ) -> None:
        with FakeEngineProcess(latency_ms=2500, shutdown_timeout=20) as engine:
            asked = [pool.submit(complete, engine, ["one", "two"]) for _ in range(3)]
            wait_until(lambda: engine.state()["lists_in_flight"] == 3)
            os.kill(engine.pid, signal.SIGTERM)
            wait_until(lambda: complete(engine).status == 500)
            assert ask(engine, "/health").status == 200
            assert [len(one.result().texts) for one in asked] == [2, 2, 2]
            assert engine.wait_dead(timeout_s=30) == 0

    def test_after_its_shutdown_timeout_it_ends_whatever_is_in_flight(self, pool: ThreadPoolExecutor) -> None:
        with FakeEngineProcess(latency_ms=60_000, shutdown_timeout=1) as engine:
            asked = pool.submit(complete, engine)
            wait_until(lambda: engine.state()["lists_in_flight"] == 1)
            os.kill(engine.pid, signal.SIGTERM)
            assert engine.wait_dead(timeout_s=30) == 0
            with pytest.raises((http.client.HTTPException, ConnectionError)):
                asked.result()


class TestCompletions:
    def test_choices_come_prompt_major(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="echo")
        reply = complete(engine, ["one", "two", "three"], n=2)
        assert [choice["index"] for choice in reply.choices] == list(range(6))
        assert reply.texts == ["one", "one", "two", "two", "three", "three"]
        assert {choice["finish_reason"] for choice in reply.choices} == {"stop"}

    def test_usage_adds_up_the_tokens_of_all_prompts_and_answers(self, engine: FakeEngineProcess) -> None:
        reply = complete(engine, ["a kettle", "Сцена номер 1"], n=3, add_special_tokens=False)

        def count(text: str) -> int:
            body = {"model": engine.model, "prompt": text, "add_special_tokens": False}
            return ask(engine, "/tokenize", body).json["count"]

        usage = reply.json["usage"]
        assert usage["prompt_tokens"] == count("a kettle") + count("Сцена номер 1")
        assert usage["completion_tokens"] == sum(count(text) + 1 for text in reply.texts)
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]

    def test_sixteen_tokens_are_the_default_and_cut_the_answer(self, engine: FakeEngineProcess) -> None:
        reply = ask(engine, "/v1/completions", {"prompt": "x"})
        assert reply.choices[0]["finish_reason"] == "length"
        assert reply.json["usage"]["completion_tokens"] == 16
        assert not reply.texts[0].endswith(".")

    def test_ignore_eos_fills_max_tokens_exactly(self, engine: FakeEngineProcess) -> None:
        reply = complete(engine, ["x", "y"], max_tokens=200, ignore_eos=True)
        assert {choice["finish_reason"] for choice in reply.choices} == {"length"}
        assert reply.json["usage"]["completion_tokens"] == 400

    def test_a_stop_string_ends_the_answer_before_it(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="echo")
        choice = complete(engine, "left STOP right", stop=["right", " STOP"]).choices[0]
        assert (choice["text"], choice["finish_reason"], choice["stop_reason"]) == ("left", "stop", " STOP")

    def test_token_ids_are_prompts_too(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="echo")
        ids = [ask(engine, "/tokenize", {"prompt": text}).json["tokens"] for text in ("first", "second one")]
        reply = complete(engine, ids)
        assert reply.texts == ["<|begin|>first", "<|begin|>second one"]
        assert reply.json["usage"]["prompt_tokens"] == sum(map(len, ids))
        assert complete(engine, ids[0]).texts == ["<|begin|>first"]

    def test_an_adapter_is_asked_by_name(self, engine: FakeEngineProcess) -> None:
        reply = complete(engine, model="poet")
        assert (reply.status, reply.json["model"]) == (200, "poet")

    def test_1024_prompts_pass_and_1025_do_not(self, engine: FakeEngineProcess) -> None:
        assert len(complete(engine, ["x"] * 1024).choices) == 1024
        reply = complete(engine, ["x"] * 1025)
        assert reply.status == 400
        assert "1025" in error(reply)["message"]

    @pytest.mark.parametrize(
        ("body", "status", "words"),
        [
            ({"model": "other"}, 404, "`other` does not exist"),
            ({"prompt": ""}, 400, "must be provided"),
            ({"prompt": []}, 400, "must be provided"),
            ({"prompt": ["a", 1]}, 400, "list of"),
            ({"prompt": "word " * 2000}, 400, "context length"),
            ({"max_tokens": 2000}, 400, "context length"),
            ({"max_tokens": 0}, 400, "max_tokens"),
            ({"n": 2, "temperature": 0}, 400, "greedy"),
            ({"temperature": -1}, 400, "non-negative"),
            ({"stream": True}, 400, "stream"),
        ],
    )
    def test_mistakes_are_refused_in_vllms_json(
        self, engine: FakeEngineProcess, body: dict[str, Any], status: int, words: str
    ) -> None:
        reply = ask(engine, "/v1/completions", {"prompt": "x", **body})
        assert reply.status == status == error(reply)["code"]
        assert error(reply)["type"] == {400: "BadRequestError", 404: "NotFoundError"}[status]
        assert words in error(reply)["message"]

    def test_a_body_that_is_no_json_is_refused(self, engine: FakeEngineProcess) -> None:
        assert ask(engine, "/v1/completions", b'{"prompt": ').status == 400

    def test_one_connection_serves_many_requests(self, engine: FakeEngineProcess) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", int(engine.url.rsplit(":", 1)[1]))
        before = engine.state()["connections"]
        for _ in range(3):
            connection.request("POST", "/v1/completions", body=b'{"prompt": "x"}')
            assert Reply(connection.getresponse()).status == 200
        connection.close()
        assert engine.state()["connections"] == before + 2  # ours, and the one that asks for the state


class TestChat:
    def test_answers_as_the_assistant(self, engine: FakeEngineProcess) -> None:
        body = {"messages": [{"role": "user", "content": "Hello"}], "n": 2}
        reply = ask(engine, "/v1/chat/completions", body)
        assert [choice["index"] for choice in reply.choices] == [0, 1]
        assert {choice["message"]["role"] for choice in reply.choices} == {"assistant"}
        assert all(choice["message"]["content"].endswith(".") for choice in reply.choices)
        counted = ask(engine, "/tokenize", body).json["count"]
        assert reply.json["usage"]["prompt_tokens"] == counted

    def test_messages_without_text_are_refused(self, engine: FakeEngineProcess) -> None:
        for messages in ([], "hi", [{"role": "user"}], [{"role": "user", "content": [{"type": "image_url"}]}]):
            assert ask(engine, "/v1/chat/completions", {"messages": messages}).status == 400


class TestChatTemplateCanBeLearnt:
    @pytest.mark.parametrize("text", NASTY)
    def test_tokens_give_the_exact_text_back(self, engine: FakeEngineProcess, text: str) -> None:
        tokens = ask(engine, "/tokenize", {"prompt": text, "add_special_tokens": False}).json["tokens"]
        assert ask(engine, "/detokenize", {"tokens": tokens}).json["prompt"] == text

    def test_messages_come_back_wrapped_in_the_template(self, engine: FakeEngineProcess) -> None:
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "@@MARK@@"}]
        for generation, tail in ((True, "<|im_start|>assistant\n"), (False, "")):
            body = {"messages": messages, "add_generation_prompt": generation}
            tokens = ask(engine, "/tokenize", body).json["tokens"]
            assert ask(engine, "/detokenize", {"tokens": tokens}).json["prompt"] == (
                "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n@@MARK@@<|im_end|>\n" + tail
            )

    def test_a_templated_prompt_is_the_same_tokens_only_without_special_tokens(self, engine: FakeEngineProcess) -> None:
        chat = ask(engine, "/tokenize", {"messages": [{"role": "user", "content": "x"}]}).json
        prompt = ask(engine, "/detokenize", {"tokens": chat["tokens"]}).json["prompt"]
        plain = ask(engine, "/tokenize", {"prompt": prompt, "add_special_tokens": False}).json
        assert plain["tokens"] == chat["tokens"]
        assert ask(engine, "/tokenize", {"prompt": prompt}).json["count"] == chat["count"] + 1

    def test_the_template_speaks_up_where_no_system_message_does(self, engine: FakeEngineProcess) -> None:
        tokens = ask(engine, "/tokenize", {"messages": [{"role": "user", "content": "x"}]}).json["tokens"]
        assert ask(engine, "/detokenize", {"tokens": tokens}).json["prompt"].startswith("<|im_start|>system\n")

    def test_tokens_that_never_were_are_refused(self, engine: FakeEngineProcess) -> None:
        for tokens in ([-1], [10], [2**60], ["a"], None):
            assert ask(engine, "/detokenize", {"tokens": tokens}).status == 400


class TestWhatItSaysOfItself:
    def test_models_are_listed_with_context_length_and_adapters(self, engine: FakeEngineProcess) -> None:
        base, adapter = ask(engine, "/v1/models").json["data"]
        assert (base["id"], base["max_model_len"], base["owned_by"]) == ("tiny-model", 1024, "vllm")
        assert (adapter["id"], adapter["parent"]) == ("poet", "tiny-model")

    def test_health_and_version(self, engine: FakeEngineProcess) -> None:
        health = ask(engine, "/health")
        assert (health.status, health.raw) == (200, b"")
        assert re.fullmatch(r"0\.\d+\.\d+", ask(engine, "/version").json["version"])

    def test_metrics_count_what_was_served(self, engine: FakeEngineProcess) -> None:
        before = metrics(engine)
        prefix = "The same long beginning of every prompt, which a prefix cache holds after the first. " * 3
        reply = complete(engine, [prefix + "one", prefix + "two"])
        complete(engine, max_tokens=2)
        after = metrics(engine)
        gained = {name: after[name] - before[name] for name in after}
        assert gained["request_success_total{stop}"] == 2
        assert gained["request_success_total{length}"] == 1
        assert gained["generation_tokens_total"] == reply.json["usage"]["completion_tokens"] + 2
        assert gained["prompt_tokens_total"] > reply.json["usage"]["prompt_tokens"]
        assert 32 <= gained["prefix_cache_hits_total"] < gained["prompt_tokens_total"]
        assert after["num_preemptions_total"] == after["num_requests_running"] == 0

    def test_state_tells_what_was_asked(self, engine: FakeEngineProcess) -> None:
        complete(engine, ["a", "b"], n=3, temperature=0.9)
        state = engine.state()
        assert (state["lists"], state["prompts"], state["phrases"]) == (1, 2, 6)
        assert (state["max_lists_in_flight"], state["max_prompts_in_flight"]) == (1, 2)
        complete(engine, "c", temperature=0.7)
        (request, _) = engine.requests()
        assert [newest["body"]["prompt"] for newest in engine.requests(last=1)] == ["c"]
        assert (request["path"], request["body"]["temperature"]) == ("/v1/completions", 0.9)


class TestKey:
    def test_requests_need_it_health_does_not(self) -> None:
        with FakeEngineProcess(api_key="open sesame") as engine:
            assert ask(engine, "/health").status == 200
            assert ask(engine, "/metrics").status == 200
            for path, body in (
                ("/v1/models", None),
                ("/v1/completions", {"prompt": "x"}),
                ("/tokenize", {"prompt": "x"}),
            ):
                assert ask(engine, path, body).status == 401
                assert ask(engine, path, body, key="wrong").status == 401
                assert ask(engine, path, body, key="open sesame").status == 200


class TestGoodText:
    @pytest.mark.parametrize(("mode", "language"), [("good", "en"), ("good_ru", "ru")])
    def test_every_sentence_is_new_and_passes_the_phrase_rules(
        self, engine: FakeEngineProcess, mode: str, language: str
    ) -> None:
        engine.faults(mode="text", text=mode)
        texts = [text for _ in range(4) for text in complete(engine, ["x"] * 1000).texts]
        assert len(set(texts)) == 4000
        rules = RuleBook(make_spec(language=language))
        assert {rules.judge(text).reason for text in texts} == {None}
        assert all(60 <= len(text) <= 140 and text.endswith(".") and text.count(".") == 1 for text in texts)
        assert all(len(set(text.lower().split())) >= 5 for text in texts)
        openings = Counter(tuple(text.split()[:3]) for text in texts)
        assert max(openings.values()) < 0.05 * len(texts)

    def test_a_seed_decides_the_sentences_and_none_means_new_ones(self) -> None:
        with FakeEngineProcess(seed=1) as engine:
            first = complete(engine, ["x"] * 50).texts
            engine.restart()
            assert complete(engine, ["x"] * 50).texts == first
        with FakeEngineProcess() as engine:
            second = complete(engine, ["x"] * 50).texts
            engine.restart()
            third = complete(engine, ["x"] * 50).texts
        assert len({*first, *second, *third}) == 150


class TestBadText:
    def texts(self, engine: FakeEngineProcess, mode: str, *, prompt: str = "x", n: int = 60) -> list[str]:
        engine.faults(mode="text", text=mode, count=1)
        return complete(engine, [prompt] * n).texts

    @pytest.mark.parametrize(
        ("mode", "looks"),
        [
            ("repetitive", r"(?s).*((\w)\2{9}|\b(\w+) \3 \3\b|(\w+ \w+ \w+ [\w-]+).* \4\b).*"),
            ("refusals", r"(As an AI|I'm sorry|Sure, here|I cannot).*"),
            ("truncated", r".{30,}[^.]"),
            ("markdown", r"(?s)(- .*\n- .*|\S+ \*\*.+\*\* .*|# \S+\n\n.*|1\. .*\n2\. .*)"),
            ("empty", r""),
            ("whitespace", r"\s+"),
            ("nul", r"(?s)\w+ \x00.*"),
            ("good_ru", r"[А-ЯЁ][а-яё, ]+\."),
        ],
    )
    def test_it_is_as_bad_as_its_mode_says(self, engine: FakeEngineProcess, mode: str, looks: str) -> None:
        texts = self.texts(engine, mode)
        assert [text for text in texts if not re.fullmatch(looks, text)] == []

    def test_truncated_answers_say_length(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="truncated")
        assert complete(engine).choices[0]["finish_reason"] == "length"

    def test_wrong_language_is_german_or_russian(self, engine: FakeEngineProcess) -> None:
        texts = self.texts(engine, "wrong_language")
        assert {bool(re.search("[а-я]", text)) for text in texts} == {True, False}
        assert len(set(texts)) == len(texts)

    def test_echo_gives_back_what_the_user_said(self, engine: FakeEngineProcess) -> None:
        prompt = "<|im_start|>user\nWrite one sentence.<|im_end|>\n<|im_start|>assistant\n"
        assert set(self.texts(engine, "echo", prompt=prompt)) == {"Write one sentence."}

    def test_near_duplicates_differ_by_a_word_and_duplicates_by_nothing(self, engine: FakeEngineProcess) -> None:
        near = self.texts(engine, "near_duplicates", n=200)
        assert len(set(near)) == 200
        assert len({text.rsplit(" ", 1)[0] for text in near}) <= 16
        assert len(set(self.texts(engine, "duplicates", n=200))) <= 8

    def test_huge_texts_ignore_max_tokens(self, engine: FakeEngineProcess) -> None:
        assert {len(text) for text in self.texts(engine, "huge", n=3)} == {100_000}

    def test_a_lone_surrogate_stands_in_the_json(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="lone_surrogate")
        reply = complete(engine)
        assert b"\\ud800" in reply.raw
        assert "\ud800" in reply.texts[0]

    def test_invalid_utf8_stands_in_the_body(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="invalid_utf8")
        with pytest.raises(UnicodeDecodeError):
            complete(engine).raw.decode()

    def test_a_share_of_the_answers_is_bad(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="empty", share=0.3)
        assert 290 <= complete(engine, ["x"] * 1000).texts.count("") <= 310

    def test_a_text_fault_strikes_only_the_prompts_that_hold_its_words(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="text", text="empty", contains="poison")
        texts = complete(engine, ["a", "poison", "b"]).texts
        assert [text == "" for text in texts] == [False, True, False]

    def test_bad_modes_of_the_settings_are_taken_in_turn(self) -> None:
        with FakeEngineProcess(bad_modes=("empty", "echo"), bad_share=0.5) as engine:
            texts = complete(engine, ["x"] * 1000).texts
        assert 200 <= texts.count("") <= 300
        assert 200 <= texts.count("x") <= 300
        assert texts.count("") + texts.count("x") == pytest.approx(500, abs=5)


class TestScheduling:
    def test_prompts_beyond_max_num_seqs_wait(self, pool: ThreadPoolExecutor) -> None:
        with FakeEngineProcess(max_num_seqs=4, latency_ms=1000) as engine:
            begun = time.monotonic()
            lists = [pool.submit(complete, engine, ["x"] * 5) for _ in range(2)]
            wait_until(lambda: metrics(engine)["num_requests_waiting"] == 6)
            assert metrics(engine)["num_requests_running"] == 4
            assert all(reply.result().status == 200 for reply in lists)
            assert time.monotonic() - begun > 2.9  # 10 sequences, 4 at a time: 3 rounds
            assert metrics(engine)["num_requests_running"] == metrics(engine)["num_requests_waiting"] == 0
            assert engine.state()["max_prompts_in_flight"] == 10

    def test_sequences_share_the_tokens_per_second(self, pool: ThreadPoolExecutor) -> None:
        with FakeEngineProcess(tokens_per_second=400, max_num_seqs=8) as engine:
            begun = time.monotonic()
            long = pool.submit(complete, engine, ["x"] * 4, max_tokens=150, ignore_eos=True)
            short = pool.submit(complete, engine, ["x"] * 4, max_tokens=50, ignore_eos=True)
            short.result()
            short_s = time.monotonic() - begun
            midway = metrics(engine)["generation_tokens_total"]
            long.result()
            assert 0.6 < short_s < 1.9  # 8 sequences had 50 tokens each: 1 s; 0.5 s or 2 s if one list had it all
            assert 300 <= midway < 800
            assert 1.95 < time.monotonic() - begun < 4
            assert metrics(engine)["generation_tokens_total"] == 800

    def test_a_disconnect_aborts_the_whole_list(self, pool: ThreadPoolExecutor) -> None:
        with FakeEngineProcess(latency_ms=60_000, max_num_seqs=3) as engine:
            with pytest.raises(TimeoutError):
                ask(engine, "/v1/completions", {"prompt": ["x"] * 5}, timeout=1)
            wait_until(lambda: engine.state()["disconnects"] and not engine.state()["lists_in_flight"])
            state = engine.state()
            assert state["running"] == state["waiting"] == 0
            assert (state["disconnects"], state["finished"]["abort"], state["phrases"]) == (1, 5, 0)
            assert state["lists_in_flight"] == 0

    def test_an_idle_connection_is_closed(self) -> None:
        async def idle(url: str) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
            writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), 30)  # reads until the server closes
            assert answer.startswith(b"HTTP/1.1 200")
            writer.close()

        with FakeEngineProcess(keep_alive_s=0.2) as engine:
            asyncio.run(idle(engine.url))


class TestFaults:
    @pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 502, 503, 504])
    def test_a_status_is_answered_so_many_times(self, engine: FakeEngineProcess, status: int) -> None:
        engine.faults(mode="status", status=status, count=2)
        replies = [complete(engine) for _ in range(3)]
        assert [reply.status for reply in replies] == [status, status, 200]
        assert error(replies[0])["code"] == status
        assert engine.state()["faults_struck"] == {"status": 2}

    def test_401_looks_like_a_wrong_key(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="status", status=401, count=1)
        assert complete(engine).json == {"error": "Unauthorized"}

    def test_retry_after_is_sent_in_seconds(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="status", status=429, retry_after=2, count=1)
        assert complete(engine).headers["Retry-After"] == "2"

    def test_faults_queue_up_and_wait_for_their_turn(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="status", status=500, after=1, count=1)
        engine.faults(mode="status", status=503, count=1)
        assert [complete(engine).status for _ in range(3)] == [503, 500, 200]

    def test_a_probability_strikes_some(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="status", status=500, probability=0.5)
        statuses = [complete(engine).status for _ in range(60)]
        assert 15 <= statuses.count(500) <= 45

    def test_a_bad_prompt_spoils_its_whole_list_every_time(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="status", status=400, contains="poison")
        assert complete(engine, ["fine", "with poison in it"]).status == 400
        assert complete(engine, ["fine"]).status == 200
        assert complete(engine, ["with poison in it"]).status == 400

    def test_hang_never_answers(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="hang", count=1)
        with pytest.raises(TimeoutError):
            ask(engine, "/v1/completions", {"prompt": "x"}, timeout=1)
        assert complete(engine).status == 200
        wait_until(lambda: engine.state()["lists_in_flight"] == 0)

    def test_slow_adds_its_seconds(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="slow", seconds=0.3, count=1)
        begun = time.monotonic()
        assert complete(engine).status == 200
        assert time.monotonic() - begun > 0.3

    def test_truncated_body_ends_before_its_content_length(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="truncated", count=1)
        with pytest.raises(http.client.IncompleteRead):
            complete(engine)
        assert complete(engine).status == 200

    def test_wrong_json_is_half_of_it_or_what_was_asked_for(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="wrong_json", count=1)
        engine.faults(mode="wrong_json", body='{"choices": 7}', count=1)
        broken = complete(engine)
        assert broken.status == 200
        with pytest.raises(json.JSONDecodeError):
            _ = broken.json
        assert complete(engine).json == {"choices": 7}

    def test_choices_are_missing_repeated_or_out_of_order(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="missing_choice", count=1)
        engine.faults(mode="repeated_choice", count=1)
        engine.faults(mode="shuffled", count=1)
        indexes = [[choice["index"] for choice in complete(engine, ["x"] * 4).choices] for _ in range(3)]
        assert indexes == [[0, 1, 2], [0, 1, 2, 0], [1, 3, 0, 2]]

    def test_finish_reason_abort(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="abort", choices=2, count=1)
        reasons = [choice["finish_reason"] for choice in complete(engine, ["x"] * 4).choices]
        assert reasons == ["stop", "stop", "abort", "abort"]

    def test_close_breaks_a_kept_connection_before_the_answer(self, engine: FakeEngineProcess) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", int(engine.url.rsplit(":", 1)[1]), timeout=30)
        connection.request("GET", "/health")
        Reply(connection.getresponse())
        engine.faults(mode="close", count=1)
        connection.request("POST", "/v1/completions", body=b'{"prompt": "x"}')
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
        connection.close()

    def test_close_after_answers_in_full_and_then_closes(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="close_after", count=1)
        connection = http.client.HTTPConnection("127.0.0.1", int(engine.url.rsplit(":", 1)[1]), timeout=30)
        connection.request("POST", "/v1/completions", body=b'{"prompt": "x"}')
        reply = Reply(connection.getresponse())
        assert (reply.status, reply.headers["Connection"], len(reply.choices)) == (200, None, 1)
        assert connection.sock.recv(1) == b""
        connection.close()

    def test_reset_comes_after_the_headers(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="reset", count=1)
        with pytest.raises(ConnectionResetError):
            complete(engine)

    def test_unhealthy_strikes_health_alone(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="unhealthy")
        assert ask(engine, "/health").status == 503
        assert complete(engine).status == 200
        engine.clear_faults()
        assert ask(engine, "/health").status == 200

    def test_a_fault_may_name_another_path(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="status", status=404, path="/tokenize")
        assert ask(engine, "/tokenize", {"prompt": "x"}).status == 404
        assert complete(engine).status == 200

    def test_another_model_may_be_served(self, engine: FakeEngineProcess) -> None:
        engine.faults(mode="other_model", model="stranger")
        assert ask(engine, "/v1/models").json["data"][0]["id"] == "stranger"
        assert complete(engine).status == 404
        assert complete(engine, model="stranger").json["model"] == "stranger"

    @pytest.mark.parametrize(
        "fault",
        [
            {"mode": "explode"},
            {"mode": "hang", "seconds": 3},
            {"mode": "status", "status": "503"},
            {"mode": "status", "count": 0},
            {"mode": "text", "text": "sonnet"},
            {"mode": "other_model"},
            {},
        ],
    )
    def test_faults_that_cannot_be_are_refused(self, engine: FakeEngineProcess, fault: dict[str, Any]) -> None:
        with pytest.raises(FakeEngineError, match="400"):
            engine.faults(**fault)


class TestDeath:
    def test_dies_on_the_list_after_k_more_and_comes_back_on_the_same_port(self) -> None:
        with FakeEngineProcess() as engine:
            url = engine.url
            engine.faults(mode="die", after=1)
            assert complete(engine).status == 200
            with pytest.raises(ConnectionError):
                complete(engine)
            assert engine.wait_dead(timeout_s=30) != 0
            assert not engine.alive
            with pytest.raises(ConnectionRefusedError):
                complete(engine)
            engine.start()
            assert engine.url == url
            assert complete(engine).status == 200

    def test_a_dead_engine_fails_all_in_flight_then_ends_as_vllm_does(self, pool: ThreadPoolExecutor) -> None:
        with FakeEngineProcess(latency_ms=60_000) as engine:
            lists: list[Future[Reply]] = [pool.submit(complete, engine, ["x"] * 3) for _ in range(3)]
            wait_until(lambda: engine.state()["running"] == 9)
            engine.faults(mode="engine_dead")
            assert complete(engine).status == 500
            assert [reply.result().status for reply in lists] == [500, 500, 500]
            assert "EngineCore" in error(lists[0].result())["message"]
            assert ask(engine, "/health").status == 503
            assert engine.wait_dead(timeout_s=30) != 0

    def test_kill_breaks_connections_in_flight_and_restart_mends(self, pool: ThreadPoolExecutor) -> None:
        with FakeEngineProcess(latency_ms=100) as engine:
            engine.faults(mode="hang", count=1)
            hung = pool.submit(complete, engine)
            wait_until(lambda: engine.state()["lists_in_flight"] == 1)
            engine.kill()
            with pytest.raises(ConnectionError):
                hung.result()
            engine.restart()
            assert complete(engine).status == 200

    def test_a_paused_engine_keeps_connections_and_answers_later(self, pool: ThreadPoolExecutor) -> None:
        with FakeEngineProcess() as engine:
            engine.pause()
            waiting = pool.submit(complete, engine)
            time.sleep(0.2)
            assert not waiting.done()
            engine.resume()
            assert waiting.result().status == 200


class TestProcess:
    def test_it_ends_with_the_process_that_started_it(self) -> None:
        script = (
            "import time; from phrasemill.engines.fake.process import FakeEngineProcess\n"
            "engine = FakeEngineProcess(); engine.start(); print(engine.pid, flush=True); time.sleep(60)"
        )
        starter = subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        os.kill(pid, 0)
        starter.send_signal(signal.SIGKILL)
        starter.communicate()

        def gone() -> bool:
            try:
                stat = Path(f"/proc/{pid}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                return True
            # An orphan whose new parent has not reaped it yet is as good as gone.
            return stat.rsplit(")", 1)[1].split()[0] == "Z"

        wait_until(gone)

    def test_a_taken_port_is_named(self, engine: FakeEngineProcess) -> None:
        port = int(engine.url.rsplit(":", 1)[1])
        with pytest.raises(FakeEngineError, match=f"cannot listen on 127.0.0.1:{port}.*--port"):
            FakeEngineProcess(port=port).start()

    def test_settings_that_cannot_be_are_refused_together(self) -> None:
        with pytest.raises(FakeEngineError) as refused:
            FakeEngineSettings(text="sonnet", bad_share=2, max_num_seqs=0)
        for word in ("sonnet", "bad_share", "max_num_seqs", "good_ru"):
            assert word in str(refused.value)


class TestSpeed:
    def test_lists_of_64_cost_far_less_than_the_mill_can_ask(self, engine: FakeEngineProcess) -> None:
        """The mill aims at 40,000 phrases a CPU-second; measured here: 140,000."""
        body = json.dumps({"prompt": [f"Scene number {i}: " + "x" * 250 for i in range(64)], "max_tokens": 48}).encode()

        async def load() -> None:
            async with aiohttp.ClientSession() as session:

                async def one() -> None:
                    for _ in range(20):
                        async with session.post(f"{engine.url}/v1/completions", data=body) as response:
                            await response.read()

                await asyncio.gather(*(one() for _ in range(8)))

        rates = []
        for _ in range(3):  # the best, as other work on the same cores costs CPU seconds too
            before = engine.state()
            asyncio.run(load())
            after = engine.state()
            assert after["phrases"] - before["phrases"] == 20 * 8 * 64
            rates.append(10_240 / (after["cpu_s"] - before["cpu_s"]))
        assert max(rates) > 40_000
