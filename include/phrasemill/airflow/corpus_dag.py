"""The Dag of a corpus: preflight -> plan -> shard[generate -> validate -> publish] -> close_night."""

import datetime as dt
import logging
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param, get_parsing_context, task, task_group

from phrasemill.airflow import tasks
from phrasemill.airflow.assets import corpus_asset
from phrasemill.airflow.default_args import DEFAULT_ARGS
from phrasemill.airflow.links import shard_task
from phrasemill.corpus_file import corpus_files, load_corpus
from phrasemill.errors import SpecError
from phrasemill.planning import nights_needed, shard_ranges
from phrasemill.spec import CORPUS_DAG, ENGINES_POOL, MAX_SHARDS_A_NIGHT, CorpusSpec
from phrasemill.store.keys import Keys

log = logging.getLogger(__name__)

SHARD_LABEL = "{{ task.op_kwargs['shard']['label'] }}"


def corpus_dags() -> dict[str, DAG]:
    """A Dag for every corpus file, by Dag id. A broken file gets a Dag that says what is wrong with it.

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
    return dags


def corpus_dag(spec: CorpusSpec) -> DAG:
    """The Dag of one corpus."""
    schedule = spec.schedule
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
        default_args=DEFAULT_ARGS,
    ) as dag:
        name = spec.name
        checked = task(tasks.preflight)(corpus=name)
        planned = task(tasks.plan)(corpus=name)

        @task_group(group_id="shard", tooltip="One shard: written, gated, committed.")
        def shard_group(shard: dict[str, Any]) -> None:
            # weight_rule upstream: a shard begun is finished before the next one begins
            common: dict[str, Any] = {"map_index_template": SHARD_LABEL, "weight_rule": "upstream"}
            generated = shard_task(pool=ENGINES_POOL, **common)(tasks.generate)(corpus=name, shard=shard)
            validated = shard_task(max_active_tis_per_dagrun=2, **common)(tasks.validate)(corpus=name, shard=shard)
            published = shard_task(max_active_tis_per_dagrun=4, **common)(tasks.publish)(corpus=name, shard=shard)
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
| where | `s3://{spec.storage.bucket}/{Keys.of(spec).root}/` |

Each night writes the shards that its date owns and that have no manifest yet. A run by hand takes the
shards named in its form, the next uncommitted ones, or those of its date. Clearing tasks or whole runs is
safe: what is committed is never written again. Generation runs in pool `{ENGINES_POOL}`; its slots are the
shards that share the engines.
"""


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
