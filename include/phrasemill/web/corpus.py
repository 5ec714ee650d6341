"""The page of a corpus: all its shards, its rate, its rejects, its nights, and phrases drawn at random."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from phrasemill.corpus_state import CorpusState, shard_cells
from phrasemill.night_lines import TO_COME, NightLine, counted
from phrasemill.planning import format_shards
from phrasemill.snapshot import Snapshot
from phrasemill.spec import MAX_SHARDS, CorpusSpec
from phrasemill.web.access import MAY_READ_DAG, DagId
from phrasemill.web.airflow_runs import NightRun, night_runs, shard_tasks, timetables
from phrasemill.web.corpus_cache import look
from phrasemill.web.corpus_figures import corpus_figures
from phrasemill.web.pages import fragment, page
from phrasemill.web.phrase_form import AskedByQuery, phrase_values
from phrasemill.web.rate_chart import Span, rate_chart
from phrasemill.web.reject_lines import rejects_of
from phrasemill.web.shard_grid import shard_grid

NIGHTS_SHOWN = 14
"""Of those that have begun, the last two weeks; and COMING_SHOWN of those to come."""
COMING_SHOWN = 3

router = APIRouter()


@dataclass(frozen=True, slots=True)
class NightRow:
    """A night in the table, with its latest run where Airflow knows of one."""

    line: NightLine
    shards: str
    run: NightRun | None


@dataclass(frozen=True, slots=True)
class RunByHand:
    """A run that took its shards by hand, and so is no night of the schedule."""

    label: str
    run: NightRun


@router.get("/dags/{dag_id}/corpus", dependencies=MAY_READ_DAG)
def corpus(
    request: Request,
    dag_id: DagId,
    asked: AskedByQuery,
    shard: Annotated[int | None, Query(ge=0, lt=MAX_SHARDS)] = None,
    nights: Literal["", "all"] = "",
) -> Response:
    """All of a corpus; `shard` leads on to the page of that shard."""
    seen = look(dag_id)
    if shard is not None:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/dags/{dag_id}/shards/{shard}", status_code=303)
    title = seen.spec.title if seen.spec else seen.corpus
    values: dict[str, Any] = {"dag_id": dag_id, "name": seen.corpus, "problem": seen.problem, "state": None}
    status = 200
    if seen.spec and seen.snapshot and seen.state:
        status, phrases = phrase_values(seen, asked)
        shown = _figures(dag_id, seen.spec, seen.snapshot, seen.state) | _nights(dag_id, seen.state, nights == "all")
        values |= shown | phrases | {"state": seen.state, "seen": seen.snapshot.at}
    return page(request, "corpus.html.j2", title=title, status=status, **values)


@router.get("/dags/{dag_id}/corpus/phrases", dependencies=MAY_READ_DAG)
def phrases(request: Request, dag_id: DagId, asked: AskedByQuery) -> Response:
    """Phrases drawn at random, as a part of the page."""
    status, values = phrase_values(look(dag_id), asked, unsent=True)
    return fragment(request, "phrases.html.j2", status=status, **values)


def _figures(dag_id: str, spec: CorpusSpec, snapshot: Snapshot, state: CorpusState) -> dict[str, Any]:
    timetable = timetables([dag_id]).get(dag_id)
    entries = snapshot.shards.values()
    spans = (
        Span(entry.written[0].timestamp(), entry.written[1].timestamp(), entry.accepted)
        for entry in entries
        if entry.written
    )
    return {
        "figures": corpus_figures(spec, state, paused=bool(timetable and timetable.paused)),
        "grid": shard_grid(shard_cells(spec, snapshot, now=state.at), state.nights, shard_tasks(dag_id)),
        "chart": rate_chart(spans),
        "rejects": rejects_of(spec, entries),
    }


def _nights(dag_id: str, state: CorpusState, everything: bool) -> dict[str, Any]:
    """The table of nights, the latest first, and the runs by hand."""
    runs = night_runs(dag_id)
    lines = state.nights if everything else _shown(state.nights)
    labels = {line.label for line in state.nights}
    return {
        "nights": [NightRow(line, _owned(line), runs.get(line.label)) for line in reversed(lines)],
        "by_hand": _by_hand(runs, labels, everything=everything),
        "nights_said": f"{counted(len(state.nights), 'night')} of the schedule; the latest first.",
        "more_nights": len(state.nights) - len(lines),
    }


def _shown(nights: Sequence[NightLine]) -> list[NightLine]:
    """The last nights that something was done in or that should have been, and the next to come."""
    coming = [line for line in nights if line.state == TO_COME and not line.committed]
    behind = [line for line in nights if line.state != TO_COME or line.committed]
    return sorted([*behind[-NIGHTS_SHOWN:], *coming[:COMING_SHOWN]], key=lambda line: line.number)


def _by_hand(runs: Mapping[str, NightRun], labels: set[str], *, everything: bool) -> list[RunByHand]:
    """Runs whose label is no night's; they come newest first."""
    found = [RunByHand(label, run) for label, run in runs.items() if label not in labels]
    return found if everything else found[:NIGHTS_SHOWN]


def _owned(line: NightLine) -> str:
    return format_shards(list(range(line.shards[0], line.shards[1] + 1)))
