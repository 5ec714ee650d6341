"""Supervision of fake engines in processes of their own: what starts, dies, hangs, grows old and ends."""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import aiohttp
import psutil
import pytest

from phrasemill.serving.engine_process import is_alive
from phrasemill.serving.engine_state import EngineState, Phase
from phrasemill.serving.errors import EngineFailed, ServingError, ServingPortTaken, StateFolderTaken, VllmUnusable
from phrasemill.serving.launch import EngineLaunch
from phrasemill.serving.limits import Limits
from phrasemill.serving.status import read_status
from phrasemill.serving.supervisor import Supervisor
from phrasemill.serving.tended_engine import pause_s
from tests.serving.fake_launch import (
    WITHIN_S,
    broken_while,
    complete,
    fake_launch,
    growing_with,
    marked,
    quick_limits,
    set_fault,
    until,
    until_running,
)

pytestmark = pytest.mark.asyncio

GROWN = 200 << 20
"""More than a fake engine holds, less than one that has grown."""


@asynccontextmanager
async def served(
    state: Path, launches: Sequence[EngineLaunch], seen: list[list[EngineState]] | None = None, **limits: object
) -> AsyncIterator[Supervisor]:
    """A supervisor whose engines are all healthy; afterwards nothing of them is left."""
    on_change = None if seen is None else seen.append
    async with Supervisor(
        launches, state=state, limits=quick_limits(**limits), api_key=None, on_change=on_change
    ) as supervisor:
        await supervisor.all_healthy()
        yield supervisor
    assert not marked(state)


def pid_of(supervisor: Supervisor, number: int) -> int:
    pid = supervisor.states()[number].pid
    assert pid is not None
    return pid


def phase_of(supervisor: Supervisor, number: int) -> Phase:
    return supervisor.states()[number].phase


