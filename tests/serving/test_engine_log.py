"""Logs of engines, written by real processes through a pipe."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from phrasemill.serving.engine_log import EngineLog


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EngineLog]:
    log = EngineLog(tmp_path / "logs" / "engine-0.log", max_bytes=20_000, files=2, secrets=("s3cret", ""))
    yield log
    log.close()


def run(log: EngineLog, program: str) -> None:
    """Run a Python program as one run of an engine."""
    with log.begin_run("a run") as output:
        process = subprocess.Popen([sys.executable, "-c", program], stdout=output, stderr=output)
    process.wait(60)
    log.end_run(within_s=30)


class TestFile:
    def test_runs_follow_each_other(self, log: EngineLog) -> None:
        run(log, "print('one')")
        run(log, "import sys; print('two', file=sys.stderr)")
        assert log.path.read_text() == "--- a run ---\none\n--- a run ---\ntwo\n"

    def test_is_rotated_by_size_while_the_engine_runs(self, log: EngineLog) -> None:
        run(log, "for k in range(20_000): print('line', k)")
        files = sorted(log.path.parent.iterdir())
        assert [path.name for path in files] == ["engine-0.log", "engine-0.log.1", "engine-0.log.2"]
        assert all(path.stat().st_size <= 20_000 for path in files)
        assert log.path.read_text().endswith("line 19999\n")

    def test_what_is_no_text_and_has_no_end_is_kept_as_far_as_it_goes(self, log: EngineLog) -> None:
        run(log, "import sys; sys.stdout.buffer.write(b'\\xff half a line')")
        assert log.path.read_text().endswith("\ufffd half a line\n")

    def test_secrets_are_not_written(self, log: EngineLog) -> None:
        run(log, "print({'api_key': ['s3cret'], 'port': 8000})")
        assert "{'api_key': ['***'], 'port': 8000}" in log.path.read_text()
        assert "s3cret" not in log.last_words()

    def test_a_file_that_cannot_be_written_holds_no_engine_up_and_is_told_once(
        self, log: EngineLog, caplog: pytest.LogCaptureFixture
    ) -> None:
        log.path.with_name("engine-0.log.1").mkdir()  # so that it cannot be rotated
        with caplog.at_level(logging.ERROR):
            run(log, "for k in range(20_000): print('line', k)")
        assert log.last_words() == "line 19999"
        assert [record.levelname for record in caplog.records] == ["ERROR"]


class TestLastWords:
    @pytest.mark.parametrize(
        ("said", "words"),
        [
            ([], ""),
            (["loading", "", "  still loading  ", ""], "still loading"),
            (["ERROR 11-23 12:00:00 [core.py:842] ValueError: no room", "Stopping"], "ValueError: no room"),
            (["api_server.py: error: unrecognized arguments: --foo"], "error: unrecognized arguments: --foo"),
            (
                [
                    "(EngineCore_DP0 pid=7) ERROR [core.py:842] torch.OutOfMemoryError: CUDA out of memory.",
                    "(APIServer pid=6) RuntimeError: Engine core initialization failed. See root cause above.",
                ],
                "torch.OutOfMemoryError: CUDA out of memory.",
            ),
            (["RuntimeError: Engine core initialization failed."], "RuntimeError: Engine core initialization failed."),
            (["ValueError: " + "x" * 1000], "ValueError: " + "x" * 288),
        ],
    )
    def test_are_the_last_error_or_else_the_last_line(self, log: EngineLog, said: list[str], words: str) -> None:
        run(log, f"for line in {said!r}: print(line)")
        assert log.last_words() == words

    def test_are_of_the_last_run_alone(self, log: EngineLog) -> None:
        run(log, "print('ValueError: old')")
        run(log, "print('fine')")
        assert log.last_words() == "fine"
