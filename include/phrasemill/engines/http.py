"""One HTTP exchange with an engine: JSON in, JSON out, and every way it fails sorted into three kinds."""

import datetime as dt
import json
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import orjson

from phrasemill.errors import EngineRefused, PhrasemillError, QuotaSpent

# 501 and 505 say that the server cannot do it at all; proxies have 5xx codes of their own, such as 520 to 529. OpenAI's
# own client asks again after 409 too.
TRANSIENT = frozenset({408, 409, 425, 429, *range(500, 600)}) - {501, 505}
TOO_MANY = 429
SPENT_CODES = (b"insufficient_quota", b"billing_hard_limit_reached", b"billing_not_active", b"quota_exceeded")
"""Error codes with which hosted APIs say by a 429 that no waiting helps (OpenAI's error codes)."""


class EngineFault(PhrasemillError):
    """The engine did not answer, or not sensibly; the same request may succeed later or elsewhere.

    `reached` is false when the engine is not there at all; `retry_after` is in seconds; `status` is HTTP's, if it
    answered.
    """

    retryable = True

    def __init__(
        self, message: str, *, reached: bool = True, retry_after: float | None = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.reached = reached
        self.retry_after = retry_after
        self.status = status

    @property
    def throttled(self) -> bool:
        """Whether it said that it is asked too much."""
        return self.status == TOO_MANY

    @property
    def says_wait(self) -> bool:
        """Whether the engine is well and only wants to be asked later."""
        return self.throttled or self.retry_after is not None


class KeyRefused(EngineRefused):
    """The engine wants another API key."""


class NotOffered(EngineRefused):
    """There is no such path on the server, or no such model (404, 405, 501)."""


class BadPrompt(PhrasemillError):
    """The engine refuses this request for what is in it (400, 413, 422): one of its prompts is bad."""


class Filtered(BadPrompt):
    """The engine has answered, and its content filter has taken the answer away: it is paid for all the same."""


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
        QuotaSpent: nothing more is to be had for now, for want of money or quota.
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
    # A connection that is refused, or that nobody accepts in time, means that nobody is there. One that breaks may be
    # one of the engine's keep-alive time-outs, and an answer that stops half way may be this list's own trouble.
    reached = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
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
    said = f"{url}: HTTP {status} ({_head(_without_key(response, content))})"
    if status == 402 or (status == TOO_MANY and any(code in content for code in SPENT_CODES)):
        return QuotaSpent(f"{said}; raise the account's quota, or let a later night go on: what is staged is kept")
    if status in TRANSIENT:
        return EngineFault(said, retry_after=_retry_after(response), status=status)
    if status in {400, 413, 422}:
        return BadPrompt(said)
    if status in {401, 403}:
        return KeyRefused(f"{said}; check the API key in the engines' connection")
    if status in {404, 405, 501}:
        return NotOffered(f"{said}; check the URL, and that the engine serves the corpus's model")
    return EngineRefused(f"{said}; is this an OpenAI-compatible engine?")


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds to wait, from Retry-After as seconds or as an HTTP date, or from `retry-after-ms`."""
    for name, unit in (("retry-after-ms", 0.001), ("Retry-After", 1.0)):
        header = response.headers.get(name)
        if not header:
            continue
        try:
            return max(0.0, float(header) * unit)
        except ValueError:
            pass
        try:
            until = parsedate_to_datetime(header)
        except (ValueError, OverflowError):
            continue
        aware = until if until.tzinfo else until.replace(tzinfo=dt.UTC)
        return max(0.0, (aware - dt.datetime.now(dt.UTC)).total_seconds())
    return None


def _without_key(response: aiohttp.ClientResponse, content: bytes) -> bytes:
    """What a server says, without the API key: some gateways repeat a key that they refuse."""
    key = response.request_info.headers.get("Authorization", "").removeprefix("Bearer ").strip().encode()
    return content.replace(key, b"***") if key else content


def _head(content: bytes) -> str:
    text = " ".join(content[:300].decode("utf-8", "replace").split())
    return text if len(text) <= 200 else f"{text[:197]}..."
