"""Redis from the system's packages, on a node, with a password and with what it was told on disk."""

import secrets
import shutil
import subprocess
import time
from typing import Any

import redis

from tests.fleet.network import Node

PORT = 6379
PROGRAMS = ("redis-server", "valkey-server", "redis-check-rdb")
"""Debian's redis-tools starts no service, and its redis-check-rdb is the server under another name."""
SETTINGS = {
    "appendonly": "yes",  # what is queued outlives a restart
    "save": '""',
    "tcp-keepalive": "10",  # seconds: a worker that is cut off holds no message back for long
}
PATIENCE_S = 60.0


class RedisServer:
    """The broker between Airflow's scheduler and its workers."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._password = secrets.token_hex(16)
        self._folder = node.folder / "redis"
        self._folder.mkdir()
        self._process: subprocess.Popen[Any] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@{self._node.address}:{PORT}/0"

    def start(self) -> None:
        """Start it, and wait until it has read what it was told before."""
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        if program is None:
            raise RuntimeError(
                "there is no Redis: run requirements/system.sh fleet (Debian: apt-get install redis-tools)"
            )
        own = {"bind": self._node.address, "port": PORT, "dir": self._folder, "requirepass": self._password}
        with (self._folder / "redis.log").open("ab") as log:
            # Its settings come by stdin: all can see a password in a command line.
            command = ["bash", "-c", 'exec -a redis-server "$0" -', program]
            self._process = self._node.popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        assert self._process.stdin
        self._process.stdin.write("".join(f"{name} {value}\n" for name, value in (SETTINGS | own).items()).encode())
        self._process.stdin.close()
        self._await()

    def stop(self) -> None:
        """As `systemctl stop` does."""
        assert self._process
        self._process.terminate()
        self._process.wait(PATIENCE_S)

    def _await(self) -> None:
        assert self._process
        client = redis.Redis.from_url(self.url, socket_timeout=5)
        deadline = time.monotonic() + PATIENCE_S
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                client.ping()
            except (redis.ConnectionError, redis.TimeoutError):  # it loads what it has on disk
                time.sleep(0.1)
            else:
                client.close()
                return
        raise RuntimeError(f"Redis did not come up; its log is {self._folder / 'redis.log'}")
