"""What all pages share: their frame, their policy, the filters of their templates, and a note in place of a page.

Every text is escaped, every page runs and loads nothing but the files in static/, and a page that has not changed
since the browser last saw it is answered by 304 without its body.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment

from phrasemill.report.environment import environment_of

URL_PREFIX = "/phrasemill"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",  # kept by the browser, and asked about each time
}


def page(request: Request, template: str, *, title: str, status: int = 200, **values: object) -> Response:
    """A whole page.

    Args:
        request: the one that is answered.
        template: a file of templates/ that extends base.html.j2 and fills its block `main`.
        title: of the page, without the name of the project.
        status: of the answer.
        values: what the template is drawn from. `seen` (an aware datetime), if it is among them, is shown in the
            footer as the time of the figures.
    """
    return _answer(request, template, status, {**_frame(request), "title": title, "seen": None, **values})


def fragment(request: Request, template: str, *, status: int = 200, **values: object) -> Response:
    """A part of a page, for a script to put in place: the template alone, under the same policy."""
    return _answer(request, template, status, {**_frame(request), **values})


def note(request: Request, message: str, status: int) -> Response:
    """A page of one sentence, in place of one that cannot be shown."""
    title = HTTPStatus(status).phrase.capitalize()
    text = _render("note.html.j2", {**_frame(request), "title": title, "seen": None, "message": message})
    return HTMLResponse(text, status_code=status, headers=HEADERS | {"Cache-Control": "private, no-store"})


def unchanged(request: Request, etag: str) -> bool:
    """Whether the browser says that it has this very version."""
    known = request.headers.get("if-none-match", "")
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in known.split(","))


def etag_of(content: bytes) -> str:
    """A strong entity tag: the same for the same bytes alone."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _answer(request: Request, template: str, status: int, values: Mapping[str, object]) -> Response:
    body = _render(template, values).encode()
    if status != HTTPStatus.OK:
        return HTMLResponse(body, status_code=status, headers=HEADERS)
    headers = HEADERS | {"ETag": etag_of(body)}
    if unchanged(request, headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return HTMLResponse(body, headers=headers)


def _frame(request: Request) -> dict[str, str]:
    """Where our pages lie (`home`) and Airflow's (`airflow`), and which part of ours this one is.

    Airflow may lie under a path of its own, which the server knows from its base_url.
    """
    home = str(request.scope.get("root_path", ""))
    path = request.url.path.removeprefix(home)
    return {"home": home, "airflow": home.removesuffix(URL_PREFIX), "path": path}


def _render(template: str, values: Mapping[str, object]) -> str:
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    return environment_of("phrasemill.web")
