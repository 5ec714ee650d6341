"""The commands `phrasemill serve`, `phrasemill engines` and `phrasemill profiles`."""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from phrasemill import __version__
from phrasemill.airflow_api import AirflowApi, Login
from phrasemill.engines.finding import read_urls
from phrasemill.serving import options
from phrasemill.serving.api_key import check_exposure, read_api_key
from phrasemill.serving.apply_command import apply_and_tell
from phrasemill.serving.connection import EnginesConnection
from phrasemill.serving.distant_engines import look_at_all
from phrasemill.serving.engine_state import Phase
from phrasemill.serving.errors import ServingError
from phrasemill.serving.launches import DRAIN_S
from phrasemill.serving.limits import Limits
from phrasemill.serving.order import KILL_AFTER_S, Ground, Order, launches, parse_gpus, parse_loras, survey
from phrasemill.serving.places import cache_folder, served_folders, state_folder
from phrasemill.serving.profiles import FIGURES, Profile, load_profile, shipped_profiles
from phrasemill.serving.serve import Outlet, serve_engines
from phrasemill.serving.status import ServingStatus, engines_table, read_status, status_json, supervisor_line
from phrasemill.spec import Engines
from phrasemill.terminal import err, out

if TYPE_CHECKING:
    from phrasemill.serving.exposition import MetricsPage

GIB, HOUR_S = 1 << 30, 3600
WATCH_EVERY_S = 2.0


def serve(
    *,
    model: options.Model,
    served_name: Annotated[str | None, typer.Option(help="Name to ask for it by; default: the folder's.")] = None,
    profile: options.ProfileName = None,
    engines: Annotated[int | None, typer.Option(min=1, help="Engines on each GPU; default: the profile's.")] = None,
    gpus: options.Gpus = None,
    lora: options.Loras = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: options.Port = 8000,
    advertise: Annotated[
        str | None, typer.Option(help="Name of this machine in the URLs; default: its own, when on all interfaces.")
    ] = None,
    api_key_file: options.ApiKeyFile = None,
    without_key: Annotated[
        bool, typer.Option("--without-key", help="Listen beyond this machine although there is no API key.")
    ] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port for a Prometheus page about the engines; default: no such page."),
    ] = None,
    python: options.Python = options.OWN_PYTHON,
    load_format: options.LoadFormat = None,
    state: options.State = None,
    caches: options.Caches = None,
    urls_file: Annotated[
        Path | None, typer.Option(help="Write the URLs there, one a line, for as long as the engines serve.")
    ] = None,
    connection: Annotated[
        str | None, typer.Option(help="Write URLs, model and API key into this Airflow connection.")
    ] = None,
    airflow: Annotated[
        str | None, typer.Option(envvar="PHRASEMILL_AIRFLOW_URL", help="Airflow's address, for --connection.")
    ] = None,
    drain: Annotated[
        float,
        typer.Option(min=1, help="Seconds for work in flight when an engine is to end."),
    ] = DRAIN_S,
    max_age: Annotated[float | None, typer.Option(min=0.1, help="Recycle an engine after so many hours.")] = None,
    max_memory: Annotated[
        float | None, typer.Option(min=0.1, help="Recycle an engine that holds more host memory, in GiB.")
    ] = None,
) -> None:
    """Serve a model by vLLM engines on this machine's GPUs, and keep them alive until SIGTERM or Ctrl-C.

    Prints the engines' URLs once all are healthy. For --connection, Airflow's login is read from
    PHRASEMILL_AIRFLOW_TOKEN, or from PHRASEMILL_AIRFLOW_USERNAME and PHRASEMILL_AIRFLOW_PASSWORD.
    """
    api_key = read_api_key(api_key_file)
    if warning := check_exposure(host, api_key, without_key=without_key):
        err.print(warning, style="yellow", highlight=False, soft_wrap=True)
    order = Order(
        model=model,
        served_name=served_name,
        profile=profile,
        engines_per_gpu=engines,
        gpus=parse_gpus(gpus),
        loras=parse_loras(lora or []),
        host=host,
        port=port,
        api_key=api_key,
        python=options.absolute(python),
        caches=caches or cache_folder(),
        load_format=load_format,
        drain_s=drain,
    )
    target = _connection(connection, airflow, model=order.name)
    ground = survey(order)
    planned = launches(order, ground)
    err.print(
        f"{len(planned)} x {order.name}, profile {ground.profile.name}, vLLM {ground.build.text}",
        highlight=False,
        soft_wrap=True,
    )
    limits = Limits(
        start_s=ground.profile.start_s,
        drain_s=drain + KILL_AFTER_S,
        age_s=max_age and max_age * HOUR_S,
        rss_bytes=int(max_memory * GIB) if max_memory else None,
    )
    outlet = Outlet(advertise, urls_file, target)
    folder = state or state_folder(port)
    page = _metrics_page(order, ground, port=metrics_port) if metrics_port else None
    asyncio.run(
        serve_engines(planned, state=folder, limits=limits, api_key=api_key, outlet=outlet, out=out, err=err, page=page)
    )


