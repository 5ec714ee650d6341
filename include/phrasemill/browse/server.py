"""The server of `phrasemill browse`: one release, on this machine alone, under an address that nobody can guess.

Other people and other pages on this machine could ask a port of it too. So every address begins with a random token,
what does not is answered by 404, and a request under another host name than this machine's own is refused: a page from
elsewhere whose name leads here is then of no use (DNS rebinding).
"""

import contextlib
import secrets
import socket
from functools import cache
from importlib import resources
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from jinja2 import Environment
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from phrasemill.browse.asked import Asked, AskedByQuery, PageName
from phrasemill.browse.pages import Elsewhere, Hypertext, Shown
from phrasemill.browse.reader import ReleaseReader
from phrasemill.errors import PhrasemillError, StoreError
from phrasemill.ports import holder_of
from phrasemill.report.environment import environment_of
from phrasemill.report.words import visible

HOST = "127.0.0.1"
STYLES = ("pages.css", "hypertext.css")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}
NOTHING_HERE = "There is no such page. Open the address that phrasemill browse printed.\n"


class PortTaken(PhrasemillError):
    """The port asked for cannot be listened on; the message says who does."""


def new_token() -> str:
    """What addresses begin with: 128 random bits."""
    return secrets.token_urlsafe(16)


def browse_app(reader: ReleaseReader, *, token: str) -> FastAPI:
    """The web app of one release; all its pages lie under /<token>."""

    def knows_token(given: Annotated[str, Path(alias="token")]) -> None:
        if not secrets.compare_digest(given.encode(), token.encode()):
            raise HTTPException(404)

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(knows_token)])
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"], www_redirect=False)
    base = f"/{token}"
    pages = Hypertext(reader, base=base)

    def answer(name: str, asked: Asked) -> Response:
        answered = pages.answer(name, asked)
        if isinstance(answered, Elsewhere):
            return RedirectResponse(answered.address, status_code=303, headers=HEADERS)
        return _framed(answered, reader, base)

    @app.get("/{token}")
    def start(asked: AskedByQuery) -> Response:
        return answer("", asked)

    @app.get("/{token}/{style}.css")
    def style(style: Annotated[str, Path(max_length=40)]) -> Response:
        if f"{style}.css" not in STYLES:
            raise HTTPException(404)
        return Response(_style(f"{style}.css"), media_type="text/css", headers=HEADERS)

    @app.get("/{token}/{name}")
    def named(name: PageName, asked: AskedByQuery) -> Response:
        return answer(name, asked)

    @app.exception_handler(StarletteHTTPException)
    def refused(request: Request, error: StarletteHTTPException) -> Response:  # noqa: ARG001
        return PlainTextResponse(NOTHING_HERE, status_code=error.status_code, headers=HEADERS)

    @app.exception_handler(RequestValidationError)
    def nonsense(request: Request, error: RequestValidationError) -> Response:  # noqa: ARG001
        return PlainTextResponse(NOTHING_HERE, status_code=404, headers=HEADERS)

    @app.exception_handler(StoreError)
    def unreadable(request: Request, error: StoreError) -> Response:  # noqa: ARG001
        return PlainTextResponse(f"{visible(str(error))}\n", status_code=503, headers=HEADERS)

    return app


def listen(port: int) -> socket.socket:
    """A socket on this machine's own address; 0 for any free port.

    Raises:
        PortTaken: it cannot be had.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()  # whoever opens the address before the server has begun waits for it
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"port {port} cannot be had: {holder_of(port)} listens there; leave --port out for a free one"
        ) from error
    return listener


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Answer until Ctrl-C."""
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
    # Uvicorn ends in order, and then raises the interrupt again for whoever called it.
    with listener, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def _framed(shown: Shown, reader: ReleaseReader, base: str) -> Response:
    manifest = reader.manifest
    text = (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=shown.title,
            corpus=manifest.corpus,
            version=manifest.version,
            styles=STYLES,
            base=base,
            content=shown.content,
        )
    )
    return HTMLResponse(text, status_code=shown.status, headers=HEADERS)


@cache
def _style(name: str) -> bytes:
    return resources.files("phrasemill.web").joinpath("static", name).read_bytes()


@cache
def _environment() -> Environment:
    return environment_of("phrasemill.browse")