class TestStart:
    async def test_when_all_are_healthy_urls_and_status_are_there(self, tmp_path: Path) -> None:
        launches = [fake_launch(0), fake_launch(1)]
        seen: list[list[EngineState]] = []
        async with served(tmp_path, launches, seen) as supervisor:
            assert (tmp_path / "urls.txt").read_text().split() == [launch.url for launch in launches]
            status = read_status(tmp_path)
            assert status.pid == os.getpid()
            assert [engine.phase for engine in status.engines] == [Phase.HEALTHY, Phase.HEALTHY]
            assert [engine.pid for engine in status.engines] == [pid_of(supervisor, 0), pid_of(supervisor, 1)]
            await until(lambda: (supervisor.states()[0].rss_bytes or 0) > 1 << 20)
            assert supervisor.states()[0].tokens_per_s == 0
        assert {states[0].phase for states in seen} >= {Phase.STARTING, Phase.HEALTHY, Phase.DRAINING, Phase.STOPPED}
        assert not (tmp_path / "urls.txt").exists()
        assert {engine.phase for engine in read_status(tmp_path).engines} == {Phase.STOPPED}

    async def test_the_first_may_warm_the_caches_alone(self, tmp_path: Path) -> None:
        async with served(tmp_path, [fake_launch(0), fake_launch(1)], warm_first=True) as supervisor:
            first, second = supervisor.states()
            assert first.healthy_at
            assert second.started_at
            assert first.healthy_at <= second.started_at

    async def test_starts_are_staggered(self, tmp_path: Path) -> None:
        async with served(tmp_path, [fake_launch(0), fake_launch(1)], stagger_s=1.5) as supervisor:
            first, second = supervisor.states()
            assert first.started_at
            assert second.started_at
            assert (second.started_at - first.started_at).total_seconds() >= 0.75

    async def test_a_port_that_is_taken_is_told_with_its_holder_before_anything_starts(self, tmp_path: Path) -> None:
        launches = [fake_launch(0), fake_launch(1)]
        with socket.socket() as other:
            other.bind(("127.0.0.1", launches[1].port))
            other.listen()
            with pytest.raises(ServingPortTaken, match=rf"port {launches[1].port} is held by .*\(pid {os.getpid()}\)"):
                async with served(tmp_path, launches):
                    pass
        assert not list((tmp_path / "logs").iterdir())

    async def test_a_port_named_twice_is_refused(self, tmp_path: Path) -> None:
        launch = fake_launch(0)
        with pytest.raises(ServingPortTaken, match="given to two engines"):
            async with served(tmp_path, [launch, launch]):
                pass

    async def test_no_engine_at_all_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ServingError, match="no engine"):
            Supervisor([], state=tmp_path, limits=Limits(), api_key=None)

    async def test_an_engine_that_ends_twice_unhealthy_fails_the_start_with_its_last_words(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "broken").touch()
        launches = [fake_launch(0), fake_launch(1, wrapper=broken_while(tmp_path / "broken"))]
        with pytest.raises(EngineFailed) as failed:
            async with served(tmp_path, launches):
                pass
        log = tmp_path / "logs" / "engine-1.log"
        assert str(failed.value) == (
            f"engine-1: it ended (exit code 3); it said: RuntimeError: no kernel image - its log: {log}"
        )
        assert log.read_text().count("no kernel image") == 2
        assert not marked(tmp_path)

    async def test_one_failure_at_the_start_is_tried_again(self, tmp_path: Path) -> None:
        flag = tmp_path / "broken"
        flag.touch()
        async with served(tmp_path, [fake_launch(wrapper=f'rm "{flag}" 2>/dev/null && exit 3')]) as supervisor:
            assert supervisor.states()[0].restarts == 1

    async def test_one_that_is_never_healthy_is_given_up(self, tmp_path: Path) -> None:
        with pytest.raises(EngineFailed, match="engine-0: it was not healthy 0 s after its start"):
            async with served(tmp_path, [fake_launch(wrapper="exec sleep 60")], start_s=0.3):
                pass
        assert not marked(tmp_path)

    async def test_a_program_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        launch = EngineLaunch(name="engine-0", host="127.0.0.1", port=fake_launch().port, argv=("/no/such/python",))
        with pytest.raises(VllmUnusable, match="engine-0 cannot be started: /no/such/python: No such file"):
            async with served(tmp_path, [launch]):
                pass

    async def test_a_display_that_is_gone_stops_nothing(self, tmp_path: Path) -> None:
        def closed(_states: list[EngineState]) -> None:
            raise BrokenPipeError

        async with Supervisor(
            [fake_launch()], state=tmp_path, limits=quick_limits(), api_key=None, on_change=closed
        ) as supervisor:
            await supervisor.all_healthy()
        assert not marked(tmp_path)

    async def test_it_may_be_stopped_while_it_starts(self, tmp_path: Path) -> None:
        stop = asyncio.Event()
        async with Supervisor(
            [fake_launch(wrapper="sleep 60")], state=tmp_path, limits=quick_limits(), api_key=None
        ) as supervisor:
            await until(lambda: marked(tmp_path))
            stop.set()
            assert await supervisor.all_healthy(stop) is False
        assert not marked(tmp_path)


