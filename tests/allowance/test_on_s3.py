"""The allowance on a real S3 server, with real processes that are killed."""

import asyncio
import contextlib
import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from phrasemill.allowance import open_allowance, period_of, spent
from phrasemill.allowance.clock import bucket_clock, utc_now
from phrasemill.errors import QuotaSpent, StoreUnavailable
from phrasemill.limit_settings import ApiLimits
from phrasemill.store.bucket import Bucket, client_config
from tests.allowance.nights import PRICE, ROOT, ZONE
from tests.servers import KEYS, S3Server, free_port

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    return Bucket(S3Server.client(s3_server.endpoint), S3Server.new_bucket(s3_server.endpoint))


class Workers:
    """Processes of `tests.allowance.worker` on one bucket."""

    def __init__(self, endpoint: str, bucket: str, folder: Path, limits: dict[str, object]) -> None:
        self._how = [endpoint, bucket, json.dumps(limits)]
        self._folder = folder
        self.running: list[subprocess.Popen[str]] = []

    def start(self) -> subprocess.Popen[str]:
        number = len(self.running)
        command = [sys.executable, "-m", "tests.allowance.worker", *self._how, str(self.lines(number)), str(number)]
        self.running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return self.running[-1]

    def lines(self, number: int) -> Path:
        return self._folder / f"{number}.lines"

    def sent(self) -> list[tuple[float, float]]:
        """When each request was sent, and what it cost."""
        found = [path.read_text().splitlines() for path in self._folder.glob("*.lines")]
        return sorted((float(line.split()[0]), float(line.split()[1])) for lines in found for line in lines)

    def await_lines(self, number: int, count: int) -> None:
        while not self.lines(number).exists() or len(self.lines(number).read_text().splitlines()) < count:
            assert self.running[number].poll() is None, "the worker ended before it had sent so much"
            time.sleep(0.02)


@contextlib.contextmanager
def workers(bucket: Bucket, endpoint: str, folder: Path, **limits: object) -> Iterator[Workers]:
    crew = Workers(endpoint, bucket.name, folder, limits)
    try:
        yield crew
    finally:
        for process in crew.running:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


class TestProcesses:
    def test_a_budget_outlives_kills_and_is_never_passed(
        self, bucket: Bucket, s3_server: S3Server, tmp_path: Path
    ) -> None:
        # Noon is far from now, whenever that is: no period ends within the test.
        begins = f"{(utc_now().astimezone(ZONE) - dt.timedelta(hours=6)):%H}:00"
        limits = ApiLimits(budget_per_night=4, budget_begins=begins)
        with workers(bucket, s3_server.endpoint, tmp_path, budget_per_night=4, budget_begins=begins) as crew:
            for _ in range(3):
                crew.start()
            crew.await_lines(0, 10)
            crew.running[0].kill()
            for process in crew.running[1:]:
                said, _ = process.communicate()
                assert process.returncode == 0
                assert "begins anew on" in said
            total = sum(cost for _, cost in crew.sent())
            standing = spent(bucket, root=ROOT, limits=limits, zone=ZONE)
            assert total <= standing.amount <= 4
            assert total > 2

    def test_processes_share_the_requests_of_a_minute(
        self, bucket: Bucket, s3_server: S3Server, tmp_path: Path
    ) -> None:
        with workers(bucket, s3_server.endpoint, tmp_path, requests_per_minute=600) as crew:
            began = time.monotonic()
            crew.start()
            crew.start()
            while len(crew.sent()) < 25:
                assert all(process.poll() is None for process in crew.running)
                time.sleep(0.02)
            for process in crew.running:
                process.kill()
                process.wait()
            took = time.monotonic() - began
        # Sixteen shares, each of which spaces its requests by 60/38 s at least.
        assert len(crew.sent()) <= 16 * (1 + took * 38 / 60)


class TestOnS3:
    def test_claims_are_put_conditionally_and_terms_are_there_to_read(self, bucket: Bucket) -> None:
        limits = ApiLimits(requests_per_minute=2, budget_per_night=1)

        async def main() -> None:
            now = lambda: NOON  # noqa: E731
            async with open_allowance(bucket, root=ROOT, limits=limits, price=PRICE, zone=ZONE, now=now) as throttle:
                turn = await throttle.turn(prompt_bytes=400, completion_tokens=64)
                turn.answered(prompt_tokens=100, completion_tokens=30)

        asyncio.run(main())
        names = sorted(entry.key.removeprefix(f"{ROOT}/") for entry in bucket.entries(ROOT))
        window = int(NOON.timestamp() // 60)
        period = period_of(limits, zone=ZONE, now=NOON).name
        assert [name for name in names if "back-" not in name] == [
            *[f"money/{period}/{name}" for name in ("terms.json", *(f"tranche-{k:05d}.json" for k in range(22)))],
            f"rates/{window}/lane-00.json",
            f"rates/{window}/lane-01.json",
        ]
        standing = spent(bucket, root=ROOT, limits=limits, zone=ZONE, now=lambda: NOON)
        assert standing.amount == pytest.approx((100 * 150 + 30 * 600) / 1e6)

    def test_a_server_that_is_gone_gives_no_leave(self) -> None:
        import boto3
        from botocore.config import Config

        quick = client_config().merge(Config(retries={"total_max_attempts": 1}))
        nobody = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{free_port()}", config=quick, **KEYS)

        async def main() -> None:
            limits = ApiLimits(requests_per_minute=2)
            async with open_allowance(Bucket(nobody, "gone"), root=ROOT, limits=limits, price=None, zone=ZONE):
                pytest.fail("it opened")

        with pytest.raises(StoreUnavailable):
            asyncio.run(main())

    def test_a_spent_budget_stops_the_first_request(self, bucket: Bucket) -> None:
        limits = ApiLimits(budget_per_night=0.05)

        async def main() -> None:
            async with open_allowance(bucket, root=ROOT, limits=limits, price=PRICE, zone=ZONE) as throttle:
                await throttle.turn(prompt_bytes=400, completion_tokens=64)

        with pytest.raises(QuotaSpent, match=r"0\.0000 of 0\.0500 EUR"):
            asyncio.run(main())

    def test_the_clock_is_the_servers(self, bucket: Bucket) -> None:
        class Ahead(Bucket):
            def server_time(self) -> dt.datetime | None:
                told = super().server_time()
                return told and told + dt.timedelta(hours=3)

        ahead = Ahead(bucket._client, bucket.name)
        difference = bucket_clock(ahead)() - utc_now()
        assert abs(difference - dt.timedelta(hours=3)) < dt.timedelta(minutes=1)

    def test_a_server_that_tells_no_time_leaves_the_machines_clock(self, bucket: Bucket) -> None:
        class Timeless(Bucket):
            def server_time(self) -> dt.datetime | None:
                return None

        clock = bucket_clock(Timeless(bucket._client, bucket.name))
        assert abs(clock() - utc_now()) < dt.timedelta(minutes=1)
