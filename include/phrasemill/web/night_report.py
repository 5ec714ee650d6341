"""A night's report in Airflow: the page that close_night put into the bucket, to those who may see the run."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from phrasemill.errors import PhrasemillError
from phrasemill.web.access import MAY_READ_RUN, DagId, RunId
from phrasemill.web.nights import HEADERS, RUN, night_of, store_of
from phrasemill.web.pages import note
from phrasemill.web.problems import one_line

router = APIRouter()


@router.get(RUN + "/report", dependencies=MAY_READ_RUN)
@router.get(RUN + "/report.html", dependencies=MAY_READ_RUN)  # as Data Docs name it, which also open from a folder
def night_report(request: Request, dag_id: DagId, run_id: RunId) -> Response:
    """The report of the night that a run closed."""
    night = night_of(dag_id, run_id)
    try:
        store = store_of(dag_id)
        page = store.bucket.get(store.keys.report(night, "report.html"))
    except PhrasemillError as error:
        return note(request, f"The report cannot be read: {one_line(error)}", 503)
    if page is None:
        return note(request, f"Night {night} has no report yet. It is written by task close_night.", 404)
    return HTMLResponse(page, headers=HEADERS)
