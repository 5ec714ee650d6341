"""The Dag that makes a corpus's releases: find repeats, pack what is left, link it, judge it, publish it."""

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param, TaskGroup, TriggerRule, get_parsing_context, task

from phrasemill.airflow import release_tasks as tasks
from phrasemill.airflow.assets import corpus_asset, release_asset
from phrasemill.airflow.at_once import RELEASE, RELEASE_USUAL, at_once
from phrasemill.airflow.default_args import DEFAULT_ARGS
from phrasemill.airflow.notices import release_callbacks
from phrasemill.airflow.run_record import keep_reason
from phrasemill.corpus_file import corpus_files, load_corpus
from phrasemill.errors import SpecError
from phrasemill.spec import CORPUS_DAG, RELEASE_DAG, CorpusSpec
from phrasemill.store.keys import Keys

LABEL = "{{ label }}"
ASKED = "ti.xcom_pull(task_ids='resolve', key='" + tasks.TOP_UP + "')"
MEMORY_GB = 4


def release_dags() -> dict[str, DAG]:
    """A release Dag for every sound corpus file, by Dag id; a broken one has its corpus Dag to say so.

    Raises:
        SpecError: the environment variable PHRASEMILL_RELEASE_TASKS is no number.
    """
    wanted = get_parsing_context().dag_id
    tasks_at_once = at_once(RELEASE, RELEASE_USUAL)
    dags: dict[str, DAG] = {}
    for path in corpus_files():
        if wanted and wanted != f"{RELEASE_DAG}{path.stem}":
            continue
        try:
            dag = release_dag(load_corpus(path), tasks_at_once=tasks_at_once)
        except SpecError:
            continue
        dags[dag.dag_id] = dag
    return dags


def release_dag(spec: CorpusSpec, *, tasks_at_once: int = RELEASE_USUAL) -> DAG:
    """The Dag that releases one corpus; `tasks_at_once` bounds the instances of each mapped task."""
    with DAG(
        dag_id=f"{RELEASE_DAG}{spec.name}",
        dag_display_name=f"{spec.title}: release",
        description=f"Releases of corpus {spec.name}",
        doc_md=_doc(spec),
        schedule=[corpus_asset(spec)],
        catchup=False,
        max_active_runs=1,
        tags=["phrasemill", "release", spec.language],
        params=_params(),
        default_args=DEFAULT_ARGS | {"on_failure_callback": keep_reason},
        **release_callbacks(spec),
    ) as dag:
        name = {"corpus": spec.name}
        mapped: dict[str, Any] = {"map_index_template": LABEL, "max_active_tis_per_dagrun": tasks_at_once}
        # Where a step has nothing to do in this release, its task is skipped, and those after it go on.
        goes_on: dict[str, Any] = {"trigger_rule": TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS}

        spans = task(tasks.plan)(**name)

        # A task can only be mapped over the list that another one returns, so each list has its task.
        with TaskGroup("pieces", tooltip="How many pieces the plan has cut the steps into."):
            cut = [task(task_id=what)(tasks.pieces)(of=what) for what in ("exact_parts", "near_pieces", "link_ranges")]
        exact_parts, near_pieces, link_ranges = cut
        spans >> cut
        sketch = task(**mapped)(tasks.sketch).partial(**name).expand(span=spans)
        exact = task(**mapped)(tasks.exact).partial(**name).expand(part=exact_parts)
        near = task(**mapped)(tasks.near).partial(**name).expand(piece=near_pieces)
        gather = task(**mapped)(tasks.gather).partial(**name).expand(span=spans)
        resolve = task.branch(**goes_on)(tasks.resolve)(**name)
        sketch >> exact >> near >> gather >> resolve
        exact >> resolve

        deal = task(**mapped)(tasks.deal).partial(**name).expand(span=spans)
        files = task(tasks.files)(**name)
        pack = task(**mapped, **goes_on)(tasks.pack).partial(**name).expand(file=files)
        resolve >> [files, deal, _top_up(spec)]
        deal >> pack

        ring = task(**mapped)(tasks.ring).partial(**name).expand(lexicon=sorted(spec.prompts.lexicons))
        link_file = task(**mapped)(tasks.link_file).partial(**name).expand(number=link_ranges)
        index, judge = task(tasks.index)(**name), task(tasks.judge)(**name)
        publish = task(outlets=[release_asset(spec)])(tasks.publish)(**name)
        pack >> ring >> [link_file, index] >> judge >> publish
    return dag


def _top_up(spec: CorpusSpec) -> TriggerDagRunOperator:
    """Starts a run of the corpus's Dag that writes what a release was short by; nobody waits for it."""
    return TriggerDagRunOperator(
        task_id=tasks.TOP_UP,
        trigger_dag_id=f"{CORPUS_DAG}{spec.name}",
        # A try of its own each time: a run that was triggered and has failed keeps its name.
        trigger_run_id=f"top_up__{{{{ {ASKED}['version'] }}}}__{{{{ dag_run.run_after.strftime('%Y%m%dT%H%M%S') }}}}"
        "__{{ ti.try_number }}",
        conf={"shards": f"{{{{ {ASKED}['shards'] }}}}"},
        logical_date=None,
    )


def _params() -> dict[str, Param]:
    return {
        "version": Param(
            None,
            type=["null", "string"],
            title="Version",
            description="Such as v1. Empty: the next number. A version that is published is never overwritten.",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$",
        ),
        "partial": Param(
            False,
            type="boolean",
            title="Partial",
            description="Release what is committed, though shards are missing or phrases fall short of the target.",
        ),
        "top_up": Param(
            True,
            type="boolean",
            title="Top up",
            description="If unique phrases fall short of the target, have more shards written, then begin anew.",
        ),
        "memory_gb": Param(
            MEMORY_GB,
            type="number",
            title="Memory, GiB",
            description="What the work may take with two tasks at a time. It changes speed, never the result.",
            minimum=1,
            maximum=4096,
        ),
    }


def _doc(spec: CorpusSpec) -> str:
    near = spec.release.near_duplicates
    dropped = "repeats" if near is None else f"repeats, and phrases that share {near:.0%} of their words with another"
    return f"""
### Releases of {spec.title}

A release is the first {spec.target_phrases:,} phrases of the corpus, by id, without {dropped}. It is packed into
files, linked, judged by the corpus gate, and published under
`s3://{spec.storage.bucket}/{Keys.of(spec).root}/releases/`.

It begins by itself when a night of `{CORPUS_DAG}{spec.name}` has closed and all {spec.shard_count:,} shards are
committed, if this Dag is not paused by then. A run for which there is nothing to do yet, or no more, is skipped: it is
green with no task done, and the log of its task `plan` says why. By hand it makes the version named in its form; with
*partial* it takes what is there.

If fewer phrases are unique than the target asks for, task `top_up` starts a run of `{CORPUS_DAG}{spec.name}` for more
shards, all after it is skipped, and the release begins anew when they are committed. After three such tries it fails,
and says what to do. While `{CORPUS_DAG}{spec.name}` is paused its run waits.

A release that the gate fails is quarantined: task `judge` is red, and its log names value and limit. Clearing tasks or
whole runs is safe: every step finds what it has done before, a killed release goes on where it was, and the same bytes
come out. What is published is never written to again: tasks that are cleared after that are skipped.

`{RELEASE}` (in the environment of Airflow's Dag processor) says how many instances of a mapped task run at once; it is
{RELEASE_USUAL}, for a machine with the memory named in the form.
"""
