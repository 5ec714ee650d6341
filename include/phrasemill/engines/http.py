"""One HTTP exchange with an engine: JSON in, JSON out, and every way it fails sorted into three kinds."""

import json
from typing import Any

import aiohttp
import orjson

from phrasemill.errors import EngineRefused, PhrasemillError

# 501 and 505 say that the server cannot do it at all; proxies have 5xx codes of their own, such as 520 to 529.
TRANSIENT = frozenset({408, 425, 429, *range(500, 600)}) - {501, 505}


class EngineFault(PhrasemillError):
    """The engine did not answer, or not sensibly; the same request may succeed later or elsewhere.

    `reached` is false when the engine is not there at all; `retry_after` is in seconds.
    """

    retryable = True

    def __init__(self, message: str, *, reached: bool = True, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.reached = reached
        self.retry_after = retry_after


class BadPrompt(PhrasemillError):
    """The engine refuses this request for what is in it (400, 413, 422): one of its prompts is bad."""


def open_session(api_key: str | None) -> aiohttp.ClientSession:
    """A session for requests to engines.

    Without aiohttp's limit of 100 connections: a hundred engines that do not answer would keep those waiting that do,
    and their time would run out.
    """
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers)


async def post_json(
    session: aiohttp.ClientSession, url: str, body: dict[str, Any], *, timeout_s: float | None = 60
) -> dict[str, Any]:
    """POST a JSON body and return the JSON object of the answer.

    Raises:
        EngineFault: no answer, a transient status, or something that is no JSON object.
        BadPrompt: 400, 413 or 422.
        EngineRefused: any other status; no retry mends it.
    """
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=10)
    try:
        async with session.post(url, data=orjson.dumps(body), timeout=timeout) as response:
            content = await response.read()
    except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
        raise _no_answer(url, error) from error
    if response.status != 200:
        raise _status_error(url, response, content)
    return _parse_object(url, content)


async def get_text(session: aiohttp.ClientSession, url: str, *, timeout_s: float = 5) -> str:
    """GET a page as text.

    Raises:
        EngineFault: no answer, or a transient status.
        EngineRefused: any other status.
    """
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=timeout_s)) as response:
            content = await response.read()
    except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
        raise _no_answer(url, error) from error
    if response.status != 200:
        refusal = _status_error(url, response, content)
        raise EngineRefused(str(refusal)) if isinstance(refusal, BadPrompt) else refusal
    return content.decode("utf-8", "replace")


def _no_answer(url: str, error: Exception) -> PhrasemillError:
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return EngineRefused(f"{url}: is no URL of an engine; write for example http://127.0.0.1:8000")
    # A refused connection means that nobody is there. A connection that breaks may be one of the engine's
    # keep-alive time-outs, and an answer that stops half way may be this list's own trouble.
    reached = not isinstance(error, aiohttp.ClientConnectorError)
    return EngineFault(f"{url}: {type(error).__name__}: {error or 'no answer in time'}", reached=reached)


def _parse_object(url: str, content: bytes) -> dict[str, Any]:
    """Parse a JSON object, however broken the texts inside it.

    orjson refuses a lone surrogate or invalid UTF-8 for the whole list; the slow path keeps it in the one
    text that has it, where a rule rejects it.
    """
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            parsed = json.loads(content.decode("utf-8", "replace"))
        except ValueError as error:
            raise EngineFault(f"{url}: the answer is no JSON ({_head(content)})") from error
    if not isinstance(parsed, dict):
        raise EngineFault(f"{url}: the answer is no JSON object ({_head(content)})")
    return parsed


def _status_error(url: str, response: aiohttp.ClientResponse, content: bytes) -> PhrasemillError:
    status = response.status
    said = f"{url}: HTTP {status} ({_head(content)})"
    if status in TRANSIENT:
        return EngineFault(said, retry_after=_seconds(response.headers.get("Retry-After")))
    if status in {400, 413, 422}:
        return BadPrompt(said)
    if status in {401, 403}:
        return EngineRefused(f"{said}; check the API key in the engines' connection")
    if status == 404:
        return EngineRefused(f"{said}; check the URL, and that the engine serves the corpus's model")
    return EngineRefused(f"{said}; is this an OpenAI-compatible engine?")


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None  # an HTTP date: engines send seconds


def _head(content: bytes) -> str:
    text = " ".join(content[:300].decode("utf-8", "replace").split())
    return text if len(text) <= 200 else f"{text[:197]}..."
