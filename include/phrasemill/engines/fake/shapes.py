"""How each API words a refusal: vLLM's JSON, OpenAI's, text-generation-inference's.

OpenAI's: the error object of its API reference, types and codes of its list of error codes. The other's: see
`phrasemill.engines.fake.tgi`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from phrasemill.engines.fake.asks import RequestRefused
from phrasemill.engines.fake.throttling import TOO_FAST, Throttled

JSON = "application/json"
TGI_TYPES = {422: "validation", 424: "generation", 429: "overloaded", 500: "incomplete_generation", 503: "healthcheck"}


@dataclass(frozen=True, slots=True)
class Shape:
    """The words of one API: for a refused request, and for a missing or wrong key."""

    refusal: Callable[[RequestRefused], web.Response]
    unauthorized: Callable[[], web.Response]

    def of(self, error: RequestRefused) -> web.Response:
        """The HTTP answer of a refused request; a gateway's own refusals are in OpenAI's words everywhere."""
        if isinstance(error, Throttled):
            response = openai_refusal(error)
            response.headers.update(error.headers)
            return response
        return self.refusal(error)


def vllm_refusal(error: RequestRefused) -> web.Response:
    """The error object of vLLM, whose code is the HTTP status."""
    return _json(error.status, error.to_json())


def openai_refusal(error: RequestRefused) -> web.Response:
    """The error object of OpenAI: message, type, param, and a code in words or null."""
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    code = error.code
    if isinstance(error, Throttled):
        kind = error.kind
    elif error.status == 429:
        kind, code = "requests", code or TOO_FAST
    return _json(error.status, {"error": {"message": error.message, "type": kind, "param": error.param, "code": code}})


def tgi_refusal(error: RequestRefused) -> web.Response:
    """text-generation-inference's two fields; its web framework answers in plain text what it cannot parse."""
    if error.code == "unparsable":
        return web.Response(status=error.status, text=error.message)
    kind = error.code or TGI_TYPES.get(error.status, "generation")
    return _json(error.status, {"error": error.message, "error_type": kind})


def _json(status: int, body: dict[str, Any]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type=JSON)


def _wrong_key() -> web.Response:
    error = RequestRefused("Incorrect API key provided.", status=401, code="invalid_api_key")
    return openai_refusal(error)


SHAPES = {
    "vllm": Shape(vllm_refusal, lambda: _json(401, {"error": "Unauthorized"})),
    "chat": Shape(openai_refusal, _wrong_key),
    "tgi": Shape(tgi_refusal, lambda: web.Response(status=401)),
}
