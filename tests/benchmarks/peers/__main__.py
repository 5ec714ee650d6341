"""python -m tests.benchmarks.peers [NAME...]: all contenders, or those whose names begin so, against one fake engine.

Writes results/peers.json and results/peers.md (a run of a few names prints its table only). Logs of the clients stay
in the folder that is named at the end, if one had a problem.
"""

import datetime as dt
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from phrasemill.engines.fake.process import FakeEngineProcess
from tests.benchmarks.peers.contenders import CONTENDERS, PEERS_IN_FLIGHT
from tests.benchmarks.peers.corpus import peers_spec, write_prompts
from tests.benchmarks.peers.environments import versions_of
from tests.benchmarks.peers.table import table
from tests.benchmarks.peers.trial import Bench, Trial
from tests.servers import S3Server

RESULTS = Path(__file__).parents[1] / "results"
LATENCY_MS = 20
ENGINE_SEQUENCES = 2048  # more than anyone has in flight, so that every list takes LATENCY_MS


def main(names: list[str]) -> None:
    """Run the trials one after the other, telling of each."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    chosen = [one for one in CONTENDERS if not names or one.name.startswith(tuple(names))]
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="phrasemill-peers-"))
    results: dict[str, Any] = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}",
        "load_average_at_start": [round(load, 2) for load in os.getloadavg()],
        "engine": {"latency_ms": LATENCY_MS, "max_num_seqs": ENGINE_SEQUENCES},
        "contenders": {},
    }
    with S3Server() as s3, FakeEngineProcess(latency_ms=LATENCY_MS, max_num_seqs=ENGINE_SEQUENCES) as engine:
        spec = peers_spec(engine.model, in_flight=PEERS_IN_FLIGHT)
        prompts = folder / "prompts.jsonl"
        count = max(max(one.many, one.crash) for one in CONTENDERS if one.environment)
        write_prompts(spec, prompts, count=count)
        bench = Bench(engine, s3, spec, prompts, folder)
        for contender in chosen:
            found = Trial(bench, contender).run()
            if contender.environment:
                found["versions"] = versions_of(contender.environment, *contender.packages)
            results["contenders"][contender.name] = found
            sys.stdout.write(f"{contender.name}: {_in_short(found)}\n")
            sys.stdout.flush()
    results["seconds"] = round(time.monotonic() - started)
    if any("problem" in found for found in results["contenders"].values()):
        sys.stdout.write(f"logs: {folder}\n")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(f"\n{table(results)}")
    if not names:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "peers.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (RESULTS / "peers.md").write_text(table(results), encoding="utf-8")


def _in_short(found: dict[str, Any]) -> str:
    parts = []
    if speed := found.get("speed"):
        parts.append(f"{speed['phrases_per_cpu_second']:,.0f} phrases a CPU-second")
    if crash := found.get("crash"):
        parts.append(f"after SIGKILL {crash}")
    if problem := found.get("problem"):
        parts.append(problem)
    return "; ".join(parts)


if __name__ == "__main__":
    main(sys.argv[1:])