class TestDeadEngine:
    async def test_is_back_while_the_others_go_on(self, tmp_path: Path) -> None:
        launches = [fake_launch(0), fake_launch(1)]
        async with served(tmp_path, launches) as supervisor:
            dead, other = pid_of(supervisor, 0), pid_of(supervisor, 1)
            os.kill(dead, signal.SIGKILL)
            await until(lambda: supervisor.states()[0].restarts == 1 and phase_of(supervisor, 0) is Phase.HEALTHY)
            assert pid_of(supervisor, 0) != dead
            assert supervisor.states()[0].why_restarted == "it ended (SIGKILL)"
            assert pid_of(supervisor, 1) == other
            assert supervisor.states()[1].restarts == 0
            async with aiohttp.ClientSession() as session:
                assert await complete(session, launches[0].url, ["one", "two"])

    async def test_its_children_are_ended_before_it_starts_again(self, tmp_path: Path) -> None:
        async with served(tmp_path, [fake_launch(wrapper="sleep 1000 &")]) as supervisor:
            leader = psutil.Process(pid_of(supervisor, 0))
            (child,) = leader.children()
            leader.kill()
            await until(lambda: supervisor.states()[0].restarts == 1)
            assert not is_alive(child)

    async def test_a_crash_loop_backs_off_and_is_told_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, logger="phrasemill.serving")
        flag = tmp_path / "broken"
        launches = [fake_launch(0, wrapper=broken_while(flag)), fake_launch(1)]
        async with served(tmp_path, launches, settled_s=0.2) as supervisor:
            flag.touch()
            os.kill(pid_of(supervisor, 0), signal.SIGKILL)
            await until(lambda: supervisor.states()[0].failures >= 5)
            assert phase_of(supervisor, 0) is Phase.BACKING_OFF
            assert phase_of(supervisor, 1) is Phase.HEALTHY
            told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
            assert len(told) == 2
            assert told[0].startswith("engine-0 failed: it ended (SIGKILL)")
            assert told[1].startswith("engine-0 failed again: it ended (exit code 3); it said: RuntimeError: no kernel")
            flag.unlink()
            await until(lambda: phase_of(supervisor, 0) is Phase.HEALTHY and supervisor.states()[0].failures == 0)
            assert any("engine-0 has settled" in record.getMessage() for record in caplog.records)

    async def test_pauses_double_up_to_a_limit_with_jitter(self) -> None:
        limits = Limits(backoff_s=1, longest_backoff_s=60)
        for failures, most in ((1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (5000, 60)):
            pauses = {pause_s(limits, failures=failures) for _ in range(50)}
            assert most / 2 <= min(pauses) < max(pauses) <= most


class TestHungEngine:
    async def test_one_that_does_not_answer_is_killed_and_started_again(self, tmp_path: Path) -> None:
        seen: list[list[EngineState]] = []
        async with served(tmp_path, [fake_launch()], seen, answer_s=1.0) as supervisor:
            hung = pid_of(supervisor, 0)
            os.kill(hung, signal.SIGSTOP)
            await until(lambda: supervisor.states()[0].restarts == 1 and phase_of(supervisor, 0) is Phase.HEALTHY)
            assert "/health has not answered 2 times" in (supervisor.states()[0].why_restarted or "")
            assert not psutil.pid_exists(hung)
            assert Phase.SILENT in {states[0].phase for states in seen}

    async def test_one_missed_answer_is_no_hang(self, tmp_path: Path) -> None:
        launch = fake_launch()
        seen: list[list[EngineState]] = []
        async with served(tmp_path, [launch], seen, answer_s=1.0) as supervisor:
            await set_fault(launch, mode="hang", path="/health", count=1)
            await until(lambda: Phase.SILENT in {states[0].phase for states in seen})
            await until(lambda: phase_of(supervisor, 0) is Phase.HEALTHY)
            assert supervisor.states()[0].restarts == 0

    async def test_work_without_a_token_is_a_hang(self, tmp_path: Path) -> None:
        launch = fake_launch()
        async with served(tmp_path, [launch], hang_s=0.3) as supervisor, aiohttp.ClientSession() as session:
            await asyncio.sleep(0.5)
            assert supervisor.states()[0].restarts == 0  # idle, however long, is no hang
            await set_fault(launch, mode="slow", seconds=60)
            with pytest.raises(aiohttp.ClientError):
                await complete(session, launch.url, ["one", "two", "three"])
            await until(lambda: supervisor.states()[0].restarts == 1)
            assert "with work running" in (supervisor.states()[0].why_restarted or "")

    async def test_tokens_that_come_slowly_are_no_hang(self, tmp_path: Path) -> None:
        launch = fake_launch(0, "--tokens-per-second", "50")
        async with served(tmp_path, [launch], hang_s=0.3) as supervisor, aiohttp.ClientSession() as session:
            assert len(await complete(session, launch.url, ["one", "two"])) == 2
            assert supervisor.states()[0].restarts == 0


class TestRecycle:
    async def test_under_load_loses_nothing_and_takes_one_at_a_time(self, tmp_path: Path) -> None:
        flag = tmp_path / "grow"
        launches = [fake_launch(k, "--latency-ms", "400", wrapper=growing_with(flag)) for k in range(2)]
        seen: list[tuple[float, list[Phase]]] = []
        unanswered: list[tuple[int, float]] = []
        answered = 0

        async def ask_on(session: aiohttp.ClientSession, supervisor: Supervisor, turn: int) -> None:
            """Lists to one engine and the other, each until it is answered."""
            nonlocal answered
            while min(state.restarts for state in supervisor.states()) < 1:
                turn += 1
                asked_at = time.monotonic()
                try:
                    texts = await complete(session, launches[turn % 2].url, ["a"] * 8)
                    answered += len(texts)
                except (aiohttp.ClientResponseError, aiohttp.ClientConnectorError):
                    await asyncio.sleep(0.02)  # it drains or starts: refused at once, and asked elsewhere
                except aiohttp.ClientError:
                    unanswered.append((turn % 2, asked_at))

        async with Supervisor(
            launches, state=tmp_path, limits=quick_limits(rss_bytes=GROWN), api_key=None,
            on_change=lambda states: seen.append((time.monotonic(), [state.phase for state in states])),
        ) as supervisor, aiohttp.ClientSession() as session:  # fmt: skip
            await supervisor.all_healthy()
            begun = len(seen)
            asking = [asyncio.create_task(ask_on(session, supervisor, turn)) for turn in range(6)]
            await until(lambda: answered > 50)
            flag.touch()
            async with asyncio.timeout(WITHIN_S):
                await asyncio.gather(*asking)
            served_phases = seen[begun:]
        drains = [[at for at, phases in served_phases if phases[number] is Phase.DRAINING] for number in range(2)]
        assert all(drains)
        # A list that was in flight when the drain began has its answer; one that came to a closing door has none.
        assert not [asked_at for number, asked_at in unanswered if asked_at < drains[number][0]]
        assert all(sum(phase is not Phase.HEALTHY for phase in phases) <= 1 for _, phases in served_phases)

    async def test_one_that_has_grown_is_recycled(self, tmp_path: Path) -> None:
        flag = tmp_path / "grow"
        async with served(tmp_path, [fake_launch(wrapper=growing_with(flag))], rss_bytes=GROWN) as supervisor:
            await until(lambda: supervisor.states()[0].rss_bytes)
            flag.touch()
            await until(lambda: supervisor.states()[0].restarts == 1)
            assert "over the limit of 200" in (supervisor.states()[0].why_restarted or "")

    async def test_one_that_has_grown_old_is_recycled(self, tmp_path: Path) -> None:
        async with served(tmp_path, [fake_launch()], age_s=0.6) as supervisor:
            await until(lambda: supervisor.states()[0].restarts == 1)
            assert supervisor.states()[0].why_restarted == "it is older than 1 s"

    async def test_one_that_begins_over_the_limit_is_told_once_and_left_alone(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with served(tmp_path, [fake_launch()], rss_bytes=1 << 20) as supervisor:
            await asyncio.sleep(0.4)
            assert supervisor.states()[0].restarts == 0
        assert sum("over the limit of 1: it is not recycled" in record.getMessage() for record in caplog.records) == 1

    async def test_none_is_taken_out_while_another_is_down(self, tmp_path: Path) -> None:
        broken, grown = tmp_path / "broken", tmp_path / "grow"
        launches = [
            fake_launch(0, wrapper=broken_while(broken)),
            fake_launch(1, wrapper=growing_with(grown)),
        ]
        async with served(tmp_path, launches, rss_bytes=GROWN) as supervisor:
            broken.touch()
            os.kill(pid_of(supervisor, 0), signal.SIGKILL)
            await until(lambda: phase_of(supervisor, 0) is Phase.BACKING_OFF)
            grown.touch()
            await until(lambda: (supervisor.states()[1].rss_bytes or 0) > GROWN)
            await asyncio.sleep(0.3)
            assert supervisor.states()[1].restarts == 0
            broken.unlink()
            await until(lambda: supervisor.states()[1].restarts == 1)


class TestStop:
    async def test_leaving_answers_what_is_in_flight(self, tmp_path: Path) -> None:
        launch = fake_launch(0, "--latency-ms", "2500")
        async with aiohttp.ClientSession() as session:
            async with served(tmp_path, [launch]):
                asked = [asyncio.create_task(complete(session, launch.url, ["a"] * 8)) for _ in range(3)]
                await until_running(launch, 24)
            assert [len(texts) for texts in await asyncio.gather(*asked)] == [8, 8, 8]

    async def test_an_engine_that_does_not_drain_is_killed(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        launch = fake_launch(0, "--latency-ms", "60000")
        async with aiohttp.ClientSession() as session:
            async with served(tmp_path, [launch], drain_s=0.3):
                asked = asyncio.create_task(complete(session, launch.url, ["a"]))
                await until_running(launch, 1)
            with pytest.raises(aiohttp.ClientError):
                await asked
        assert "engine-0 has not drained within 0 s" in caplog.text

    async def test_sigterm_under_load_answers_everything_and_leaves_no_process(self, tmp_path: Path) -> None:
        launches = [fake_launch(number, "--latency-ms", "2500", wrapper="sleep 1000 &") for number in range(2)]
        async with supervisor_process(tmp_path, launches) as process, aiohttp.ClientSession() as session:
            asked = [asyncio.create_task(complete(session, one.url, ["a"] * 8)) for one in launches]
            await asyncio.gather(*(until_running(one, 8) for one in launches))
            process.terminate()
            assert [len(texts) for texts in await asyncio.gather(*asked)] == [8, 8]
            assert await asyncio.to_thread(process.wait, WITHIN_S) == 0
        assert not marked(tmp_path)

    async def test_a_second_signal_hurries(self, tmp_path: Path) -> None:
        launch = fake_launch(0, "--latency-ms", "60000", "--shutdown-timeout", "60")
        async with supervisor_process(tmp_path, [launch]) as process, aiohttp.ClientSession() as session:
            asked = asyncio.create_task(complete(session, launch.url, ["a"]))
            await until_running(launch, 1)
            process.send_signal(signal.SIGINT)
            await until(lambda: read_status(tmp_path).engines[0].phase is Phase.DRAINING)
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, WITHIN_S) == 0
            assert time.monotonic() - begun < 30  # the engine would have drained for 40
            with pytest.raises(aiohttp.ClientError):
                await asked
        assert not marked(tmp_path)


class TestStateFolder:
    async def test_a_second_supervisor_is_refused_and_harms_nothing(self, tmp_path: Path) -> None:
        async with served(tmp_path, [fake_launch()]) as supervisor:
            pid = pid_of(supervisor, 0)
            with pytest.raises(StateFolderTaken, match=f"supervisor that runs \\(pid {os.getpid()}\\)"):
                async with served(tmp_path, [fake_launch()]):
                    pass
            assert pid_of(supervisor, 0) == pid
            assert phase_of(supervisor, 0) is Phase.HEALTHY

    async def test_after_its_supervisors_sigkill_the_next_start_ends_what_is_left_and_nothing_else(
        self, tmp_path: Path
    ) -> None:
        launch = fake_launch(wrapper="sleep 1000 &")
        bystander = fake_launch(wrapper="sleep 1000 &")
        state = tmp_path / "state"
        async with served(tmp_path / "other", [bystander]) as other, supervisor_process(state, [launch]) as process:
            process.kill()
            process.wait()
            left = marked(state)
            assert len(left) == 2
            left[0].kill()  # the leader, or its child: what remains is found all the same
            async with served(state, [launch]) as supervisor:
                assert not [one for one in left if is_alive(one)]
                assert pid_of(supervisor, 0) not in {one.pid for one in left}
            assert phase_of(other, 0) is Phase.HEALTHY
            assert other.states()[0].restarts == 0


class TestSecrets:
    async def test_the_api_key_is_in_no_file_and_on_no_command_line(self, tmp_path: Path) -> None:
        key = "sk-tell-nobody-4711"
        launch = fake_launch(wrapper='echo "args: $PHRASEMILL_FAKE_API_KEY"', PHRASEMILL_FAKE_API_KEY=key)
        async with Supervisor([launch], state=tmp_path, limits=quick_limits(), api_key=key) as supervisor:
            await supervisor.all_healthy()
            written = contents(tmp_path)
            commands = [word for process in marked(tmp_path) for word in process.cmdline()]
        assert {"status.json", "engine-0.json", "engine-0.log", "urls.txt"} <= written.keys()
        assert not [name for name, content in written.items() if key.encode() in content]
        assert b"args: ***" in written["engine-0.log"]
        assert not [word for word in commands if key in word]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@asynccontextmanager
async def supervisor_process(state: Path, launches: Sequence[EngineLaunch]) -> AsyncIterator["subprocess.Popen[bytes]"]:
    """A supervisor in a process of its own, its engines healthy."""
    process = start_supervisor(state, launches)
    try:
        await until(lambda: (state / "urls.txt").exists() or process.poll() is not None)
        assert process.poll() is None, (state / "supervisor.out").read_text()
        yield process
    finally:
        process.kill()
        process.wait()
        for left in marked(state):  # of a test that failed
            left.kill()


def start_supervisor(state: Path, launches: Sequence[EngineLaunch]) -> "subprocess.Popen[bytes]":
    state.mkdir(exist_ok=True)
    described = json.dumps([asdict(launch) for launch in launches])
    command = [sys.executable, "-m", "tests.serving.serve_fakes", str(state), described]
    with (state / "supervisor.out").open("wb") as output:
        return subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=output, stderr=output)
