"""What the mill's own process costs: phrases per CPU-second and resident memory, rules on, against the fake engine.

One process grinds shard after shard, each staged on a real S3 server, until TOTAL phrases are accepted. CPU seconds
are those of this process alone, its threads included: the engine and the S3 server are processes of their own.
Writes results/mill.json. Where the time goes is sampled by py-spy in a run of its own.
"""

import asyncio
import datetime as dt
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.engines.pool import EnginePool
from phrasemill.mill import Mill
from phrasemill.planning import shard_of
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.staging import ShardStaging
from tests.servers import S3Server

# Threads that py-spy takes for running: idle workers of an executor, a loop in select, a socket in poll.
WAITING = re.compile(r"_worker \(concurrent|select \(selectors|do_poll \(urllib3|accept \(socket")
RESULTS = Path(__file__).parent / "results" / "mill.json"
EARLY, TOTAL, PROFILED = 100_000, 2_000_000, 300_000
# The innermost frame that names one of these decides where a sample belongs.
PARTS = {
    "rules": r"rules/|sentences\.py|meta\.py|copying\.py",
    "prompts": r"prompts\.py|permutation\.py|asks\.py|chat_template\.py",
    "S3": r"botocore|boto3|urllib3|store/|hashlib",
    "parquet": r"rows\.py|pyarrow",
    "JSON": r"_parse_object|orjson|dumps",
    "HTTP": r"aiohttp|engines/|yarl|multidict|selectors|sslproto|asyncio",
    "mill": r"mill\.py|facts\.py|progress\.py|blocks\.py",
}


def bench_spec(model: str) -> CorpusSpec:
    """The English corpus with its own prompts and rules, for a model that the fake engine serves."""
    spec = load_corpus(find_corpus("hyperphrases_en"))
    return spec.model_copy(update={"model": spec.model.model_copy(update={"name": model})})


async def grind(spec: CorpusSpec, store: CorpusStore, url: str, phrases: int) -> dict[str, float]:
    """Grind whole shards until `phrases` are accepted; returns CPU and wall seconds and RSS (MB) on the way."""
    process = psutil.Process()
    figures: dict[str, float] = {}
    cpu, wall = time.process_time(), time.monotonic()
    done = 0
    async with EnginePool([url], spec) as pool:
        for number in range(-(-phrases // spec.shard_phrases)):
            shard = shard_of(spec, number)
            staging = ShardStaging(store, shard)
            facts = await Mill(spec, shard, pool=pool, staging=staging).grind()
            done += facts.accepted
            await asyncio.to_thread(staging.clear)
            if done >= EARLY and "rss_mb_early" not in figures:
                figures["rss_mb_early"] = process.memory_info().rss / 1e6
    figures["cpu_s"] = time.process_time() - cpu
    figures["wall_s"] = time.monotonic() - wall
    figures["phrases"] = done
    figures["rss_mb_late"] = process.memory_info().rss / 1e6
    return figures


def profile(url: str, endpoint: str) -> dict[str, float]:
    """Shares of the mill's CPU time by part, from py-spy's samples of running threads."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "stacks.txt"
        py_spy = str(Path(sys.executable).with_name("py-spy"))
        child = [sys.executable, "-m", "tests.benchmarks.mill", url, endpoint]
        subprocess.run(
            [py_spy, "record", "--rate", "200", "--format", "raw", "--output", str(raw), "--", *child],
            check=True,
            capture_output=True,
        )
        return shares(raw.read_text())


def shares(stacks: str) -> dict[str, float]:
    """Turn folded stacks ('frame;frame;frame count' a line) into shares by part, start-up and waiting left out."""
    counts: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if not WAITING.search(frames[-1]) and "importlib" not in stack:
            counts[_part(frames)] += int(count)
    whole = sum(counts.values())
    return {part: round(count / whole, 3) for part, count in counts.most_common()}


def _part(frames: list[str]) -> str:
    for frame in reversed(frames):
        for part, pattern in PARTS.items():
            if re.search(pattern, frame):
                return part
    return "other"


def new_store(endpoint: str, spec: CorpusSpec) -> CorpusStore:
    """The corpus's store on a running S3 server."""
    return CorpusStore(Bucket(S3Server.client(endpoint), S3Server.new_bucket(endpoint)), spec)


def main() -> None:
    """Measure, print and write the results."""
    with S3Server() as s3, FakeEngineProcess(model="fake") as engine:
        spec = bench_spec("fake")
        figures = asyncio.run(grind(spec, new_store(s3.endpoint, spec), engine.url, TOTAL))
        parts = profile(engine.url, s3.endpoint)
    results: dict[str, Any] = {
        "phrases_per_cpu_second": round(figures["phrases"] / figures["cpu_s"]),
        "phrases_per_wall_second": round(figures["phrases"] / figures["wall_s"]),
        "rss_mb_100k": round(figures["rss_mb_early"]),
        "rss_mb_2m": round(figures["rss_mb_late"]),
        "phrases": int(figures["phrases"]),
        "share_of_cpu": parts,
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}",
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    sys.stdout.write(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:]:
        url, endpoint = sys.argv[1:]
        spec = bench_spec("fake")
        asyncio.run(grind(spec, new_store(endpoint, spec), url, PROFILED))
    else:
        main()
