"""The Quality tab of a run: how the gate judged that night's shards, the worst first, with ways to all the rest."""

import json
from dataclasses import dataclass
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from phrasemill.errors import PhrasemillError
from phrasemill.night_lines import NightLine
from phrasemill.report.data_docs import FOLDER
from phrasemill.report.page import FIGURES
from phrasemill.report.summary import NightSummary
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.web.access import MAY_READ_RUN, DagId, RunId
from phrasemill.web.corpus_cache import look
from phrasemill.web.nights import RUN, night_of, store_of
from phrasemill.web.pages import note, page
from phrasemill.web.problems import one_line

SHOWN = ("distinct_2", "near_duplicate_share", "language_share")
"""Metrics among the key figures; the report has them all."""

router = APIRouter()


class SummaryUnreadable(PhrasemillError):
    """A night's summary.json is damaged, or of a version of phrasemill that this one does not read."""


@dataclass(frozen=True, slots=True)
class Closed:
    """What close_night has left of a night; None and False where it has not."""

    summary: NightSummary | None
    data_docs: bool


@router.get(RUN + "/quality", dependencies=MAY_READ_RUN)
def quality(request: Request, dag_id: DagId, run_id: RunId) -> Response:
    """How the night of a run was judged."""
    night = night_of(dag_id, run_id)
    problem = None
    try:
        closed = _closed(store_of(dag_id), night)
    except SummaryUnreadable as error:
        problem, closed = str(error), Closed(summary=None, data_docs=False)
    except PhrasemillError as error:
        return note(request, f"The night's summary cannot be read: {one_line(error)}", 503)
    summary = closed.summary
    lines = [line for line in summary.figures if line.metric in SHOWN] if summary else []
    dag = f"{request.scope['root_path']}/dags/{dag_id}"
    return page(
        request,
        "quality.html.j2",
        title=f"Quality of night {night}",
        seen=summary.made_at if summary else None,
        night=night,
        summary=summary,
        problem=problem,
        so_far=None if summary or problem else _so_far(dag_id, night),
        figures=[(FIGURES[line.metric], line.mean) for line in lines],
        data_docs=closed.data_docs,
        dag=dag,
        run=f"{dag}/runs/{quote(run_id, safe='')}",
        run_id=run_id,
    )


def _closed(store: CorpusStore, night: str) -> Closed:
    """What lies in the bucket of a night.

    Raises:
        SummaryUnreadable: there is a summary, and it cannot be read.
        StoreError: the bucket refuses.
    """
    content = store.bucket.get(store.keys.report(night, "summary.json"))
    if content is None:
        return Closed(summary=None, data_docs=False)
    data_docs = store.bucket.entry(store.keys.report(night, f"{FOLDER}/index.html")) is not None
    return Closed(summary=_summary(content), data_docs=data_docs)


def _summary(content: bytes) -> NightSummary:
    try:
        fields = json.loads(content)
        return NightSummary.model_validate(fields)
    except ValueError as error:  # of JSON and of pydantic alike
        ours = NightSummary.model_fields["format"].default
        theirs = fields.get("format") if isinstance(error, ValidationError) and isinstance(fields, dict) else None
        other = isinstance(theirs, int) and theirs != ours
        why = f"has format {theirs}, and these pages read format {ours}" if other else "is damaged"
        raise SummaryUnreadable(
            f"The night's summary.json {why}. The report still opens; clear task close_night to write both anew."
        ) from error


def _so_far(dag_id: str, night: str) -> NightLine | None:
    """What is known of a night that is not closed; None if that is nothing."""
    state = look(dag_id).state
    return next((line for line in state.nights if line.label == night), None) if state else None
