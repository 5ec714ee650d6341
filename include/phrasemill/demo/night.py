"""One night of the demo: triggered through Airflow's API, followed to its end, its outcome told."""

import time
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from phrasemill.demo.airflow_api import DemoAirflow
from phrasemill.demo.corpus_choice import Choice, chosen_corpus
from phrasemill.demo.errors import NightFailed
from phrasemill.demo.furnish import await_dag, furnish
from phrasemill.demo.keys import ADMIN, load_keys
from phrasemill.demo.layout import Layout
from phrasemill.demo.outcome import print_outcome
from phrasemill.demo.progress_line import FAILED, ProgressLine, Screen, Sight, engine_answers
from phrasemill.demo.storage import accepted_phrases, demo_store, make_bucket, s3_client
from phrasemill.planning import format_shards
from phrasemill.store.corpus_store import CorpusStore

LOOK_EVERY_S = 1.0
LOG_TAIL = 8


@dataclass(frozen=True)
class Run:
    """One Dag run, as Airflow's API knows it."""

    api: DemoAirflow
    dag_id: str
    run_id: str

    @property
    def page(self) -> str:
        """Its page in the UI."""
        return f"{self.api.url}/dags/{self.dag_id}/runs/{self.run_id}"

    def state(self) -> str:
        """queued, running, success or failed."""
        return self.api.run_state(self.dag_id, self.run_id)

    def instances(self) -> list[dict[str, Any]]:
        """Its task instances."""
        return self.api.task_instances(self.dag_id, self.run_id)


def grind_night(layout: Layout, choice: Choice, console: Console) -> None:
    """Grind the whole corpus in one run and print what came of it.

    Raises:
        DemoOptionError: the choice makes no sense.
        AirflowRefused, DemoError: Airflow cannot run the corpus's Dag.
        NightFailed: the run ended red.
    """
    spec, file = chosen_corpus(layout, choice)
    keys = load_keys(layout)
    client = s3_client(layout, keys)
    make_bucket(client, spec.storage.bucket)
    store = demo_store(client, spec)
    api = DemoAirflow(layout.url("airflow"), keys.airflow_password)
    try:
        furnish(api, layout, keys, spec)
        dag_id = await_dag(api, spec)
        shards = format_shards(list(range(spec.shard_count)))
        console.print(f"{spec.title}: {layout.shown(file)}, shards {shards}", highlight=False, soft_wrap=True)
        run = Run(api, dag_id, api.trigger(dag_id, {"shards": shards}))
        if follow(run, store, engine_url=layout.url("engine"), console=console) != "success":
            raise NightFailed(what_failed(run))
    finally:
        api.close()
    print_outcome(layout, store, console)
    console.print(f"  Airflow    {run.page}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"  login      {ADMIN} / {keys.airflow_password}", highlight=False, markup=False)


def follow(run: Run, store: CorpusStore, *, engine_url: str, console: Console) -> str:
    """Show the live line until the run has ended; returns its state."""
    line = ProgressLine(store.spec.target_phrases)
    before = engine_answers(engine_url)
    with Screen(console) as show:
        while True:
            state = run.state()
            now = engine_answers(engine_url)
            written = None if now is None or before is None else now - before
            sight = Sight(run.instances(), accepted_phrases(store), written)
            text = line.line(sight, time.monotonic())
            if state in {"success", "failed"}:
                break
            show(text)
            time.sleep(LOOK_EVERY_S)
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    return state


def what_failed(run: Run) -> str:
    """The first task that failed of itself, and the last of its log."""
    instances = run.instances()
    failed = [entry for entry in instances if entry["state"] == "failed"]
    if not failed:
        stuck = sorted({entry["task_id"] for entry in instances if entry["state"] in FAILED})
        return f"the run is red, though no task failed of itself ({', '.join(stuck) or 'none'}): {run.page}"
    first = min(failed, key=lambda entry: str(entry["end_date"]))
    name = first["task_id"] + (f" [{first['rendered_map_index']}]" if first["rendered_map_index"] else "")
    others = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    lines = [line for entry in run.api.log_lines(first) if (line := _said(entry))]
    tail = "\n  ".join(lines[-LOG_TAIL:])
    return f"task {name} failed{others}; the last of its log:\n  {tail}\n  the run: {run.page}"


def _said(entry: dict[str, Any]) -> str:
    detail = entry.get("error_detail") or []
    raised = f"{detail[0]['exc_type']}: {detail[0]['exc_value']}" if detail else ""
    return " ".join(part for part in (str(entry.get("event", "")).strip(), raised) if part)
