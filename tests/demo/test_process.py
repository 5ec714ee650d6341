"""Parts as real processes: a web server of the standard library stands for a part's server."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import httpx
import psutil
import pytest

from phrasemill.demo.errors import PartFailed, PortTaken
from phrasemill.demo.layout import Layout
from phrasemill.demo.part import Part
from phrasemill.demo.process import PartProcess
from tests.servers import free_port

SERVER = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1")
PARENT = "import subprocess, sys; subprocess.Popen(['sleep', '60']); subprocess.run(sys.argv[1:])"


@pytest.fixture
def layout(layout: Layout) -> Layout:
    layout.ports["s3"] = free_port()
    layout.state.mkdir(parents=True)
    return layout


@pytest.fixture
def part(layout: Layout) -> Part:
    port = layout.ports["s3"]
    return Part(
        name="web",
        title="the web server",
        server="s3",
        command=(*SERVER, str(port)),
        variables={"PHRASEMILL_CORPORA": "here"},
        healthy=partial(answers, f"http://127.0.0.1:{port}/"),
        patience_s=60,
    )


@pytest.fixture
def process(layout: Layout, part: Part) -> Iterator[PartProcess]:
    process = PartProcess(layout, part)
    yield process
    process.down()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=30, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def pid_of(process: PartProcess) -> int:
    found = process.find()
    assert found is not None
    return found.pid


class TestUp:
    def test_starts_once_and_is_reused(self, process: PartProcess) -> None:
        assert process.up() == "started"
        pid = pid_of(process)
        assert process.up() == "reused"
        assert pid_of(process) == pid

    def test_two_at_once_share_one_process(self, layout: Layout, part: Part, process: PartProcess) -> None:
        twins = [process, PartProcess(layout, part)]
        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(PartProcess.up, twins)) == ["reused", "started"]

    def test_is_started_anew_when_its_settings_change(self, layout: Layout, part: Part, process: PartProcess) -> None:
        process.up()
        pid = pid_of(process)
        changed = PartProcess(layout, replace(part, variables={"PHRASEMILL_CORPORA": "there"}))
        assert changed.up() == "started"
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

    def test_the_shells_own_settings_do_not_reach_it(
        self, process: PartProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
        monkeypatch.setenv("AWS_PROFILE", "work")
        process.up()
        environment = psutil.Process(pid_of(process)).environ()
        assert not {"AIRFLOW__CORE__EXECUTOR", "AWS_PROFILE"} & environment.keys()
        assert environment["PHRASEMILL_CORPORA"] == "here"

    def test_one_that_ends_is_told_with_its_last_words_and_log(
        self, layout: Layout, part: Part, process: PartProcess
    ) -> None:
        dying = (sys.executable, "-c", "raise SystemExit('Error: no such model')")
        broken = PartProcess(layout, replace(part, command=dying))
        with pytest.raises(PartFailed) as failed:
            broken.up()
        assert "the web server ended" in str(failed.value)
        assert "it said: Error: no such model" in str(failed.value)
        assert str(failed.value).endswith("state/logs/web.log")
        assert broken.find() is None

    def test_one_that_is_never_ready_is_ended(self, layout: Layout, part: Part, process: PartProcess) -> None:
        mute = PartProcess(layout, replace(part, command=("sleep", "60"), patience_s=0.5))
        with pytest.raises(PartFailed, match="the web server was not ready after"):
            mute.up()
        assert mute.find() is None


class TestPortHeldByAnotherProgram:
    def test_is_told_in_one_line_with_holder_and_way_out(self, layout: Layout, process: PartProcess) -> None:
        port = layout.ports["s3"]
        with socket.socket() as other:
            other.bind(("127.0.0.1", port))
            other.listen()
            with pytest.raises(PortTaken) as taken:
                process.up()
        message = str(taken.value)
        assert message.startswith(f"port {port} is held by ")
        assert f"(pid {os.getpid()}) and the web server needs it" in message
        assert message.endswith(f"PHRASEMILL_S3_PORT={port + 1} make demo")

    def test_what_a_killed_part_left_is_no_other_program(
        self, layout: Layout, part: Part, process: PartProcess
    ) -> None:
        parent = PartProcess(layout, replace(part, command=(sys.executable, "-c", PARENT, *part.command)))
        parent.up()
        psutil.Process(pid_of(parent)).kill()
        wait_until_gone(parent)
        parent.check_port()
        assert parent.up() == "started"

    def test_own_process_is_no_other_program(self, process: PartProcess) -> None:
        process.up()
        process.check_port()


class TestDown:
    def test_says_whether_anything_ran(self, process: PartProcess) -> None:
        assert process.down() is False
        process.up()
        assert process.down() is True
        assert process.find() is None
        assert not process.pid_file.exists()

    def test_ends_what_the_part_started(self, layout: Layout, part: Part, process: PartProcess) -> None:
        parent = PartProcess(layout, replace(part, command=(sys.executable, "-c", PARENT, *part.command)))
        parent.up()
        children = psutil.Process(pid_of(parent)).children(recursive=True)
        assert len(children) == 2
        parent.down()
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]

    def test_ends_orphans_of_a_killed_part(self, layout: Layout, part: Part, process: PartProcess) -> None:
        parent = PartProcess(layout, replace(part, command=(sys.executable, "-c", PARENT, *part.command)))
        parent.up()
        leader = psutil.Process(pid_of(parent))
        children = leader.children(recursive=True)
        leader.send_signal(signal.SIGKILL)
        wait_until_gone(parent)
        assert parent.down() is True
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]

    def test_ends_what_a_killed_part_started_in_sessions_of_their_own(
        self, layout: Layout, part: Part, process: PartProcess
    ) -> None:
        nested = PARENT.replace("'60']", "'60'], start_new_session=True")
        parent = PartProcess(layout, replace(part, command=(sys.executable, "-c", nested, *part.command)))
        parent.up()
        leader = psutil.Process(pid_of(parent))
        children = leader.children(recursive=True)
        leader.send_signal(signal.SIGKILL)
        wait_until_gone(parent)
        assert parent.down() is True
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]

    def test_leaves_other_parts_alone(self, layout: Layout, part: Part, process: PartProcess) -> None:
        process.up()
        other = PartProcess(layout, replace(part, name="other", server=None))
        assert other.down() is False
        assert process.find()

    def test_never_ends_a_process_that_took_over_the_pid(self, process: PartProcess) -> None:
        with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
            started = psutil.Process(stranger.pid).create_time() - 100
            process.pid_file.parent.mkdir(parents=True)
            process.pid_file.write_text(json.dumps({"pid": stranger.pid, "started": started, "recipe": ""}))
            assert process.find() is None
            assert process.down() is False
            assert stranger.poll() is None
            stranger.kill()

    def test_damaged_pid_file_counts_as_none(self, process: PartProcess) -> None:
        process.pid_file.parent.mkdir(parents=True)
        process.pid_file.write_text("{")
        assert process.find() is None
        assert process.down() is False


def wait_until_gone(process: PartProcess) -> None:
    deadline = time.monotonic() + 30
    while process.find() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.find() is None
