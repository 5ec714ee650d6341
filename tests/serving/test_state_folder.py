"""The state folder: one supervisor at a time, and after it is gone only its own processes are ended."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from phrasemill.serving.engine_process import MARK, is_alive, mark_of
from phrasemill.serving.errors import ServingError, StateFolderTaken
from phrasemill.serving.state_folder import StateFolder

Starter = Callable[..., psutil.Process]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[StateFolder]:
    folder = StateFolder(tmp_path / "state")
    folder.lock()
    yield folder
    folder.unlock()


@pytest.fixture
def start() -> Iterator[Starter]:
    """Starts `sleep` with a mark or without, in a session of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start(mark: str | None = None, *command: str) -> psutil.Process:
        environment = dict(os.environ) | ({MARK: mark} if mark else {})
        process = subprocess.Popen(command or ["sleep", "60"], env=environment, start_new_session=True)
        started.append(process)
        seen = psutil.Process(process.pid)
        wait_until(lambda: bool(seen.cmdline()))  # empty for a moment: the kernel has not finished the exec
        return seen

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def write_footprint(folder: StateFolder, pid: int, create_time: float) -> None:
    (folder.path / "run" / "engine-0.json").write_text(json.dumps({"pid": pid, "create_time": create_time}))


class TestLock:
    def test_a_second_one_is_refused_and_told_whose_it_is(self, folder: StateFolder) -> None:
        with pytest.raises(StateFolderTaken, match=rf"{folder.path} is .*\(pid {os.getpid()}\)"):
            StateFolder(folder.path).lock()
        assert StateFolder(folder.path).holder() == os.getpid()

    def test_given_back_it_is_free(self, folder: StateFolder) -> None:
        folder.unlock()
        assert folder.holder() is None
        StateFolder(folder.path).lock()

    def test_a_killed_supervisors_lock_is_free(self, tmp_path: Path) -> None:
        program = (
            "import sys, time; from pathlib import Path; from phrasemill.serving.state_folder import StateFolder\n"
            "StateFolder(Path(sys.argv[1])).lock(); print('locked', flush=True); time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as process:
            assert process.stdout
            assert process.stdout.readline() == b"locked\n"
            assert StateFolder(tmp_path).holder() == process.pid
            process.kill()
        assert StateFolder(tmp_path).holder() is None
        StateFolder(tmp_path).lock()

    def test_a_folder_that_never_was_has_no_holder(self, tmp_path: Path) -> None:
        assert StateFolder(tmp_path / "nowhere").holder() is None

    def test_what_cannot_be_a_folder_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "state").touch()
        with pytest.raises(ServingError, match=r"state cannot be the state folder \(.*; give another one"):
            StateFolder(tmp_path / "state").lock()

    def test_one_folder_by_two_names_is_one(self, folder: StateFolder, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(folder.path)
        with pytest.raises(StateFolderTaken):
            StateFolder(tmp_path / "link").lock()


class TestLeftovers:
    def test_whoever_bears_the_mark_is_ended_without_any_footprint(self, folder: StateFolder, start: Starter) -> None:
        left = start(mark_of(folder.path))
        assert folder.end_leftovers() == 1
        assert not is_alive(left)

    def test_one_that_ignores_sigterm_is_killed(
        self, folder: StateFolder, start: Starter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("phrasemill.serving.state_folder.GRACE_S", 0.3)
        left = start(mark_of(folder.path), "/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.2; done")
        assert folder.end_leftovers() >= 1
        assert not is_alive(left)

    def test_a_leader_with_a_footprint_is_ended_with_its_group(self, folder: StateFolder, start: Starter) -> None:
        leader = start(None, "/bin/sh", "-c", "sleep 60 & wait")
        folder.note_start("engine-0", leader.pid)
        wait_until(lambda: bool(leader.children()))
        children = leader.children()
        assert folder.end_leftovers() == 2
        assert not is_alive(leader)
        assert not is_alive(children[0])
        assert not list((folder.path / "run").iterdir())

    @pytest.mark.parametrize("other", ["{}-2", "{}/sub", "/"])
    def test_another_folders_engines_are_left_alone(self, folder: StateFolder, start: Starter, other: str) -> None:
        stranger = start(other.format(mark_of(folder.path)))
        assert folder.end_leftovers() == 0
        assert is_alive(stranger)

    def test_a_process_that_took_over_the_pid_is_left_alone(self, folder: StateFolder, start: Starter) -> None:
        stranger = start()
        write_footprint(folder, stranger.pid, stranger.create_time() - 100)
        assert folder.end_leftovers() == 0
        assert is_alive(stranger)

    def test_a_process_like_it_that_nobody_marked_is_left_alone(self, folder: StateFolder, start: Starter) -> None:
        left, bystander = start(mark_of(folder.path)), start()
        assert left.cmdline() == bystander.cmdline()
        folder.end_leftovers()
        assert not is_alive(left)
        assert is_alive(bystander)

    def test_a_supervisor_that_an_engine_of_its_own_folder_started_does_not_end_itself(
        self, folder: StateFolder
    ) -> None:
        program = (
            "import sys; from pathlib import Path; from phrasemill.serving.state_folder import StateFolder\n"
            "print(StateFolder(Path(sys.argv[1])).end_leftovers())"
        )
        environment = dict(os.environ) | {MARK: mark_of(folder.path)}
        done = subprocess.run(
            [sys.executable, "-c", program, str(folder.path)], env=environment, capture_output=True, check=False
        )
        assert done.stdout == b"0\n"

    def test_a_zombie_whose_threads_go_on_is_still_there(self, start: Starter) -> None:
        # So is a killed vLLM server for a while: its port stays taken until its last thread has ended.
        program = (
            "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(3,)).start()\n"
            "ctypes.CDLL(None).pthread_exit(None)"
        )
        process = start(None, sys.executable, "-c", program)
        wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE)
        assert is_alive(process)
        wait_until(lambda: not is_alive(process))

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x", "create_time": 1}', '{"pid": 1}'])
    def test_a_damaged_footprint_counts_as_none(self, folder: StateFolder, text: str) -> None:
        (folder.path / "run" / "engine-0.json").write_text(text)
        assert folder.end_leftovers() == 0
        assert not list((folder.path / "run").iterdir())
