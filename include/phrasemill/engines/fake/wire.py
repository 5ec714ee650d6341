"""Faults of the connection, acted out below HTTP: answers that never come, come cut, or come with a reset."""

import asyncio
import socket
import struct
from typing import NoReturn

from aiohttp import web

# A reset throws away what the peer has not read yet, so it waits until the headers are likely read.
RESET_AFTER_S = 0.05
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


async def hang() -> NoReturn:
    """Never answer. Ends when the client disconnects, which cancels the handler."""
    await asyncio.Event().wait()
    raise RuntimeError("an event that nobody sets was set")


async def close(request: web.Request) -> NoReturn:
    """Close the connection without a byte of answer."""
    _transport(request).close()
    await hang()


async def close_after(request: web.Request, body: bytes) -> NoReturn:
    """Answer in full, then close, without the `Connection: close` that would have said so."""
    transport = _transport(request)
    transport.write(HEAD % len(body) + body)
    transport.close()
    await hang()


async def truncate(request: web.Request, body: bytes) -> NoReturn:
    """Send the whole body's Content-Length but half the body, then close."""
    transport = _transport(request)
    transport.write(HEAD % len(body) + body[: len(body) // 2])
    transport.close()
    await hang()


async def reset(request: web.Request, body: bytes) -> NoReturn:
    """Send the headers, then reset the connection (a TCP RST, not an orderly end)."""
    transport = _transport(request)
    transport.write(HEAD % len(body))
    await asyncio.sleep(RESET_AFTER_S)
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await hang()


def _transport(request: web.Request) -> asyncio.Transport:
    if request.transport is None:
        raise ConnectionResetError("the client has closed the connection that the fault was to strike")
    return request.transport
