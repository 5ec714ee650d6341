from typing import Any

from phrasemill.demo.progress_line import ProgressLine, Sight


def instances(**states: list[str | None]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for step in ("preflight", "plan", "generate", "validate", "publish", "close_night"):
        task_id = step if step in {"preflight", "plan", "close_night"} else f"shard.{step}"
        given = states.get(step, [None])
        mapped = len(given) > 1
        found += [
            {"task_id": task_id, "map_index": index if mapped else -1, "state": state}
            for index, state in enumerate(given)
        ]
    return found


class TestLine:
    def test_tells_each_step_and_the_phrases(self) -> None:
        seen = instances(
            preflight=["success"], plan=["success"], generate=["success", "running"], validate=["success", None]
        )
        line = ProgressLine(240, begun=100.0).line(Sight(seen, accepted=80, written=150), now=175.0)
        assert line == (
            "1:15  80/240 phrases of 150 written  "
            "preflight ok, plan ok, generate 1/2, validate 1/2, publish waits, close_night waits"
        )

    def test_before_planning_there_are_no_counts(self) -> None:
        line = ProgressLine(240, begun=0.0).line(Sight(instances(), accepted=0, written=None), now=1.0)
        assert line == (
            "0:01  0/240 phrases  "
            "preflight waits, plan waits, generate waits, validate waits, publish waits, close_night waits"
        )

    def test_failed_shards_are_counted_apart(self) -> None:
        seen = instances(generate=["success", "failed", "success"], validate=["success", "upstream_failed", None])
        line = ProgressLine(60).line(Sight(seen, accepted=40, written=None), now=0.0)
        assert "generate 2/3 (1 failed), validate 1/3 (1 failed)" in line


class TestPace:
    def test_counts_from_the_start_of_generation_and_not_what_was_there(self) -> None:
        line = ProgressLine(240, begun=0.0)
        running = instances(generate=["running", "running"])
        line.line(Sight(instances(), accepted=60, written=0), now=10.0)
        line.line(Sight(running, accepted=60, written=0), now=20.0)
        text = line.line(Sight(running, accepted=120, written=90), now=30.0)
        assert text.startswith("0:30  120/240 phrases of 90 written, 6.0/s, 0:20 left  ")

    def test_is_silent_while_nothing_is_generated(self) -> None:
        line = ProgressLine(240, begun=0.0)
        text = line.line(Sight(instances(generate=["success", "success"]), accepted=240, written=0), now=9.0)
        assert text.startswith("0:09  240/240 phrases  ")