def engines(
    *,
    state: Annotated[Path | None, typer.Option(help="The state folder of one `phrasemill serve`.")] = None,
    urls: Annotated[
        str | None,
        typer.Option(
            help="Engine URLs, separated by commas, wherever they run; dns+http://NAME:PORT for each address of a name."
        ),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Set the slots of Airflow's pool for the engines of --connection.")
    ] = False,
    connection: Annotated[
        str | None, typer.Option(help=f"For --apply: the connection; default: {Engines().connection}.")
    ] = None,
    airflow: Annotated[
        str | None, typer.Option(envvar="PHRASEMILL_AIRFLOW_URL", help="For --apply: Airflow's address.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="For --apply: how many engines, where their name cannot be looked up."),
    ] = None,
    api_key_file: options.ApiKeyFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show them anew every two seconds.")] = False,
) -> None:
    """Show engines: state, load, tokens/s, restarts, memory, URL. Without options: all that you serve here.

    With --apply, set how many shards share the engines of an Airflow connection, and tell which corpora have shards
    that are small for them. Airflow's login is read as `phrasemill serve` reads it.
    """
    if apply:
        if state or urls or watch:
            raise ServingError("--apply takes the engines from --connection; leave --state, --urls and --watch out")
        api = _airflow("--apply", airflow)
        conn_id = connection or Engines().connection
        apply_and_tell(api, conn_id, count=count, api_key=read_api_key(api_key_file), as_json=as_json)
        return
    if count or connection:
        raise ServingError("--count and --connection are for --apply; give --apply too, or leave them out")
    look = _looker(state, urls, api_key_file)
    if as_json:
        statuses = [sight.status for sight in look()]
        sys.stdout.write("[" + ",\n".join(status_json(status) for status in statuses) + "]\n")
    elif watch:
        with Live(_page(look()), console=out, auto_refresh=False, screen=out.is_terminal) as live:
            while True:
                time.sleep(WATCH_EVERY_S)
                live.update(_page(look()), refresh=True)
    else:
        out.print(_page(look()))


def profiles(
    name: Annotated[str | None, typer.Argument(help="A shipped profile, or the path of one.")] = None,
) -> None:
    """List the profiles, or show one with the source of each figure."""
    if name:
        out.print(_one_profile(load_profile(name)))
    else:
        out.print(_all_profiles())


@dataclass(frozen=True, slots=True)
class Sight:
    """What is to be shown of some engines: a line above the table, the table, lines below."""

    title: str
    status: ServingStatus
    faults: tuple[str, ...] = ()


def _looker(state: Path | None, urls: str | None, api_key_file: Path | None) -> Callable[[], list[Sight]]:
    if urls:
        listed, api_key = read_urls(urls, where="--urls"), read_api_key(api_key_file)
        return lambda: [_distant(listed, api_key)]
    folders = [state] if state else served_folders()
    if not folders:
        raise ServingError("you serve no engines here; start some with `phrasemill serve`, or give --urls or --state")
    return lambda: [_near(folder) for folder in folders]


def _near(folder: Path) -> Sight:
    status = read_status(folder)
    return Sight(f"{supervisor_line(folder, status)}; {folder}", status)


def _distant(urls: tuple[str, ...], api_key: str | None) -> Sight:
    states, faults = asyncio.run(look_at_all(urls, api_key=api_key))
    now = datetime.now(UTC)
    status = ServingStatus(pid=0, started_at=now, written_at=now, engines=states)
    healthy = sum(engine.phase is Phase.HEALTHY for engine in states)
    return Sight(f"{healthy} of {len(states)} engines are healthy", status, tuple(faults))


def _page(sights: list[Sight]) -> Group:
    lines: list[Text | Table] = []
    for sight in sights:
        lines += [Text(sight.title, style="bold"), engines_table(sight.status), *map(Text, sight.faults), Text()]
    return Group(*lines[:-1])


def _metrics_page(order: Order, ground: Ground, *, port: int) -> "MetricsPage":
    # Here and not at the top: prometheus_client takes 60 ms to import.
    from phrasemill.serving.exposition import MetricsPage  # noqa: PLC0415

    about = {"version": __version__, "vllm": ground.build.text, "model": order.name, "profile": ground.profile.name}
    return MetricsPage(host=order.host, port=port, api_key=order.api_key, about=about)


def _connection(conn_id: str | None, airflow: str | None, *, model: str) -> EnginesConnection | None:
    if conn_id is None:
        return None
    return EnginesConnection(_airflow(f"--connection {conn_id}", airflow), conn_id, model=model)


def _airflow(asked: str, url: str | None) -> AirflowApi:
    if not url:
        raise ServingError(f"{asked}: say which Airflow: --airflow URL, or PHRASEMILL_AIRFLOW_URL")
    return AirflowApi(url, Login.from_environment())


def _all_profiles() -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("profile", no_wrap=True)
    for column in ("engines", "sequences", "list", "in flight"):
        table.add_column(column, justify="right")
    table.add_column("from")
    table.add_column("for", overflow="fold")
    for profile in shipped_profiles().values():
        figures = (profile.engines_per_gpu, profile.max_num_seqs, profile.list_size, profile.in_flight)
        origin = "measured" if profile.is_measured else "derived"
        table.add_row(profile.name, *map(str, figures), origin, profile.title)
    return table


def _one_profile(profile: Profile) -> Table:
    table = Table("setting", "value", "where it comes from", title=f"{profile.name}: {profile.title}", box=None)
    for name in FIGURES:
        value = getattr(profile, name)
        if value is not None or name in profile.sources:
            shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            table.add_row(name, shown, profile.sources.get(name, "the default"))
    return table
