"""The web app that the plugin mounts: reports of nights, read from the bucket."""

import html
from typing import Annotated

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, Path
from fastapi.responses import HTMLResponse

from phrasemill.airflow.tasks import NIGHT
from phrasemill.airflow.workplace import corpus_store
from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.errors import PhrasemillError
from phrasemill.spec import CORPUS_DAG

URL_PREFIX = "/phrasemill"
# The report is our own page with generated text in it: escaped, and allowed to run or load nothing.
HEADERS = {
    "Content-Security-Policy": ("default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}

app = FastAPI(title="phrasemill", docs_url=None, redoc_url=None, openapi_url=None)


@app.get(
    "/dags/{dag_id}/runs/{run_id}/report",
    dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.RUN))],
)
def night_report(
    dag_id: Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]+$", max_length=250)],
    run_id: Annotated[str, Path(max_length=250)],
) -> HTMLResponse:
    """The report of the night that a run closed."""
    if not dag_id.startswith(CORPUS_DAG):
        return _note("Only the Dags of corpora have reports.", 404)
    label = _night_label(dag_id, run_id)
    if label is None:
        return _note("This run has not planned its night yet. Its report is written by task close_night.", 404)
    try:
        store = corpus_store(load_corpus(find_corpus(dag_id.removeprefix(CORPUS_DAG))))
        page = store.bucket.get(store.keys.report(label, "report.html"))
    except PhrasemillError as error:
        return _note(f"The report cannot be read: {error}", 503)
    if page is None:
        return _note(f"Night {label} has no report yet. It is written by task close_night.", 404)
    return HTMLResponse(page, headers=HEADERS)


def _night_label(dag_id: str, run_id: str) -> str | None:
    with create_session() as session:
        query = XComModel.get_many(run_id=run_id, dag_ids=dag_id, task_ids="plan", key=NIGHT, limit=1)
        row = session.scalars(query).first()
        night = XComModel.deserialize_value(row) if row else None
    return str(night["label"]) if night else None


def _note(message: str, status: int) -> HTMLResponse:
    body = (
        '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        '<body style="font: 1rem system-ui; margin: 2rem">' + html.escape(message)
    )
    return HTMLResponse(body, status_code=status, headers=HEADERS)
