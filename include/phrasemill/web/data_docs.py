"""A night's Data Docs in Airflow: the files that close_night put into the bucket, to those who may see the run."""

from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from phrasemill.errors import PhrasemillError
from phrasemill.report.data_docs import CONTENT_POLICY, CONTENT_TYPES, FOLDER
from phrasemill.web.access import MAY_READ_RUN, DagId, RunId
from phrasemill.web.nights import HEADERS, RUN, night_of, store_of
from phrasemill.web.pages import note
from phrasemill.web.problems import one_line

HEADERS_OF_FILES = HEADERS | {"Content-Security-Policy": f"{CONTENT_POLICY}; frame-ancestors 'self'"}
KEPT_S = 3600
"""Every page wants the same scripts and style sheets: 570 kB, so a browser keeps them for an hour."""

router = APIRouter()


@router.get(RUN + "/" + FOLDER + "/{name:path}", dependencies=MAY_READ_RUN)
def data_docs(
    request: Request,
    dag_id: DagId,
    run_id: RunId,
    # No part of a name begins with a dot, so none leads out of the folder.
    name: Annotated[str, Path(pattern=r"^(?:\w[\w.-]*/)*\w[\w.-]*$", max_length=400)],
) -> Response:
    """One file of the site of the night that a run closed."""
    suffix = PurePosixPath(name).suffix
    if suffix not in CONTENT_TYPES:
        return note(request, "Data Docs have no such page.", 404)
    night = night_of(dag_id, run_id)
    try:
        store = store_of(dag_id)
        content = store.bucket.get(store.keys.report(night, f"{FOLDER}/{name}"))
    except PhrasemillError as error:
        return note(request, f"Data Docs cannot be read: {one_line(error)}", 503)
    if content is None:
        message = f"Night {night} has no such page in its Data Docs. They are written by task close_night."
        return note(request, message, 404)
    kept = {} if suffix == ".html" else {"Cache-Control": f"private, max-age={KEPT_S}"}
    return Response(content, media_type=CONTENT_TYPES[suffix], headers=HEADERS_OF_FILES | kept)
