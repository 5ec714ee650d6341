"""The set-up scripts and the locks, as `make` uses them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.demo.conftest import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^[a-z0-9._-]+(\[[a-z0-9,_-]+\])?==[^ ]+", re.IGNORECASE | re.MULTILINE)


def bash(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PIP_")} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestLocks:
    @pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
    def test_hold_no_address_and_no_path(self, lock: Path) -> None:
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text
        assert not re.search(r"(^|\s)(--(extra-)?index-url|--find-links|-f|-i)\b|^/", text, re.MULTILINE)

    @pytest.mark.parametrize("lock", [lock for lock in LOCKS if lock.stem != "torch-cpu"], ids=lambda path: path.stem)
    def test_pin_every_package_with_its_hashes(self, lock: Path) -> None:
        requirements = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        packages = [line for line in requirements if line.strip() and not line.lstrip().startswith("#")]
        assert packages
        for line in packages:
            assert PIN.match(line), line
            assert "--hash=sha256:" in line, line

    def test_dev_environment_runs_the_versions_of_the_airflow_environment(self) -> None:
        airflow, dev = (
            {match[0] for match in PIN.finditer((ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8"))}
            for name in ("airflow", "dev")
        )
        assert airflow <= dev


class TestStage:
    def test_a_failure_is_one_line_with_reason_and_log(self, tmp_path: Path) -> None:
        done = bash(
            "requirements/stage.sh 'a step' bash -c 'echo begun; echo no room >&2; exit 3'",
            PHRASEMILL_STATE=str(tmp_path),
        )
        assert done.returncode == 1
        assert done.stderr == f"phrasemill: a step failed: no room; its log: {tmp_path}/logs/setup-a-step.log\n"

    def test_an_error_of_our_own_program_stands_alone(self, tmp_path: Path) -> None:
        done = bash(
            "requirements/stage.sh engine bash -c 'echo phrasemill: it ended - its log: x/engine.log; exit 1'",
            PHRASEMILL_STATE=str(tmp_path),
        )
        assert done.stderr == "phrasemill: it ended - its log: x/engine.log\n"

    def test_success_is_one_line_with_the_seconds(self, tmp_path: Path) -> None:
        done = bash("requirements/stage.sh 'a step' echo chatter", PHRASEMILL_STATE=str(tmp_path))
        assert re.fullmatch(r" +\d+ s  a step\n", done.stdout)
        assert (tmp_path / "logs" / "setup-a-step.log").read_text() == "chatter\n"


class TestParallel:
    def test_nothing_of_make_itself_is_printed_when_a_step_fails(self, tmp_path: Path) -> None:
        done = bash("requirements/parallel.sh no-such-target", PHRASEMILL_STATE=str(tmp_path))
        assert done.returncode != 0
        assert done.stdout + done.stderr == ""
        assert "no-such-target" in (tmp_path / "logs" / "make.log").read_text()

    def test_a_full_disk_is_told_before_anything_is_fetched(self, tmp_path: Path) -> None:
        checkout, tools = tmp_path / "checkout", tmp_path / "tools"
        (checkout / "requirements").mkdir(parents=True)
        shutil.copy(ROOT / "requirements" / "parallel.sh", checkout / "requirements")
        tools.mkdir()
        (tools / "df").write_text("#!/bin/sh\nprintf 'a b c d\\nx 9 9 2048000 9\\n'\n")
        (tools / "df").chmod(0o755)
        done = bash(f"{checkout}/requirements/parallel.sh demo", PATH=f"{tools}:{os.environ['PATH']}")
        assert done.returncode == 1
        assert done.stderr.startswith("phrasemill: 2000 MB are free here and the first set-up needs 6144")


class TestPython:
    def test_another_version_is_refused_in_one_line(self, tmp_path: Path) -> None:
        shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
        done = bash(f"{tmp_path}/requirements/venv.sh uv", PYTHON="/usr/bin/false")
        assert done.returncode == 1
        assert done.stderr == (
            "/usr/bin/false is no Python 3.11 with the venv module; name one: PYTHON=/path/to/python3.11 make demo\n"
        )
        assert not (tmp_path / ".venvs").exists()


class TestPipSettings:
    SHOW = "PIP=false; . requirements/package-index.sh; use_pip_settings; env | grep -E '^(UV_|SSL_)' | sort"

    def test_reach_uv(self) -> None:
        done = bash(
            self.SHOW,
            PIP_INDEX_URL="file:///one",
            PIP_EXTRA_INDEX_URL="file:///two file:///three",
            PIP_FIND_LINKS="/wheels /more",
        )
        settings = dict(line.split("=", 1) for line in done.stdout.splitlines())
        assert settings["UV_DEFAULT_INDEX"] == "file:///one"
        assert settings["UV_INDEX"] == "file:///two file:///three"
        assert settings["UV_FIND_LINKS"] == "/wheels,/more"
        assert settings["UV_PYTHON_DOWNLOADS"] == "never"

    def test_uvs_own_settings_win(self) -> None:
        done = bash(self.SHOW, PIP_INDEX_URL="file:///one", UV_DEFAULT_INDEX="file:///own")
        assert "UV_DEFAULT_INDEX=file:///own\n" in done.stdout

    def test_nothing_set_leaves_uv_its_defaults(self) -> None:
        done = bash(self.SHOW)
        assert "INDEX" not in done.stdout
        assert "FIND_LINKS" not in done.stdout


class TestMake:
    def test_lists_its_targets(self) -> None:
        done = bash("make")
        for target in ("demo", "down", "status", "test", "e2e", "bench", "lock", "fmt"):
            assert re.search(rf"^  make {target} ", done.stdout, re.MULTILINE), target
