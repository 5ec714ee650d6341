"""The fake engine as text-generation-inference, written from its documentation; the real one cannot run here.

What each rule was taken from (huggingface/text-generation-inference, versions 2.4 to 3.3):
- docs/openapi.json: paths, 200 bodies, `{"error", "error_type"}`, and 422 validation, 424 generation, 429 overloaded,
  500 incomplete_generation, 503 healthcheck.
- docs/source/reference/launcher.md: at most 4 stop sequences, 128 requests at once, lists of at most 4 prompts
  (`max_client_batch_size`), total tokens decided by the server (`max_total_tokens`, here `--max-model-len`).
- router/src/validation.rs: prompt and max_tokens together within max_total_tokens, or 422 (never cut short); without
  max_tokens what is left, up to 1,024; top_p below 1; no empty prompt.
- router/src/lib.rs, ChatRequest: fields it does not know are ignored, so are `n` (one answer comes, without a word)
  and max_completion_tokens; `stop` is a list, never a string; `model` names an adapter, 'tgi' or an unknown one
  changes nothing; temperature 0 is greedy.
- router/src/lib.rs, FinishReason: on the OpenAI routes `stop` at the model's end, `length`, and `stop_sequence` at a
  stop text, which stays in the answer; only its own /generate says `eos_token`.
- router/src/server.rs: the x- headers, sums of all prompts in a list; choices of a list in the order in which they
  finish; special tokens put before every prompt of /v1/completions; /tokenize takes `inputs` and no messages;
  /chat_tokenize renders the chat template; bodies that do not parse get 422 or 400 in plain text.
- router/src/infer/mod.rs: a chat template that refuses a role is 422 template_error; each prompt of a list is one
  of the requests at once, and one too many is 429 'Model is overloaded' without Retry-After.
"""

import time
from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from phrasemill.engines.fake import asks, tokens
from phrasemill.engines.fake.asks import Ask, RequestRefused, Served
from phrasemill.engines.fake.engine import FakeEngine
from phrasemill.engines.fake.families import TemplateRefused
from phrasemill.engines.fake.faults import Fault
from phrasemill.engines.fake.text import restore_broken
from phrasemill.engines.fake.writer import Output, damaged

VERSION = "3.3.5"
MAX_STOPS = 4
MAX_PROMPTS = 4
MAX_AT_ONCE = 128
DEFAULT_LENGTH = 1024


class TgiApi:
    """The routes of text-generation-inference, on one engine."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions: one answer, whatever `n` says."""
        return await self._generate(request, chat=True)

    async def completions(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/completions: one answer to each prompt of a short list."""
        return await self._generate(request, chat=False)

    async def info(self, request: web.Request) -> web.StreamResponse:
        """GET /info."""
        return await self._engine.answer(request, lambda _: orjson.dumps(self._info()))

    async def models(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/models: the model alone, without its length."""
        name = next(iter(self._engine.served.names))
        card = {"id": name, "object": "model", "created": 0, "owned_by": name}
        return await self._engine.answer(request, lambda _: orjson.dumps({"object": "list", "data": [card]}))

    async def health(self, request: web.Request) -> web.StreamResponse:
        """GET /health: 200 without a body, or 503."""
        return await self._engine.health(request)

    async def tokenize(self, request: web.Request) -> web.StreamResponse:
        """POST /tokenize: ids and places of `inputs`; messages are for /chat_tokenize."""
        return await self._engine.answer(request, lambda raw: orjson.dumps(_pieces(_inputs(raw), begin=True)))

    async def chat_tokenize(self, request: web.Request) -> web.StreamResponse:
        """POST /chat_tokenize: the text that the chat template makes of messages, and its tokens."""
        return await self._engine.answer(request, self._chat_tokenized)

    async def _generate(self, request: web.Request, *, chat: bool) -> web.StreamResponse:
        began = time.monotonic()
        headers: dict[str, str] = {}

        def read(body: dict[str, Any], served: Served) -> Ask:
            ask = self._read_chat(body, served) if chat else _read_completion(body, served)
            if self._engine.counters.prompts_in_flight + len(ask.prompts) > MAX_AT_ONCE:
                raise RequestRefused("Model is overloaded", status=429)
            return ask

        def make_body(ask: Ask, outputs: Sequence[Output], *, fault: Fault | None) -> bytes:
            headers.update(_headers(ask, outputs, took_s=time.monotonic() - began))
            return _body(ask, outputs, chat=chat, fault=fault)

        response = await self._engine.generate(request, read, make_body)
        response.headers.update(headers)
        return response

    def _read_chat(self, body: dict[str, Any], served: Served) -> Ask:
        prompt = self._templated(body)
        return _ask(body, served, prompts=[prompt], begin=0)

    def _templated(self, body: dict[str, Any]) -> str:
        try:
            messages = asks.read_messages(body)
        except RequestRefused as error:
            raise _unparsable(error.message) from None
        try:
            return self._engine.served.family.prompt(messages)
        except TemplateRefused as error:
            message = f"Template error: invalid operation: {error} (in <string>:1)"
            raise RequestRefused(message, status=422, code="template_error") from None

    def _chat_tokenized(self, raw: bytes) -> bytes:
        text = self._templated(_object(raw))
        return orjson.dumps({"tokenize_response": _pieces(text, begin=False), "templated_text": text})

    def _info(self) -> dict[str, Any]:
        longest = self._engine.settings.max_model_len
        return {
            "model_id": next(iter(self._engine.served.names)),
            "model_sha": None,
            "model_pipeline_tag": "text-generation",
            "max_concurrent_requests": MAX_AT_ONCE,
            "max_best_of": 2,
            "max_stop_sequences": MAX_STOPS,
            "max_input_tokens": longest - 1,
            "max_total_tokens": longest,
            "validation_workers": 2,
            "max_client_batch_size": MAX_PROMPTS,
            "router": "text-generation-router",
            "version": VERSION,
            "sha": None,
            "docker_label": None,
        }


def _read_completion(body: dict[str, Any], served: Served) -> Ask:
    prompts = body.get("prompt")
    prompts = [prompts] if isinstance(prompts, str) else prompts
    if not isinstance(prompts, list) or not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        raise _unparsable("prompt: expected a string or an array of strings")
    if body.get("suffix") is not None:
        message = "Suffix is not supported and can be achieved by preprocessing the prompt."
        raise RequestRefused(message, status=422, code="suffix not supported")
    if len(prompts) > MAX_PROMPTS:
        message = f"Number of prompts exceeds the maximum allowed batch size of {MAX_PROMPTS}"
        raise RequestRefused(message, status=422, code="batch size exceeded")
    return _ask(body, served, prompts=prompts, begin=1)


def _ask(body: dict[str, Any], served: Served, *, prompts: list[str], begin: int) -> Ask:
    """A checked request; `begin` is how many tokens are put before each prompt."""
    stop, temperature, top_p = body.get("stop") or [], body.get("temperature"), body.get("top_p")
    length = body.get("max_tokens")
    if not isinstance(stop, list):
        raise _unparsable(f'stop: invalid type: string "{stop}", expected a sequence')
    if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 0):
        raise _unparsable("max_tokens: invalid value, expected u32")
    if body.get("stream"):
        raise _invalid("`stream` is not supported by the fake engine")
    counts = [tokens.count(prompt) + begin for prompt in prompts]
    left = served.max_model_len - max(counts)
    for kept, rule in (
        (temperature is None or temperature >= 0, "`temperature` must be strictly positive"),
        (top_p is None or 0 < top_p < 1, "`top_p` must be > 0.0 and < 1.0"),
        (length != 0, "`max_new_tokens` must be strictly positive"),
        (len(stop) <= MAX_STOPS, f"`stop` supports up to {MAX_STOPS} stop sequences. Given: {len(stop)}"),
        (all(prompts), "`inputs` cannot be empty"),
        (
            length is None or length <= left,
            f"`inputs` tokens + `max_new_tokens` must be <= {served.max_model_len}. Given: {max(counts)} `inputs` "
            f"tokens and {length} `max_new_tokens`",
        ),
        (left > 0, f"`inputs` must have less than {served.max_model_len - 1} tokens. Given: {max(counts)}"),
    ):
        if not kept:
            raise _invalid(rule)
    return Ask(
        model=next(iter(served.names)),
        prompts=prompts,
        prompt_tokens=counts,
        max_tokens=[min(left, DEFAULT_LENGTH) if length is None else length] * len(prompts),
        n=1,
        stop=tuple(stop),
        keep_stop=True,
        ignore_eos=False,
    )


