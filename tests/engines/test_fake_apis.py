"""The fake engine as a hosted API and as text-generation-inference: what a client of each sees."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.fake.settings import FakeEngineError, FakeEngineSettings
from tests.engines.asking import Reply, ask, complete, error, wait_until

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say it."}]


def chat(engine: FakeEngineProcess, **more: Any) -> Reply:
    return ask(engine, "/v1/chat/completions", {"model": engine.model, "messages": MESSAGES, **more})


@pytest.fixture(scope="module")
def _hosted() -> Iterator[FakeEngineProcess]:
    with FakeEngineProcess(api="chat", model="gpt-tiny") as running:
        yield running


@pytest.fixture
def hosted(_hosted: FakeEngineProcess) -> FakeEngineProcess:
    _hosted.reset()
    return _hosted


@pytest.fixture(scope="module")
def picky() -> Iterator[FakeEngineProcess]:
    refuse = ("max_tokens", "n", "system", "unknown_fields")
    with FakeEngineProcess(api="chat", model="o-tiny", refuse=refuse, completions=True, api_key="sesame") as running:
        yield running


@pytest.fixture(scope="module")
def _tgi() -> Iterator[FakeEngineProcess]:
    with FakeEngineProcess(api="tgi", model="HuggingFaceTB/tiny") as running:
        yield running


@pytest.fixture
def tgi(_tgi: FakeEngineProcess) -> FakeEngineProcess:
    _tgi.reset()
    return _tgi


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"api": "sglang"}, "api is sglang, but must be one of vllm, chat, tgi"),
            ({"api": "chat", "refuse": ("temperature",)}, "must be of max_tokens, n"),
            ({"api": "tgi", "refuse": ("system",)}, "of api chat, not tgi"),
            ({"completions": True}, "of api chat, not vllm"),
            ({"retry_after": "minutes"}, "seconds, date, ms, none"),
            ({"requests_per_minute": -1}, "0 (no limit) or more"),
            ({"minute_s": 0}, "more than 0"),
        ],
    )
    def test_what_cannot_be_is_refused(self, settings: dict[str, Any], words: str) -> None:
        with pytest.raises(FakeEngineError) as told:
            FakeEngineSettings(**settings)
        assert words in str(told.value)


class TestHosted:
    def test_it_chats_and_lists_its_models(self, hosted: FakeEngineProcess) -> None:
        reply = chat(hosted, n=2, max_completion_tokens=64, chat_template_kwargs={"enable_thinking": False})
        assert [choice["message"]["content"][-1] for choice in reply.choices] == [".", "."]
        assert [model["id"] for model in ask(hosted, "/v1/models").json["data"]] == ["gpt-tiny"]

    @pytest.mark.parametrize("path", ["/health", "/version", "/metrics", "/info", "/v1/embeddings"])
    def test_it_has_nothing_else(self, hosted: FakeEngineProcess, path: str) -> None:
        reply = ask(hosted, path)
        assert reply.status == 404
        assert error(reply) == {
            "message": f"Invalid URL (GET {path})",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }

    @pytest.mark.parametrize("path", ["/tokenize", "/detokenize", "/v1/completions"])
    def test_it_takes_no_prompts(self, hosted: FakeEngineProcess, path: str) -> None:
        reply = ask(hosted, path, {"model": "gpt-tiny", "prompt": "x"})
        assert (reply.status, error(reply)["message"]) == (404, f"Invalid URL (POST {path})")

    @pytest.mark.parametrize(
        ("body", "status", "param", "code"),
        [
            ({"model": "other"}, 404, "model", "model_not_found"),
            ({"model": None}, 400, None, None),
            ({"max_tokens": 5000}, 400, "input_tokens", "context_length_exceeded"),
            ({"stop": list("abcde")}, 400, "stop", "array_above_max_length"),
            ({"temperature": 2.5}, 400, "temperature", "decimal_above_max_value"),
            ({"n": 129}, 400, "n", None),
        ],
    )
    def test_mistakes_have_a_type_and_a_code(
        self, hosted: FakeEngineProcess, body: dict[str, Any], status: int, param: str | None, code: str | None
    ) -> None:
        reply = chat(hosted, **body)
        assert reply.status == status
        assert {"type": "invalid_request_error", "param": param, "code": code}.items() <= error(reply).items()

    def test_faults_speak_as_it_does(self, hosted: FakeEngineProcess) -> None:
        hosted.faults(mode="status", status=429, count=1)
        hosted.faults(mode="status", status=500, count=1)
        assert error(chat(hosted))["code"] == "rate_limit_exceeded"
        assert error(chat(hosted))["type"] == "server_error"


class TestReasoningModel:
    @pytest.mark.parametrize(
        ("body", "param", "code"),
        [
            ({"max_tokens": 5}, "max_tokens", "unsupported_parameter"),
            ({"n": 2}, "n", "unsupported_value"),
            ({}, "messages[0].role", "unsupported_value"),
            ({"chat_template_kwargs": {}}, None, None),
        ],
    )
    def test_it_refuses_what_it_was_told_to(
        self, picky: FakeEngineProcess, body: dict[str, Any], param: str | None, code: str | None
    ) -> None:
        sent = {"model": "o-tiny", "messages": MESSAGES, **body}
        reply = ask(picky, "/v1/chat/completions", sent, key="sesame")
        assert reply.status == 400
        assert (error(reply)["param"], error(reply)["code"]) == (param, code)

    def test_it_takes_the_rest(self, picky: FakeEngineProcess) -> None:
        body = {"model": "o-tiny", "messages": MESSAGES[1:], "max_completion_tokens": 64, "n": 1}
        assert ask(picky, "/v1/chat/completions", body, key="sesame").status == 200
        assert ask(picky, "/v1/completions", {"model": "o-tiny", "prompt": ["a", "b"]}, key="sesame").status == 200

    def test_a_wrong_key_has_a_code(self, picky: FakeEngineProcess) -> None:
        reply = ask(picky, "/v1/models", key="wrong")
        assert (reply.status, error(reply)["code"]) == (401, "invalid_api_key")


class TestTgi:
    def test_it_says_what_it_is(self, tgi: FakeEngineProcess) -> None:
        info = ask(tgi, "/info").json
        assert (info["model_id"], info["max_total_tokens"], info["max_client_batch_size"]) == (tgi.model, 1024, 4)
        assert ask(tgi, "/health").raw == b""
        assert set(ask(tgi, "/v1/models").json["data"][0]) == {"id", "object", "created", "owned_by"}
        assert ask(tgi, "/version").status == ask(tgi, "/v1/embeddings").status == 404

    def test_it_gives_one_answer_whatever_n_and_model_are(self, tgi: FakeEngineProcess) -> None:
        reply = chat(tgi, model="tgi", n=4, max_completion_tokens=1, unheard_of=True)
        assert len(reply.choices) == 1
        assert (reply.json["model"], reply.json["object"]) == (tgi.model, "chat.completion")
        assert reply.choices[0]["finish_reason"] == "stop"
        assert reply.choices[0]["message"]["content"].endswith(".")

    def test_its_headers_tell_what_was_taken(self, tgi: FakeEngineProcess) -> None:
        reply = chat(tgi)
        usage = reply.json["usage"]
        assert int(reply.headers["x-prompt-tokens"]) == usage["prompt_tokens"]
        assert int(reply.headers["x-generated-tokens"]) == usage["completion_tokens"]
        assert reply.headers["x-compute-type"] == "cpu"
        assert float(reply.headers["x-compute-time"]) >= 0

    def test_a_stop_text_stays_in_the_answer(self, tgi: FakeEngineProcess) -> None:
        tgi.faults(mode="text", text="echo")
        reply = complete(tgi, "left STOP right", stop=["STOP"])
        assert (reply.texts, reply.choices[0]["finish_reason"]) == (["left STOP"], "stop_sequence")

    def test_max_tokens_cut_the_answer(self, tgi: FakeEngineProcess) -> None:
        choice = chat(tgi, max_tokens=3).choices[0]
        assert choice["finish_reason"] == "length"

    def test_a_short_list_is_answered_in_the_order_in_which_it_is_done(self, tgi: FakeEngineProcess) -> None:
        tgi.faults(mode="text", text="echo")
        reply = complete(tgi, ["the longest of them all", "short", "a longer one"])
        assert [choice["index"] for choice in reply.choices] == [1, 2, 0]
        assert reply.json["usage"]["prompt_tokens"] == 3 + 6 + 2 + 3  # a special token before each

    @pytest.mark.parametrize(
        ("body", "words", "kind"),
        [
            ({"prompt": ["x"] * 5}, "maximum allowed batch size of 4", "batch size exceeded"),
            ({"suffix": "x"}, "Suffix is not supported", "suffix not supported"),
            ({"stop": list("abcde")}, "`stop` supports up to 4 stop sequences. Given: 5", "validation"),
            ({"top_p": 1}, "`top_p` must be > 0.0 and < 1.0", "validation"),
            ({"max_tokens": 0}, "`max_new_tokens` must be strictly positive", "validation"),
            ({"max_tokens": 1023}, "must be <= 1024. Given: 2 `inputs` tokens and 1023", "validation"),
            ({"prompt": ["x", ""]}, "`inputs` cannot be empty", "validation"),
        ],
    )
    def test_mistakes_are_422_with_two_fields(
        self, tgi: FakeEngineProcess, body: dict[str, Any], words: str, kind: str
    ) -> None:
        reply = complete(tgi, **{"prompt": "x", **body})
        assert reply.status == 422
        assert words in reply.json["error"]
        assert reply.json == {"error": reply.json["error"], "error_type": kind}

    @pytest.mark.parametrize("body", [{"stop": "x"}, {"prompt": [1, 2]}, {"max_tokens": "many"}])
    def test_what_does_not_parse_is_refused_in_plain_text(self, tgi: FakeEngineProcess, body: dict[str, Any]) -> None:
        reply = complete(tgi, **{"prompt": "x", **body})
        assert (reply.status, reply.headers.get_content_type()) == (422, "text/plain")
        assert reply.raw.startswith(b"Failed to deserialize the JSON body into the target type: ")

    def test_messages_are_for_chat_tokenize(self, tgi: FakeEngineProcess) -> None:
        assert ask(tgi, "/tokenize", {"messages": MESSAGES}).status == 422
        told = ask(tgi, "/chat_tokenize", {"messages": MESSAGES}).json
        assert told["templated_text"].startswith("<|im_start|>system\nBe brief.<|im_end|>\n")
        assert "".join(piece["text"] for piece in told["tokenize_response"]) == told["templated_text"]
        begin, *pieces = ask(tgi, "/tokenize", {"inputs": "hello"}).json
        assert (begin["text"], "".join(piece["text"] for piece in pieces)) == ("", "hello")

    def test_a_template_that_takes_no_system_message_says_so(self) -> None:
        with FakeEngineProcess(api="tgi", family="gemma_2") as engine:
            reply = chat(engine)
            assert (reply.status, reply.json["error_type"]) == (422, "template_error")
            assert chat(engine, messages=MESSAGES[1:]).status == 200

    def test_more_than_128_at_once_are_overloaded(self) -> None:
        with FakeEngineProcess(api="tgi", latency_ms=60_000) as engine, ThreadPoolExecutor(32) as pool:
            asked = [pool.submit(complete, engine, ["x"] * 4) for _ in range(32)]
            wait_until(lambda: engine.state()["prompts_in_flight"] == 128)
            reply = complete(engine)
            assert (reply.status, reply.json["error_type"]) == (429, "overloaded")
            assert "Retry-After" not in reply.headers
            engine.kill()
            assert all(one.exception() for one in asked)

    def test_faults_speak_as_it_does(self, tgi: FakeEngineProcess) -> None:
        tgi.faults(mode="status", status=424, count=1)
        assert chat(tgi).json["error_type"] == "generation"
        tgi.faults(mode="unhealthy", count=1)
        reply = ask(tgi, "/health")
        assert (reply.status, reply.json) == (503, {"error": "unhealthy", "error_type": "healthcheck"})
