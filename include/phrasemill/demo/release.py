"""The release that follows a night: Airflow starts it by the corpus's asset, since all shards are committed then.

One that is short starts a run of the corpus's Dag that tops it up, and that one's end the next release.
"""

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console

from phrasemill.demo.errors import NightFailed
from phrasemill.demo.progress_line import DONE, FAILED, Screen, clock
from phrasemill.demo.run import ENDED, LOOK_EVERY_S, Run, what_failed

APPEARS_WITHIN_S = 120.0
"""Airflow's scheduler makes the run within seconds of the night's end; a busy machine takes longer."""
TOP_UP = "top_up"
"""The task of the release Dag that starts a run of the corpus's Dag."""


def follow_release(runs: "Runs", console: Console) -> bool:
    """Wait for the run that the night has caused, and show it until it has ended.

    Returns:
        Whether it was short, and has started a run of the corpus's Dag.

    Raises:
        NightFailed: it ended red, or did not come.
    """
    begun = time.monotonic()
    with Screen(console) as show:
        run = runs.await_next(lambda: show("release: waits for Airflow"))
        while run.state() not in ENDED:
            show(release_line(run.instances(), time.monotonic() - begun))
            time.sleep(LOOK_EVERY_S)
    instances = run.instances()
    console.print(release_line(instances, time.monotonic() - begun), highlight=False, markup=False, soft_wrap=True)
    if run.state() != "success":
        raise NightFailed(what_failed(run))
    return any((entry["task_id"], entry["state"]) == (TOP_UP, "success") for entry in instances)


def release_line(instances: list[dict[str, Any]], seconds: float) -> str:
    """Such as '0:12  release: 9 of 14 tasks done, pack runs'."""
    done = sum(entry["state"] in DONE for entry in instances)
    failed = sum(entry["state"] in FAILED for entry in instances)
    running = sorted({entry["task_id"] for entry in instances if entry["state"] == "running"})
    line = f"{clock(seconds)}  release: {done} of {len(instances)} tasks done"
    return line + (f", {', '.join(running)} runs" if running else "") + (f", {failed} failed" if failed else "")


class Runs:
    """The runs of a Dag that were not there before, each told of once."""

    def __init__(self, api: Any, dag_id: str) -> None:  # noqa: ANN401
        self._api, self.dag_id = api, dag_id
        self._known = set(self._ids())

    def trigger(self, conf: dict[str, Any]) -> Run:
        """Start one by hand."""
        run_id = self._api.trigger(self.dag_id, conf)
        self._known.add(run_id)
        return Run(self._api, self.dag_id, run_id)

    def next(self) -> Run | None:
        """The earliest that has not been told of, None while there is none."""
        fresh = [run_id for run_id in self._ids() if run_id not in self._known]
        if not fresh:
            return None
        self._known.add(fresh[0])
        return Run(self._api, self.dag_id, fresh[0])

    def await_next(self, on_wait: Callable[[], None] = lambda: None) -> Run:
        """Wait for the next one, calling `on_wait` with every look.

        Raises:
            NightFailed: it does not come.
        """
        begun = time.monotonic()
        while (run := self.next()) is None:
            if time.monotonic() - begun > APPEARS_WITHIN_S:
                raise NightFailed(
                    f"Airflow has not started {self.dag_id} within {APPEARS_WITHIN_S:.0f} s of the end of what causes "
                    "it; see make status and the scheduler's log"
                )
            on_wait()
            time.sleep(LOOK_EVERY_S)
        return run

    def _ids(self) -> list[str]:
        return [run["dag_run_id"] for run in self._api.runs(self.dag_id)]