def _body(ask: Ask, outputs: Sequence[Output], *, chat: bool, fault: Fault | None) -> bytes:
    choices: list[dict[str, Any]] = []
    for index, output in sorted(enumerate(outputs), key=lambda numbered: numbered[1].tokens):
        said = {"message": {"role": "assistant", "content": output.text}} if chat else {"text": output.text}
        reason = "stop_sequence" if output.stop_reason else output.finish_reason
        choices.append({"index": index, **said, "logprobs": None, "finish_reason": reason})
    prompt_tokens, completion_tokens = sum(ask.prompt_tokens), sum(output.tokens for output in outputs)
    body = {
        "object": "chat.completion" if chat else "text_completion",
        "id": "",
        "created": int(time.time()),
        "model": ask.model,
        "system_fingerprint": f"{VERSION}-native",
        "choices": damaged(choices, fault) if fault else choices,
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }
    return restore_broken(orjson.dumps(body))


def _headers(ask: Ask, outputs: Sequence[Output], *, took_s: float) -> dict[str, str]:
    generated = sum(output.tokens for output in outputs)
    took_ms = round(took_s * 1000)
    return {
        "x-compute-type": "cpu",
        "x-compute-time": str(took_s),
        "x-compute-characters": str(sum(map(len, ask.prompts))),
        "x-total-time": str(took_ms),
        "x-validation-time": "0",
        "x-queue-time": "0",
        "x-inference-time": str(took_ms),
        "x-time-per-token": str(took_ms // max(generated, 1)),
        "x-prompt-tokens": str(sum(ask.prompt_tokens)),
        "x-generated-tokens": str(generated),
    }


def _inputs(raw: bytes) -> str:
    inputs = _object(raw).get("inputs")
    if not isinstance(inputs, str):
        raise _unparsable("missing field `inputs`")
    return inputs


def _pieces(text: str, *, begin: bool) -> list[dict[str, Any]]:
    """Tokens with their places in the text, in characters."""
    pieces, at = [], 0
    for token in tokens.encode(text, add_special_tokens=begin):
        piece = "" if token == tokens.BEGIN else tokens.decode([token])
        pieces.append({"id": token, "text": piece, "start": at, "stop": at + len(piece)})
        at += len(piece)
    return pieces


def _object(raw: bytes) -> dict[str, Any]:
    try:
        return asks.read_json(raw)
    except RequestRefused as error:
        raise RequestRefused(f"Failed to parse the request body as JSON: {error}", code="unparsable") from None


def _unparsable(message: str) -> RequestRefused:
    wrong = f"Failed to deserialize the JSON body into the target type: {message}"
    return RequestRefused(wrong, status=422, code="unparsable")


def _invalid(rule: str) -> RequestRefused:
    return RequestRefused(f"Input validation error: {rule}", status=422)
