"""The fake engine as a hosted API: OpenAI's chat completions and model list, and nothing else.

Taken from OpenAI's API reference and error codes: an unknown path is an 'Invalid URL', an unknown field of a body is
refused, up to 128 answers and 4 stop texts, a temperature of up to 2. What `--refuse` names is refused as its
reasoning models refuse it: `max_tokens` (they want max_completion_tokens), `n` above 1, a `system` role. Other hosted
APIs take any field, so that is a `--refuse` too: `unknown_fields`.
"""

from typing import Any

from aiohttp import web

from phrasemill.engines.fake import asks, writer
from phrasemill.engines.fake.asks import Ask, RequestRefused, Served
from phrasemill.engines.fake.engine import FakeEngine

MOST_ANSWERS = 128
MOST_STOPS = 4
HOTTEST = 2.0
SHARED_FIELDS = frozenset(
    {"model", "max_tokens", "temperature", "top_p", "n", "stop", "seed", "stream", "stream_options", "user"}
    | {"frequency_penalty", "presence_penalty", "logit_bias", "logprobs"}
)
COMPLETION_FIELDS = SHARED_FIELDS | {"prompt", "suffix", "echo", "best_of"}
CHAT_FIELDS = SHARED_FIELDS | {
    "messages", "max_completion_tokens", "top_logprobs", "response_format", "tools", "tool_choice",
    "parallel_tool_calls", "reasoning_effort", "verbosity", "service_tier", "store", "metadata", "modalities",
    "prediction", "audio", "web_search_options", "safety_identifier", "prompt_cache_key",
}  # fmt: skip


class HostedApi:
    """The routes of a hosted API, on one engine."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self._refused = engine.settings.refuse

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        return await self._engine.generate(request, self._read_chat, writer.chat_body)

    async def completions(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/completions, where the API has it: a prompt, or a list of them."""
        return await self._engine.generate(request, self._read_completion, writer.completion_body)

    async def invalid_url(self, request: web.Request) -> web.StreamResponse:
        """Any other path."""
        raise RequestRefused(f"Invalid URL ({request.method} {request.path})", status=404)

    def _read_chat(self, body: dict[str, Any], served: Served) -> Ask:
        self._check(body, CHAT_FIELDS)
        if "max_tokens" in self._refused and body.get("max_tokens") is not None:
            raise _unsupported(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                "'max_completion_tokens' instead.",
                param="max_tokens",
                code="unsupported_parameter",
            )
        if "system" in self._refused:
            for number, (role, _) in enumerate(asks.read_messages(body)):
                if role == "system":
                    param = f"messages[{number}].role"
                    raise _unsupported(
                        f"Unsupported value: '{param}' does not support 'system' with this model.", param=param
                    )
        return asks.read_chat(body, served)

    def _read_completion(self, body: dict[str, Any], served: Served) -> Ask:
        self._check(body, COMPLETION_FIELDS)
        return asks.read_completion(body, served)

    def _check(self, body: dict[str, Any], fields: frozenset[str]) -> None:
        if body.get("model") is None:
            raise RequestRefused("you must provide a model parameter")
        if "unknown_fields" in self._refused and (unknown := sorted(set(body) - fields)):
            raise RequestRefused(f"Unrecognized request argument supplied: {', '.join(unknown)}")
        n, stop, temperature = body.get("n") or 1, body.get("stop") or (), body.get("temperature") or 0
        if "n" in self._refused and n != 1:
            raise _unsupported(
                f"Unsupported value: 'n' does not support {n} with this model. Only the default (1) value is "
                "supported.",
                param="n",
            )
        if isinstance(n, int) and n > MOST_ANSWERS:
            raise RequestRefused(f"{n} is greater than the maximum of {MOST_ANSWERS} - 'n'", param="n")
        if isinstance(stop, list) and len(stop) > MOST_STOPS:
            message = f"Invalid 'stop': array too long. Expected an array with maximum length {MOST_STOPS}."
            raise RequestRefused(message, param="stop", code="array_above_max_length")
        if isinstance(temperature, int | float) and temperature > HOTTEST:
            message = f"Invalid 'temperature': decimal above maximum value. Expected a value <= {HOTTEST:g}."
            raise RequestRefused(message, param="temperature", code="decimal_above_max_value")


def _unsupported(message: str, *, param: str, code: str = "unsupported_value") -> RequestRefused:
    return RequestRefused(message, param=param, code=code)
