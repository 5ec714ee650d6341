"""A tiny corpus in a real Airflow: its file, its bucket, an engine of its own, and what one does to its Dag."""

import datetime as dt
import time
from collections.abc import Callable
from typing import Any, TypeVar

from phrasemill.airflow_api import AirflowRefused
from phrasemill.corpus_file import dump_corpus
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.manifest import Manifest
from phrasemill.spec import CORPUS_DAG, RELEASE_DAG, CorpusSpec
from phrasemill.store.corpus_store import CorpusStore
from tests.scheduler.airflow_server import AirflowServer, Api

PATIENCE_S = 420.0
ENDED = {"success", "failed"}

Found = TypeVar("Found")


class Corpus:
    """One corpus; `nights` are the logical dates of its nights so far, the first being night 0."""

    def __init__(self, airflow: AirflowServer, spec: CorpusSpec, store: CorpusStore, engine: FakeEngineProcess) -> None:
        self.airflow, self.spec, self.store, self.engine = airflow, spec, store, engine
        self.dag_id, self.release_id = f"{CORPUS_DAG}{spec.name}", f"{RELEASE_DAG}{spec.name}"
        self.api: Api

    @property
    def nights(self) -> list[dt.datetime]:
        hour = int((self.spec.schedule.cron or "0 0 * * *").split()[1])
        first = dt.datetime.combine(self.spec.schedule.start_date, dt.time(hour), tzinfo=dt.UTC)
        return [first + dt.timedelta(days=number) for number in range((dt.datetime.now(dt.UTC) - first).days + 1)]

    def write(self, changed: CorpusSpec | None = None) -> None:
        """Put the corpus file where the Dags are made from."""
        (self.airflow.corpora / f"{self.spec.name}.yaml").write_text(dump_corpus(changed or self.spec), "utf-8")

    def unpause(self) -> None:
        self.api.unpause(self.dag_id)

    def trigger(self, **conf: Any) -> str:
        return self.api.trigger(self.dag_id, conf)

    def backfill(self, first: int, last: int, *options: str) -> None:
        """`airflow backfill create` over nights `first` to `last`, when the one before it is over."""
        wait_for(lambda: not self.api.backfill_is_open(self.dag_id), what=f"the last backfill of {self.dag_id} to end")
        span = ("--from-date", self.nights[first].isoformat(), "--to-date", self.nights[last].isoformat())
        self.airflow.command("backfill", "create", "--dag-id", self.dag_id, *span, *options)

    def runs(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Runs of a kind (scheduled, manual, backfill), in the order of their dates."""
        runs = [run for run in self.api.runs(self.dag_id) if kind in {None, run["run_type"]}]
        return sorted(runs, key=lambda run: str(run["run_after"]))

    def await_runs(self, count: int, kind: str | None = None) -> list[dict[str, Any]]:
        """Wait until there are so many runs of a kind, and all have ended."""

        def ended() -> list[dict[str, Any]]:
            runs = self.runs(kind)
            return runs if len(runs) >= count and all(run["state"] in ENDED for run in runs) else []

        return wait_for(ended, what=f"{count} runs of {self.dag_id}")

    def await_run(self, run_id: str) -> str:
        """Wait until a run has ended; its state."""
        return self._await_end(self.dag_id, run_id)

    def await_release(self, number: int) -> tuple[str, dict[str, list[str]]]:
        """Wait until the run of this number of the release Dag has ended; its id, and its tasks' states.

        An instance that is mapped has its state with those of the others.
        """
        runs = wait_for(lambda: self.api.runs(self.release_id)[number:], what=f"run {number} of {self.release_id}")
        run_id = str(runs[0]["dag_run_id"])
        return run_id, self.await_tasks(self.release_id, run_id)

    def await_tasks(self, dag_id: str, run_id: str) -> dict[str, list[str]]:
        """Wait until a run of any Dag has ended; the states of its tasks."""
        self._await_end(dag_id, run_id)
        states: dict[str, list[str]] = {}
        for entry in self.api.task_instances(dag_id, run_id):
            states.setdefault(entry["task_id"], []).append(entry["state"])
        return states

    def _await_end(self, dag_id: str, run_id: str) -> str:
        def state() -> str:
            now = self.api.run_state(dag_id, run_id)
            return now if now in ENDED else ""

        return wait_for(state, what=f"{dag_id} {run_id}")

    def instances(self, run_id: str, task: str) -> list[dict[str, Any]]:
        """Instances of a task in a run, by map index."""
        found = [entry for entry in self.api.task_instances(self.dag_id, run_id) if entry["task_id"] == task]
        return sorted(found, key=lambda entry: int(entry["map_index"]))

    def states(self, run_id: str, task: str) -> list[str]:
        return [entry["state"] for entry in self.instances(run_id, task)]

    def said(self, instance: dict[str, Any]) -> str:
        """The log of a task instance's last try."""
        return "\n".join(str(line.get("event")) for line in self.api.log_lines(instance))

    def running(self, run_id: str, task: str) -> dict[str, Any]:
        """Wait until an instance of a task runs."""

        def look() -> dict[str, Any]:
            return next((entry for entry in self.instances(run_id, task) if entry["state"] == "running"), {})

        return wait_for(look, what=f"{task} of {self.dag_id} {run_id} to run", every_s=0.1)

    def manifests(self) -> list[Manifest]:
        return self.store.manifests(self.store.committed())

    def wasted(self) -> int:
        """Phrases that the engine wrote and that no manifest accounts for, accepted or rejected."""
        return int(self.engine.state()["phrases"]) - sum(manifest.facts.judged for manifest in self.manifests())

    def staged(self) -> dict[str, dt.datetime]:
        """Staged blocks by key, with the time each was written."""
        root = f"{self.store.keys.root}/staging/"
        entries = self.store.bucket.entries(root)
        return {entry.key: entry.modified for entry in entries if entry.key.endswith(".parquet")}


def wait_for(look: Callable[[], Found], *, what: str, every_s: float = 0.5) -> Found:
    """Ask until the answer is not empty, through an API server that is away for a while."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except AirflowRefused:
            if time.monotonic() + every_s > deadline:
                raise
        time.sleep(every_s)
    raise TimeoutError(f"waited {PATIENCE_S:.0f} s for {what}")
