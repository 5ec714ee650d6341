"""Metrics: what a StatsD server hears while a shard is ground."""

import os
import socket
import subprocess
import sys

# In a process of its own: Airflow sets its metrics up once.
SCRIPT = """
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
from phrasemill.airflow.metrics import ProgressMetrics
from phrasemill.progress import Progress
from phrasemill.ranges import Range
def look(accepted, short):
    return Progress(corpus="harbour", shard="shard-00003", rows=60, accepted=accepted, resumed=20,
                    rejects={"too_short": short}, reject_share=0.1, phrases_per_s=2.5, tokens_per_s=60.0,
                    eta=Range.exactly(4.0), in_flight={})
send = ProgressMetrics()
send(look(30, 1))
send(look(45, 4))
"""


class TestAStatsdServerHears:
    def test_counts_once_and_rates_as_gauges(self) -> None:
        environment = os.environ | {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_DATADOG_ENABLED": "False",
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        }
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            environment["AIRFLOW__METRICS__STATSD_PORT"] = str(server.getsockname()[1])
            subprocess.run([sys.executable, "-c", SCRIPT], env=environment, check=True, stdout=subprocess.DEVNULL)
            heard = []
            server.setblocking(False)
            try:
                while True:
                    heard += server.recv(65536).decode().splitlines()
            except BlockingIOError:
                pass
        text = "\n".join(heard)
        accepted = [line for line in heard if "phrasemill.phrases.accepted" in line]
        assert [line.rpartition(":")[2] for line in accepted] == ["10|c", "15|c"], text
        rejected = [line for line in heard if "phrasemill.phrases.rejected" in line]
        assert [line.rpartition(":")[2] for line in rejected] == ["1|c", "3|c"], text
        assert all("reason=too_short" in line for line in rejected), text
        assert any("phrasemill.shard.eta_seconds" in line and line.endswith(":4.0|g") for line in heard), text
