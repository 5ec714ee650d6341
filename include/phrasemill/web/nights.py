"""What all pages of a run share: which night it is, its store, and a note in place of a page."""

import html
from typing import Annotated

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from fastapi import Depends, Path
from fastapi.responses import HTMLResponse

from phrasemill.airflow.tasks import NIGHT
from phrasemill.airflow.workplace import corpus_store
from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.spec import CORPUS_DAG
from phrasemill.store.corpus_store import CorpusStore

RUN = "/dags/{dag_id}/runs/{run_id}"
MAY_READ = [Depends(requires_access_dag("GET", DagAccessEntity.RUN))]
DagId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]+$", max_length=250)]
RunId = Annotated[str, Path(max_length=250)]
# Our own page with generated text in it: escaped, and allowed to run or load nothing.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}


def night_of(dag_id: str, run_id: str) -> str | HTMLResponse:
    """The label of the night that a run closes, or the note that says why it has none."""
    if not dag_id.startswith(CORPUS_DAG):
        return note("Only the Dags of corpora have reports.", 404)
    with create_session() as session:
        query = XComModel.get_many(run_id=run_id, dag_ids=dag_id, task_ids="plan", key=NIGHT, limit=1)
        row = session.scalars(query).first()
        night = XComModel.deserialize_value(row) if row else None
    if not night:
        return note("This run has not planned its night yet. Its report is written by task close_night.", 404)
    return str(night["label"])


def store_of(dag_id: str) -> CorpusStore:
    """The bucket of the corpus that a Dag is made from.

    Raises:
        SpecError, StoreError: the corpus file or its connection is wrong.
    """
    return corpus_store(load_corpus(find_corpus(dag_id.removeprefix(CORPUS_DAG))))


def note(message: str, status: int) -> HTMLResponse:
    """A page of one sentence."""
    body = (
        '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        '<body style="font: 1rem system-ui; margin: 2rem">' + html.escape(message)
    )
    return HTMLResponse(body, status_code=status, headers=HEADERS)
