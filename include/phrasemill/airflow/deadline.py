"""The deadline of a night: Airflow's own alert, and the notice that it sends.

The scheduler finds that a deadline has passed; the triggerer runs `tell_overrun`, whatever the executor is.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from phrasemill.airflow.notice_sending import send_async
from phrasemill.airflow.notice_targets import Target, targets_of
from phrasemill.airflow.notice_texts import About, overrun
from phrasemill.airflow.run_record import run_page
from phrasemill.spec import CorpusSpec

log = logging.getLogger(__name__)

BACKFILL = "backfill"
QUEUED = "queued"
GOES_ON = {QUEUED, "running"}
LOOK_EVERY_S = 60.0


def deadline_of(spec: CorpusSpec, targets: Sequence[Target]) -> DeadlineAlert | None:
    """The alert for Airflow's DAG; None if the corpus file names no deadline.

    Counted from when a run was queued: the logical date of a backfill lies in the past, and a run by hand has none.
    """
    hours = spec.schedule.deadline_hours
    if hours is None:
        return None
    told = {"corpus": spec.name, "title": spec.title, "hours": hours, "targets": [str(target) for target in targets]}
    return DeadlineAlert(
        name=f"{hours:g} h after the run was queued",
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        # Seconds: clearing a run reads them, and fails on a timedelta while the deadline lies ahead (apache/airflow
        # #70368, not mended in 3.3.2). Airflow reads a bare number everywhere, as its older versions stored it.
        interval=hours * 3600,  # type: ignore[arg-type]
        callback=AsyncCallback(tell_overrun, kwargs=told),
    )


async def tell_overrun(
    *, corpus: str, title: str, hours: float, targets: Sequence[str], context: Mapping[str, Any]
) -> str:
    """Send the notice, unless the run has ended meanwhile; what was done, for Airflow's record.

    Airflow calls it for failed runs too (apache/airflow#60927). All runs of a backfill are queued at once and wait for
    each other, so one of those is timed from its beginning, and is waited for here.
    """
    run = context["dag_run"]
    dag_id, run_id = str(run["dag_id"]), str(run["dag_run_id"])
    begun = _moment(run["start_date"])
    state = await _state(dag_id, run_id)
    if run["run_type"] == BACKFILL:
        state, begun = await _overrun_of_backfill(dag_id, run_id, state=state, begun=begun, hours=hours)
    if state not in GOES_ON:
        log.info("%s of %s is %s: there is nothing to tell", run_id, dag_id, state)
        return f"ended: {state}"
    about = About(corpus, title, f"run {run_id}", run_page(dag_id, run_id))
    queued = _moment(run["queued_at"]) or dt.datetime.now(dt.UTC)
    notice = overrun(about, hours=hours, queued=queued, begun=None if state == QUEUED else begun)
    log.warning("%s", notice.subject)
    reached = await send_async(notice, targets_of(targets))
    return f"told {reached} of {len(targets)}"


async def _overrun_of_backfill(
    dag_id: str, run_id: str, *, state: str, begun: dt.datetime | None, hours: float
) -> tuple[str, dt.datetime | None]:
    """Wait until a run of a backfill has ended or has run for so many hours."""
    while state in GOES_ON:
        now = dt.datetime.now(dt.UTC)
        if state != QUEUED:
            begun = begun or now
            if now - begun >= dt.timedelta(hours=hours):
                break
        await asyncio.sleep(LOOK_EVERY_S)
        state = await _state(dag_id, run_id)
    return state, begun


async def _state(dag_id: str, run_id: str) -> str:
    from airflow.sdk.execution_time.comms import DagRunStateResult, GetDagRunState  # noqa: PLC0415 - triggerer only
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS  # noqa: PLC0415 - set when that has started

    answer = await SUPERVISOR_COMMS.asend(GetDagRunState(dag_id=dag_id, run_id=run_id))
    if not isinstance(answer, DagRunStateResult):
        raise TypeError(f"Airflow did not tell the state of {run_id}: {answer}")
    return str(getattr(answer.state, "value", answer.state))


def _moment(told: str | dt.datetime | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(told) if isinstance(told, str) else told
