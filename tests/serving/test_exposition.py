"""The Prometheus page of `phrasemill serve`: what it shows, to whom, and how engines that fail show on it."""

import errno
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import aiohttp
import httpx
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from phrasemill import __version__
from phrasemill.metric_names import ON_PAGE
from phrasemill.serving.engine_state import EngineState, Phase
from phrasemill.serving.errors import ServingError, ServingPortTaken
from phrasemill.serving.exposition import ROOT, EnginesCollector, MetricsPage
from phrasemill.serving.status import read_status
from tests.servers import free_port
from tests.serving.test_commands import KEY, Desk, desk, wait_for

__all__ = ["desk"]  # the fixture: a `phrasemill` command over importable fake engines

ABOUT = {"version": "1.2", "vllm": "0.32", "model": 'a "tiny" model', "profile": "cpu"}
BEGUN = datetime(2026, 11, 1, tzinfo=UTC)
FULL = EngineState(
    name="engine-0",
    url="http://127.0.0.1:8000",
    log="engine-0.log",
    gpu=3,
    phase=Phase.HEALTHY,
    started_at=datetime.now(UTC) - timedelta(hours=1),
    restarts=4,
    failures=2,
    running=96,
    waiting=5,
    tokens_per_s=1234.5,
    rss_bytes=3 << 30,
    gpu_bytes=20 << 30,
)
FRESH = EngineState(name="engine-1", url="http://127.0.0.1:8001", log="engine-1.log")

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(page: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    """The sample with these labels among its own; None if there is none."""
    found = [
        number for (one, held), number in samples.items() if one == f"phrasemill_{name}" and labels.items() <= {*held}
    ]
    assert len(found) <= 1, found
    return found[0] if found else None


def collected(states: Sequence[EngineState]) -> str:
    registry = CollectorRegistry()
    registry.register(EnginesCollector(lambda: states, about=ABOUT, started_at=BEGUN))
    return generate_latest(registry).decode()


class TestWhatIsShown:
    def test_is_all_that_is_known_of_an_engine(self) -> None:
        samples = parsed(collected([FULL]))
        assert {name for name, _ in samples} == {metric.name for metric in ON_PAGE}
        for name, expected in {
            "engine_up": 1,
            "engine_restarts_total": 4,
            "engine_failures_in_a_row": 2,
            "engine_requests_running": 96,
            "engine_requests_waiting": 5,
            "engine_tokens_per_second": 1234.5,
            "engine_resident_bytes": 3 << 30,
            "engine_gpu_memory_bytes": 20 << 30,
        }.items():
            assert value(samples, name, engine="engine-0", gpu="3") == expected, name
        uptime = value(samples, "engine_uptime_seconds", engine="engine-0")
        assert uptime is not None
        assert uptime >= 3600
        assert value(samples, "supervisor_start_time_seconds") == BEGUN.timestamp()
        assert value(samples, "supervisor_info", **ABOUT) == 1

    def test_leaves_out_what_is_not_known(self) -> None:
        samples = parsed(collected([FRESH]))
        assert value(samples, "engine_up", engine="engine-1", gpu="") == 0
        assert value(samples, "engine_restarts_total", engine="engine-1") == 0
        for name in ("requests_running", "tokens_per_second", "resident_bytes", "gpu_memory_bytes", "uptime_seconds"):
            assert value(samples, f"engine_{name}") is None

    @pytest.mark.parametrize("phase", Phase)
    def test_is_up_in_one_phase_alone_and_names_the_one_it_is_in(self, phase: Phase) -> None:
        samples = parsed(collected([EngineState(name="e", url="", log="", phase=phase)]))
        assert value(samples, "engine_up") == (phase is Phase.HEALTHY)
        assert {one for one in Phase if value(samples, "engine_phase", phase=one.value)} == {phase}

    def test_has_labels_kinds_and_meanings_of_the_catalogue(self) -> None:
        page = collected([FULL])
        for metric in ON_PAGE:
            assert f"# TYPE {metric.name} {metric.kind}\n" in page
            assert f"# HELP {metric.name} {metric.unit}: {metric.meaning}\n" in page
            for name, labels in parsed(page):
                assert name != metric.name or {label for label, _ in labels} == set(metric.labels)

    def test_before_the_engines_are_there_is_the_supervisor_alone(self) -> None:
        assert {name for name, _ in parsed(collected([]))} == {
            "phrasemill_supervisor_info",
            "phrasemill_supervisor_start_time_seconds",
        }


@pytest.mark.asyncio
class TestWhoMayRead:
    @pytest.mark.parametrize(
        ("authorization", "status"),
        [
            (None, 401),
            ("Bearer", 401),
            ("Bearer ", 401),
            ("Bearer wrong", 401),
            (f"Bearer {KEY}x", 401),
            (f"Basic {KEY}", 401),
            (KEY, 401),
            ("Bearer clé", 401),
            (f"Bearer {KEY}", 200),
        ],
    )
    async def test_with_a_key_only_who_has_it(self, authorization: str | None, status: int) -> None:
        page = MetricsPage(host="127.0.0.1", port=free_port(), api_key=KEY, about=ABOUT)
        headers = {} if authorization is None else {"Authorization": authorization}
        async with (
            page.served(lambda: [FULL]),
            aiohttp.ClientSession(headers=headers) as session,
            session.get(page.url) as response,
        ):
            assert response.status == status
            assert ("engine-0" in await response.text()) == (status == 200)

    async def test_nothing_else_is_served(self) -> None:
        page = MetricsPage(host="127.0.0.1", port=free_port(), about=ABOUT)
        root = page.url.removesuffix("metrics")
        async with page.served(lambda: [FULL]), aiohttp.ClientSession() as session:
            async with session.get(page.url) as response:
                assert response.status == 200
                assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            async with session.get(root) as response:
                assert (response.status, await response.text()) == (200, ROOT)
            async with session.get(f"{root}status.json") as response:
                assert response.status == 404
            async with session.post(page.url) as response:
                assert response.status == 405

    async def test_every_scrape_shows_the_states_of_its_moment(self) -> None:
        states = [FRESH]
        page = MetricsPage(host="127.0.0.1", port=free_port(), about=ABOUT)
        async with page.served(lambda: states), aiohttp.ClientSession() as session:
            for expected in (1, 2):
                async with session.get(page.url) as response:
                    up = [name for name, _ in parsed(await response.text()) if name == "phrasemill_engine_up"]
                    assert len(up) == expected
                states.append(FULL)

    async def test_a_port_or_address_that_cannot_be_had_is_one_line(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            page = MetricsPage(host="127.0.0.1", port=other.getsockname()[1], about=ABOUT)
            with pytest.raises(ServingPortTaken, match="the metrics page needs it; end that program, or choose"):
                async with page.served(lambda: []):
                    pass
        nowhere = MetricsPage(host="192.0.2.1", port=free_port(), about=ABOUT)
        with pytest.raises(ServingError, match=r"cannot be served on 192\.0\.2\.1"):
            async with nowhere.served(lambda: []):
                pass

    async def test_a_port_that_only_root_may_have_is_not_said_to_be_held(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def refuse(_site: web.TCPSite) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(web.TCPSite, "start", refuse)  # where tests run as root, every port can be had
        with pytest.raises(ServingError, match="port 90 is not for this user; choose one above 1023 with"):
            async with MetricsPage(host="127.0.0.1", port=90, about=ABOUT).served(lambda: []):
                pass


def scrape(port: int, key: str | None = None) -> Samples:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    response = httpx.get(f"http://127.0.0.1:{port}/metrics", headers=headers, timeout=30, trust_env=False)
    response.raise_for_status()
    return parsed(response.text)


class TestServe:
    def test_shows_its_engines_and_one_that_fails_again_and_again(self, desk: Desk) -> None:
        port = free_port()
        with desk.serving("--engines", "2", "--metrics-port", str(port), PHRASEMILL_API_KEY=KEY) as serving:
            serving.await_line("export PHRASEMILL_ENGINES=")
            assert f"metrics: http://127.0.0.1:{port}/metrics" in serving.err
            assert httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).status_code == 401
            samples = scrape(port, KEY)
            assert [value(samples, "engine_up", engine=f"engine-{number}") for number in (0, 1)] == [1, 1]
            told = {"version": __version__, "vllm": "0.32.0+cpu", "model": "tiny-model", "profile": "cpu-0.1b"}
            assert value(samples, "supervisor_info", **told) == 1
            assert value(samples, "engine_resident_bytes", engine="engine-0")
            (desk.model / "broken").touch()  # from now on its starts fail
            pid = read_status(desk.state).engines[0].pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: (value(scrape(port, KEY), "engine_failures_in_a_row", engine="engine-0") or 0) >= 2)
            failing = scrape(port, KEY)
            assert value(failing, "engine_up", engine="engine-0") == 0
            assert (value(failing, "engine_restarts_total", engine="engine-0") or 0) >= 2
            assert value(failing, "engine_up", engine="engine-1") == 1
            assert serving.stop() == 0
            assert KEY not in serving.out + serving.err
        with pytest.raises(httpx.ConnectError):
            scrape(port, KEY)

    def test_a_taken_port_is_one_line_before_any_engine_starts(self, desk: Desk) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = str(other.getsockname()[1])
            self.refused(desk, taken, f"port {taken} is held by ")
        self.refused(desk, str(desk.port), f"port {desk.port} is engine-0's and the metrics page needs one of its own")

    def test_port_0_is_refused(self, desk: Desk) -> None:
        assert desk.run("serve", "--model", str(desk.model), "--metrics-port", "0").returncode == 2

    def refused(self, desk: Desk, port: str, words: str) -> None:
        place = ("--model", str(desk.model), "--port", str(desk.port), "--state", str(desk.state))
        failed = desk.run("serve", *place, "--metrics-port", port)
        assert failed.returncode == 1
        assert failed.stderr.splitlines()[-1].startswith(words)
        assert failed.stderr.splitlines()[-1].endswith("--metrics-port")
        assert "Traceback" not in failed.stderr
        assert not desk.state.exists()
