"""Who is told what of a corpus's runs: callbacks for its Dags, and a Dag that tries them out.

Airflow calls a Dag's callbacks in its Dag processor, so what PHRASEMILL_NOTICES says there is what counts.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException

from phrasemill.airflow import notice_texts as texts
from phrasemill.airflow.notice_sending import send
from phrasemill.airflow.notice_targets import NOTICES, Target, read_targets
from phrasemill.airflow.run_record import FAILED_BECAUSE, RunRecord, run_page
from phrasemill.spec import CorpusSpec

log = logging.getLogger(__name__)

NOTICES_DAG = "notices"
NIGHT, RELEASE = "night", "release"
"""XCom keys of the two Dags' tasks `plan`."""


def wanted_targets() -> list[Target]:
    """Whom PHRASEMILL_NOTICES names. An entry that is wrong is left out: the Dag `notices` says so."""
    return read_targets(os.environ.get(NOTICES, ""))[0]


def corpus_callbacks(spec: CorpusSpec) -> dict[str, Any]:
    """Settings of the corpus's DAG; none if nobody is to be told."""
    return _callbacks(CorpusNotices(spec.name, spec.title, spec.shard_count, tuple(wanted_targets())))


def release_callbacks(spec: CorpusSpec) -> dict[str, Any]:
    """Settings of the DAG of its releases; none if nobody is to be told."""
    return _callbacks(ReleaseNotices(spec.name, spec.title, tuple(wanted_targets())))


@dataclass(frozen=True, slots=True)
class CorpusNotices:
    """Of a corpus's nights: one that failed, and the one that committed the last shard."""

    corpus: str
    title: str
    shards: int
    targets: tuple[Target, ...]

    def failed(self, context: Mapping[str, Any]) -> None:
        """A run has failed."""
        record = RunRecord(context)
        planned = record.xcom("plan") or []
        labels = {number: str(shard["label"]) for number, shard in enumerate(planned)}
        failures = record.failures(labels=labels)
        missing = record.xcom("close_night", FAILED_BECAUSE) if failures is None or len(failures) > 1 else None
        send(texts.red_night(self._about(record), failures=failures, missing=missing), self.targets)

    def succeeded(self, context: Mapping[str, Any]) -> None:
        """A run has ended well: tell it if that completes the corpus.

        A run that published nothing, being cleared, or only what a release had asked for, completes nothing.
        """
        record = RunRecord(context)
        closed, night = record.xcom("close_night") or {}, record.xcom("plan", NIGHT) or {}
        complete = closed.get("committed", 0) >= self.shards
        of_target = any(shard < self.shards for shard in night.get("shards", ()))
        if complete and of_target and record.succeeded("shard.publish"):
            send(texts.target_reached(self._about(record), shards=self.shards), self.targets)

    def _about(self, record: RunRecord) -> texts.About:
        night = record.xcom("plan", NIGHT)
        run = f"night {night['label']}" if night else f"run {record.run_id}"
        return texts.About(self.corpus, self.title, run, record.page)


@dataclass(frozen=True, slots=True)
class ReleaseNotices:
    """Of a corpus's releases: one that failed, and one that is published."""

    corpus: str
    title: str
    targets: tuple[Target, ...]

    def failed(self, context: Mapping[str, Any]) -> None:
        """A run has failed."""
        record = RunRecord(context)
        planned = record.xcom("plan", RELEASE) or {}
        about, failures = self._about(record), record.failures()
        send(texts.failed_release(about, version=planned.get("version"), failures=failures), self.targets)

    def succeeded(self, context: Mapping[str, Any]) -> None:
        """A run has ended well: tell it if it has published. Most have nothing to do."""
        record = RunRecord(context)
        done = record.xcom("publish") if record.succeeded("publish") else None
        if done:
            send(texts.published(self._about(record), **done), self.targets)

    def _about(self, record: RunRecord) -> texts.About:
        return texts.About(self.corpus, self.title, f"run {record.run_id}", record.page)


def notices_dag(*, is_run: bool = False) -> DAG | None:
    """A Dag that sends a notice when it is triggered, and that says what is wrong with PHRASEMILL_NOTICES.

    None while that is not set; `is_run` tells that a worker is about to run its task, and may not have the variable.
    """
    targets, mistakes = read_targets(os.environ.get(NOTICES, ""))
    if not targets and not mistakes and not is_run:
        return None
    for mistake in mistakes:
        log.error("%s", mistake)
    with DAG(
        dag_id=NOTICES_DAG,
        dag_display_name="Notices: try them out",
        description=f"{NOTICES} has mistakes; see the Dag's documentation" if mistakes else "Sends one to everybody",
        doc_md=_doc(targets, mistakes),
        schedule=None,
        tags=["phrasemill", *(["broken notices"] if mistakes else [])],
        default_args={"owner": "phrasemill"},
        is_paused_upon_creation=False,
        on_success_callback=send_trial,
        on_failure_callback=send_trial,
    ) as dag:
        task(check_notices)(mistakes=mistakes)
    return dag


def check_notices(mistakes: list[str]) -> None:
    """Fail with what is wrong with PHRASEMILL_NOTICES here, on the worker, which mostly has the Dag processor's."""
    if mistakes:
        raise AirflowFailException("\n".join(mistakes))
    log.info("Airflow's Dag processor sends the notice now; its log for corpora.py says what became of it")


def send_trial(context: Mapping[str, Any]) -> None:
    """Send a notice to everybody who is named rightly."""
    targets = wanted_targets()
    page = run_page(context["dag"].dag_id, str(context["run_id"]))
    send(texts.trial(targets=targets, page=page), targets)


def _callbacks(notices: CorpusNotices | ReleaseNotices) -> dict[str, Any]:
    if not notices.targets:
        return {}
    return {"on_failure_callback": notices.failed, "on_success_callback": notices.succeeded}


def _doc(targets: list[Target], mistakes: list[str]) -> str:
    told = ", ".join(f"`{target}`" for target in targets) or "nobody"
    wrong = f"\n`{NOTICES}` has mistakes:\n\n```\n" + "\n".join(mistakes) + "\n```\n" if mistakes else ""
    return f"""
### Notices

Told of red nights, failed releases, overrun deadlines, finished targets and published releases: {told}.
{wrong}
Trigger this Dag to send one to everybody. It goes the way of the others: from Airflow's Dag processor, by its
environment and Airflow's connections. What became of it stands in the Dag processor's log of `corpora.py`.
"""
