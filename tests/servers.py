"""Real servers for tests, each a process of its own on a free port."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import boto3

from phrasemill.store.bucket import client_config

Popen = Callable[..., "subprocess.Popen[bytes]"]

KEYS = {"aws_access_key_id": "test-access", "aws_secret_access_key": "test-secret", "region_name": "us-east-1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class S3Server:
    """ministack, persisting to a folder; `kill` and `start` again to see what it keeps.

    `popen` starts it, elsewhere than here where `host` is an address of another network namespace.
    """

    def __init__(self, folder: Path | None = None, *, host: str = "127.0.0.1", popen: Popen = subprocess.Popen) -> None:
        self._own_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="phrasemill-s3-"))
        self._host, self._popen = host, popen
        self.port = free_port()
        self.endpoint = f"http://{host}:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        program = os.environ.get("PHRASEMILL_MINISTACK", ".venvs/s3/bin/ministack")
        environment = os.environ | {
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.folder / "data"),
            "BIND_HOST": self._host,
            "GATEWAY_PORT": str(self.port),
            "TMPDIR": str(self.folder),
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
        }
        with (self.folder / "log").open("ab") as log:
            self._process = self._popen([program], env=environment, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                try:
                    urllib.request.urlopen(self.endpoint, timeout=1).close()
                except urllib.error.HTTPError:
                    return self
                return self
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"the S3 server did not come up: {(self.folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def client(endpoint: str) -> Any:
        return boto3.client("s3", endpoint_url=endpoint, config=client_config(), **KEYS)

    @classmethod
    def new_bucket(cls, endpoint: str) -> str:
        name = f"test-{secrets.token_hex(6)}"
        cls.client(endpoint).create_bucket(Bucket=name)
        return name
