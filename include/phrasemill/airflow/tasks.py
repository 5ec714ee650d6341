"""The bodies of a corpus Dag's tasks: short calls into `phrasemill.steps`."""

import contextlib
import logging
from dataclasses import asdict
from typing import Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowNotFoundException

from phrasemill import steps
from phrasemill.airflow.metrics import ProgressMetrics, counted_errors
from phrasemill.airflow.night import Night, night_of_run
from phrasemill.airflow.night_metrics import are_sent, send_closed, send_committed, send_planned
from phrasemill.airflow.workplace import clear_errors, workplace
from phrasemill.closing import close_night as close_night_of
from phrasemill.dry_run.telling import budget_words
from phrasemill.errors import NightIncomplete, PhrasemillError, PlanError

log = logging.getLogger(__name__)

NIGHT, BEHIND = "night", "behind"

# At INFO its import alone writes 200 lines into the log of every validate.
logging.getLogger("great_expectations").setLevel(logging.WARNING)


def preflight(corpus: str) -> dict[str, Any]:
    """Check corpus file, engines and bucket; fails in seconds with what to do."""
    with clear_errors(), counted_errors(corpus, "preflight"):
        place = workplace(corpus, _run_id(), engines=True)
        shards: list[int] = []
        with contextlib.suppress(PhrasemillError):  # `plan` tells it, in its own words
            night, behind = _planned(place)
            shards = [*night.shards, *behind]
        found = steps.preflight(place, shards=shards)
    log.info("ready: %s", ", ".join(f"{what} {state}" for what, state in found.items()))
    return found


def plan(corpus: str) -> list[dict[str, Any]]:
    """The shards of this run's night that have no manifest yet; the night itself goes to XCom key `night`.

    Where a budget may have ended earlier nights, what they have left comes behind the night's own shards.
    """
    with clear_errors(), counted_errors(corpus, "plan"):
        place = workplace(corpus, _run_id())
        if place.spec.price and place.spec.price.by_token:
            place = workplace(corpus, _run_id(), engines=True)  # whose connection may have the budget
        night, behind = _planned(place)
        todo = steps.plan(place, [*night.shards, *behind])
    log.info("%s: %d shards, %d of earlier nights, %d to do", night.label, len(night.shards), len(behind), len(todo))
    get_current_context()["ti"].xcom_push(key=NIGHT, value=asdict(night) | {BEHIND: behind})
    send_planned(place, [*night.shards, *behind], todo=len(todo))
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
    """Write the night's report; fails while a shard of its own has no manifest.

    Shards of earlier nights are in it where this night has committed them.
    """
    night = _night()
    with clear_errors(), counted_errors(corpus, "close_night"):
        if night is None:
            raise PlanError(f"{corpus}: the night was not planned, so there is nothing to close; see task plan")
        place = workplace(corpus, _run_id())
        committed = set(place.store.committed()) if night.get(BEHIND) else set()
        shards = [*night["shards"], *(number for number in night.get(BEHIND, []) if number in committed)]
        try:
            return close_night_of(place, label=night["label"], night=night["number"], shards=shards)
        except NightIncomplete as error:
            raise NightIncomplete(". ".join([str(error), *_spent_words(corpus)])) from None
        finally:
            send_closed(place, shards, begun_at=get_current_context()["dag_run"].start_date)


def _planned(place: steps.Workplace) -> tuple[Night, list[int]]:
    """The night of this run, and the shards of earlier nights that it goes on with."""
    context = get_current_context()
    run = context["dag_run"]
    night = night_of_run(place, params=dict(context["params"]), logical_date=run.logical_date, run_after=run.run_after)
    return night, [] if night.number is None else steps.left_behind(place, night.number)


def _spent_words(corpus: str) -> list[str]:
    """What is spent of the budget, if there is one: it may be why shards are missing."""
    try:
        return budget_words(workplace(corpus, _run_id(), engines=True))
    except (PhrasemillError, AirflowNotFoundException) as error:
        log.warning("what is spent of the budget cannot be told: %s", error)
        return []


def _night() -> dict[str, Any] | None:
    """The night as `plan` has left it; None if it was not planned."""
    found: dict[str, Any] | None = get_current_context()["ti"].xcom_pull(task_ids="plan", key=NIGHT)
    return found


def _run_id() -> str:
    return str(get_current_context()["run_id"])
