"""The web app that the plugin mounts into Airflow: every page, and what it answers where there is none."""

from fastapi import FastAPI, Request, Response

from phrasemill.errors import PhrasemillError
from phrasemill.web import corpora, corpus, data_docs, forecast, hypertext, night_report, quality, shards, static_files
from phrasemill.web.pages import note
from phrasemill.web.problems import NoPage, one_line

app = FastAPI(title="phrasemill", docs_url=None, redoc_url=None, openapi_url=None)
for module in (corpora, corpus, shards, hypertext, forecast, quality, night_report, data_docs, static_files):
    app.include_router(module.router)


@app.exception_handler(NoPage)
def no_page(request: Request, error: NoPage) -> Response:
    """A note in place of a page that is not there."""
    return note(request, one_line(error), 404)


@app.exception_handler(PhrasemillError)
def unreadable(request: Request, error: PhrasemillError) -> Response:
    """A note in place of a page whose figures cannot be read."""
    return note(request, f"This page cannot be shown: {one_line(error)}", 503)
