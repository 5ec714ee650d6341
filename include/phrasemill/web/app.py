"""The web app that the plugin mounts: reports of nights, read from the bucket."""

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from phrasemill.errors import PhrasemillError
from phrasemill.web import data_docs
from phrasemill.web.nights import HEADERS, MAY_READ, RUN, DagId, RunId, night_of, note, store_of

URL_PREFIX = "/phrasemill"

app = FastAPI(title="phrasemill", docs_url=None, redoc_url=None, openapi_url=None)
app.include_router(data_docs.router)


@app.get(RUN + "/report", dependencies=MAY_READ)
@app.get(RUN + "/report.html", dependencies=MAY_READ)  # as Data Docs name it, which also open from a folder
def night_report(dag_id: DagId, run_id: RunId) -> HTMLResponse:
    """The report of the night that a run closed."""
    night = night_of(dag_id, run_id)
    if isinstance(night, HTMLResponse):
        return night
    try:
        store = store_of(dag_id)
        page = store.bucket.get(store.keys.report(night, "report.html"))
    except PhrasemillError as error:
        return note(f"The report cannot be read: {error}", 503)
    if page is None:
        return note(f"Night {night} has no report yet. It is written by task close_night.", 404)
    return HTMLResponse(page, headers=HEADERS)
