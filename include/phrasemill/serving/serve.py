"""Serving as one call: engines started, their URLs told where they are wanted, supervised until told to stop."""

import asyncio
import logging
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from phrasemill.airflow_api import AirflowRefused
from phrasemill.errors import PhrasemillError
from phrasemill.serving.apply_command import apply_sharing
from phrasemill.serving.connection import ConnectionUnfit, EnginesConnection
from phrasemill.serving.errors import ServingPortTaken
from phrasemill.serving.launch import EngineLaunch
from phrasemill.serving.limits import Limits
from phrasemill.serving.start_display import StartDisplay
from phrasemill.serving.supervisor import Supervisor
from phrasemill.spec import ENGINES_POOL
from phrasemill.whole_file import write_whole

if TYPE_CHECKING:
    from phrasemill.serving.exposition import MetricsPage

log = logging.getLogger(__name__)

EVERY_INTERFACE = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where the URLs go once all engines are healthy, and by which name of this machine others ask them."""

    advertise: str | None = None
    file: Path | None = None
    connection: EnginesConnection | None = None

    def urls(self, launches: Sequence[EngineLaunch]) -> list[str]:
        """The engines' URLs for others: those on every interface by this machine's name unless another is given."""
        urls = []
        for launch in launches:
            name = self.advertise or (socket.getfqdn() if launch.host in EVERY_INTERFACE else None)
            urls.append(f"http://{name}:{launch.port}" if name else launch.url)
        return urls


async def serve_engines(
    launches: Sequence[EngineLaunch],
    *,
    state: Path,
    limits: Limits,
    api_key: str | None,
    outlet: Outlet,
    out: Console,
    err: Console,
    page: "MetricsPage | None" = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and end the engines. `out` has the URLs alone, one a line.

    `page` is served from before the engines start until they have ended.

    Raises:
        ServingError: they cannot be served.
        AirflowRefused, ConnectionUnfit: the connection cannot be written; found out before anything starts.
    """
    urls = outlet.urls(launches)
    if outlet.connection:
        await asyncio.to_thread(outlet.connection.check, urls)
    display = StartDisplay(err)
    supervisor = Supervisor(launches, state=state, limits=limits, api_key=api_key, on_change=display.show)
    async with AsyncExitStack() as serving:
        if page:
            _refuse_port_of_engine(page, launches)
            await serving.enter_async_context(page.served(supervisor.states))
            err.print(f"metrics: {page.url}", highlight=False, markup=False, soft_wrap=True)
        await serving.enter_async_context(supervisor)
        stop = supervisor.stop_on_signals()
        with display:
            healthy = await supervisor.all_healthy(stop)
        try:
            if healthy:
                await _tell(urls, api_key=api_key, outlet=outlet, out=out, err=err)
                await supervisor.run_until(stop)
        finally:
            if outlet.file:
                outlet.file.unlink(missing_ok=True)


def _refuse_port_of_engine(page: "MetricsPage", launches: Sequence[EngineLaunch]) -> None:
    for launch in launches:
        if launch.port == page.port:
            raise ServingPortTaken(
                f"port {page.port} is {launch.name}'s and the metrics page needs one of its own; choose another with "
                "--metrics-port"
            )


async def _tell(urls: Sequence[str], *, api_key: str | None, outlet: Outlet, out: Console, err: Console) -> None:
    for url in urls:
        out.print(url, highlight=False, markup=False, soft_wrap=True)
    out.file.flush()
    if outlet.file:
        write_whole(outlet.file, "".join(f"{url}\n" for url in urls))
    if outlet.connection:
        try:
            everywhere = await asyncio.to_thread(outlet.connection.write, urls, api_key=api_key)
        except (AirflowRefused, ConnectionUnfit) as error:
            # Loading models took minutes, and the engines serve whoever has their URLs.
            log.warning("%s; the engines go on, write their URLs into the connection by hand", error)
        else:
            log.info("connection %s has %d URLs now", outlet.connection.conn_id, len(everywhere))
            await _share(outlet.connection)
    err.print(f"export PHRASEMILL_ENGINES={','.join(urls)}", highlight=False, markup=False, soft_wrap=True)


async def _share(connection: EnginesConnection) -> None:
    """Let as many shards run as the engines of all machines take; slots that are there already stay."""
    try:
        applied = await asyncio.to_thread(apply_sharing, connection.api, connection.conn_id, lower=False)
    except PhrasemillError as error:
        log.warning("%s; the engines go on, set the pool with `phrasemill engines --apply`", error)
    else:
        log.info("pool %s has %d slots for %d engines", ENGINES_POOL, applied.slots, applied.engines)
