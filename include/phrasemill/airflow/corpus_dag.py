"""The Dag of a corpus: preflight -> plan -> shard[generate -> validate -> publish] -> close_night."""

import datetime as dt
import logging
import os
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param, get_parsing_context, task, task_group

from phrasemill.airflow import tasks
from phrasemill.airflow.assets import corpus_asset
from phrasemill.airflow.at_once import PUBLISH, PUBLISH_USUAL, VALIDATE, VALIDATE_USUAL, at_once
from phrasemill.airflow.deadline import deadline_of
from phrasemill.airflow.default_args import DEFAULT_ARGS
from phrasemill.airflow.links import shard_task
from phrasemill.airflow.notices import NOTICES_DAG, corpus_callbacks, notices_dag, wanted_targets
from phrasemill.airflow.run_record import keep_reason
from phrasemill.corpus_file import corpus_files, load_corpus
from phrasemill.errors import SpecError
from phrasemill.planning import nights_needed, shard_ranges
from phrasemill.spec import CORPUS_DAG, ENGINES_POOL, MAX_SHARDS_A_NIGHT, CorpusSpec
from phrasemill.store.keys import Keys

log = logging.getLogger(__name__)

GENERATION_QUEUE = "PHRASEMILL_GENERATION_QUEUE"
"""Names the Celery queue of the workers near the engines; without it shards are written on any worker."""
SHARD_LABEL = "{{ task.op_kwargs['shard']['label'] }}"


def corpus_dags() -> dict[str, DAG]:
    """A Dag for every corpus file, by Dag id, and that of the notices if there are any.

    A broken file gets a Dag that says what is wrong with it.

    A worker that is about to run one task reads that task's corpus file only.
    """
    wanted = get_parsing_context().dag_id
    dags: dict[str, DAG] = {}
    for path in corpus_files():
        if wanted and wanted != f"{CORPUS_DAG}{path.stem}":
            continue
        try:
            dag = corpus_dag(load_corpus(path))
        except SpecError as error:
            dag = _broken_dag(path, str(error))
        dags[dag.dag_id] = dag
    notices = notices_dag(is_run=wanted == NOTICES_DAG)
    if notices is not None and wanted in {None, notices.dag_id}:
        dags[notices.dag_id] = notices
    return dags


def corpus_dag(spec: CorpusSpec) -> DAG:
    """The Dag of one corpus.

    Raises:
        SpecError: an environment variable of `phrasemill.airflow.at_once` is no number.
    """
    schedule = spec.schedule
    # Before the Dag, which Airflow would take up half made.
    gated_at_once, published_at_once = at_once(VALIDATE, VALIDATE_USUAL), at_once(PUBLISH, PUBLISH_USUAL)
    with DAG(
        dag_id=f"{CORPUS_DAG}{spec.name}",
        dag_display_name=spec.title,
        description=spec.description or spec.title,
        doc_md=_doc(spec),
        schedule=CronTriggerTimetable(schedule.cron, timezone=schedule.timezone) if schedule.cron else None,
        start_date=dt.datetime.combine(schedule.start_date, dt.time(), tzinfo=schedule.zone),
        catchup=schedule.catchup,
        max_active_runs=1,
        tags=["phrasemill", spec.language, spec.model.name.rpartition("/")[2]],
        params=_params(spec),
        default_args=DEFAULT_ARGS | {"on_failure_callback": keep_reason},
        deadline=deadline_of(spec, wanted_targets()),
        **corpus_callbacks(spec),
    ) as dag:
        name = spec.name
        checked = task(tasks.preflight)(corpus=name)
        planned = task(tasks.plan)(corpus=name)

        @task_group(group_id="shard", tooltip="One shard: written, gated, committed.")
        def shard_group(shard: dict[str, Any]) -> None:
            # weight_rule upstream: a shard begun is finished before the next one begins
            common: dict[str, Any] = {"map_index_template": SHARD_LABEL, "weight_rule": "upstream"}
            near_engines = {"queue": queue} if (queue := os.environ.get(GENERATION_QUEUE)) else {}
            writing = shard_task(pool=ENGINES_POOL, **near_engines, **common)
            generated = writing(tasks.generate)(corpus=name, shard=shard)
            validating = shard_task(max_active_tis_per_dagrun=gated_at_once, **common)
            publishing = shard_task(max_active_tis_per_dagrun=published_at_once, **common)
            validated = validating(tasks.validate)(corpus=name, shard=shard)
            published = publishing(tasks.publish)(corpus=name, shard=shard)
            generated >> validated >> published

        shards = shard_group.expand(shard=planned)
        closing = task(trigger_rule="all_done", retries=1, outlets=[corpus_asset(spec)])
        closed = closing(tasks.close_night)(corpus=name)
        checked >> planned >> shards >> closed
    return dag


def _params(spec: CorpusSpec) -> dict[str, Param]:
    return {
        "shards": Param(
            None,
            type=["null", "string"],
            title="Shards",
            description=f"Shard numbers such as 0-3, 7 ({shard_ranges(spec)}). Empty: those of the date.",
            pattern=r"^\s*\d+(\s*-\s*\d+)?(\s*,\s*\d+(\s*-\s*\d+)?)*\s*$",
        ),
        "next_shards": Param(
            None,
            type=["null", "integer"],
            title="Next uncommitted shards",
            description="How many of the shards that are not committed yet, lowest numbers first.",
            minimum=1,
            maximum=MAX_SHARDS_A_NIGHT,
        ),
    }


def _doc(spec: CorpusSpec) -> str:
    when = f"`{spec.schedule.cron}` ({spec.schedule.timezone})" if spec.schedule.cron else "by hand only"
    model = spec.model.name + (f" with adapter {spec.model.adapter}" if spec.model.adapter else "")
    return f"""
### {spec.title}

{spec.description}

| | |
|---|---|
| target | {spec.target_phrases:,} phrases in {spec.shard_count:,} shards of {spec.shard_phrases:,} |
| model | {model} |
| language | {spec.language} |
| nights | {when}, {spec.schedule.shards_per_night} shards a night, {nights_needed(spec)} nights |
| deadline | {_deadline(spec)} |
| where | `s3://{spec.storage.bucket}/{Keys.of(spec).root}/` |

Each night writes the shards that its date owns and that have no manifest yet. A run by hand takes the
shards named in its form, the next uncommitted ones, or those of its date. Clearing tasks or whole runs is
safe: what is committed is never written again. Generation runs in pool `{ENGINES_POOL}`; its slots are the
shards that share the engines.
"""


def _deadline(spec: CorpusSpec) -> str:
    hours = spec.schedule.deadline_hours
    return "none" if hours is None else f"{hours:g} h after a run was queued; a notice says that it has overrun"


def _broken_dag(path: Path, errors: str) -> DAG:
    with DAG(
        dag_id=f"{CORPUS_DAG}{path.stem}",
        description=f"{path.name} has mistakes; see the Dag's documentation",
        doc_md=f"### {path.name} has mistakes\n\n```\n{errors}\n```\n",
        schedule=None,
        tags=["phrasemill", "broken corpus file"],
        default_args={"owner": "phrasemill"},
    ) as dag:
        task(tasks.preflight)(corpus=path.stem)
    return dag
