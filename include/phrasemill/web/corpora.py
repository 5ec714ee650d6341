"""The page of all corpora: how far each is, how fast it goes, and until when."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from phrasemill.corpus_state import CorpusState
from phrasemill.spec import CORPUS_DAG
from phrasemill.store.corpus_store import in_parallel
from phrasemill.web.access import MAY_READ_SOME, ReadableCorpora
from phrasemill.web.airflow_runs import Timetable, timetables
from phrasemill.web.corpus_cache import NotACorpus, Seen, look
from phrasemill.web.corpus_figures import Figure, corpus_figures
from phrasemill.web.pages import page

LOOKS_AT_ONCE = 32
"""Looks wait for buckets, and a bucket that is down must not keep the others waiting."""

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Card:
    """A corpus on the page. `unread` says why its file is not known; then there is nothing else to show."""

    name: str
    dag_id: str
    title: str
    state: CorpusState | None
    figures: tuple[Figure, ...]
    problem: str | None
    unread: str | None


@router.get("/corpora", dependencies=MAY_READ_SOME)
def corpora(request: Request, names: ReadableCorpora) -> Response:
    """All corpora whose Dag this user may read, broken files among them."""
    dag_ids = [f"{CORPUS_DAG}{name}" for name in names]
    known = timetables(dag_ids)
    seen = [one for one in in_parallel(_look, dag_ids, at_once=LOOKS_AT_ONCE) if one]
    times = [one.snapshot.at for one in seen if one.snapshot]
    cards = [_card(one, known.get(one.dag_id)) for one in seen]
    # The oldest: no figure on the page is older.
    return page(request, "corpora.html.j2", title="Corpora", cards=cards, seen=min(times, default=None))


def _look(dag_id: str) -> Seen | None:
    try:
        return look(dag_id)
    except NotACorpus:  # its file went away just now
        return None


def _card(seen: Seen, timetable: Timetable | None) -> Card:
    spec, state = seen.spec, seen.state
    paused = bool(timetable and timetable.paused)
    return Card(
        name=seen.corpus,
        dag_id=seen.dag_id,
        title=spec.title if spec else seen.corpus,
        state=state,
        figures=corpus_figures(spec, state, paused=paused) if spec and state else (),
        problem=seen.problem if spec else None,
        unread=None if spec else seen.problem,
    )
