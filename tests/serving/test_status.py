"""What `phrasemill engines` shows of a state folder."""

import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from phrasemill.serving.engine_state import EngineState, Phase
from phrasemill.serving.errors import ServingError
from phrasemill.serving.state_folder import StateFolder
from phrasemill.serving.status import (
    ServingStatus,
    duration,
    engines_table,
    read_status,
    status_json,
    supervisor_line,
)

NOW = datetime.now(UTC)


def status(*engines: EngineState) -> ServingStatus:
    return ServingStatus(pid=4711, started_at=NOW - timedelta(hours=3), written_at=NOW, engines=list(engines))


def healthy() -> EngineState:
    return EngineState(
        name="engine-0", url="http://127.0.0.1:8000", log="/x/engine-0.log", gpu=1, phase=Phase.HEALTHY, pid=7,
        started_at=NOW - timedelta(hours=2, minutes=5), healthy_at=NOW - timedelta(hours=2), restarts=2,
        restarted_at=NOW - timedelta(minutes=125), why_restarted="it ended (SIGKILL) [/nothing]", running=512,
        waiting=1300, tokens_per_s=12345.6, rss_bytes=3 << 30, gpu_bytes=17 << 30,
    )  # fmt: skip


def failing() -> EngineState:
    return EngineState(name="engine-1", url="http://127.0.0.1:8001", log="/x", phase=Phase.BACKING_OFF, failures=3)


def shown(status: ServingStatus) -> str:
    out = StringIO()
    Console(file=out, width=220).print(engines_table(status))
    return out.getvalue()


class TestFile:
    def test_reads_back_as_it_was_written(self, tmp_path: Path) -> None:
        (tmp_path / "status.json").write_text(status_json(status(healthy(), failing())))
        assert read_status(tmp_path) == status(healthy(), failing())

    def test_none_at_all_says_how_to_get_one(self, tmp_path: Path) -> None:
        with pytest.raises(ServingError, match=f"no engines have been served from {tmp_path}; start some with"):
            read_status(tmp_path)

    @pytest.mark.parametrize("text", ["", "{}", '{"pid": 1, "started_at": "x"}'])
    def test_a_damaged_one_is_told(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "status.json").write_text(text)
        with pytest.raises(ServingError, match=r"status.json cannot be read"):
            read_status(tmp_path)


class TestTable:
    def test_a_row_has_it_all(self) -> None:
        row = next(line for line in shown(status(healthy())).splitlines() if "engine-0" in line)
        assert row.split("  ")[0] == "engine-0 (GPU 1)"
        for cell in ("healthy", "512", "1,300", "12,346", " 2 ", "3.0 GiB", "17.0 GiB", "2 h 5 min", ":8000"):
            assert cell in row
        assert "2 h 5 min ago: it ended (SIGKILL) [/nothing]" in row

    def test_what_is_not_known_is_a_dash(self) -> None:
        row = next(line for line in shown(status(failing())).splitlines() if "engine-1" in line)
        assert row.split() == [
            "engine-1", "backing", "off", "-", "-", "-", "0", "-", "-", "-", "http://127.0.0.1:8001", "-",
        ]  # fmt: skip


class TestSupervisorLine:
    def test_of_one_that_runs(self, tmp_path: Path) -> None:
        folder = StateFolder(tmp_path)
        folder.lock()
        assert re.search(r", up 3 h \d+ min$", supervisor_line(tmp_path, status(healthy())))
        folder.unlock()

    def test_of_one_that_was_killed(self, tmp_path: Path) -> None:
        line = supervisor_line(tmp_path, status(healthy()))
        assert line.startswith("the supervisor 4711 is gone since ")
        assert "phrasemill serve" in line

    def test_of_one_that_has_ended_in_order(self, tmp_path: Path) -> None:
        stopped = EngineState(name="engine-0", url="", log="", phase=Phase.STOPPED)
        assert supervisor_line(tmp_path, status(stopped)).startswith("nothing is served")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h 0 min"),
        (90061, "1 d 1 h"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
