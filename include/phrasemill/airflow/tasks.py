"""The bodies of a corpus Dag's tasks: short calls into `phrasemill.steps`."""

import logging
from dataclasses import asdict
from typing import Any

from airflow.sdk import get_current_context

from phrasemill import steps
from phrasemill.airflow.metrics import ProgressMetrics, counted_errors
from phrasemill.airflow.night import night_of_run
from phrasemill.airflow.night_metrics import are_sent, send_closed, send_committed, send_planned
from phrasemill.airflow.workplace import clear_errors, workplace
from phrasemill.closing import close_night as close_night_of
from phrasemill.errors import PlanError

log = logging.getLogger(__name__)

NIGHT = "night"

# At INFO its import alone writes 200 lines into the log of every validate.
logging.getLogger("great_expectations").setLevel(logging.WARNING)


def preflight(corpus: str) -> dict[str, Any]:
    """Check corpus file, engines and bucket; fails in seconds with what to do."""
    with clear_errors(), counted_errors(corpus, "preflight"):
        found = steps.preflight(workplace(corpus, _run_id(), engines=True))
    log.info("ready: %s", ", ".join(f"{what} {state}" for what, state in found.items()))
    return found


def plan(corpus: str) -> list[dict[str, Any]]:
    """The shards of this run's night that have no manifest yet; the night itself goes to XCom key `night`."""
    context = get_current_context()
    run = context["dag_run"]
    with clear_errors(), counted_errors(corpus, "plan"):
        place = workplace(corpus, _run_id())
        night = night_of_run(
            place, params=dict(context["params"]), logical_date=run.logical_date, run_after=run.run_after
        )
        todo = steps.plan(place, night.shards)
    log.info("%s: %d shards, %d to do", night.label, len(night.shards), len(todo))
    context["ti"].xcom_push(key=NIGHT, value=asdict(night))
    send_planned(place, night.shards, todo=len(todo))
    return todo


def generate(corpus: str, shard: dict[str, Any]) -> dict[str, Any]:
    """Write one shard's blocks to staging."""
    with clear_errors(), counted_errors(corpus, "generate"), ProgressMetrics() as metrics:
        place = workplace(corpus, _run_id(), engines=True)
        return steps.generate(place, shard["shard"], on_progress=metrics)


def validate(corpus: str, shard: dict[str, Any]) -> dict[str, Any]:
    """Pass one staged shard through the gate."""
    with clear_errors(), counted_errors(corpus, "validate"):
        return steps.validate(workplace(corpus, _run_id()), shard["shard"])


def publish(corpus: str, shard: dict[str, Any]) -> dict[str, Any]:
    """Commit one validated shard."""
    with clear_errors(), counted_errors(corpus, "publish"):
        place = workplace(corpus, _run_id())
        committed = steps.publish(place, shard["shard"])
    if are_sent() and (night := _night()):
        send_committed(place, night["shards"])
    return committed


def close_night(corpus: str) -> dict[str, Any]:
    """Write the night's report; fails while a shard of the night has no manifest."""
    night = _night()
    with clear_errors(), counted_errors(corpus, "close_night"):
        if night is None:
            raise PlanError(f"{corpus}: the night was not planned, so there is nothing to close; see task plan")
        place = workplace(corpus, _run_id())
        try:
            return close_night_of(place, label=night["label"], night=night["number"], shards=night["shards"])
        finally:
            send_closed(place, night["shards"], begun_at=get_current_context()["dag_run"].start_date)


def _night() -> dict[str, Any] | None:
    """The night as `plan` has left it; None if it was not planned."""
    found: dict[str, Any] | None = get_current_context()["ti"].xcom_pull(task_ids="plan", key=NIGHT)
    return found


def _run_id() -> str:
    return str(get_current_context()["run_id"])
