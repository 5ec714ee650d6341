"""A server in the test's own loop whose every answer the test writes, for what the fake engine would never say."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(body: object, *, status: int = 200) -> Handler:
    """Answer the same JSON (or text) to everything."""

    async def handle(_request: web.Request) -> web.Response:
        if isinstance(body, str):
            return web.Response(text=body, status=status)
        return web.Response(text=json.dumps(body), status=status, content_type="application/json")

    return handle


@asynccontextmanager
async def scripted(**handlers: Handler) -> AsyncIterator[str]:
    """Serve handlers by path, '__' for '/': `scripted(metrics=..., v1__models=...)`; yields the base URL."""
    app = web.Application()
    for name, handler in handlers.items():
        app.router.add_route("*", "/" + name.replace("__", "/"), handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
