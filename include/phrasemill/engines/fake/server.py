"""The HTTP server round a fake engine: routes, the key, the control routes that tests use, start and stop."""

import asyncio
import os
import secrets
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from aiohttp import web

from phrasemill.engines.fake.asks import RequestRefused
from phrasemill.engines.fake.control import Control
from phrasemill.engines.fake.engine import FakeEngine
from phrasemill.engines.fake.hosted import HostedApi
from phrasemill.engines.fake.settings import FakeEngineError, FakeEngineSettings
from phrasemill.engines.fake.tgi import TgiApi

GUARDED = ("/v1/", "/tokenize", "/detokenize", "/chat_tokenize")
MAX_BODY_BYTES = 1 << 30
BACKLOG = 2048
STOP_WITHIN_S = 0.1

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def serve(settings: FakeEngineSettings) -> None:
    """Run one fake engine until SIGTERM, SIGINT, or (if asked for) the end of stdin.

    Prints `fake engine listening on http://HOST:PORT` once it answers. Raises FakeEngineError if it cannot
    listen there.
    """
    asyncio.run(_serve(settings))  # uvloop gave nothing: 138k against 140k phrases a CPU-second, lists of 64


async def _serve(settings: FakeEngineSettings) -> None:
    loop = asyncio.get_running_loop()
    seed = secrets.randbits(32) if settings.seed is None else settings.seed
    engine = FakeEngine(settings, seed=seed)
    runner = web.AppRunner(
        _app(engine, seed=seed),
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=settings.keep_alive_s,
        shutdown_timeout=STOP_WITHIN_S,
    )
    await runner.setup()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if settings.until_stdin_closes:
        threading.Thread(target=_exit_at_end_of_stdin, daemon=True).start()
    try:
        server = await _listen(settings, runner, engine)
        await stop.wait()
        if settings.shutdown_timeout:
            await engine.drain(within_s=settings.shutdown_timeout)
        server.close()
    finally:
        await runner.cleanup()


async def _listen(settings: FakeEngineSettings, runner: web.AppRunner, engine: FakeEngine) -> asyncio.AbstractServer:
    protocol_of_new_connection = runner.server
    if protocol_of_new_connection is None:
        raise FakeEngineError("the fake engine's HTTP runner was not set up before listening")

    def connected() -> asyncio.Protocol:
        engine.counters.connections += 1
        return protocol_of_new_connection()

    try:
        server = await asyncio.get_running_loop().create_server(
            connected, settings.host, settings.port, backlog=BACKLOG
        )
    except OSError as error:
        raise FakeEngineError(
            f"the fake engine cannot listen on {settings.host}:{settings.port}: {error.strerror}; "
            "give another --port, or 0 for any free one"
        ) from error
    port = server.sockets[0].getsockname()[1]
    if settings.port_file:
        _write_port(settings.port_file, port)
    print(f"fake engine listening on http://{settings.host}:{port}", flush=True)
    return server


def _app(engine: FakeEngine, *, seed: int) -> web.Application:
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    control = Control(engine, seed=seed)
    for method, path, handler in _routes(engine):
        app.router.add_route(method, path, _public(engine, handler))
    app.router.add_post("/fake/faults", control.add_faults)
    app.router.add_get("/fake/faults", control.get_faults)
    app.router.add_delete("/fake/faults", control.clear_faults)
    app.router.add_get("/fake/state", control.get_state)
    app.router.add_get("/fake/requests", control.get_requests)
    app.router.add_post("/fake/reset", control.reset)
    app.router.add_post("/fake/reset-quota", control.reset_quota)
    if engine.settings.api == "chat":
        app.router.add_route("*", "/{path:.*}", _public(engine, HostedApi(engine).invalid_url))
    return app


def _routes(engine: FakeEngine) -> Sequence[tuple[str, str, Handler]]:
    """Method, path and handler of what the engine's API has."""
    if engine.settings.api == "chat":
        hosted = HostedApi(engine)
        routes = [("POST", "/v1/chat/completions", hosted.chat), ("GET", "/v1/models", engine.models)]
        return [*routes, ("POST", "/v1/completions", hosted.completions)] if engine.settings.completions else routes
    if engine.settings.api == "tgi":
        tgi = TgiApi(engine)
        return (
            ("POST", "/v1/completions", tgi.completions),
            ("POST", "/v1/chat/completions", tgi.chat),
            ("GET", "/v1/models", tgi.models),
            ("POST", "/tokenize", tgi.tokenize),
            ("POST", "/chat_tokenize", tgi.chat_tokenize),
            ("GET", "/info", tgi.info),
            ("GET", "/health", tgi.health),
        )
    return (
        ("POST", "/v1/completions", engine.completions),
        ("POST", "/v1/chat/completions", engine.chat),
        ("GET", "/v1/models", engine.models),
        ("POST", "/tokenize", engine.tokenize),
        ("POST", "/detokenize", engine.detokenize),
        ("GET", "/version", engine.version),
        ("GET", "/health", engine.health),
        ("GET", "/metrics", engine.metrics),
    )


def _public(engine: FakeEngine, handler: Handler) -> Handler:
    """A route of the engine itself: counted, guarded by the key, refusals turned into answers."""
    expected = f"Bearer {engine.settings.api_key}" if engine.settings.api_key else None

    async def handle(request: web.Request) -> web.StreamResponse:
        engine.counters.requests += 1
        if expected and request.path.startswith(GUARDED) and request.headers.get("Authorization") != expected:
            return engine.shape.unauthorized()
        try:
            return await handler(request)
        except RequestRefused as error:
            return engine.shape.of(error)

    return handle


def _exit_at_end_of_stdin() -> None:
    # Whoever started this engine holds the other end, so even its SIGKILL ends this process.
    # os.read, since a thread inside sys.stdin's lock holds up an orderly exit by a second.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(0)


def _write_port(path: Path, port: int) -> None:
    """Write the port so that a reader sees all of it or nothing."""
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_text(f"{port}\n")
    unfinished.replace(path)
