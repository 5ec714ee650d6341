"""The S3 servers that the tests of the store run against: ministack, moto, Swift, or one that the environment names.

    make test-s3 S3_ENDPOINT=http://host:port S3_ACCESS_KEY=... S3_SECRET_KEY=... [S3_REGION=...] [S3_BUCKET=...]

S3_BUCKET must be empty, and is emptied after each test; without it every test makes a bucket of its own.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from phrasemill.store.bucket import Bucket, client_config
from tests.servers import KEYS, S3Server, free_port

SWIFT = Path(__file__).with_name("second_server.sh")
SWIFT_KEYS = KEYS | {"aws_access_key_id": "test:tester", "aws_secret_access_key": "testing"}
# moto looks for the object and puts it in two steps: of two conditional puts at once both may win, by chance.
MOTO = """
import sys, threading
from moto.s3.responses import S3Response
from moto.server import main
one_at_a_time, put_object = threading.Lock(), S3Response.put_object
def put_alone(self):
    with one_at_a_time:
        return put_object(self)
S3Response.put_object = put_alone
main(sys.argv[1:])
"""


@dataclass(frozen=True)
class Traits:
    """What tests must know of a server, as it was measured."""

    conditional_puts: bool
    checksums: bool
    signatures: bool
    """Whether it refuses a request that was signed with another secret, or changed on the way."""


@dataclass
class Endpoint:
    """An S3 server and how one gets in."""

    endpoint: str
    keys: dict[str, str] = field(default_factory=lambda: dict(KEYS))
    given_bucket: str | None = None

    def client(self, endpoint: str | None = None, **changes: Any) -> Any:
        """A client of the server, or of a proxy before it; changes are of keys or config."""
        how = {"config": client_config()} | self.keys | changes
        return boto3.client("s3", endpoint_url=endpoint or self.endpoint, **how)

    @contextmanager
    def new_bucket(self) -> Iterator[str]:
        """An empty bucket; afterwards it is empty again, and gone if it was made for this."""
        client = self.client()
        name = self.given_bucket or f"test-{secrets.token_hex(6)}"
        if self.given_bucket is None:
            client.create_bucket(Bucket=name)
        elif client.list_objects_v2(Bucket=name, MaxKeys=1)["KeyCount"]:
            raise RuntimeError(f"S3_BUCKET={name} is not empty: name one that these tests may empty")
        try:
            yield name
        finally:
            bucket = Bucket(client, name)
            bucket.delete([entry.key for entry in bucket.entries("")])
            for upload in bucket.uploads(""):
                bucket.abort(upload)
            if self.given_bucket is None:
                client.delete_bucket(Bucket=name)

    def traits(self) -> Traits:
        with self.new_bucket() as name:
            bucket = Bucket(self.client(), name)
            bucket.put("trait", b"1")
            return Traits(
                conditional_puts=not bucket.ignores_condition("trait"),
                checksums=not bucket.ignores_checksum("trait"),
                signatures=not self._lets_in(name, aws_secret_access_key="another-secret"),
            )

    def _lets_in(self, bucket: str, **keys: str) -> bool:
        try:
            self.client(**keys).list_objects_v2(Bucket=bucket)
        except ClientError:
            return False
        return True


@contextmanager
def ministack(_: Path) -> Iterator[Endpoint]:
    with S3Server() as server:
        yield Endpoint(server.endpoint)


@contextmanager
def moto(folder: Path) -> Iterator[Endpoint]:
    port = free_port()
    program = [sys.executable, "-c", MOTO, "-H", "127.0.0.1", "-p", str(port)]
    with _running(program, folder / "moto.log", f"http://127.0.0.1:{port}/") as url:
        yield Endpoint(url)


@contextmanager
def swift(folder: Path) -> Iterator[Endpoint]:
    port = _five_free_ports()
    with _running(
        [str(SWIFT), str(folder / "swift"), str(port)], folder / "swift.log", f"http://127.0.0.1:{port}"
    ) as url:
        server = Endpoint(url, dict(SWIFT_KEYS))
        _await(lambda: server.client().list_buckets(), seconds=120, log=folder / "swift.log")
        yield server


@contextmanager
def named(_: Path) -> Iterator[Endpoint]:
    """The server that the environment names."""
    keys = {
        "aws_access_key_id": os.environ["S3_ACCESS_KEY"],
        "aws_secret_access_key": os.environ["S3_SECRET_KEY"],
        "region_name": os.environ.get("S3_REGION") or "us-east-1",
    }
    yield Endpoint(os.environ["S3_ENDPOINT"], keys, os.environ.get("S3_BUCKET") or None)


SERVERS = {"ministack": ministack, "moto": moto, "swift": swift, "named": named}


@contextmanager
def _running(program: list[str], log: Path, url: str) -> Iterator[str]:
    with log.open("wb") as told:
        process = subprocess.Popen(program, stdout=told, stderr=told, start_new_session=True)
    try:
        _await(lambda: _answers(url, process), seconds=240, log=log)
        yield url.rstrip("/")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def _answers(url: str, process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        raise RuntimeError("the server has ended")
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError as answer:
        answer.close()


def _await(question: Any, *, seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            question()
        except (OSError, ClientError) as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{error}: {log.read_text()[-2000:]}") from error
            time.sleep(0.1)
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {log.read_text()[-2000:]}") from error
        else:
            return


def _five_free_ports() -> int:
    """The first of five ports in a row that nobody listens on."""
    while True:
        first = free_port()
        try:
            with ExitStack() as stack:
                for port in range(first, first + 5):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
        except (OSError, OverflowError):
            continue
        return first
