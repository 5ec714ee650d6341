"""Asks a fake engine over a connection of its own, as a plain client would."""

import http.client
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from phrasemill.engines.fake.process import FakeEngineProcess


class Reply:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.raw = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def choices(self) -> list[dict[str, Any]]:
        return self.json["choices"]

    @property
    def texts(self) -> list[str]:
        return [choice["text"] for choice in self.choices]


def ask(
    engine: FakeEngineProcess, path: str, body: Any = None, *, key: str | None = None, timeout: float = 30.0
) -> Reply:
    """One request on a connection of its own: GET without a body, POST with one."""
    connection = http.client.HTTPConnection("127.0.0.1", int(engine.url.rsplit(":", 1)[1]), timeout=timeout)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        if body is None:
            connection.request("GET", path, headers=headers)
        else:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request("POST", path, body=data, headers=headers)
        return Reply(connection.getresponse())
    finally:
        connection.close()


def complete(engine: FakeEngineProcess, prompt: Any = "Say it.", **more: Any) -> Reply:
    return ask(engine, "/v1/completions", {"model": engine.model, "prompt": prompt, "max_tokens": 64, **more})


def error(reply: Reply) -> dict[str, Any]:
    return reply.json["error"]


def wait_until(true: Callable[[], bool], *, within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(f"did not happen within {within_s} s")
        time.sleep(0.01)
