"""Brings parts up side by side, takes them down, and tells what runs."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import psutil

from phrasemill.demo.errors import DemoOptionError, PartFailed
from phrasemill.demo.keys import ADMIN, Keys, load_keys, write_private
from phrasemill.demo.layout import Layout
from phrasemill.demo.part import Part
from phrasemill.demo.parts import airflow_command, airflow_parts, airflow_variables, engine_part, s3_part
from phrasemill.demo.process import PartProcess

GROUPS = ("s3", "engine", "airflow")
MIGRATION_PATIENCE_S = 180


def all_processes(layout: Layout) -> list[PartProcess]:
    """Every part, in the order of their starts."""
    return [process for group in GROUPS for process in group_processes(layout, group)]


def group_processes(layout: Layout, group: str) -> list[PartProcess]:
    """The parts called `s3`, `engine` or `airflow`.

    Raises:
        DemoOptionError: there is no such group.
    """
    keys = load_keys(layout)
    makers: dict[str, list[Part]] = {
        "s3": [s3_part(layout, keys)],
        "engine": [engine_part(layout)],
        "airflow": airflow_parts(layout),
    }
    if group not in makers:
        raise DemoOptionError(f"there is no part {group!r}; choose from: {', '.join(GROUPS)}")
    return [PartProcess(layout, part) for part in makers[group]]


def check(layout: Layout) -> None:
    """Find out before anything starts whether it can.

    Raises:
        DiskFull, PortTaken: with what to do.
    """
    layout.check_disk()
    for process in all_processes(layout):
        process.check_port()


def bring_up(layout: Layout, groups: tuple[str, ...] = GROUPS) -> dict[str, str]:
    """Have the groups' parts running and healthy; returns `reused` or `started` by part.

    Raises:
        DiskFull, PortTaken, PartFailed: the first part that could not come up.
    """
    check(layout)
    processes = [process for group in groups for process in group_processes(layout, group)]
    if "airflow" in groups:
        _prepare_airflow(layout, load_keys(layout))
    with ThreadPoolExecutor(len(processes)) as threads:
        outcomes = {process.part.name: threads.submit(process.up) for process in processes}
        return {name: outcome.result() for name, outcome in outcomes.items()}


def take_down(layout: Layout) -> list[str]:
    """End every part that runs, last started first; returns their names."""
    processes = all_processes(layout)[::-1]
    with ThreadPoolExecutor(len(processes)) as threads:
        ended = list(threads.map(PartProcess.down, processes))
    return [process.part.name for process, did in zip(processes, ended, strict=True) if did]


def _prepare_airflow(layout: Layout, keys: Keys) -> None:
    """Make the password file and the database, unless Airflow runs on them already."""
    if all(process.find() for process in group_processes(layout, "airflow")):
        return
    layout.airflow_home.mkdir(parents=True, exist_ok=True)
    layout.corpora.mkdir(parents=True, exist_ok=True)
    passwords = layout.airflow_home / "simple_auth_manager_passwords.json.generated"
    write_private(passwords, f'{{"{ADMIN}": "{keys.airflow_password}"}}\n')
    log = layout.logs / "airflow-database.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    part = airflow_parts(layout)[0]
    with log.open("ab") as output:
        done = subprocess.run(  # noqa: S603  (our own command, no shell)
            [*airflow_command(layout), "db", "migrate"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=layout.state,
            env=part.full_environment() | airflow_variables(layout),
            timeout=MIGRATION_PATIENCE_S,
            check=False,
        )
    if done.returncode:
        raise PartFailed(f"Airflow's database could not be made; its log: {layout.shown(log)}")


def memory_mb(process: psutil.Process) -> int:
    """Resident memory of a process and its descendants; pages that they share count for each of them."""
    total = 0
    for member in (process, *process.children(recursive=True)):
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total // 2**20
