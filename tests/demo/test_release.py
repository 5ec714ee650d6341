import io
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from phrasemill.demo.errors import NightFailed
from phrasemill.demo.release import Runs, follow_release, release_line


def instance(task_id: str, state: str | None) -> dict[str, Any]:
    return {"task_id": task_id, "map_index": -1, "state": state}


class TestReleaseLine:
    def test_tells_what_is_done_and_what_runs(self) -> None:
        seen = [instance("plan", "success"), instance("deal", "skipped"), instance("pack", "running")]
        assert release_line([*seen, instance("judge", None)], 65) == "1:05  release: 2 of 4 tasks done, pack runs"

    def test_counts_what_failed(self) -> None:
        seen = [instance("plan", "failed"), instance("sketch", "upstream_failed")]
        assert release_line(seen, 0) == "0:00  release: 0 of 2 tasks done, 2 failed"


class Api:
    """A Dag whose runs a test adds to; each has ended with these task instances."""

    url = "http://127.0.0.1:1"

    def __init__(self, *ids: str, state: str = "success", instances: Sequence[dict[str, Any]] = ()) -> None:
        self.ids, self.state, self.instances = list(ids), state, list(instances)

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        return [{"dag_run_id": run_id} for run_id in self.ids]

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        self.ids.append(f"{dag_id} {conf}")
        return self.ids[-1]

    def run_state(self, dag_id: str, run_id: str) -> str:
        return self.state

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return self.instances


def told(api: Api) -> tuple[bool, str]:
    runs = Runs(api, "release_demo")
    api.ids.append("this")
    console = Console(file=io.StringIO(), width=200)
    return follow_release(runs, console), console.file.getvalue()  # type: ignore[attr-defined]


class TestFollowing:
    def test_a_release_that_is_whole_is_the_end(self) -> None:
        instances = [instance("publish", "success"), instance("top_up", "skipped")]
        assert told(Api(instances=instances)) == (False, "0:00  release: 2 of 2 tasks done\n")

    def test_one_that_is_short_has_more_written(self) -> None:
        short, _ = told(Api(instances=[instance("top_up", "success"), instance("publish", "skipped")]))
        assert short

    def test_one_that_is_red_is_told(self) -> None:
        with pytest.raises(NightFailed, match="no task failed of itself"):
            told(Api(state="failed"))


class TestRuns:
    def test_each_that_came_later_is_told_of_once_the_earliest_first(self) -> None:
        api = Api("earlier")
        runs = Runs(api, "release_demo")
        assert runs.next() is None
        api.ids += ["later", "latest"]
        found = [runs.next(), runs.next()]
        assert [(run.dag_id, run.run_id) for run in found if run] == [
            ("release_demo", "later"),
            ("release_demo", "latest"),
        ]
        assert runs.next() is None

    def test_one_started_by_hand_is_known(self) -> None:
        api = Api()
        runs = Runs(api, "corpus_demo")
        assert runs.trigger({"shards": "0"}).run_id == "corpus_demo {'shards': '0'}"
        assert runs.next() is None
