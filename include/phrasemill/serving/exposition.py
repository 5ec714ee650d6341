"""The Prometheus page of `phrasemill serve`: its engines as their supervisor sees them. The catalogue has its metrics.

Every scrape reads the supervisor's states; nothing is kept between two, and no engine is asked.
"""

import errno
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from phrasemill import metric_names
from phrasemill.metric_names import Kind, PageMetric
from phrasemill.ports import holder_of
from phrasemill.serving.engine_state import EngineState, Phase
from phrasemill.serving.errors import ServingError, ServingPortTaken

ROOT = "phrasemill serve: metrics are under /metrics\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPage:
    """Where the page is served, who may read it, and what it says beside the engines.

    `about` has a value for each label of `metric_names.SUPERVISOR_INFO`; with an `api_key` the page asks for it as
    bearer token, as the engines do.
    """

    host: str
    port: int
    api_key: str | None = field(default=None, repr=False)
    about: Mapping[str, str]

    @property
    def url(self) -> str:
        """The page's own address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/metrics"

    @asynccontextmanager
    async def served(self, states: Callable[[], Sequence[EngineState]]) -> AsyncIterator[None]:
        """Serve the page until the context is left; `states` is called at every scrape.

        Raises:
            ServingPortTaken: another program listens there.
            ServingError: this machine has no such address.
        """
        registry = CollectorRegistry()
        registry.register(EnginesCollector(states, about=self.about, started_at=datetime.now(UTC)))
        app = web.Application()
        app.router.add_get("/", _root, allow_head=False)
        app.router.add_get("/metrics", self._reader(registry), allow_head=False)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, self.host, self.port).start()
            except OSError as error:
                raise self._unserved(error) from error
            yield
        finally:
            await runner.cleanup()

    def _reader(self, registry: CollectorRegistry) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def read(request: web.Request) -> web.Response:
            if not self._may_read(request.headers.get("Authorization", "")):
                raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"}, text="give the engines' API key\n")
            return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

        return read

    def _may_read(self, authorization: str) -> bool:
        if self.api_key is None:
            return True
        return hmac.compare_digest(authorization.encode("utf-8", "replace"), f"Bearer {self.api_key}".encode())

    def _unserved(self, error: OSError) -> ServingError:
        if error.errno == errno.EACCES:
            return ServingError(f"port {self.port} is not for this user; choose one above 1023 with --metrics-port")
        if error.errno == errno.EADDRINUSE:
            return ServingPortTaken(
                f"port {self.port} is held by {holder_of(self.port)} and the metrics page needs it; end that program, "
                "or choose another port with --metrics-port"
            )
        return ServingError(f"the metrics page cannot be served on {self.host}:{self.port} ({error}); correct --host")


async def _root(_request: web.Request) -> web.Response:
    return web.Response(text=ROOT)


class EnginesCollector(Collector):
    """The page's metrics, made from the states of the engines at every scrape."""

    def __init__(
        self, states: Callable[[], Sequence[EngineState]], *, about: Mapping[str, str], started_at: datetime
    ) -> None:
        self._states = states
        self._about = about
        self._started_at = started_at

    def collect(self) -> Iterable[Metric]:
        """All metrics of the catalogue's page."""
        states = self._states()
        now = datetime.now(UTC)
        for metric in metric_names.ON_PAGE:
            family = _family(metric)
            if metric is metric_names.SUPERVISOR_START:
                family.add_metric([], self._started_at.timestamp())
            elif metric is metric_names.SUPERVISOR_INFO:
                family.add_metric([self._about[label] for label in metric.labels], 1)
            elif metric is metric_names.ENGINE_PHASE:
                for state in states:
                    for phase in Phase:
                        family.add_metric([*_labels(state), phase.value], float(state.phase is phase))
            else:
                for state in states:
                    if (value := VALUES[metric](state, now)) is not None:
                        family.add_metric(_labels(state), value)
            yield family


VALUES: Mapping[PageMetric, Callable[[EngineState, datetime], float | None]] = {
    metric_names.ENGINE_UP: lambda state, _: float(state.phase is Phase.HEALTHY),
    metric_names.ENGINE_RESTARTS: lambda state, _: state.restarts,
    metric_names.ENGINE_FAILURES: lambda state, _: state.failures,
    metric_names.ENGINE_RUNNING: lambda state, _: state.running,
    metric_names.ENGINE_WAITING: lambda state, _: state.waiting,
    metric_names.ENGINE_TOKENS: lambda state, _: state.tokens_per_s,
    metric_names.ENGINE_RSS: lambda state, _: state.rss_bytes,
    metric_names.ENGINE_GPU_MEMORY: lambda state, _: state.gpu_bytes,
    metric_names.ENGINE_UPTIME: lambda state, now: _seconds_since(state.started_at, now),
}
"""What each metric of an engine is; None where it is not known."""


def _family(metric: PageMetric) -> CounterMetricFamily | GaugeMetricFamily:
    family = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    return family(metric.name, f"{metric.unit}: {metric.meaning}", labels=metric.labels)


def _seconds_since(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else (now - moment).total_seconds()


def _labels(state: EngineState) -> list[str]:
    return [state.name, "" if state.gpu is None else str(state.gpu)]
