"""PostgreSQL from the system's packages, on a free port of this machine, for the time of the tests.

Airflow's nights do not bear SQLite here: a transaction that has read and then writes fails at once with `database is
locked` when another process wrote meanwhile, and `airflow backfill create` beside a busy scheduler is one.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from tests.servers import Popen, free_port

DEBIAN = Path("/usr/lib/postgresql")
ACCOUNT = "postgres"
"""Of the package. The server refuses to run as root, so root starts it in this name."""
SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


class Postgres:
    """One server with an empty database; its files go when it stops.

    Args:
        host: the address that it listens on.
        clients: addresses that may come, as a network.
        folder: where its files go; made if there is none.
        popen: starts it, elsewhere than here where `host` is an address of another network namespace.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        clients: str = "127.0.0.1/32",
        folder: Path | None = None,
        popen: Popen = subprocess.Popen,
    ) -> None:
        self._bin = _programs()
        self._account = ACCOUNT if os.getuid() == 0 else None
        self._host, self._clients, self._popen = host, clients, popen
        self._folder = folder or Path(tempfile.mkdtemp(prefix="phrasemill-postgres-"))
        self._folder.mkdir(exist_ok=True)
        self._password = secrets.token_hex(16)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql+psycopg2://airflow:{self._password}@{self._host}:{self._port}/postgres"

    def __enter__(self) -> Self:
        password = self._folder / "password"
        password.write_text(self._password, encoding="utf-8")
        if self._account:
            shutil.chown(self._folder, self._account)
            shutil.chown(password, self._account)
        store, log = self._folder / "store", (self._folder / "log").open("wb")
        with log:
            initdb = ["initdb", "--pgdata", str(store), "--username=airflow", "--auth=scram-sha-256", "--no-sync"]
            self._start([*initdb, f"--pwfile={password}"], log).wait()
            with (store / "pg_hba.conf").open("a", encoding="utf-8") as rules:
                rules.write(f"host all all {self._clients} scram-sha-256\n")
            where = ["-h", self._host, "-p", str(self._port), "-k", ""]
            options = [word for setting in SETTINGS for word in ("-c", setting)]
            self._process = self._start(["postgres", "-D", str(store), *where, *options], log)
        ready = [str(self._bin / "pg_isready"), "-q", "-h", self._host, "-p", str(self._port)]
        deadline = time.monotonic() + 30
        while subprocess.run(ready, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._folder / "log").read_text()[-2000:]
                self.__exit__()
                raise RuntimeError(f"PostgreSQL did not come up: {said}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, command: list[str], log: object) -> "subprocess.Popen[bytes]":
        program = str(self._bin / command[0])
        return self._popen(
            [program, *command[1:]], stdout=log, stderr=log, user=self._account, group=self._account, cwd="/"
        )


def _programs() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(DEBIAN.glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if not folders:
        raise RuntimeError("there is no PostgreSQL: run requirements/system.sh (Debian: apt-get install postgresql)")
    return folders[-1]
